"""The address of a store, as MLflow takes it, and the SQLite file that it names."""

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from experiments.config import credentials
from experiments.errors import UserError

VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE = "mlflow.db"
TRAINING = "workflowType=machine_learning"  # else the MLflow UI opens on pages for language models
CHARTS = f"{TRAINING}&compareRunsMode=CHART"


def resolved(uri: str | None, folder: Path) -> str:
    """The address that counts: the one given, else that of the environment, else of the SQLite file in a folder.

    Raises:
        UserError: for one with a password, or with a `?` that was to be a part of a path.
    """
    if uri is None and not os.environ.get(VARIABLE):
        return of_file(folder / DATABASE)
    argument = "tracking.uri" if uri is not None else VARIABLE
    uri = uri if uri is not None else os.environ[VARIABLE]
    credentials.refuse(argument, uri)
    file = file_of(uri)
    if file is None:
        return uri
    if "?" in uri:
        raise UserError(f"{argument}={uri}: a ? in an address begins options, which are of no use here. Write %3F")
    return of_file(file.expanduser().resolve())


def of_file(file: Path) -> str:
    """The address of an SQLite file."""
    plain = f"sqlite:///{file}"
    if make_url(plain).database == str(file):
        return plain
    # With the name of the driver, since MLflow takes what follows `sqlite:///` for a path and makes its folders.
    return URL.create("sqlite+pysqlite", database=str(file)).render_as_string()


def file_of(uri: str) -> Path | None:
    """The SQLite file that an address names; None if it is the address of something else."""
    if not uri.startswith("sqlite"):
        return None
    try:
        database = make_url(uri).database
    except ArgumentError:
        return None
    return Path(database) if database else None


def run_link(experiment_id: str, run_id: str, server: str) -> str:
    """The page of the MLflow UI that shows a run."""
    return f"{server}/#/experiments/{experiment_id}/runs/{run_id}"
