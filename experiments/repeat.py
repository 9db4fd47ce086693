"""Whether a trial of a store can be trained again with the same bits."""

import math
import os
import tempfile
from collections import Counter
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from experiments import compare, config, tasks
from experiments.compare import Trained
from experiments.errors import UserError
from experiments.identity import code, trial_key, versions
from experiments.report.runs import newest, unknown
from experiments.schema import Config
from experiments.tracking import Store, Trial
from experiments.tracking.transfer import download, histories
from experiments.workers import started

OF_NO_ACCOUNT = ("gatelab", "mlflow", "hydra-core")  # versions that the numbers do not depend on
MOST_NAMES = 5


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
    trial = find(store, study, name)
    recorded = _yaml(store, trial, "config.yaml")
    settings = config.restored(recorded)
    settings = replace(settings, data_dir=data_dir or settings.data_dir)
    task = tasks.build(settings.task, settings.data_dir)
    print(f"{trial.name}: trained twice, each time in a fresh process ...", flush=True)
    first, second = train_twice(settings)
    found = compare.difference(first, second)
    epochs = len({epoch for epoch, _ in first.metrics} - {0})
    counts = f"{len(first.metrics)} metrics of {epochs} epochs, {len(first.tensors)} tensors"
    print(f"different: {found}" if found else f"identical: {counts}")
    expected = _other(trial, trial_key(settings, task.digest), _yaml(store, trial, "versions.yaml"))
    same = _compare_with_store(store, trial, first, expected)
    return 1 if found or not (same or expected) else 0


def find(store: Store, study: str, name: str) -> Trial:
    """The run that counts of a trial, by its name, or any run by its id.

    Raises:
        UserError: if there is none, or if several trials have the name.
    """
    trials = store.trials(study)
    if not trials:
        raise unknown(store, study)
    chosen = [trial for trial in trials if trial.run_id == name]
    chosen = chosen or [trial for trial in newest(trials) if trial.name == name]
    if len(chosen) > 1:
        each = "".join(f"\n  {trial.run_id}  {trial.params.get('settings', '')}" for trial in chosen)
        raise UserError(f"{name}: {len(chosen)} trials of study {study} have this name. Name one by its run:{each}")
    if not chosen:
        names = Counter(trial.name for trial in trials)
        more = ", ..." if len(names) > MOST_NAMES else ""
        raise UserError(f"{name}: study {study} has no such trial. It has {', '.join(list(names)[:MOST_NAMES])}{more}")
    return chosen[0]


def _yaml(store: Store, trial: Trial, file: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = download(store, trial.run_id, file, Path(folder))
        if path is None:
            raise UserError(f"{trial.name} has no artifact {file}: its status is {trial.status}")
        try:
            return yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{trial.name}: its artifact {file} cannot be read ({error})") from error


def train_twice(settings: Config) -> tuple[Trained, Trained]:
    """Train a configuration in two fresh processes at the same time, which leave nothing behind.

    Raises:
        UserError: if it cannot be trained.
    """
    with tempfile.TemporaryDirectory() as folder, started(settings, 2) as workers:
        futures = [each.do(_train_silently, settings, f"{folder}/{k}") for k, each in enumerate(workers)]
        first, second = map(_result, futures)
        return first, second


def _train_silently(settings: Config, folder: str) -> Trained:
    """In a process of its own: what the libraries below print tells nothing about the comparison."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return train(settings, folder)


def train(settings: Config, folder: str) -> Trained:
    """Train a configuration in this process and read back the model that it saved."""
    import keras

    from experiments import trial

    Path(folder).mkdir()
    epochs: dict[int, Any] = {}
    result = trial.run(settings, tasks.build(settings.task, settings.data_dir), epochs.update, Path(folder))
    model = keras.saving.load_model(Path(folder) / "model.keras", compile=False)
    tensors = [(variable.path, variable.numpy()) for variable in model.variables]
    return Trained(compare.metrics_of(epochs, result.test), tensors)


def _result(future: Future) -> Trained:
    try:
        return future.result()
    except Exception as error:
        raise UserError(f"the trial cannot be trained again: {type(error).__name__}: {error}") from error


def _compare_with_store(store: Store, trial: Trial, trained: Trained, expected: list[str]) -> bool:
    """Say whether the recorded metrics are those of the training; of a run without an end those that there are."""
    in_store = {
        (step, name): value
        for name, points in histories(store, trial.run_id, trial.metrics).items()
        for step, _, value in points
        if not name.startswith(("time/", "best/")) and name != "test/baseline"
    }
    again = {key: value if math.isfinite(value) else math.nan for key, value in trained.metrics.items()}
    if trial.status != "FINISHED":
        again = {key: value for key, value in again.items() if key in in_store}
    found = compare.metrics_difference({key: in_store[key] for key in again if key in in_store} | in_store, again)
    status = "" if trial.status == "FINISHED" else f", whose run is {trial.status}"
    if found:
        print(f"different from the store{status}: {found} (store first)")
    else:
        print(f"equal to the store{status}: {len(in_store)} metrics")
    if expected:
        said = "a difference is expected" if found else "a difference could have been expected"
        print(f"{said}, since these have changed: {'; '.join(expected)}")
    return not found


def _other(trial: Trial, key: str, recorded: dict[str, str]) -> list[str]:
    """What has changed since a run was recorded, that its numbers may depend on."""
    now = versions()
    found = [
        f"{name} {then} then, {now.get(name, 'not known')} now"
        for name, then in recorded.items()
        if name not in OF_NO_ACCOUNT and now.get(name) != then
    ]
    if trial.tags.get("code") != code():
        found.append("code that trains")
    if trial.tags.get("trial_key") != key:
        found.append("data or settings")
    return found
