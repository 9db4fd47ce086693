import numpy as np
import pytest

from experiments.errors import UserError
from experiments.tasks import mackey
from tests.tasks.helpers import build


def by_cubic_history(delay, until, step=0.05):
    """The series by a method of its own: midpoint rule, delayed values by cubic Hermite interpolation."""
    lag = round(delay / step)
    x, slope = [1.2] * (lag + 1), [0.0] * (lag + 1)

    def rate(now, past):
        return 0.2 * past / (1 + past**10) - 0.1 * now

    slope[-1] = rate(1.2, 1.2)
    for _ in range(round(until / step)):
        before, after = len(x) - 1 - lag, len(x) - lag
        right = slope[after] if after < len(slope) else slope[-1]
        half = (x[before] + x[after]) / 2 + step / 8 * (slope[before] - right)
        middle = x[-1] + step / 2 * slope[-1]
        x.append(x[-1] + step * rate(middle, half))
        slope.append(rate(x[-1], x[after]))
    return np.array(x[lag :: round(1 / step)])


@pytest.mark.parametrize("delay", [17, 30])
def test_the_integration_agrees_with_another_one(delay, monkeypatch):
    """Over 200 units of time: nearby solutions of a chaotic equation part later."""
    monkeypatch.setattr(mackey, "TRANSIENT", 0)
    ours = mackey.series(delay, 201)
    coarse, fine = (by_cubic_history(delay, 200, step) for step in (0.05, 0.025))
    assert np.ptp(ours) > 0.5 and len(ours) == len(fine)
    np.testing.assert_allclose(ours, fine, atol=2e-3)
    assert np.abs(ours - fine).max() < 3 * np.abs(coarse - fine).max() + 1e-3


def test_a_constant_delay_of_one_substep_is_integrated_too(monkeypatch):
    monkeypatch.setattr(mackey, "TRANSIENT", 0)
    np.testing.assert_allclose(mackey.series(1, 60)[-1], 1, atol=1e-2)  # 0.2 x / (1 + x^10) = 0.1 x at x = 1


def test_windows_end_a_horizon_before_their_targets():
    steps = {"train_steps": 300, "validation_steps": 50, "test_steps": 80}
    task = build("mackey_glass", window=20, horizon=6, **steps)
    values = mackey.series(17, 430)
    scaled = (values - values[:300].mean()) / values[:300].std()
    assert (len(task.train), len(task.validation), len(task.test)) == (300 - 25, 50, 80)
    for split, start in ((task.train, 25), (task.validation, 300), (task.test, 350)):
        for k in (0, len(split) - 1):
            np.testing.assert_allclose(split.targets[k], scaled[start + k : start + k + 1], rtol=1e-5, atol=1e-6)
            last = start + k - 6
            np.testing.assert_allclose(split.inputs[k, :, 0], scaled[last - 19 : last + 1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("horizon", "name"), [(1, "the last value again"), (17, "the mean of the training part")])
def test_the_baseline_is_the_better_trivial_predictor(horizon, name):
    steps = {"train_steps": 300, "validation_steps": 50, "test_steps": 300}
    task = build("mackey_glass", horizon=horizon, window=8, **steps)
    values = mackey.series(17, 650)
    test = values[350:]
    errors = {
        "the last value again": test - values[350 - horizon : 650 - horizon],
        "the mean of the training part": test - values[:300].mean(),
    }
    scores = {name: np.sqrt(np.mean(error**2)) / test.std() for name, error in errors.items()}
    assert task.baseline_title == name == min(scores, key=scores.get)
    assert task.baseline == pytest.approx(scores[name], rel=1e-4)


def test_metrics_are_in_units_of_the_series_and_of_its_deviation():
    steps = {"train_steps": 300, "validation_steps": 50, "test_steps": 200}
    task = build("mackey_glass", **steps)
    values = mackey.series(17, 550)
    scaled_error = 0.5
    nrmse, mse = (metric.value(scaled_error**2) for metric in task.metrics)
    error = scaled_error * values[:300].std()
    assert mse == pytest.approx(error**2) and nrmse == pytest.approx(error / values[350:].std(), rel=1e-5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"train_steps": 37}, "task.train_steps=37: must be at least task.window . task.horizon = 38"),
        ({"delay": 2}, "task.delay=2: the series settles to a constant. Allowed: 5 and more"),
    ],
)
def test_what_cannot_be_used_is_refused(parameters, message):
    with pytest.raises(UserError, match=message):
        build("mackey_glass", **parameters)


def test_the_smallest_training_part_and_delay_that_are_allowed():
    assert len(build("mackey_glass", train_steps=38).train) == 1
    assert build("mackey_glass", delay=5).test.targets.std() > 0.1
