"""Studies with made-up scores in real stores, as trials would have written them."""

import json
import tempfile
from functools import cache
from pathlib import Path

from experiments.report.results import analyse
from experiments.report.study import read
from experiments.tracking import Store

SCORE = {
    "score_metric": "test/mse",
    "score_title": "mean squared error",
    "score_unit": "",
    "score_better": "lower",
    "baseline": 1.0,
    "baseline_title": "the mean of the training part",
    "references": "[]",
}
TAGS = {"kind": "trial", "study": "s", "trial_key": "key", **{name: str(value) for name, value in SCORE.items()}}


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Store(None, folder)
        return Path(folder, "mlflow.db").read_bytes()


def new_store(folder: Path) -> Store:
    """An empty store; making one from nothing takes seconds."""
    folder.mkdir(exist_ok=True)
    (folder / "mlflow.db").write_bytes(_empty())
    return Store(None, str(folder))


def add(
    store: Store,
    variant: str,
    seed: int,
    score: float | None = None,
    status: str = "FINISHED",
    task: str = "adding",
    settings: str = "",
    study: str = "s",
    curve: dict[int, dict[str, float]] | None = None,
    params: dict[str, object] | None = None,
    **tags: object,
) -> str:
    """Write one run; `tags` replace those that a trial of a task with a mean squared error has. Returns its id."""
    described = {"variant": variant, "task": task, "seed": seed, **({"settings": settings} if settings else {})}
    written = {**TAGS, "study": study, "trial_key": f"{task} {variant} {seed} {settings}", **tags}
    experiment = store.experiment(f"{study}/{task}")
    run = store.start(experiment, f"{task}/{variant}/s{seed}", described | (params or {}), written, Path("no lock"))
    run.keep({0: {} if score is None else {str(written["score_metric"]): score}} | (curve or {}))
    run.describe()
    if status != "RUNNING":
        run.end(status)
    return run.id


def fill(store: Store, scores: dict[str, dict[str, list[float]]], **kind: object) -> None:
    """Write finished runs by task, variant and seed, with learning curves, step times and parameters."""
    for task, by_variant in scores.items():
        for row, (variant, values) in enumerate(by_variant.items()):
            for seed, score in enumerate(values):
                curve = {epoch: {"val/mse": score * (1 + 1 / epoch), "time/step_ms": 4 + row} for epoch in (1, 2, 3)}
                params = {"units": 8 + row, "parameters": 500 + 10 * row, "epochs": 3}
                add(store, variant, seed, score, task=task, curve=curve, params=params, **kind)


def add_foreign(store: Store, experiment: str, name: str = "a run", params: dict[str, object] | None = None, **tags):
    """Write a finished run with a metric as another program would."""
    run = store.client.create_run(store.experiment(experiment), run_name=name, tags=tags).info.run_id
    store.client.log_metric(run, "loss", 1.0)
    for param, value in (params or {}).items():
        store.client.log_param(run, param, value)
    store.client.set_terminated(run)


def studied(store: Store, reference: str | None = None, study: str = "s"):
    """The study, without what is printed of it."""
    return read(study, store.uri, store.runs(study), reference)


def found(store: Store, reference: str | None = None):
    """Study and findings of its first task."""
    results = analyse(studied(store, reference))
    return results.study, results.findings[0]


def published(*scores: object) -> str:
    """Published scores as a task names them in a tag."""
    return json.dumps([{"metric": "mse", "score": score, "model": "LSTM", "source": "a paper"} for score in scores])
