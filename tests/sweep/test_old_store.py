"""What version 0.1.0 has left: its stores are reported on, its exports come in, its trials have the same numbers."""

import gzip
import re
import sqlite3

import pytest

from experiments.gates import __main__ as gates
from experiments.report import __main__ as report
from experiments.sweep import __main__ as sweep
from tests.conftest import ROOT
from tests.stores import new_store

DATA = ROOT / "tests/data"
PEEPHOLE, JANET = "70f7b3659e70332f", "4f91bfbaf868242a"  # keys of two trials of its study


@pytest.fixture
def old(tmp_path):
    """The folder of a store of 0.1.0, without its artifacts."""
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.executescript(gzip.decompress((DATA / "store-0.1.0.sql.gz").read_bytes()).decode())
    database.close()
    return tmp_path


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """The folder of a store into which an export of 0.1.0 was brought."""
    folder = tmp_path_factory.mktemp("imported")
    new_store(folder)
    assert sweep.main(["import", f"file={DATA}/study-0.1.0.zip", f"output_dir={folder}"]) == 0
    return folder


def test_its_store_is_reported_on(old, capsys):
    report.main(["study=old", f"output_dir={old}"])
    printed = capsys.readouterr().out
    for row in (r"standard units=3 │ +1\.101", r"janet units=5 +│ +0\.699 \*"):
        assert re.search(row, printed), printed
    assert (old / "old" / "report" / "report.html").is_file()


def test_its_study_has_a_status(old, capsys):
    assert sweep.main(["status", "study=old", f"output_dir={old}"]) == 1  # nobody knows what was planned
    assert "│ adding │ unknown │   12 │" in capsys.readouterr().out


@pytest.mark.slow
def test_its_export_comes_in_and_is_reported_on(imported, capsys):
    report.main(["study=old", f"output_dir={imported}"])
    assert "peephole units=3 │    1.259" in capsys.readouterr().out


def test_its_trials_can_be_looked_into(imported, tmp_path, capsys):
    gates.main([JANET, f"out={tmp_path}/page.html", f"output_dir={imported}"])
    assert "janet" in (tmp_path / "page.html").read_text()


@pytest.mark.slow
def test_its_numbers_come_again(imported, capsys):
    """A difference would be told as one to be expected, since the code is another; there is none."""
    assert sweep.main(["check", PEEPHOLE, "study=old", f"output_dir={imported}"]) == 0
    printed = capsys.readouterr().out
    assert "equal to the store: 7 metrics" in printed
    assert "since these have changed: " in printed and "code that trains" in printed
