"""A chaotic series, generated from its equation."""

from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Metric, Split, Task, task

SUBSTEPS = 10  # of the integration, in a unit of time
HISTORY = 1.2  # the series up to time 0
TRANSIENT = 1000  # units of time left out


@task
def mackey_glass(
    delay: Annotated[int, Field("delay of the feedback, in units of time; chaotic from about 17", minimum=1)] = 17,
    horizon: Annotated[int, Field("units of time from the last value shown to the target", minimum=1)] = 6,
    window: Annotated[int, Field("values shown, one for each unit of time", minimum=1)] = 32,
    train_steps: Annotated[int, Field("values of the training part", minimum=2)] = 3000,
    validation_steps: Annotated[int, Field("values of the validation part, after those", minimum=1)] = 500,
    test_steps: Annotated[int, Field("values of the test part, after those", minimum=2)] = 1000,
) -> Task:
    """Predict the Mackey-Glass series x(t + `horizon`) from its last `window` values, in one step.

    dx/dt = 0.2 x(t - `delay`) / (1 + x(t - `delay`)^10) - 0.1 x(t), integrated by the fourth-order Runge-Kutta
    method in steps of 0.1 from x = 1.2 up to time 0; delayed values between two steps are the mean of both. The
    first 1000 units of time are left out, then each unit gives one value. The parts follow each other in time; a
    window belongs to the part of its target and may show values of the part before. Values are scaled by mean and
    standard deviation of the training part.

    The score is the NRMSE: the root of the mean squared error over the standard deviation of the test targets.
    The baseline is the better one of the last value shown and the mean of the training part.

    Source: Mackey and Glass 1977; as a task for an LSTM, Gers, Eck and Schmidhuber 2001 (Applying LSTM to time series
    predictable through time-window approaches).

    Raises:
        UserError: if the training part is too short for a window, or the series settles to a constant.
    """
    if train_steps < window + horizon:
        raise UserError(
            f"task.train_steps={train_steps}: must be at least task.window + task.horizon = {window + horizon}"
        )
    values = series(delay, train_steps + validation_steps + test_steps)
    mean, deviation = values[:train_steps].mean(), values[:train_steps].std()
    if deviation < 1e-3:
        raise UserError(f"task.delay={delay}: the series settles to a constant. Allowed: 5 and more")
    scaled = ((values - mean) / deviation).astype("float32")
    ends = np.cumsum([train_steps, validation_steps, test_steps])
    starts = (window + horizon - 1, *ends[:2])
    parts = [_windows(scaled, start, end, window, horizon) for start, end in zip(starts, ends, strict=True)]
    spread = float(parts[2].targets.std())
    baseline, baseline_title = _baseline(parts[2], spread)
    return Task(
        f"predict the Mackey-Glass series (delay {delay}) {horizon} steps ahead",
        *parts,
        outputs=1,
        per_step=False,
        loss="mean_squared_error",
        metrics=(
            Metric("nrmse", "root mean squared error over deviation", "", "mean_squared_error", 1 / spread, "root"),
            Metric("mse", "mean squared error", "", "mean_squared_error", float(deviation**2)),
        ),
        baseline=baseline,
        baseline_title=baseline_title,
    )


def series(delay: int, steps: int) -> np.ndarray:
    """`steps` values of the series, one for each unit of time, after the transient."""
    lag = delay * SUBSTEPS
    x = [HISTORY] * (lag + 1)
    for _ in range((TRANSIENT + steps - 1) * SUBSTEPS):
        x.append(_runge_kutta(x[-1], x[-lag - 1], x[-lag] if lag > 1 else x[-1]))
    return np.array(x[lag:][TRANSIENT * SUBSTEPS :: SUBSTEPS])


def _runge_kutta(now: float, delayed: float, delayed_next: float, step: float = 1 / SUBSTEPS) -> float:
    """The value one step later."""
    between = _feedback((delayed + delayed_next) / 2)
    first = _feedback(delayed) - 0.1 * now
    second = between - 0.1 * (now + step / 2 * first)
    third = between - 0.1 * (now + step / 2 * second)
    fourth = _feedback(delayed_next) - 0.1 * (now + step * third)
    return now + step / 6 * (first + 2 * second + 2 * third + fourth)


def _feedback(delayed: float) -> float:
    return 0.2 * delayed / (1 + delayed**10)


def _windows(values: np.ndarray, start: int, end: int, window: int, horizon: int) -> Split:
    """All windows whose targets lie in rows `start` to `end`."""
    targets = np.arange(start, end)[:, None]
    return Split(values[targets - horizon + np.arange(1 - window, 1)][..., None], values[targets])


def _baseline(test: Split, spread: float) -> tuple[float, str]:
    """NRMSE of the better trivial predictor, and what it does."""
    last = np.sqrt(np.mean((test.targets - test.inputs[:, -1]) ** 2)) / spread
    mean = np.sqrt(np.mean(test.targets**2)) / spread
    return (float(last), "the last value again") if last < mean else (float(mean), "the mean of the training part")
