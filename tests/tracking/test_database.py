"""A database that an older MLflow has made is upgraded as a whole or not at all, and a copy of it is kept."""

import gzip
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from experiments.errors import UserError
from experiments.tracking import Store, database
from tests.conftest import ROOT, another_user
from tests.stores import new_store

DATA = ROOT / "tests/data/store-mlflow-2.22.sql.gz"  # with one finished run, made by MLflow 2.22
REVISION = "0584bdc529eb"


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "mlflow.db")


def write(file):
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(gzip.decompress(DATA.read_bytes()).decode())
    return file


def content(file):
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def test_it_is_upgraded_and_kept_as_it_was(file, capsys):
    before = content(file)
    assert database.old_schema(file) == REVISION
    (run,) = Store(None, str(file.parent)).trials("s")
    assert (run.name, run.status, run.score) == ("adding/standard/s0", "FINISHED", 0.5)
    kept = file.with_name(f"mlflow.db.{REVISION}")
    assert f"{file} was that of an older MLflow. It is upgraded; {kept} is as it was" in capsys.readouterr().out
    assert content(kept) == before and database.old_schema(file) == ""
    assert sorted(one.name for one in file.parent.glob("mlflow.db*")) == ["mlflow.db", kept.name, "mlflow.db.lock"]
    Store(None, str(file.parent))
    assert "upgraded" not in capsys.readouterr().out


def test_what_interrupts_the_upgrade_leaves_it_as_it_was(file, monkeypatch):
    before, make_tables = content(file), database._let_mlflow_make_tables

    def interrupted(unfinished):
        make_tables(unfinished)
        raise KeyboardInterrupt

    monkeypatch.setattr(database, "_let_mlflow_make_tables", interrupted)
    with pytest.raises(KeyboardInterrupt):
        database.upgrade(file)
    assert content(file) == before
    monkeypatch.undo()
    database.upgrade(file)
    assert [run.name for run in Store(None, str(file.parent)).trials("s")] == ["adding/standard/s0"]


def test_what_another_program_writes_meanwhile_is_kept(file, monkeypatch):
    make_tables, calls = database._let_mlflow_make_tables, []

    def written_to(unfinished):
        make_tables(unfinished)
        if not calls:
            with closing(sqlite3.connect(file)) as other, other:
                other.execute("INSERT INTO tags SELECT 'new', 'text', run_uuid FROM runs")
        calls.append(unfinished)

    monkeypatch.setattr(database, "_let_mlflow_make_tables", written_to)
    database.upgrade(file)
    (run,) = Store(None, str(file.parent)).trials("s")
    assert run.tags["new"] == "text" and len(calls) == 2


def test_where_nothing_can_be_written_it_is_left():
    with tempfile.TemporaryDirectory() as folder:  # which another user can enter, as tmp_path is not
        Path(folder).chmod(0o755)
        file = write(Path(folder, "mlflow.db"))
        before = content(file)
        file.chmod(0o444)
        with another_user(), pytest.raises(UserError, match="tables are those of an older MLflow, and they cannot"):
            database.upgrade(file)
        assert content(file) == before


def test_others_have_nothing_to_upgrade(tmp_path):
    store = new_store(tmp_path)
    assert database.old_schema(store.file) == ""
    for number, text in enumerate([b"", b"no database", b"SQLite format 3\x00 torn"]):
        (tmp_path / f"{number}.db").write_bytes(text)
        assert database.old_schema(tmp_path / f"{number}.db") == ""


@pytest.mark.slow
def test_kills_spread_over_the_upgrade_leave_no_wreck(tmp_path):
    code = "import sys; from experiments.tracking import Store; print('begun', flush=True); Store(None, sys.argv[1])"
    killed = 0
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder / "mlflow.db")
        with subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"begun\n"
            time.sleep(0.25 * (number + 1))
            killed += process.poll() is None
            process.kill()
        assert [run.score for run in Store(None, str(folder)).trials("s")] == [0.5]
    assert killed > 5
