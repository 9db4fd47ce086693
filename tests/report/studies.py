"""Studies with scores that no training has given, as trials would have written them."""

import json
import math
from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path
from types import SimpleNamespace

from experiments.report.findings import TaskFindings
from experiments.report.results import Results, analyse
from experiments.report.study import Study, read
from experiments.tracking import Store, StoredRun
from experiments.tracking.metadata import Param, Tag

FIELDS = {"model.units": 8, "model.layers": 1, "training.epochs": 3, "training.learning_rate": 0.001}
TAGS = {
    Tag.KIND: "trial",
    Tag.STUDY: "s",
    Tag.TRIAL_KEY: "key",
    Tag.SCORE_METRIC: "test/mse",
    Tag.SCORE_TITLE: "mean squared error",
    Tag.SCORE_UNIT: "",
    Tag.SCORE_BETTER: "lower",
    Tag.BASELINE: "1.0",
    Tag.BASELINE_TITLE: "the mean of the training part",
    Tag.REFERENCES: "[]",
}


class MemoryStore:
    """What reports use of a `Store`, without a database, which takes 20 ms for a run."""

    uri = "memory"
    has_server = True
    client = SimpleNamespace(get_experiment=lambda _: SimpleNamespace(tags={}))

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recorded: list[MemoryRun] = []

    def experiment(self, name: str) -> str:
        return name

    def experiments(self) -> dict[str, str]:
        return {run.experiment: run.experiment for run in self.recorded}

    def start(
        self, experiment: str, name: str, params: Mapping[str, object], tags: Mapping[str, object], lock: Path
    ) -> "MemoryRun":
        self.recorded.append(MemoryRun(experiment, name, params, tags))
        return self.recorded[-1]

    def runs(self, study: str, keys: Collection[str] | None = None) -> list[StoredRun]:
        runs = [run.stored() for run in reversed(self.recorded) if run.experiment.startswith(f"{study}/")]
        return [run for run in runs if keys is None or run.tags.get("trial_key") in keys]

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        (run,) = (run for run in self.recorded if run.id == run_id)
        return {step: metrics[metric] for step, metrics in run.by_step.items() if metric in metrics}

    def add_report(self, study: str, report: object, folder: Path) -> str:
        return ""


class MemoryRun:
    numbers = count()

    def __init__(self, experiment: str, name: str, params: Mapping[str, object], tags: Mapping[str, object]) -> None:
        self.id = str(next(self.numbers))
        self.experiment, self.name, self.status = experiment, name, "RUNNING"
        self.params = {str(key): str(value) for key, value in params.items()}
        self.tags = {str(key): str(value) for key, value in tags.items()}
        self.by_step: dict[int, dict[str, float]] = {}

    def keep(self, by_step: Mapping[int, Mapping[str, float]]) -> None:
        for step in sorted(by_step):
            finite = {name: v if math.isfinite(v) else math.nan for name, v in by_step[step].items()}
            self.by_step.setdefault(step, {}).update(finite)

    def describe(self) -> None:
        pass

    def end(self, status: str) -> None:
        self.status = status

    def stored(self) -> StoredRun:
        last = {name: value for step in sorted(self.by_step) for name, value in self.by_step[step].items()}
        return StoredRun(self.id, self.name, self.status, self.params, self.tags, last)


def add(
    store: Store | MemoryStore,
    variant: str,
    seed: int,
    score: float | None = None,
    status: str = "FINISHED",
    task: str = "adding",
    settings: Mapping[str, object] | None = None,
    study: str = "s",
    curve: dict[int, dict[str, float]] | None = None,
    params: Mapping[str, object] | None = None,
    **tags: object,
) -> str:
    """Write one run. Returns its id.

    Args:
        store: Where to.
        variant, seed, score, status, task, study: Of the run; no score: None.
        settings: Fields of the configuration that are not those of `FIELDS`, by dotted name.
        curve: Metrics by epoch.
        params: All parameters beside variant, task and seed, instead of the fields.
        tags: Replace those that a trial of a task with a mean squared error has.
    """
    settings = settings or {}
    labels = {Param.VARIANT: variant, Param.TASK: task, Param.SEED: seed}
    key = f"{task} {variant} {seed} {' '.join(f'{name}={value}' for name, value in settings.items())}"
    described = {**TAGS, Tag.STUDY: study, Tag.TRIAL_KEY: key, **tags}
    recorded = labels | (FIELDS | dict(settings) if params is None else dict(params))
    run = store.start(store.experiment(f"{study}/{task}"), f"{task}/{variant}/s{seed}", recorded, described, Path("-"))
    run.keep({0: {} if score is None else {str(described[Tag.SCORE_METRIC]): score}} | (curve or {}))
    if status == "RUNNING":
        run.describe()
    else:
        run.end(status)
    return run.id


def add_0_1(store: Store, variant: str, seed: int, score: float, settings: str = "", **kind: object) -> str:
    """Write one run as version 0.1.0 did: few fields, and those of the command line as one text."""
    params = {"match": "units", "units": 8, "layers": 1, "bidirectional": False, "epochs": 3, "learning_rate": 0.001}
    return add(store, variant, seed, score, params=params | ({"settings": settings} if settings else {}), **kind)


def fill(store: Store, scores: dict[str, dict[str, list[float]]], **tags: object) -> None:
    """Write finished runs by task, variant and seed, with learning curves, step times and parameters."""
    for task, by_variant in scores.items():
        for row, (variant, values) in enumerate(by_variant.items()):
            for seed, score in enumerate(values):
                curve = {epoch: {"val/mse": score * (1 + 1 / epoch), "time/step_ms": 4 + row} for epoch in (1, 2, 3)}
                params = {**FIELDS, Param.UNITS: 8 + row, Param.PARAMETERS: 500 + 10 * row}
                add(store, variant, seed, score, task=task, curve=curve, params=params, **tags)


def add_foreign(
    store: Store, experiment: str, name: str = "a run", params: Mapping[str, object] | None = None, **tags: object
) -> None:
    """Write a finished run with a metric as another program would."""
    run = store.client.create_run(store.experiment(experiment), run_name=name, tags=tags).info.run_id
    store.client.log_metric(run, "loss", 1.0)
    for param, value in (params or {}).items():
        store.client.log_param(run, param, value)
    store.client.set_terminated(run)


def study_of(store: Store, reference: str | None = None, study: str = "s") -> Study | None:
    """The study, without what is printed of it."""
    return read(study, store.uri, store.runs(study), reference)


def analysed(store: Store, reference: str | None = None) -> Results:
    """All estimates and comparisons of the study."""
    return analyse(study_of(store, reference))


def first_task(store: Store) -> tuple[Study, TaskFindings]:
    """The study and the findings of its first task."""
    results = analysed(store)
    return results.study, results.findings[0]


def published(*scores: object) -> str:
    """Published scores as a task names them in a tag."""
    return json.dumps([{"metric": "mse", "score": score, "model": "LSTM", "source": "a paper"} for score in scores])


def near(mean: float, count: int = 8, spread: float = 0.01) -> list[float]:
    """Scores that differ a little from a mean, each from the others."""
    return [mean + spread * math.sin(seed) for seed in range(count)]
