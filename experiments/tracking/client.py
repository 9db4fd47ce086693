"""The MLflow client, with patience for a store that does not answer."""

import logging
import os
import shlex
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# MLflow itself would wait for minutes before it says that a server is not there. `Client` does the waiting.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests import RequestException

from experiments.errors import UserError, first_line

LONGEST_PAUSE_S = 30.0
LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
# Packages that are called otherwise than their modules.
DRIVERS = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}

for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # what goes wrong is told by the exception

# What SQLite says on a full disk, without inodes (it cannot make its journal) and on a disk that is read-only.
UNWRITABLE = ("disk is full", "unable to open database file", "readonly database")
STORE_ERRORS = (MlflowException, RequestException)
SHARED_FOLDER = "in a shared output_dir all must work with umask 002; chmod g+w lets others go on with what is there"


def is_away(error: BaseException) -> bool:
    """Whether a store did not answer and may do so later: no connection, an error of the server, a locked database."""
    if isinstance(error, RequestException):
        return error.response is None or error.response.status_code >= 500
    if not isinstance(error, MlflowException) or any(reason in str(error) for reason in UNWRITABLE):
        return False
    return error.get_http_status_code() >= 500 or error.get_http_status_code() == 429


def is_deleted(error: BaseException) -> bool:
    """Whether a run cannot be written since somebody has deleted it."""
    return isinstance(error, MlflowException) and "Current state is deleted" in str(error)


class Client:
    """An `MlflowClient` whose every method waits, for `wait_s` seconds at most, until the store answers."""

    def __init__(self, client: MlflowClient, wait_s: float) -> None:
        self.client = client
        self.wait_s = wait_s

    @property
    def tracking_uri(self) -> str:
        """The address of the store."""
        return str(self.client.tracking_uri)

    @property
    def hurried(self) -> "Client":
        """The same without waiting."""
        return Client(self.client, 0.0)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, getattr(self.client, name))

    def _call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        until, pause = time.monotonic() + self.wait_s, 1.0
        while True:
            try:
                return method(*arguments, **named)
            except STORE_ERRORS as error:
                if not is_away(error) or time.monotonic() + pause > until:
                    raise
                print(f"the store does not answer, tried again in {pause:.0f} s ({first_line(error)})", flush=True)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)


def advice(error: BaseException) -> str:
    """What to do about a store that cannot be used, to be added to the message; "" if that is not known."""
    text = str(error)
    if isinstance(error, ImportError):
        module = (error.name or "").partition(".")[0]
        return f". Its driver is missing: pip install {DRIVERS.get(module, module)}"
    if "locked" in text:
        return ". Another program holds it: close that, or choose another tracking.uri"
    if "Can't locate revision" in text or "out-of-date" in text.lower():
        return ". It belongs to another version of MLflow: install that one, or choose another tracking.uri"
    status = error.get_http_status_code() if isinstance(error, MlflowException) else None
    if status == HTTPStatus.UNAUTHORIZED:
        return f". {'Correct' if LOGIN[0] in os.environ else 'Set'} {' and '.join(LOGIN)}, or MLFLOW_TRACKING_TOKEN"
    if status == HTTPStatus.FORBIDDEN and "Invalid Host header" in text:
        return ". Start the server with this host in its --allowed-hosts"
    if status == HTTPStatus.FORBIDDEN:
        return f". The user may not do this there: get the permission, or set {' and '.join(LOGIN)} to one who may"
    if isinstance(error, PermissionError):
        return f"; {SHARED_FOLDER}"
    if any(reason in text for reason in UNWRITABLE):
        return ". Is there space, are there inodes (df -i), may you write there?"
    if "no password supplied" in text:
        return ". Set PGPASSWORD, or write ~/.pgpass"
    return ""


def check_not_deleted(uri: str, experiments: Iterable[Experiment]) -> None:
    """Raise a `UserError` with the commands that restore those of some experiments that were deleted."""
    deleted = {one.name: one.experiment_id for one in experiments if one.lifecycle_stage == "deleted"}
    if not deleted:
        return
    place = shlex.quote(f"MLFLOW_TRACKING_URI={uri}")
    command = f"\n  env {place} python -m mlflow experiments restore --experiment-id"
    raise UserError(
        f"{', '.join(deleted)}: deleted in the MLflow UI, so that no run can be recorded there. Choose another "
        f"study, or bring back all that it had:{''.join(f'{command} {number}' for number in deleted.values())}"
    )
