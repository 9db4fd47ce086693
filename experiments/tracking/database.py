"""The folder and the SQLite file of a store."""

import glob
import os
import re
import sqlite3
from contextlib import closing
from functools import cache
from itertools import count
from pathlib import Path

from mlflow.store import db_migrations
from mlflow.tracking import MlflowClient

from experiments.errors import UserError
from experiments.tracking import address
from experiments.tracking.client import SHARED_FOLDER

CONTINUED = re.compile(r"^down_revision = ['\"](\w+)['\"]", re.MULTILINE)
_numbers = count()
SQLITE_HEADER = b"SQLite format 3\x00"


def make_folder(folder: Path, output_dir: str) -> None:
    """Make the folder of everything that is written.

    Raises:
        UserError: if it cannot be made; it names the option.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"output_dir={output_dir}: cannot be made ({error.strerror})") from error


def check_writable(folder: Path) -> None:
    """Raise a `UserError` if files cannot be put into a folder that may have to be made, before there are any."""
    place = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(place, os.W_OK, effective_ids=True):
        raise UserError(f"{place}: no permission to write there; {SHARED_FOLDER}")


def create(file: Path) -> None:
    """Make the SQLite file of a store if there is none.

    MLflow makes its tables by a hundred small changes, and a process that is killed between two of them leaves a file
    that none can use. So it gets its name only when it is complete.
    """
    if file.exists() and file.stat().st_size:
        return
    unfinished = _unfinished(file)
    _let_mlflow_make_tables(unfinished)
    os.replace(unfinished, file)


def _unfinished(file: Path) -> Path:
    """Where a database is made, without what interruptions have left.

    Each time under another name: for MLflow a name that it has seen has its tables.
    """
    for leftover in file.parent.glob(f"{glob.escape(file.name)}.unfinished*"):
        leftover.unlink(missing_ok=True)
    return file.with_name(f"{file.name}.unfinished-{next(_numbers)}")


def _let_mlflow_make_tables(file: Path) -> None:
    MlflowClient(tracking_uri=address.of_file(file)).search_experiments(max_results=1)


def old_schema(file: Path) -> str:
    """The revision of the tables of a database that an older MLflow has made; "" if there is nothing to upgrade."""
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
    except sqlite3.Error:
        return ""  # whatever it is, MLflow says so
    return revision if revision in _continued() else ""


@cache
def _continued() -> frozenset[str]:
    """Revisions after which MLflow has others."""
    (folder,) = db_migrations.__path__
    texts = (file.read_text(encoding="utf-8") for file in Path(folder, "versions").glob("*.py"))
    return frozenset(revision for text in texts for revision in CONTINUED.findall(text))


def _version(connection: sqlite3.Connection) -> int:
    """Another number whenever another connection has changed the database."""
    return connection.execute("PRAGMA data_version").fetchone()[0]


def upgrade(file: Path) -> None:
    """Bring the tables of a database that an older MLflow has made to those of this one.

    MLflow would do so in place, by many small changes, whichever command opens it, and an interruption between two of
    them leaves a file that none can use. So a copy is upgraded, and comes back in one transaction of SQLite; another
    copy is kept as it was.

    Raises:
        UserError: if nothing can be written there.
    """
    revision = old_schema(file)
    if not revision:
        return
    if not os.access(file, os.W_OK, effective_ids=True):
        raise UserError(
            f"{file}: its tables are those of an older MLflow, and they cannot be upgraded, since the file cannot be "
            "written. Copy it to where you may write"
        )
    before = file.with_name(f"{file.name}.{revision}")
    with closing(sqlite3.connect(file)) as original:
        version = None
        while version != (version := _version(original)):  # else another program has written meanwhile
            unfinished = _unfinished(file)
            for place in (before, unfinished):
                with closing(sqlite3.connect(place)) as copy:
                    original.backup(copy)
            _let_mlflow_make_tables(unfinished)
        with closing(sqlite3.connect(unfinished)) as upgraded:
            upgraded.backup(original)
    unfinished.unlink()
    print(f"{file} was that of an older MLflow. It is upgraded; {before} is as it was", flush=True)


def check(file: Path, uri: str, new: bool) -> None:
    """Raise a `UserError` for an SQLite file that cannot be made or read."""
    if not new and not file.exists():
        raise UserError(f"there is no store {file}: name its output_dir=FOLDER or tracking.uri=URI")
    if file.is_dir() or not file.parent.is_dir():
        raise UserError(f"tracking.uri={uri}: the file cannot be made (its folder must exist)")
    if not os.access(file if file.exists() else file.parent, os.W_OK if new else os.R_OK):
        raise UserError(f"tracking.uri={uri}: no permission to {'write' if new else 'read'} there")
    if file.exists():
        with file.open("rb") as opened:
            head = opened.read(len(SQLITE_HEADER))
        if head and head != SQLITE_HEADER:
            raise UserError(f"tracking.uri={uri}: {file} is not an SQLite database. Choose another file")
