import numpy as np
import pytest

from experiments.errors import UserError
from tests.tasks.helpers import build

SIZES = {"train_size": 200, "validation_size": 50, "test_size": 100}
CURVES = ["cos", "tri", "rect"]


def parts(task):
    return task.train, task.validation, task.test


def events(stream):
    """Steps at which a stream is not zero, with its values there."""
    return {int(step): float(stream[step, 0]) for step in np.flatnonzero(stream[:, 0])}


@pytest.mark.parametrize(("interval", "delays", "length"), [(10, 1, 100), (5, 4, 33), (1, 2, 20)])
def test_spike_delay_asks_how_late_each_spike_is(interval, delays, length):
    task = build("spike_delay", interval=interval, delays=delays, length=length, **SIZES)
    lateness = []
    for split in parts(task):
        assert split.inputs.shape[1:] == split.targets.shape[1:] == (length, 1)
        for shown, target in zip(split.inputs, split.targets, strict=True):
            spikes = [0, *events(shown)]
            late = np.diff(spikes) - interval
            assert set(events(shown).values()) == {1}
            assert events(target) == {step: n for step, n in zip(spikes[1:], late, strict=True) if n}
            assert length - spikes[-1] <= interval + delays, "a spike is missing at the end"
            lateness += list(late[:1])  # a later one is in the stream only if those before it are short
    counts = np.bincount(lateness, minlength=delays + 1)
    assert len(counts) == delays + 1 and counts.min() > 0.6 * sum(counts) / (delays + 1)


@pytest.mark.parametrize(("interval", "delays", "length"), [(10, 1, 100), (5, 4, 33), (1, 2, 20)])
def test_timed_spikes_asks_for_the_intervals_that_are_shown(interval, delays, length):
    task = build("timed_spikes", interval=interval, delays=delays, length=length, **SIZES)
    for split in parts(task):
        for shown, target in zip(split.inputs, split.targets, strict=True):
            requests, due, step = events(shown), {}, 0
            while (step := step + interval + int(requests.get(step, 0))) < length:
                due[step] = 1.0
            assert events(target) == due
            assert set(requests) <= {0, *due} and set(requests.values()) <= set(range(1, delays + 1))
    first = task.train.inputs[:, 0, 0]
    assert np.bincount(first.astype(int)).min() > 0.6 * 200 / (delays + 1)


def test_both_spike_tasks_draw_the_same_spikes():
    measure, generate = (build(function, **SIZES) for function in ("spike_delay", "timed_spikes"))
    np.testing.assert_array_equal(measure.train.inputs, generate.train.targets)


@pytest.mark.parametrize("function", ["spike_delay", "timed_spikes"])
def test_a_stream_is_solved_if_no_error_is_049_or_more(function):
    task = build(function, **SIZES)

    def solved(*errors):
        def predict(split):
            outputs = split.targets.copy()
            for row, error in enumerate(errors):
                outputs[row, 7 * row, 0] += error
            return outputs

        return task.measure(predict)["solved_streams"]

    assert solved() == solved(0.48, -0.48) == 1
    assert solved(0.5, -0.5, 0.48, 2) == pytest.approx(0.97)
    assert task.score.name == "solved_streams" and task.chooses.name == "mse"


@pytest.mark.parametrize(
    ("function", "parameters", "some"),
    [("spike_delay", {}, False), ("timed_spikes", {}, False), ("timed_spikes", {"delays": 4, "length": 15}, True)],
)
def test_spike_baseline_answers_by_the_current_input(function, parameters, some):
    task = build(function, **parameters, train_size=300, validation_size=5, test_size=200)
    seen = {}
    for signal, target in zip(task.train.inputs.ravel(), task.train.targets.ravel(), strict=True):
        seen.setdefault(signal, []).append(target)
    means = {signal: np.mean(targets) for signal, targets in seen.items()}
    worst = [
        max(abs(means[i] - t) for i, t in zip(shown.ravel(), target.ravel(), strict=True))
        for shown, target in zip(task.test.inputs, task.test.targets, strict=True)
    ]
    assert task.baseline == pytest.approx(np.mean(np.array(worst) < 0.49))
    assert (task.baseline > 0) is some


def expected(shape, period, step):
    """Formulas of the paper, in plain Python."""
    phase = step % period
    if shape == "cos":
        return 0.5 * (1 - np.cos(2 * np.pi * step / period))
    if shape == "tri":
        return 2 * phase / period if phase > period / 2 else (2 * period - 2 * phase) / period
    return float(phase > period / 2)


@pytest.mark.parametrize("shape", CURVES)
@pytest.mark.parametrize("period", [10, 25])
def test_periodic_goes_on_after_what_was_trained(shape, period):
    lengths = {"train_length": 60, "validation_length": 90, "test_length": 200}
    task = build("periodic", shape=shape, period=period, **lengths, train_size=7)
    curve = [expected(shape, period, step) for step in range(200)]
    for split, (start, end) in zip(parts(task), ((0, 60), (60, 90), (90, 200)), strict=True):
        assert len(split) == (7 if start == 0 else 1) and not split.inputs.any()
        assert split.inputs.shape == split.targets.shape == (*split.weights.shape, 1)
        for target, weights in zip(split.targets, split.weights, strict=True):
            np.testing.assert_allclose(target[:, 0], curve[:end], atol=1e-6)
            assert list(weights) == [0] * start + [1] * (end - start)
    errors = [(np.mean(curve[:60]) - value) ** 2 for value in curve[90:]]
    assert task.baseline == pytest.approx(np.sqrt(np.mean(errors)), rel=1e-5)
    assert task.score.value(0.25) == 0.5


@pytest.mark.parametrize(("error", "steps"), [(0.29, 1000), (0.31, 300), (-0.31, 300)])
def test_periodic_counts_the_steps_before_the_first_large_error(error, steps):
    task = build("periodic")

    def predict(split):
        outputs = split.targets.copy()
        outputs[:, 300] += error
        return outputs

    assert task.measure(predict) == {"steps_within": steps}


@pytest.mark.parametrize(
    ("function", "parameters", "message"),
    [
        ("spike_delay", {"length": 11}, "task.length=11: must be greater than task.interval . task.delays = 11"),
        ("timed_spikes", {"interval": 99, "length": 100}, "task.length=100: must be greater than .* = 100"),
        ("timed_spikes", {"delays": 0}, "task.delays=0: must be at least 1"),
        ("periodic", {"period": 101}, "task.period=101, task.train_length=100, .* greater than the one before"),
        ("periodic", {"test_length": 200}, "task.validation_length=200, task.test_length=200: each must be"),
    ],
)
def test_what_cannot_be_used_is_refused(function, parameters, message):
    with pytest.raises(UserError, match=message):
        build(function, **parameters)
