"""Forecasting of one series: from any CSV file, or one that statsmodels carries."""

import hashlib
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.schema import Is
from experiments.tasks import Metric, Split, Task, task

SPLIT = [0.7, 0.1, 0.2]


@task
def forecast(
    path: Annotated[str | None, Is("CSV file with a header line; null: a series bundled with statsmodels")] = None,
    bundled: Annotated[str | None, Is("series of statsmodels.datasets: sunspots, co2, elnino, nile, ...")] = None,
    target: Annotated[str | None, Is("column to forecast")] = None,
    date: Annotated[str | None, Is("column of dates, checked to be in order; null: rows are in order")] = None,
    window: Annotated[int, Is("past values shown", minimum=1)] = 24,
    horizon: Annotated[int, Is("future values asked for", minimum=1)] = 1,
    split: Annotated[list[float], Is("three shares, or three numbers of rows: training, validation, test")] = SPLIT,
) -> Task:
    """Forecast the next `horizon` values of a series from the last `window` ones.

    The rows are split by time. Values are scaled by the mean and standard deviation of the training rows only.
    Every window whose targets lie inside a part belongs to that part; the past that it shows may reach into the
    part before, as in the usual protocol for the ETT series (Zhou et al. 2021, Informer).

    The score is the mean squared error of the scaled targets; `rmse` is its root in units of the series. The
    baseline repeats the last value shown.

    Raises:
        UserError: for a file or column that cannot be used, with the line at fault, or too few rows for one window.
    """
    from experiments.tasks._table import read_bundled, read_csv  # pandas, which --help need not wait for

    values = read_csv(path, target, date) if path else read_bundled(bundled, target)
    source = path or f"statsmodels.datasets.{bundled}"
    ends = _ends(split, len(values), source)
    mean, deviation = values[: ends[0]].mean(), values[: ends[0]].std()
    if deviation == 0:
        raise UserError(f"{source}: column {target!r} is constant ({mean:g}) over the training rows")
    scaled = ((values - mean) / deviation).astype("float32")
    starts = (window, ends[0], ends[1])
    train, validation, test = (
        _windows(scaled, start, end, window, horizon, f"{source}: the {name} part", split)
        for name, start, end in zip(("training", "validation", "test"), starts, ends, strict=True)
    )
    persistence = test.inputs[:, -1, :]
    return Task(
        title=f"forecast the next {f'{horizon} values' if horizon > 1 else 'value'} of {target} from the last {window}",
        train=train,
        validation=validation,
        test=test,
        outputs=horizon,
        per_step=False,
        loss="mean_squared_error",
        metrics=_metrics(target, deviation),
        baseline=float(np.mean((test.targets - persistence) ** 2)),
        baseline_title="the last value again",
        digest=hashlib.sha256(values.tobytes()).hexdigest(),
    )


def _metrics(target: str | None, deviation: float) -> tuple[Metric, ...]:
    return (
        Metric("mse", "mean squared error, scaled", "", keras="mean_squared_error"),
        Metric("mae", "mean absolute error, scaled", "", keras="mean_absolute_error"),
        Metric("rmse", f"root mean squared error of {target}", "series units", "mean_squared_error", deviation, True),
    )


def _ends(split: tuple[float, ...], rows: int, source: str) -> tuple[int, int, int]:
    """The row after the last one of each part."""
    if len(split) != 3 or min(split) <= 0:
        raise UserError(f"task.split={list(split)}: must be three shares or three numbers of rows, greater than 0")
    shares = sum(split) <= 1 + 1e-6
    if not shares and any(part != int(part) for part in split):
        raise UserError(f"task.split={list(split)}: shares must not sum to more than 1, numbers of rows must be whole")
    sizes = np.array([part * rows for part in split] if shares else split)
    ends = np.round(np.cumsum(sizes)).astype(int)
    if ends[-1] > rows:
        raise UserError(f"task.split={list(split)}: asks for {ends[-1]} rows, and {source} has {rows}")
    return tuple(int(end) for end in ends)


def _windows(
    values: np.ndarray, start: int, end: int, window: int, horizon: int, part: str, split: tuple[float, ...]
) -> Split:
    """All windows whose targets lie in rows `start` to `end`."""
    count = end - start - horizon + 1
    if count < 1 or start < window:
        raise UserError(
            f"{part} is too short for one window: it needs task.window + task.horizon = {window} + {horizon} rows, "
            f"of which at least {horizon} in the part itself. Use a longer series, a smaller window or horizon, or "
            f"another task.split (now {list(split)})"
        )
    rows = np.arange(start, start + count)[:, None]
    inputs = values[rows + np.arange(-window, 0)]
    return Split(inputs[..., None], values[rows + np.arange(horizon)])
