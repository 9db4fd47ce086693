"""The folder and the SQLite file of a store."""

import os
from pathlib import Path

from mlflow.tracking import MlflowClient

from experiments.errors import UserError
from experiments.tracking import address

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


def create(file: Path) -> None:
    """Make the SQLite file of a store if there is none.

    MLflow makes its tables by a hundred small changes, and a process that is killed between two of them leaves a file
    that none can use. So it gets its name only when it is complete.
    """
    if file.exists() and file.stat().st_size:
        return
    unfinished = file.with_name(f"{file.name}.unfinished")
    for leftover in (unfinished, unfinished.with_name(f"{unfinished.name}-journal")):
        leftover.unlink(missing_ok=True)
    MlflowClient(tracking_uri=address.of_file(unfinished)).search_experiments(max_results=1)
    os.replace(unfinished, file)


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
