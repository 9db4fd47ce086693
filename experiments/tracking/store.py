"""An MLflow store, with one experiment per study and task."""

import math
import os
import shlex
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from experiments.errors import UserError, first_line
from experiments.options import StoreOptions
from experiments.tracking import address, artifacts, database, description
from experiments.tracking.address import DATABASE
from experiments.tracking.artifacts import Artifacts
from experiments.tracking.client import Client, advice, check_not_deleted
from experiments.tracking.description import ReportRun
from experiments.tracking.metadata import Tag, recorded_number
from experiments.tracking.process import process_tags, unreadable_tags
from experiments.tracking.run import Run, StoredRun, shown
from experiments.tracking.tables import Tables, is_database

REPORT = "report"  # the experiment of a study that holds its reports
TRIALS = f"tags.{Tag.KIND} = 'trial'"
ByTrial = dict[str, list[StoredRun]]  # by the key of the trial
FEW_KEYS = 20  # are asked for one by one, which takes a server less time than to send all runs


class Store:
    """An MLflow store, with one experiment per study and task.

    Args:
        uri: MLflow tracking URI; None: that of the environment, else the SQLite file `mlflow.db` in `output_dir`.
        output_dir: Folder of the default store, of artifacts and of locks.
        wait_s: Seconds that each call waits for a store that does not answer.
        new: Whether it is made if it is not there; else it is read, perhaps from where nothing can be written.

    Raises:
        UserError: if the store cannot be reached, read or written, or if its address has a password.
    """

    def __init__(self, uri: str | None, output_dir: str, wait_s: float = 0.0, new: bool = True) -> None:
        self.folder = Path(output_dir).expanduser().resolve()
        self.uri = address.resolved(uri, self.folder)
        self.file = address.file_of(self.uri)
        self.named_runs: set[str] = set()  # that cannot be read in full, of which that was said
        self.has_server = self.uri.startswith(("http", "databricks"))  # which knows where artifacts go
        if new:
            database.make_folder(self.folder, output_dir)
        if self.file is not None:
            database.check(self.file, self.uri, new)
        is_there = not new if self.file is None else self.file.exists() and self.file.stat().st_size > 0
        with self.usable(), nullcontext() if is_there else self._creating():
            if self.file is not None:
                database.create(self.file)
                if database.old_schema(self.file):
                    with self._creating():
                        database.upgrade(self.file)
            self.client = Client(MlflowClient(tracking_uri=self.uri), wait_s)
            self.client.search_experiments(max_results=1)
        self.artifacts = Artifacts(self.client, self.folder)
        self.tables = Tables(self.uri) if is_database(self.uri) else None

    @classmethod
    def of(cls, options: StoreOptions, new: bool = False, wait_s: float = 0.0) -> "Store":
        """The store that the options of a command name, of which that says so in its first line.

        Raises:
            UserError: if it is not there, unless it may be `new`, or cannot be used.
        """
        store = cls(options.tracking_uri, options.output_dir, wait_s, new)
        store.announce(options.tracking_uri)
        return store

    def announce(self, uri: str | None) -> None:
        """Print which store it is, and whether it is not the one of the options but that of the environment."""
        source = f" ({address.VARIABLE})" if uri is None and os.environ.get(address.VARIABLE) else ""
        print(f"Store: {self.uri}{source}", flush=True)

    def _creating(self) -> FileLock:
        """Held while the store or an experiment is made: racing creators lose runs and break an SQLite file."""
        return FileLock(f"{self.file}.lock" if self.file else self.folder / "store.lock")

    @contextmanager
    def usable(self) -> Iterator[None]:
        """Errors of the store become a `UserError` that names it."""
        try:
            yield
        except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
            raise UserError(
                f"tracking.uri={self.uri}: this MLflow store cannot be used ({first_line(error)}){advice(error)}"
            ) from error

    def experiment(self, name: str) -> str:
        """The id of an experiment, made if there is none of this name.

        Raises:
            UserError: if it was deleted, which keeps its name and refuses runs, has its files in another folder, or
                cannot be written.
        """
        with self.usable():
            experiment = self.client.get_experiment_by_name(name) or self._created(name)
            check_not_deleted(self.uri, [experiment])
            self._refuse_elsewhere(experiment.artifact_location)
            if place := artifacts.path_of(experiment.artifact_location):
                database.check_writable(place)
            self.client.set_experiment_tag(experiment.experiment_id, str(Tag.STUDY), name.split("/")[0])
            return str(experiment.experiment_id)

    def _created(self, name: str) -> Experiment:
        with self._creating():
            if experiment := self.client.get_experiment_by_name(name):
                return experiment
            place = None if self.has_server else artifacts.location(self.folder, name).as_uri()
            return self.client.get_experiment(self.client.create_experiment(name, artifact_location=place))

    def is_elsewhere(self, address: str) -> bool:
        """Whether an address of files is that of another output folder, from which this one was moved or copied.

        Only the store `mlflow.db` in the output folder must have its files there; of another one they may be anywhere
        that there is.
        """
        path = artifacts.path_of(address)
        folder = None if path is None or self.has_server else artifacts.output_folder(path)
        if folder is None or folder == self.folder:
            return False
        if not os.path.exists(folder):
            return True
        return self.file == self.folder / DATABASE and not folder.samefile(self.folder)

    def _refuse_elsewhere(self, address: str) -> None:
        if self.is_elsewhere(address):
            own = [] if self.file == self.folder / DATABASE else [f"tracking.uri={self.uri}"]
            words = shlex.join([f"output_dir={self.folder}", *own])
            raise UserError(
                f"output_dir={self.folder}: was moved or copied from elsewhere, and new files would go to {address}. "
                f"Mend the addresses once:\n  python -m experiments.sweep relocate {words}"
            )

    def check_study(self, study: str, tasks: Iterable[str]) -> None:
        """Refuse a study that cannot be recorded, since experiments of its tasks or of its reports were deleted.

        Raises:
            UserError: says how to restore them.
        """
        names = [f"{study}/{name}" for name in (*tasks, REPORT)]
        with self.usable():
            experiments = list(map(self.client.get_experiment_by_name, names))
        check_not_deleted(self.uri, [experiment for experiment in experiments if experiment is not None])

    def start(
        self,
        experiment_id: str,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, Any],
        lock: Path,
        earlier: Sequence[StoredRun] = (),
    ) -> Run:
        """Begin a run.

        Args:
            experiment_id: Its experiment.
            name: Its name.
            params: Its parameters.
            tags: Its tags.
            lock: A file that this process holds locked for as long as it is at work on the run.
            earlier: Other runs of its trial. It begins after them, also if the clock was set back meanwhile: the
                newest run counts.
        """
        described = {str(name): str(value) for name, value in {**tags, **process_tags(lock), Tag.ATTEMPTS: 1}.items()}
        began = max([int(time.time() * 1000), *(run.start_time + 1 for run in earlier)])
        run = self.client.create_run(experiment_id, began, described, name)
        recorded = Run(self.client, run.info.run_id)
        recorded.describe(params)
        return recorded

    def reopen(self, stored: StoredRun, params: Mapping[str, Any], lock: Path) -> Run:
        """Go on with a run that ended before its trial did, perhaps before it had its parameters."""
        attempts = recorded_number(stored.tags.get(Tag.ATTEMPTS))
        tags = {**process_tags(lock), Tag.ATTEMPTS: int(attempts) + 1 if math.isfinite(attempts) else 2}
        Run(self.client, stored.run_id).describe(tags=tags)  # at once: others may be about to
        for tag in {Tag.ERROR, Tag.PAUSED} & stored.tags.keys():
            self.client.delete_tag(stored.run_id, str(tag))
        self.client.update_run(stored.run_id, status="RUNNING")
        histories = {name: self.client.get_metric_history(stored.run_id, name) for name in stored.metrics}
        run = Run(self.client, stored.run_id, {name: max(point.step for point in h) for name, h in histories.items()})
        run.describe({name: value for name, value in params.items() if name not in stored.params})
        return run

    def ended(self, experiment_id: str, keys: Collection[str] | None = None, pauses: bool = False) -> ByTrial:
        """The finished runs of the trials of an experiment, all or those of some keys, newest first.

        With `pauses` others follow them, which may have paused on their way.
        """
        runs: ByTrial = {}
        for run in self._many([experiment_id], finished=not pauses, keys=keys):
            if run.tags.get(Tag.KIND) == "trial" and Tag.TRIAL_KEY in run.tags:
                runs.setdefault(run.tags[Tag.TRIAL_KEY], []).append(run)
        return {key: sorted(alike, key=lambda run: run.status != "FINISHED") for key, alike in runs.items()}

    def runs_of(self, experiment_id: str, key: str) -> list[StoredRun]:
        """All runs of a trial, newest first."""
        return list(self._search([experiment_id], f"tags.{Tag.TRIAL_KEY} = '{key}'"))

    def fail(self, run: StoredRun, reason: str) -> None:
        """Give a run whose process could not say so its true end."""
        self.client.set_tag(run.run_id, str(Tag.ERROR), reason)
        self.client.set_terminated(run.run_id, "FAILED")

    def trials(self, study: str, brief: bool = False) -> list[StoredRun]:
        """All trials of a study, newest first, as `runs` reads them."""
        return [run for run in self.runs(study, brief=brief) if run.tags.get(Tag.STUDY) == study]

    def runs(self, study: str, keys: Collection[str] | None = None, brief: bool = False) -> list[StoredRun]:
        """Everything in the experiments of a study but its reports, newest first.

        Args:
            study: The study.
            keys: Only the runs of these trials. Default: all.
            brief: Enough to say which trial a run is of and how it stands: where tables can be read, it comes without
                metrics and other parameters and tags.
        """
        names = {name: experiment for name, experiment in self.experiments().items() if name.startswith(f"{study}/")}
        names.pop(f"{study}/{REPORT}", None)
        return self._many(list(names.values()), keys=keys, brief=brief)

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """Every value of a metric by step."""
        with self.usable():
            return {point.step: point.value for point in self.client.get_metric_history(run_id, metric)}

    def add_report(self, study: str, report: ReportRun, folder: Path) -> str:
        """Record the files of a folder as the report of a study, in place of the last one. Returns its run's id."""
        own = self.experiment(f"{study}/{REPORT}")
        known = {name: number for name, number in self.experiments().items() if name.startswith(f"{study}/")}
        with self.usable():
            ids = {name.partition("/")[2]: number for name, number in known.items()}
            return description.add_report(self.client, {**ids, "": own}, study, report, folder)

    def studies(self) -> list[str]:
        """The names of all studies of the store."""
        return sorted({name.split("/")[0] for name in self.experiments() if "/" in name})

    def experiments(self) -> dict[str, str]:
        """The ids of all experiments of the store by name."""
        with self.usable():
            return {shown(experiment.name): experiment.experiment_id for experiment in self.client.search_experiments()}

    def everywhere(self, key: str) -> list[StoredRun]:
        """All runs of a trial in all studies, newest first."""
        return list(self._search(list(self.experiments().values()), f"tags.{Tag.TRIAL_KEY} = '{key}'"))

    def named(self, word: str, study: str | None = None) -> list[StoredRun]:
        """All runs of trials that a word names, in one study or all, newest first.

        Args:
            word: The name of runs, or the beginning of their id or of their trial's key.
            study: The study.
        """
        known = self.experiments()
        ids = [experiment for name, experiment in known.items() if study is None or name.startswith(f"{study}/")]
        fields = {"attributes.run_name": word, "attributes.run_id": f"{word}%", f"tags.{Tag.TRIAL_KEY}": f"{word}%"}
        queries = [f"{field} {'LIKE' if '%' in text else '='} '{text}'" for field, text in fields.items()]
        runs = [run for query in queries for run in self._search(ids, f"{query} and {TRIALS}")]
        return list({run.run_id: run for run in runs}.values())

    def stale(self, experiment_ids: Iterable[str]) -> list[StoredRun]:
        """Runs that are said to be running while no process is at work on them."""
        running = self._search(list(experiment_ids), f"attributes.status = 'RUNNING' and {TRIALS}")
        return [run for run in running if not run.alive]

    def mark_stale(self, experiment_ids: Iterable[str]) -> list[str]:
        """End such runs as KILLED. Returns their names."""
        stale = self.stale(experiment_ids)
        for run in stale:
            self.client.set_terminated(run.run_id, "KILLED")
        return [run.name for run in stale]

    def _many(
        self,
        experiment_ids: list[str],
        *,
        finished: bool = False,
        keys: Collection[str] | None = None,
        brief: bool = False,
    ) -> list[StoredRun]:
        """Runs of experiments, newest first: from tables where they can be read, as a server cannot leave parts out."""
        if self.tables is not None:
            with self.usable():
                runs = self.tables.runs(experiment_ids, finished=finished, keys=keys, brief=brief)
            for run in runs:
                self._name_unreadable(run)
            return runs
        condition = "attributes.status = 'FINISHED'" if finished else ""
        if keys is None or len(keys) > FEW_KEYS:
            every = self._search(experiment_ids, condition)
            return [run for run in every if keys is None or run.tags.get(Tag.TRIAL_KEY) in keys]
        queries = [" and ".join(filter(None, [condition, f"tags.{Tag.TRIAL_KEY} = '{key}'"])) for key in keys]
        return [run for query in queries for run in self._search(experiment_ids, query)]

    def _search(self, experiment_ids: list[str], query: str) -> Iterable[StoredRun]:
        token = None
        while experiment_ids:
            with self.usable():
                page = self.client.search_runs(
                    experiment_ids, query, order_by=["attributes.start_time DESC"], page_token=token
                )
            for stored in map(StoredRun.of, page):
                self._name_unreadable(stored)
                yield stored
            token = page.token
            if not token:
                return

    def _name_unreadable(self, run: StoredRun) -> None:
        """Say once what a foreign or edited run says of itself that counts as absent."""
        problems = unreadable_tags(run.tags) if run.tags.get(Tag.KIND) == "trial" else []
        if problems and run.run_id not in self.named_runs:
            self.named_runs.add(run.run_id)
            print(f"run {run.run_id} ({run.name}) cannot be read in full: {'; '.join(problems)}", flush=True)
