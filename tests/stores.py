"""Empty stores. Making one from nothing takes MLflow seconds, so that it is made once and copied."""

import tempfile
from functools import cache
from pathlib import Path

from experiments.tracking import Store


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Store(None, folder)
        return Path(folder, "mlflow.db").read_bytes()


def put_store(folder: Path) -> None:
    """Put an empty database where the lab looks for it, unless there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "mlflow.db").exists():
        (folder / "mlflow.db").write_bytes(_empty())


def new_store(folder: Path) -> Store:
    """An empty store in a folder."""
    put_store(folder)
    return Store(None, str(folder))


def is_untouched(folder: Path) -> bool:
    """Whether the database is as `put_store` has put it."""
    return (folder / "mlflow.db").read_bytes() == _empty()
