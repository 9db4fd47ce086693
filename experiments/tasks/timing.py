"""Tasks that ask for precise timing, after Gers, Schraudolph and Schmidhuber 2002."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Metric, Predict, Split, Task, task
from experiments.tasks._generated import MEAN_SQUARED_ERROR, DataSeed, TestSize, TrainSize, ValidationSize, three_parts

SPIKE_TOLERANCE = 0.49
WAVE_TOLERANCE = 0.3
SOLVED_STREAMS = Metric("solved_streams", f"share of streams with every error below {SPIKE_TOLERANCE}", better="higher")
STEPS_WITHIN = Metric("steps_within", f"steps before the first error of {WAVE_TOLERANCE} or more", better="higher")
RMSE = Metric("rmse", "root mean squared error", keras="mean_squared_error", transform="root")

Interval = Annotated[int, Field("steps from one spike to the next, at least", minimum=1)]
Delays = Annotated[int, Field("largest number of steps that may come on top", minimum=1)]
Length = Annotated[int, Field("time steps of a stream", minimum=2)]


class Shape(StrEnum):
    cos = "cos"
    tri = "tri"
    rect = "rect"


@task
def spike_delay(
    interval: Interval = 10,
    delays: Delays = 1,
    length: Length = 250,
    train_size: TrainSize = 2000,
    validation_size: ValidationSize = 500,
    test_size: TestSize = 1000,
    data_seed: DataSeed = 0,
) -> Task:
    """Measure by how many steps each spike of a stream is late (MSD).

    The input is 1 at the steps T(n) = T(n-1) + `interval` + I(n) with T(0) = 0, and 0 elsewhere; I(n) is drawn
    evenly from 0 to `delays`. The target is I(n) at step T(n) and 0 elsewhere. A stream is solved if every error
    in it is below 0.49; the score is the share of solved test streams. The baseline predicts the mean training
    target of steps with the same input. A stream is made of about `length` / `interval` random numbers: short ones
    come up in more than one part.

    Source: Gers, Schraudolph and Schmidhuber 2002, measuring spike delays, with streams of fixed length.

    Raises:
        UserError: if a stream may be too short for a spike.
    """

    def streams(times: np.ndarray, late: np.ndarray) -> Split:
        return Split(_at(times, np.ones_like(late), length), _at(times, late, length))

    title = f"measure how late spikes are, 0 to {delays} steps after {interval}"
    sizes = (train_size, validation_size, test_size)
    return _spike_task(title, streams, interval, delays, length, sizes, data_seed)


@task
def timed_spikes(
    interval: Interval = 10,
    delays: Delays = 1,
    length: Length = 250,
    train_size: TrainSize = 2000,
    validation_size: ValidationSize = 500,
    test_size: TestSize = 1000,
    data_seed: DataSeed = 0,
) -> Task:
    """Give spikes at the intervals that the input asks for (GTS).

    The target is 1 at the steps T(n) = T(n-1) + `interval` + I(n) with T(0) = 0, and 0 elsewhere; I(n) is drawn
    evenly from 0 to `delays`. The input is I(n + 1) at step T(n), from step 0 on, and 0 elsewhere: how much
    later than `interval` the next spike is due. Score and baseline as in `spike_delay`.

    Source: Gers, Schraudolph and Schmidhuber 2002, generation of timed spikes, with streams of fixed length.

    Raises:
        UserError: if a stream may be too short for a spike.
    """

    def streams(times: np.ndarray, late: np.ndarray) -> Split:
        requests = np.insert(times[:, :-1], 0, 0, axis=1)
        return Split(_at(requests, late, length), _at(times, np.ones_like(late), length))

    title = f"spike every {interval} to {interval + delays} steps, as told"
    sizes = (train_size, validation_size, test_size)
    return _spike_task(title, streams, interval, delays, length, sizes, data_seed)


def _at(times: np.ndarray, values: np.ndarray, length: int) -> np.ndarray:
    """Streams of zeros with `values` at `times`, those before the end: `(sequences, length, 1)`."""
    streams = np.zeros((len(times), length, 1), "float32")
    rows, columns = np.nonzero(times < length)
    streams[rows, times[rows, columns], 0] = values[rows, columns]
    return streams


def _spike_task(
    title: str,
    streams: Callable[[np.ndarray, np.ndarray], Split],
    interval: int,
    delays: int,
    length: int,
    sizes: tuple[int, int, int],
    data_seed: int,
) -> Task:
    """The task whose `streams` are a function of the spikes' times and lateness, each `(sequences, spikes)`."""
    if length <= interval + delays:
        raise UserError(
            f"task.length={length}: must be greater than task.interval + task.delays = {interval + delays}, so that "
            "each stream has a spike"
        )

    def draw(rng: np.random.Generator, size: int) -> Split:
        # More spikes than a stream can hold; `_at` leaves out those after its end.
        late = rng.integers(delays, size=(size, length // interval + 1), endpoint=True)
        return streams(np.cumsum(interval + late, axis=1), late)

    train, _, test = parts = three_parts(draw, sizes, data_seed)
    return Task(
        title,
        *parts,
        outputs=1,
        per_step=True,
        loss="mean_squared_error",
        metrics=(SOLVED_STREAMS, MEAN_SQUARED_ERROR),
        baseline=_solved(_without_memory(train, test), test),
        baseline_title="the mean target of the steps with the same input",
        solved=1.0,
        monitor=MEAN_SQUARED_ERROR,
        measure=lambda predict: {"solved_streams": _solved(predict(test), test)},
    )


def _without_memory(train: Split, test: Split) -> np.ndarray:
    """For each test step, the mean of the training targets at steps with the same input."""
    shown, signals = train.inputs.astype("int64").ravel(), test.inputs.astype("int64")
    counts = np.bincount(shown, minlength=signals.max() + 1)
    means = np.bincount(shown, weights=train.targets.ravel(), minlength=len(counts)) / np.maximum(counts, 1)
    return means[signals]


def _solved(outputs: np.ndarray, split: Split) -> float:
    return float(np.mean((np.abs(outputs - split.targets) < SPIKE_TOLERANCE).all(axis=(1, 2))))


@task
def periodic(
    shape: Annotated[Shape, Field("curve of a period: cosine, triangle or rectangle")] = Shape.cos,
    period: Annotated[int, Field("time steps of a period", minimum=2)] = 10,
    train_length: Annotated[int, Field("steps trained on, from an empty state", minimum=2)] = 100,
    validation_length: Annotated[int, Field("steps of the validation run; scored after those of training")] = 200,
    test_length: Annotated[int, Field("steps of the test run; scored after those of validation")] = 1000,
    train_size: Annotated[int, Field("how often an epoch has the training run", minimum=1)] = 100,
) -> Task:
    """Generate a periodic curve without any input (PFG).

    With p = t mod `period`, the target at step t is (1 - cos(2πt / `period`)) / 2 for `cos`; for `tri`
    2p / `period` if p > `period` / 2, else 2 - 2p / `period`; for `rect` 1 if p > `period` / 2, else 0. The input
    is always 0. The network is trained on the first steps and has to keep time, from an empty state, far beyond:
    validation and test score only steps that are later. The score is the root mean squared error there;
    `steps_within` is the number of steps from the start of the test run before the first error of 0.3 or more.
    The baseline is the mean of the training steps.

    Source: Gers, Schraudolph and Schmidhuber 2002, periodic function generation (periods of 10 and 25); the score
    is this project's.

    Raises:
        UserError: if the three lengths do not ascend, or a period does not fit into the training steps.
    """
    ends = (train_length, validation_length, test_length)
    if not period <= train_length < validation_length < test_length:
        names = ("period", "train_length", "validation_length", "test_length")
        lengths = ", ".join(f"task.{name}={value}" for name, value in zip(names, (period, *ends), strict=True))
        raise UserError(f"{lengths}: each must be greater than the one before; the first two may be equal")
    train, _, test = parts = [
        _run(_curve(shape, period, end), start, repeats)
        for start, end, repeats in zip((0, *ends), ends, (train_size, 1, 1), strict=False)
    ]

    def measure(predict: Predict) -> dict[str, float]:
        wrong = (np.abs(predict(test) - test.targets) >= WAVE_TOLERANCE).ravel()
        return {"steps_within": float(wrong.argmax() if wrong.any() else len(wrong))}

    scored = test.targets[test.weights > 0]
    return Task(
        f"generate {shape} with a period of {period} steps",
        *parts,
        outputs=1,
        per_step=True,
        loss="mean_squared_error",
        metrics=(RMSE, STEPS_WITHIN),
        baseline=float(np.sqrt(np.mean((scored - train.targets.mean()) ** 2))),
        baseline_title="always the mean of the training steps",
        measure=measure,
    )


def _curve(shape: Shape, period: int, steps: int) -> np.ndarray:
    time = np.arange(steps)
    phase = time % period
    late = phase > period / 2
    if shape == Shape.cos:
        return (1 - np.cos(2 * np.pi * time / period)) / 2
    if shape == Shape.tri:
        return np.where(late, 2 * phase / period, 2 - 2 * phase / period)
    return np.where(late, 1.0, 0.0)


def _run(curve: np.ndarray, start: int, repeats: int) -> Split:
    """A curve as target, of which steps from `start` on count."""
    targets = np.tile(curve.astype("float32")[:, None], (repeats, 1, 1))
    weights = np.tile((np.arange(len(curve)) >= start).astype("float32"), (repeats, 1))
    return Split(np.zeros_like(targets), targets, weights=weights)
