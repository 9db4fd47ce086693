"""A study as pandas tables, for a notebook: its trials, and the curves of their metrics."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from experiments.tracking.lookup import newest, unknown_study
from experiments.tracking.metadata import Param, Tag
from experiments.tracking.run import StoredRun
from experiments.tracking.store import Store
from experiments.tracking.transfer import histories

GATES = "gates/"  # metrics of which the last value alone says little
SYSTEM = "system/"  # those whose steps are no epochs
NAMES = ["run_id", "task", "variant", "seed"]


class Frames(NamedTuple):
    """The tables of a study.

    Attributes:
        trials: A row for each trial: `run_id`, `name`, `task`, `variant`, `seed`, `status`, `score`, `validation` (NaN
            if it diverged or has not ended), `diverged`, `baseline`, then every field of its configuration, such as
            `model.units`, and the last value of every metric but those of gates and of the system.
        curves: A row for each value of a metric in an epoch: `run_id`, `task`, `variant`, `seed`, `metric`, `epoch`,
            `value`.
    """

    trials: pd.DataFrame
    curves: pd.DataFrame


def frames(study: str, output_dir: str = "outputs", tracking_uri: str | None = None) -> Frames:
    """The tables of a study; `experiments.results` describes them."""
    store = Store(tracking_uri, output_dir, new=False)
    runs = newest(store.trials(study))
    if not runs:
        raise unknown_study(store, study)
    trials = pd.DataFrame([_row(run) for run in runs])
    for name in trials.columns:
        trials[name] = _numbers(trials[name])
    curves = pd.DataFrame(_points(store, runs), columns=["run_id", "metric", "epoch", "value"])
    curves = curves.merge(trials[NAMES], on="run_id")
    return Frames(trials, curves[[*NAMES, "metric", "epoch", "value"]])


def _row(run: StoredRun) -> dict[str, object]:
    fields = {name: value for name, value in run.params.items() if name not in (Param.TASK, Param.VARIANT, Param.SEED)}
    return {
        "run_id": run.run_id,
        "name": run.name,
        "task": run.params[Param.TASK],
        "variant": run.params[Param.VARIANT],
        "seed": run.params[Param.SEED],
        "status": run.status,
        "score": run.score,
        "validation": run.validation,
        "diverged": run.tags.get(Tag.DIVERGED) == "true",
        "baseline": run.tags.get(Tag.BASELINE),
        **fields,
        **{name: value for name, value in run.metrics.items() if not name.startswith((GATES, SYSTEM))},
    }


def _numbers(column: pd.Series) -> pd.Series:
    """A column of texts that are all numbers as numbers; another one as it is."""
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column


def _points(store: Store, runs: Sequence[StoredRun]) -> list[tuple[str, str, int, float]]:
    """Run, metric, epoch and value. What is recorded once, at the end, has no epoch."""
    with store.usable():
        if store.tables is not None:
            points = store.tables.points([run.run_id for run in runs])
        else:
            points = [
                (run.run_id, name, step, value)
                for run in runs
                for name, values in histories(store, run.run_id, run.metrics).items()
                for step, _, value in values
            ]
    return [point for point in points if point[2] > 0 and not point[1].startswith(SYSTEM)]
