"""Where trials are recorded. The only file that knows MLflow."""

import logging
import math
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from filelock import FileLock
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from experiments.errors import UserError

SQLITE_HEADER = b"SQLite format 3\x00"
CHARTS = "workflowType=machine_learning&compareRunsMode=CHART"

for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Trial:
    """A run as the store holds it: parameters and tags as text, the last value of each metric."""

    run_id: str
    name: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]

    @property
    def score(self) -> float:
        """The test score; NaN if there is none."""
        return self.metrics.get(self.tags.get("score_metric", ""), math.nan)


class Run:
    """A run that is being recorded."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client = client
        self.id = run_id

    def log(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Record metrics in one call. What is not finite becomes NaN, since SQL stores have no infinity."""
        now = int(time.time() * 1000)
        finite = {name: value if math.isfinite(value) else math.nan for name, value in metrics.items()}
        self.client.log_batch(self.id, metrics=[Metric(name, value, now, step) for name, value in finite.items()])

    def describe(self, params: Mapping[str, Any] | None = None, tags: Mapping[str, Any] | None = None) -> None:
        """Record parameters and tags in one call."""
        self.client.log_batch(
            self.id,
            params=[Param(name, str(value)) for name, value in (params or {}).items()],
            tags=[RunTag(name, str(value)) for name, value in (tags or {}).items()],
        )

    def add_text(self, text: str, file: str) -> None:
        self.client.log_text(self.id, text, file)

    def add_file(self, file: Path) -> None:
        self.client.log_artifact(self.id, str(file))

    def end(self, status: str) -> None:
        """End as FINISHED, FAILED or KILLED."""
        self.client.set_terminated(self.id, status)


class Store:
    """An MLflow store, with one experiment per study and task.

    Args:
        uri: MLflow tracking URI; None for the SQLite file `mlflow.db` in `output_dir`.
        output_dir: Folder of the default store, of artifacts and of locks.

    Raises:
        UserError: if the store cannot be reached, read or written.
    """

    def __init__(self, uri: str | None, output_dir: str) -> None:
        self.folder = Path(output_dir).expanduser().resolve()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"output_dir={output_dir}: cannot be made ({error.strerror})") from error
        if uri is not None and uri.startswith("sqlite:///"):
            uri = f"sqlite:///{Path(uri.removeprefix('sqlite:///')).expanduser().resolve()}"
        self.uri = uri or f"sqlite:///{self.folder / 'mlflow.db'}"
        self.local = self.uri.startswith("sqlite:///")
        self._check_file()
        with self._usable(), self._creating(), _few_retries():
            self.client = MlflowClient(tracking_uri=self.uri)
            self.client.search_experiments(max_results=1)

    def _check_file(self) -> None:
        if not self.local:
            return
        file = Path(self.uri.removeprefix("sqlite:///"))
        if file.is_dir() or not file.parent.is_dir():
            raise UserError(f"tracking.uri={self.uri}: the file cannot be made (its folder must exist)")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise UserError(f"tracking.uri={self.uri}: no permission to write there")
        if file.exists():
            with file.open("rb") as opened:
                head = opened.read(len(SQLITE_HEADER))
            if head and head != SQLITE_HEADER:
                raise UserError(f"tracking.uri={self.uri}: {file} is not an SQLite database. Choose another file")

    def _creating(self) -> FileLock:
        """Held while the store or an experiment is made: racing creators lose runs and break an SQLite file."""
        return FileLock(f"{self.uri.removeprefix('sqlite:///')}.lock" if self.local else self.folder / "store.lock")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"tracking.uri={self.uri}: this MLflow store cannot be used ({reason})") from error

    def experiment(self, name: str) -> str:
        """The id of an experiment, made if there is none of this name."""
        with self._usable(), self._creating():
            found = self.client.get_experiment_by_name(name)
            if found is not None:
                return found.experiment_id
            location = (self.folder / "artifacts" / name).as_uri() if self.local else None
            return self.client.create_experiment(name, artifact_location=location)

    def start(self, experiment_id: str, name: str, params: Mapping[str, Any], tags: Mapping[str, Any]) -> Run:
        """Begin a run. Host and process are recorded, so that a run whose process died can be told."""
        run = self.client.create_run(experiment_id, run_name=name)
        recorded = Run(self.client, run.info.run_id)
        recorded.describe(params, {**tags, "host": socket.gethostname(), "pid": os.getpid()})
        return recorded

    def finished(self, experiment_id: str, key: str) -> Trial | None:
        """The newest finished run of a trial."""
        found = self._search([experiment_id], f"tags.trial_key = '{key}' and attributes.status = 'FINISHED'")
        return next(iter(found), None)

    def trials(self, study: str) -> list[Trial]:
        """All runs of a study, newest first."""
        with self._usable():
            experiments = self.client.search_experiments(filter_string=f"name LIKE '{study}/%'")
        return list(self._search([e.experiment_id for e in experiments], f"tags.study = '{study}'"))

    def studies(self) -> list[str]:
        """The names of all studies of the store."""
        with self._usable():
            return sorted({e.name.split("/")[0] for e in self.client.search_experiments() if "/" in e.name})

    def mark_stale(self, experiment_ids: Iterable[str]) -> list[str]:
        """End as KILLED the runs of this host that are said to be running and whose process is gone."""
        running = self._search(list(experiment_ids), "attributes.status = 'RUNNING'")
        stale = [t for t in running if t.tags.get("host") == socket.gethostname() and not _alive(t.tags.get("pid"))]
        for trial in stale:
            self.client.set_terminated(trial.run_id, "KILLED")
        return [trial.name for trial in stale]

    def _search(self, experiment_ids: list[str], query: str) -> Iterable[Trial]:
        token = None
        while experiment_ids:
            with self._usable():
                page = self.client.search_runs(
                    experiment_ids, query, order_by=["attributes.start_time DESC"], page_token=token
                )
            for run in page:
                data = run.data
                yield Trial(run.info.run_id, run.info.run_name, run.info.status, data.params, data.tags, data.metrics)
            token = page.token
            if not token:
                return


@contextmanager
def _few_retries() -> Iterator[None]:
    """A server that is not there is told at once; later, in the middle of a trial, MLflow waits for minutes."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def charts_link(experiment_id: str, server: str) -> str:
    """The page of the MLflow UI that shows an experiment's runs as charts."""
    return f"{server}/#/experiments/{experiment_id}/runs?{CHARTS}"


def _alive(pid: str | None) -> bool:
    if pid is None or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
