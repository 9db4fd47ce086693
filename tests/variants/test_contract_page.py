"""The published table says what the code promises, and nothing on it is broken."""

from tests.variants.contract_table import BROKEN, GROUPS, PAGE, legend, rows_of
from tests.variants.test_contract import MAKERS
from variants.testing import CHECKS

STALE = "docs/contract.md is stale: run `make contract`"


def test_rows_are_the_variants():
    rows = rows_of(PAGE.read_text(encoding="utf-8"))
    assert [row[0] for row in rows] == list(MAKERS) * len(GROUPS), STALE


def test_columns_are_the_checks():
    text, first = PAGE.read_text(encoding="utf-8"), 1
    for _, checks in GROUPS.values():
        for line in legend(checks, first):
            assert line in text.splitlines(), STALE
        first += len(checks)
    assert first == 1 + len(CHECKS)


def test_no_promise_is_broken():
    broken = [row[0] for row in rows_of(PAGE.read_text(encoding="utf-8")) if BROKEN in row]
    assert not broken, f"{STALE}, once these variants keep the contract again"
