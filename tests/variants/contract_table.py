"""`docs/contract.md`: which variant keeps which promise, written from the outcomes of the contract tests."""

import inspect
import platform
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from string import ascii_lowercase

import keras
import pytest

from variants.testing import drop_in, steps, training

PAGE = Path(__file__).resolve().parents[2] / "docs/contract.md"
GROUPS = {
    "Drop-in": (drop_in, drop_in.DROP_IN_CHECKS),
    "Steps": (steps, steps.STEP_CHECKS),
    "Training": (training, training.TRAINING_CHECKS),
}
KEPT, BROKEN, SKIPPED = "✓", "✗", "—"

INTRODUCTION = """# The contract of the layers

What every layer of this library promises, checked one variant at a time by
[`variants.testing`](../variants/testing/__init__.py): {KEPT} where the check passes, {BROKEN} where it fails,
{SKIPPED} where it does not apply, with the reason. The rows are the files of
[`conf/variant`](../conf/variant/standard.yaml) and the layers that have a name. This page is the outcome of

    make contract

with {versions}. `make test-backends` runs the same checks on JAX and PyTorch, and on
the oldest Keras that gatelab supports.
"""


class ContractTable:
    """Plugin of pytest: collects the outcomes of `test_contract` and writes the page when all have run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells: dict[tuple[str, str], str] = {}
        self.summary = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if item.originalname == "test_contract" and (report.when == "call" or not report.passed):
            self.cells[item.callspec.params["name"], item.callspec.params["check"]] = outcome(report)
        return report

    def pytest_sessionfinish(self, session):
        from tests.variants.test_contract import MAKERS
        from variants.testing import CHECKS

        missing = {(name, check) for name in MAKERS for check in CHECKS} - set(self.cells)
        if missing:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            self.summary = f"{self.path} is not written: {len(missing)} checks did not run"
        else:
            self.path.write_text(page(list(MAKERS), self.cells), encoding="utf-8")
            self.summary = f"{self.path} is written"

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.write_line(self.summary)


def outcome(report) -> str:
    if report.skipped:
        return f"{SKIPPED} {report.longrepr[2].removeprefix('Skipped: ')}"
    return KEPT if report.passed else BROKEN


def page(names: list[str], cells: dict[tuple[str, str], str]) -> str:
    """The whole page, from the outcomes by variant and check."""
    text = INTRODUCTION.format(KEPT=KEPT, BROKEN=BROKEN, SKIPPED=SKIPPED, versions=versions())
    first = 1
    for title, (module, checks) in GROUPS.items():
        paragraphs = [f"## {title}", inspect.getdoc(module), "\n".join(legend(checks, first))]
        text += "\n" + "\n\n".join([*paragraphs, *table(names, list(checks), cells, first)]) + "\n"
        first += len(checks)
    return text


def versions() -> str:
    backend = keras.backend.backend()
    title = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}[backend]
    return f"Keras {keras.__version__}, {title} {version(backend)} and Python {platform.python_version()}"


def legend(checks: dict, first: int) -> list[str]:
    """What each column promises, from the docstrings; columns with the same promise share a line."""
    numbered = [(number, name, promise(check)) for number, (name, check) in enumerate(checks.items(), first)]
    lines = []
    for text, columns in groupby(numbered, key=lambda column: column[2]):
        lines.append("- " + ", ".join(f"**{number}** {name}" for number, name, _ in columns) + f": {text}")
    return lines


def promise(check) -> str:
    return " ".join(inspect.getdoc(getattr(check, "func", check)).split())


def table(names: list[str], checks: list[str], cells: dict[tuple[str, str], str], first: int) -> list[str]:
    """The table of a group, and a line for the reasons of what was skipped."""
    reasons = sorted({cells[name, check] for name in names for check in checks} - {KEPT, BROKEN})
    letters = {reason: f"{SKIPPED} {letter}" for reason, letter in zip(reasons, ascii_lowercase, strict=False)}
    rows = [
        row("variant", [str(number) for number in range(first, first + len(checks))]),
        "|---" + "|:-:" * len(checks) + "|",
    ]
    for name in names:
        texts = [cells[name, check] for check in checks]
        rows.append(row(name, [letters.get(text, text) for text in texts]))
    notes = [f"{letter}: {reason.removeprefix(SKIPPED).strip()}" for reason, letter in letters.items()]
    return ["\n".join(rows), *(["; ".join(notes) + "."] if notes else [])]


def row(title: str, texts: list[str]) -> str:
    return " ".join(["|", title, "|", " | ".join(texts), "|"])


def rows_of(text: str) -> list[list[str]]:
    """The cells of all table rows of the page, without the headers."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [cells for cells in rows if cells[0] != "variant" and not cells[0].startswith("---")]
