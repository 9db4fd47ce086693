"""Forecasting: from any CSV file, one that is fetched, or one that statsmodels carries."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Metric, Split, Task, task
from experiments.tasks._csv import Decimal, Delimiter
from experiments.tasks._windows import Windows, part_ends, windows
from experiments.tasks.fetch import fetch_dataset

if TYPE_CHECKING:
    import pandas

DATASETS = ("etth1", "ettm1", "monthly_sunspots", "daily_min_temperatures", "sp500")
SPLIT = [0.7, 0.1, 0.2]


class Values(StrEnum):
    levels = "levels"
    log_returns = "log_returns"


@task
def forecast(
    path: Annotated[str | None, Field("CSV file with a header line; null: the dataset")] = None,
    dataset: Annotated[str | None, Field(f"CSV file that is fetched: {', '.join(DATASETS)}")] = None,
    bundled: Annotated[str | None, Field("series of statsmodels.datasets: sunspots, co2, elnino, nile, ...")] = None,
    target: Annotated[Any, Field("column to forecast, a list of columns, or all")] = None,
    inputs: Annotated[Any, Field("columns shown; null: those to forecast")] = None,
    date: Annotated[str | None, Field("column of dates, checked to be in order; null: rows are in order")] = None,
    date_format: Annotated[
        str | None, Field("of the dates, as for strptime (%d.%m.%Y %H:%M), or unix; null: what can be read in one way")
    ] = None,
    delimiter: Annotated[
        Delimiter | None, Field("what separates the fields of a row; null: what all rows agree with")
    ] = None,
    decimal: Annotated[Decimal, Field("decimal mark of the numbers")] = Decimal.point,
    values: Annotated[Values, Field("log_returns: changes of the logarithm by row, in percent")] = Values.levels,
    relative: Annotated[bool, Field("show and forecast differences to the last value shown")] = False,
    window: Annotated[int, Field("past values shown", minimum=1)] = 24,
    horizon: Annotated[int, Field("future values to forecast", minimum=1)] = 1,
    split: Annotated[list[float], Field("three shares, or three numbers of rows: training, validation, test")] = SPLIT,
    *,
    data_dir: str | None = None,
) -> Task:
    """Forecast the next `horizon` values of one or several series from the last `window` ones.

    The rows are split by time. Each column is scaled by the mean and standard deviation of its training rows.
    Every window whose targets lie inside a part belongs to that part; the past that it shows may reach into the
    part before, as in the usual protocol for the ETT series (Zhou et al. 2021, Informer). With `relative` the last
    value shown is subtracted from the values of a window, inputs and targets: the errors stay the same numbers, and
    the model need not know the level of the series, which later parts often leave (as NLinear does, Zeng et al. 2023).

    The score is the mean squared error of the scaled targets; for one column `series_rmse` and `series_mae` are in
    units of the series. The baseline is the better one of two trivial predictors: the last value shown again, and the
    mean of the training rows.

    Raises:
        UserError: for a file or column that cannot be used, with the line at fault, or too few rows for one window.
    """
    from experiments.tasks._columns import log_returns, read_bundled, read_csv
    from experiments.tasks._description import describe

    columns = _names("task.target", target), _names("task.inputs", target if inputs is None else inputs)
    source = path or dataset or f"statsmodels.datasets.{bundled}"
    if path is None and dataset is not None:
        path = str(fetch_dataset(dataset, data_dir, "series", DATASETS)[0])
    table = read_csv(path, *columns, date, date_format, delimiter, decimal) if path else read_bundled(bundled, *columns)
    if values == Values.log_returns:
        table = log_returns(table, source)
    targets = table.targets
    ends = part_ends(split, len(table.values), source)
    scaled, deviations = _scaled(table.values, ends[0], source)
    inputs_of_rows, targets_of_rows = (scaled[names].to_numpy("f4") for names in (table.shown, targets))
    parts = windows(inputs_of_rows, targets_of_rows, ends, window, horizon, source)
    baseline, baseline_title = _baseline(parts[2])
    what = targets[0] if len(targets) == 1 else f"{len(targets)} series"
    return Task(
        f"forecast the next {f'{horizon} values' if horizon > 1 else 'value'} of {what} from the last {window}",
        *(_split(part, relative) for part in parts),
        outputs=horizon * len(targets),
        per_step=False,
        loss="mean_squared_error",
        metrics=_metrics(targets, deviations),
        baseline=baseline,
        baseline_title=baseline_title,
        digest=hashlib.sha256(table.values.to_numpy().tobytes()).hexdigest(),
        description=describe(table, source, window, horizon, values) if source == path else (),
    )


def _names(argument: str, columns: Any) -> str | list[str] | None:
    """Names of columns, one at least; "all" and None as they are. A name that is a number has come as one."""
    if columns is None or columns == "all":
        return columns
    names = list(columns) if isinstance(columns, list | tuple) else [columns]
    if not names or not all(isinstance(name, str | int | float) for name in names):
        raise UserError(f"{argument}={columns}: must be the name of a column, a list of names, or all")
    return [str(name) for name in names]


def _scaled(table: "pandas.DataFrame", training_rows: int, source: str) -> tuple["pandas.DataFrame", "pandas.Series"]:
    training = table.iloc[:training_rows]
    means, deviations = training.mean(), training.std(ddof=0)
    for name in table.columns:
        if deviations[name] == 0:
            raise UserError(f"{source}: column {name!r} is constant ({means[name]:g}) over the training rows")
    return (table - means) / deviations, deviations


def _split(part: Windows, relative: bool) -> Split:
    inputs, targets = part.inputs, part.targets
    if relative:
        inputs, targets = inputs - inputs[:, -1:], targets - part.last
    return Split(inputs, targets.reshape(len(targets), -1))


def _baseline(test: Windows) -> tuple[float, str]:
    """The better one of two trivial predictors; the training mean is 0 in scaled units."""
    errors = {
        "the last value again": float(np.mean((test.targets - test.last) ** 2)),
        "the mean of the training rows": float(np.mean(test.targets**2)),
    }
    title = min(errors, key=lambda name: errors[name])
    return errors[title], title


def _metrics(targets: Sequence[str], deviations: "pandas.Series") -> tuple[Metric, ...]:
    mse, mae = "mean_squared_error", "mean_absolute_error"
    scaled = (
        Metric("mse", "mean squared error, scaled", "", mse),
        Metric("mae", "mean absolute error, scaled", "", mae),
    )
    if len(targets) > 1:
        return scaled
    name, deviation = targets[0], float(deviations[targets[0]])
    return (
        *scaled,
        Metric("series_rmse", f"root mean squared error of {name}", "series units", mse, deviation, "root"),
        Metric("series_mae", f"mean absolute error of {name}", "series units", mae, deviation),
    )
