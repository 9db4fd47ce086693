"""Whole runs: read from one store, written into another."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, Metric, Param, RunTag
from mlflow.utils.validation import (
    MAX_DATASET_DIGEST_SIZE,
    MAX_DATASET_NAME_SIZE,
    MAX_DATASET_PROFILE_SIZE,
    MAX_DATASET_SCHEMA_SIZE,
    MAX_DATASET_SOURCE_SIZE,
    MAX_ENTITY_KEY_LENGTH,
    MAX_PARAM_VAL_LENGTH,
    MAX_TAG_VAL_LENGTH,
    path_not_unique,
    validate_param_and_metric_name,
)

from experiments.tracking.client import STORE_ERRORS
from experiments.tracking.datasets import inputs
from experiments.tracking.metadata import Tag
from experiments.tracking.process import process_tags
from experiments.tracking.run import MOST_METRICS, StoredRun
from experiments.tracking.store import Store

MOST_ENTRIES = 100  # parameters or tags of one request
PROCESS = (Tag.HOST, Tag.NAMESPACE, Tag.PID, Tag.LOCK, Tag.HEARTBEAT)  # tags of the process that is at work on a run

LARGEST_INTEGER = 2**63 - 1  # of databases
DATASET = {  # longest texts
    "name": MAX_DATASET_NAME_SIZE,
    "digest": MAX_DATASET_DIGEST_SIZE,
    "source_type": 36,
    "source": MAX_DATASET_SOURCE_SIZE,
    "schema": MAX_DATASET_SCHEMA_SIZE,
    "profile": MAX_DATASET_PROFILE_SIZE,
}

Points = list[tuple[int, int, float]]  # step, timestamp in milliseconds, value


@dataclass(frozen=True)
class Record:
    """A finished run with all that the store says of it; its files are apart.

    Attributes:
        run_id: In the store that it was read from.
        task: The last part of the name of its experiment.
        name: The name of the run.
        start_time: Milliseconds since 1970.
        end_time: Milliseconds since 1970.
        params: Parameters as text.
        tags: Tags as text.
        metrics: Every value of every metric.
        datasets: The data that it was trained on, as MLflow describes them.
    """

    run_id: str
    task: str
    name: str
    start_time: int
    end_time: int
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, Points]
    datasets: list[dict[str, str]] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.tags[Tag.TRIAL_KEY]


def refusal(record: Record) -> str:
    """What stores would not take of a record, or not as it is; "" if they take all of it."""
    texts = {
        "name": (record.name, MAX_ENTITY_KEY_LENGTH),
        "task": (record.task, MAX_ENTITY_KEY_LENGTH),
        **{f"parameter {name}": (text, MAX_PARAM_VAL_LENGTH) for name, text in record.params.items()},
        **{f"tag {name}": (text, MAX_TAG_VAL_LENGTH) for name, text in record.tags.items()},
        **{
            f"dataset {number} {name}": (dataset.get(name), longest)
            for number, dataset in enumerate(record.datasets)
            for name, longest in DATASET.items()
        },
    }
    for what, (text, longest) in texts.items():
        if not _is_text(text) or len(text) > longest:
            return f"its {_shown(what)} is no text of at most {longest:,} characters"
    if any(dataset.keys() != DATASET.keys() for dataset in record.datasets):
        return f"its datasets have other fields than {', '.join(DATASET)}"
    for name in (*record.params, *record.tags, *record.metrics):
        right = validate_param_and_metric_name(name) and not path_not_unique(name) and _is_text(name)
        if not right or len(name) > MAX_ENTITY_KEY_LENGTH:
            return f"MLflow takes no parameter, tag or metric of the name {_shown(name)}"
    reserved = {Tag.IMPORTING, Tag.IMPORTED} & record.tags.keys()
    if reserved:
        return f"it has the tag {min(reserved)}, which only an import writes"
    for name, points in record.metrics.items():
        for step, time, value in points:
            if not (_is_integer(step, -LARGEST_INTEGER) and _is_integer(time) and not math.isinf(value)):
                return f"its metric {_shown(name)} has the value {value} at step {step!s:.30}, time {time!s:.30}"
    began, ended = record.start_time, record.end_time
    if not (_is_integer(began) and _is_integer(ended)):  # in any order: clocks are set back
        return f"it begins at {began!s:.30} and ends at {ended!s:.30}"
    return ""


def _is_text(text: Any) -> bool:
    """Whether every database takes it: PostgreSQL takes no NUL, none takes half a character."""
    return isinstance(text, str) and "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _is_integer(number: Any, least: int = 0) -> bool:
    return type(number) is int and least <= number <= LARGEST_INTEGER


def _shown(name: str) -> str:
    return ascii(name[:60])


def is_whole(run: StoredRun) -> bool:
    """Whether a run is finished, and not one that an import has left half done."""
    return run.status == "FINISHED" and run.tags.get(Tag.KIND) == "trial" and Tag.IMPORTING not in run.tags


def records(store: Store, study: str) -> Iterator[Record]:
    """All finished runs of the trials of a study, oldest first."""
    for run in reversed(store.trials(study)):
        if is_whole(run):
            yield record(store, study, run)


def record(store: Store, study: str, run: StoredRun) -> Record:
    """All that a store says of a run of a study."""
    stored = store.client.get_run(run.run_id)
    info = stored.info
    experiment = _experiment_name(store, info.experiment_id)
    tags = {name: value for name, value in run.tags.items() if name != Tag.IMPORTED}
    times = info.start_time, info.end_time
    metrics = histories(store, run.run_id, run.metrics)
    datasets = [{name: getattr(one.dataset, name) or "" for name in DATASET} for one in stored.inputs.dataset_inputs]
    task = experiment.removeprefix(f"{study}/")
    return Record(run.run_id, task, run.name, *times, run.params, tags, metrics, datasets)


@lru_cache(maxsize=256)
def _experiment_name(store: Store, experiment_id: str) -> str:
    """Asked for once, not for each of thousands of runs."""
    return store.client.get_experiment(experiment_id).name


def histories(store: Store, run_id: str, names: Iterable[str]) -> dict[str, Points]:
    """Every value of some metrics of a run, by step."""
    return {
        name: sorted((point.step, point.timestamp, point.value) for point in _history(store, run_id, name))
        for name in names
    }


def _history(store: Store, run_id: str, name: str) -> Sequence[Metric]:
    return store.client.get_metric_history(run_id, name)


class Receiver:
    """Brings records into a study of a store, each whole or so that it can be completed later.

    A run that comes in is said to be running, by this process, and has a tag that names its record; to a sweep it looks
    like a trial that another process is at work on. It becomes FINISHED when all of it is there. A run that an
    interruption has left is completed: a repeated request adds nothing.

    Args:
        store: The store.
        study: The study.
        digests: What names the records that are to come.
        lock: A file that this process holds locked.
    """

    def __init__(self, store: Store, study: str, digests: Iterable[str], lock: Path) -> None:
        self.store = store
        self.study = study
        self.digests = set(digests)
        self.lock = lock
        self.runs = store.trials(study)

    def has(self, record: Record, digest: str) -> bool:
        """Whether the record need not come: it is there, or its trial has a finished run from elsewhere."""
        runs = [run for run in self.runs if is_whole(run) and run.tags.get(Tag.TRIAL_KEY) == record.key]
        sources = {run.tags.get(Tag.IMPORTED) for run in runs}
        return digest in sources or bool(sources - self.digests)

    def forget(self, digest: str) -> None:
        """Delete what an interrupted import has left of a record that need not come."""
        for run in self._left(digest):
            self.store.client.delete_run(run.run_id)

    def take(self, record: Record, digest: str, files: Path) -> str:
        """Bring in a record with its artifacts, which are the content of a folder; nothing if the store refuses.

        Returns:
            The id of its run.
        """
        run_id = self._begin(record, digest)
        try:
            self._complete(run_id, record, digest, files)
        except Exception:
            with suppress(*STORE_ERRORS):
                self.store.client.hurried.delete_run(run_id)
            raise
        return run_id

    def _begin(self, record: Record, digest: str) -> str:
        """The run that an interruption has left, or a new one."""
        client, mine = self.store.client, _texts({**process_tags(self.lock), Tag.IMPORTING: digest})
        for run in self._left(digest)[:1]:
            client.update_run(run.run_id, status="RUNNING", name=record.name)
            self._log(run.run_id, tags=_tags(mine))
            return run.run_id
        experiment = self.store.experiment(f"{self.study}/{record.task}")
        first = _texts({Tag.STUDY: self.study, **mine})
        created: str = client.create_run(experiment, record.start_time, first, record.name).info.run_id
        return created

    def _complete(self, run_id: str, record: Record, digest: str, files: Path) -> None:
        client = self.store.client
        own = {name: value for name, value in record.tags.items() if name in PROCESS}
        code = {name: value for name, value in record.tags.items() if name == Tag.CODE}
        others = {name: value for name, value in record.tags.items() if name not in {*own, *code}}
        self._log(run_id, params=[Param(name, value) for name, value in record.params.items()])
        self._log(run_id, tags=_tags(others))
        self._log(run_id, metrics=[Metric(n, v, t, step) for n, p in record.metrics.items() for step, t, v in p])
        if record.datasets:
            client.log_inputs(run_id, inputs(Dataset(**dataset) for dataset in record.datasets))
        if any(files.iterdir()):
            client.log_artifacts(run_id, str(files))
        self._log(run_id, tags=_tags(code))  # so late, since a sweep goes on with a run of its code that was left
        client.set_terminated(run_id, "FINISHED", record.end_time)
        self._log(run_id, tags=_tags({**own, Tag.IMPORTED: digest}))
        client.delete_tag(run_id, str(Tag.IMPORTING))

    def _left(self, digest: str) -> list[StoredRun]:
        return [run for run in self.runs if run.tags.get(Tag.IMPORTING) == digest]

    def _log(self, run_id: str, **named: list[Any]) -> None:
        ((kind, entries),) = named.items()
        most = MOST_METRICS if kind == "metrics" else MOST_ENTRIES
        for start in range(0, len(entries), most):
            self.store.client.log_batch(run_id, **{kind: entries[start : start + most]})


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}


def _tags(values: dict[str, Any]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in _texts(values).items()]


def plain_value(value: float) -> float | None:
    """A metric as JSON can hold it: NaN is null."""
    return None if math.isnan(value) else value
