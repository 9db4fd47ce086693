"""Whether a trial of a store can be trained again with the same bits."""

import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments import tasks
from experiments.errors import UserError
from experiments.sweep.worker import output_to
from experiments.sweep.workers import failure, started
from experiments.tracking import Store, StoredRun, lookup
from experiments.tracking.metadata import Tag, versions
from experiments.tracking.transfer import histories
from experiments.trial.source_digest import source_digest
from experiments.trial.spec import TrialSpec

NO_INFLUENCE = ("gatelab", "mlflow", "hydra-core")  # versions that the numbers do not depend on
METRICS = ("epoch ", "test/")

# The numbers of a training: metrics such as `epoch 3, val/mse` and `test/mse`, without times, then every variable of
# the saved model by its path.
Numbers = dict[str, np.ndarray]


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
    spec, before = _whole(lookup.recorded_spec(store, run, data_dir)), lookup.read_yaml(store, run, "versions.yaml")
    print(f"{run.name}: trained twice, each time in a fresh process ...", flush=True)
    first, second = train_twice(spec)
    difference = first_difference(first, second)
    metrics = {name: value for name, value in first.items() if name.startswith(METRICS)}
    epochs = len({metric.partition(",")[0] for metric in metrics if "," in metric})
    counts = f"{len(metrics)} metrics of {epochs} epochs, {len(first) - len(metrics)} tensors"
    print(f"different: {difference}" if difference else f"identical: {counts}")
    changes = _changes(run, spec, before)
    return 1 if difference or not (_equals_store(store, run, metrics, changes) or changes) else 0


def _whole(spec: TrialSpec) -> TrialSpec:
    """The trial without pauses."""
    return replace(spec, config=replace(spec.config, sweep=replace(spec.config.sweep, pause_after=None)))


def train_twice(spec: TrialSpec) -> list[Numbers]:
    """Train a trial in two fresh processes at the same time, which leave nothing behind.

    Raises:
        UserError: if it cannot be trained.
    """
    with tempfile.TemporaryDirectory() as folder, started(spec.config, 2) as workers:
        futures = [process.do(train, spec, f"{folder}/{k}") for k, process in enumerate(workers)]
        reasons = [reason for future in futures if (reason := failure(future, None))]
        if reasons:
            raise UserError(f"the trial cannot be trained again: {reasons[0]}")
        return [future.result() for future in futures]


def train(spec: TrialSpec, folder: str) -> Numbers:
    """Train a trial in this process, silently, and read back the model that it saved."""
    with output_to(os.devnull):
        import keras

        from experiments.trial.fit import TrialResult, fit

        Path(folder).mkdir()
        epochs: dict[int, dict[str, float]] = {}
        result = fit(spec, tasks.build(spec.config.task, spec.config.data_dir), epochs.update, Path(folder))
        assert isinstance(result, TrialResult)
        epochs |= {0: {f"test/{name}": value for name, value in result.test.items()}}
        numbers = {_metric(epoch, name): _bits(value) for epoch in epochs for name, value in epochs[epoch].items()}
        model = keras.saving.load_model(Path(folder) / "model.keras", compile=False)
    numbers |= {variable.path: variable.numpy() for variable in model.variables}
    return {name: value for name, value in numbers.items() if "time/" not in name}


def _metric(epoch: int, name: str) -> str:
    return f"epoch {epoch}, {name}" if epoch else name


def _bits(value: float) -> np.ndarray:
    """A metric as the store keeps it: what is not finite is NaN, and one NaN is like another."""
    return np.array(value if math.isfinite(value) else math.nan)


def first_difference(first: Numbers, second: Numbers) -> str:
    """The first number or tensor that differs in any bit, with how it differs; "" if none does."""
    for name in {**first, **second}:
        a, b = first.get(name), second.get(name)
        if a is None or b is None or (a.shape, a.dtype) != (b.shape, b.dtype):
            kinds = ["absent" if array is None else f"{array.dtype} {array.shape}" for array in (a, b)]
            return f"{name}: {kinds[0]} and {kinds[1]}"
        if a.tobytes() != b.tobytes():
            if not a.ndim:
                return f"{name}: {a.item()!r} and {b.item()!r}"
            count = np.sum(
                np.ascontiguousarray(a).view(f"V{a.itemsize}") != np.ascontiguousarray(b).view(f"V{a.itemsize}")
            )
            with np.errstate(invalid="ignore"):
                largest = np.nanmax(np.abs(np.subtract(a, b, dtype="float64")), initial=0.0)
            return f"{name}: {count} of {a.size} values differ, by {float(largest)!r} at most"
    return ""


def _equals_store(store: Store, run: StoredRun, metrics: Numbers, changes: list[str]) -> bool:
    """Say whether the recorded metrics are those of the training; of a run without an end those that there are."""
    stored = {
        _metric(step, name): _bits(value)
        for name, points in histories(store, run.run_id, run.metrics).items()
        for step, _, value in points
        if not name.startswith(("time/", "best/", "epochs/")) and name != "test/baseline"
    }
    if run.status != "FINISHED":
        metrics = {name: value for name, value in metrics.items() if name in stored}
    difference = first_difference({name: stored[name] for name in metrics if name in stored} | stored, metrics)
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
