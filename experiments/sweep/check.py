"""Whether a trial of a store can be trained again with the same bits."""

import math
import os
import tempfile
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments import tasks
from experiments.config.compose import restored
from experiments.errors import UserError
from experiments.sweep.workers import started
from experiments.tracking import Store, StoredRun, lookup
from experiments.tracking.metadata import Param, Tag, versions
from experiments.tracking.transfer import histories
from experiments.trial.source_digest import source_digest
from experiments.trial.spec import TrialSpec

NO_INFLUENCE = ("gatelab", "mlflow", "hydra-core")  # versions that the numbers do not depend on

Metrics = dict[str, float]  # such as `epoch 3, val/mse` and `test/mse`; without times
Tensors = dict[str, np.ndarray]  # every variable of the saved model by its path


def check(store: Store, study: str, name: str, data_dir: str | None = None) -> int:
    """Train a trial twice and say whether all numbers are the same, and the same as in the store.

    Returns 0 if they are; a difference to the store counts only if the code, the data and the versions are those of
    the recorded run.

    Args:
        store: The store, which is only read.
        study: The study of the trial.
        name: The name of its run, such as `adding/peephole/s0`, or the id of the run.
        data_dir: Folder of fetched files; None: the one of the recorded configuration.

    Raises:
        UserError: if there is no such trial, its data are not there, or it cannot be trained.
    """
    run = lookup.find(store, name, study)
    with tempfile.TemporaryDirectory() as folder:
        recorded, before = (lookup.read_yaml(store, run, f"{n}.yaml", Path(folder)) for n in ("config", "versions"))
    config = restored(recorded)
    config = replace(config, data_dir=data_dir or config.data_dir)
    spec = TrialSpec.of(config, tasks.build(config.task, config.data_dir))
    spec = replace(spec, units=int(run.params.get(Param.UNITS, spec.units)))
    print(f"{run.name}: trained twice, each time in a fresh process ...", flush=True)
    (metrics, tensors), (again, tensors_again) = train_twice(spec)
    difference = metrics_difference(metrics, again) or tensors_difference(tensors, tensors_again)
    epochs = len({metric.split(",")[0] for metric in metrics if metric.startswith("epoch ")})
    counts = f"{len(metrics)} metrics of {epochs} epochs, {len(tensors)} tensors"
    print(f"different: {difference}" if difference else f"identical: {counts}")
    changes = _changes(run, spec, before)
    return 1 if difference or not (_equals_store(store, run, metrics, changes) or changes) else 0


def train_twice(spec: TrialSpec) -> tuple[tuple[Metrics, Tensors], tuple[Metrics, Tensors]]:
    """Train a trial in two fresh processes at the same time, which leave nothing behind.

    Raises:
        UserError: if it cannot be trained.
    """

    def result(future: Future) -> tuple[Metrics, Tensors]:
        try:
            return future.result()
        except Exception as error:
            raise UserError(f"the trial cannot be trained again: {type(error).__name__}: {error}") from error

    with tempfile.TemporaryDirectory() as folder, started(spec.config, 2) as workers:
        futures = [process.do(_train_silently, spec, f"{folder}/{k}") for k, process in enumerate(workers)]
        first, second = map(result, futures)
        return first, second


def _train_silently(spec: TrialSpec, folder: str) -> tuple[Metrics, Tensors]:
    """In a process of its own: what the libraries below print tells nothing about the comparison."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return train(spec, Path(folder))


def train(spec: TrialSpec, folder: Path) -> tuple[Metrics, Tensors]:
    """Train a trial in this process and read back the model that it saved."""
    import keras

    from experiments.trial.fit import fit

    folder.mkdir()
    epochs: dict[int, Any] = {}
    result = fit(spec, tasks.build(spec.config.task, spec.config.data_dir), epochs.update, folder)
    metrics = {_metric(epoch, name): value for epoch in sorted(epochs) for name, value in epochs[epoch].items()}
    metrics |= {f"test/{name}": value for name, value in result.test.items()}
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    tensors = {variable.path: variable.numpy() for variable in model.variables}
    return {name: value for name, value in metrics.items() if "time/" not in name}, tensors


def _metric(epoch: int, name: str) -> str:
    return f"epoch {epoch}, {name}" if epoch else name


def metrics_difference(first: Metrics, second: Metrics) -> str:
    """The first metric that differs, with both values; "" if none does. NaN equals NaN, 0.0 does not equal -0.0."""
    for name in {**first, **second}:
        values = [repr(float(metrics[name])) if name in metrics else "absent" for metrics in (first, second)]
        if values[0] != values[1]:
            return f"{name}: {values[0]} and {values[1]}"
    return ""


def tensors_difference(first: Tensors, second: Tensors) -> str:
    """The first tensor that differs, with the largest difference; "" if none does."""
    if list(first) != list(second):
        return f"tensors: {', '.join(first)} and {', '.join(second)}"
    for path, a in first.items():
        b = second[path]
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"{path}: {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        if a.tobytes() != b.tobytes():
            bits = [np.ascontiguousarray(x).view(f"u{x.dtype.itemsize}") for x in (a, b)]
            count = int((bits[0] != bits[1]).sum())
            with np.errstate(invalid="ignore"):
                largest = np.nanmax(np.abs(np.subtract(a, b, dtype="float64")), initial=0.0)
            return f"{path}: {count} of {a.size} values differ, by {float(largest)!r} at most"
    return ""


def _equals_store(store: Store, run: StoredRun, metrics: Metrics, changes: list[str]) -> bool:
    """Say whether the recorded metrics are those of the training; of a run without an end those that there are."""
    stored = {
        _metric(step, name): value
        for name, points in histories(store, run.run_id, run.metrics).items()
        for step, _, value in points
        if not name.startswith(("time/", "best/")) and name != "test/baseline"
    }
    again = {name: value if math.isfinite(value) else math.nan for name, value in metrics.items()}
    if run.status != "FINISHED":
        again = {name: value for name, value in again.items() if name in stored}
    difference = metrics_difference({name: stored[name] for name in again if name in stored} | stored, again)
    status = "" if run.status == "FINISHED" else f", whose run is {run.status}"
    if difference:
        print(f"different from the store{status}: {difference} (store first)")
    else:
        print(f"equal to the store{status}: {len(stored)} metrics")
    if changes:
        expectation = "a difference is expected" if difference else "a difference could have been expected"
        print(f"{expectation}, since these have changed: {'; '.join(changes)}")
    return not difference


def _changes(run: StoredRun, spec: TrialSpec, before: dict[str, str]) -> list[str]:
    """What has changed since a run was recorded, that its numbers may depend on."""
    now = versions()
    changes = [
        f"{name} {version} then, {now.get(name, 'not known')} now"
        for name, version in before.items()
        if name not in NO_INFLUENCE and now.get(name) != version
    ]
    changes += ["code that trains"] if run.tags.get(Tag.CODE) != source_digest() else []
    return changes + (["data or settings"] if run.tags.get(Tag.TRIAL_KEY) != spec.key else [])
