"""The data of a trial as the dataset of its run: what they are called, a digest of them and where they come from."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.data.schema import TensorDatasetSchema
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.types import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME

from experiments import tasks
from experiments.tasks import Split, Stream, Task
from experiments.tasks._listing import source
from experiments.tasks.fetch import FILES, files_of
from experiments.tracking.code_version import git_commit
from experiments.trial.spec import TrialSpec

CONTEXT = "training"
DIGITS = 12  # of the digest, which the MLflow UI shows after the name


def dataset(spec: TrialSpec, task: Task) -> Dataset:
    """The data that a trial trains on, validation and test part included.

    Args:
        spec: The trial.
        task: Its prepared task, whose numbers give the digest: those that code has generated have one too.
    """
    parts = {"training": task.train, "validation": task.validation, "test": task.test}
    profile: dict[str, Any] = {"num_rows": sum(map(len, parts.values()))}  # this name is shown by the MLflow UI
    profile |= {name: len(part) for name, part in parts.items()}
    profile |= {"source": source(spec.config.task), **({"sha256": spec.digest} if spec.digest else {})}
    kind, place = _source(spec.config.task)
    digest = task.fingerprint[:DIGITS]
    about = json.dumps(place), json.dumps(_schema(task.train)), json.dumps(profile)
    return Dataset(spec.config.task.name, digest, kind, *about)


def inputs(datasets: Iterable[Dataset]) -> list[DatasetInput]:
    """Datasets as the inputs of a run."""
    return [DatasetInput(one, [InputTag(MLFLOW_DATASET_CONTEXT, CONTEXT)]) for one in datasets]


def _source(settings: Any) -> tuple[str, dict[str, Any]]:
    """The kind of place where data are, as MLflow calls it, and that place.

    The address of the file that was fetched, of several the first; the file of the user; or the code that makes them.
    """
    path, fetched = getattr(settings, "path", None), files_of(settings)
    if fetched:
        return "http", {"url": FILES[fetched[0]].address}
    if path is not None:
        return "local", {"uri": str(Path(path).expanduser().absolute())}
    function, commit = tasks.function(settings.function), git_commit()
    tags = {MLFLOW_SOURCE_NAME: f"{function.__module__}.{function.__name__}"}
    return "code", {"tags": tags | ({MLFLOW_GIT_COMMIT: commit} if commit else {})}


def _schema(part: Split | Stream) -> dict[str, Any]:
    if isinstance(part, Stream):
        return TensorDatasetSchema(_tensor(part.tokens, "tokens")).to_dict()
    return TensorDatasetSchema(_tensor(part.inputs, "inputs"), _tensor(part.targets, "targets")).to_dict()


def _tensor(array: np.ndarray, name: str) -> Schema:
    return Schema([TensorSpec(array.dtype, (-1, *array.shape[1:]), name)])
