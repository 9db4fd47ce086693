"""Where two trainings of the same trial differ, to the last bit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Metrics = Mapping[tuple[int, str], float]  # by epoch, from 1, and name; those of the test part are of epoch 0
Tensors = Sequence[tuple[str, np.ndarray]]


@dataclass(frozen=True)
class Trained:
    """What a training ended with.

    Attributes:
        metrics: Of every epoch in order, then of the test part, without times.
        tensors: Every variable of the saved model by its path.
    """

    metrics: Metrics
    tensors: Tensors


def metrics_of(epochs: Mapping[int, Mapping[str, float]], test: Mapping[str, float]) -> dict[tuple[int, str], float]:
    """The metrics of a training in the order in which they came to be, without times."""
    found = {(epoch, name): value for epoch in sorted(epochs) for name, value in epochs[epoch].items()}
    found |= {(0, f"test/{name}"): value for name, value in test.items()}
    return {key: value for key, value in found.items() if not key[1].startswith("time/")}


def difference(first: Trained, second: Trained) -> str:
    """The first difference of two trainings; "" if they are the same bit for bit."""
    return metrics_difference(first.metrics, second.metrics) or tensors_difference(first.tensors, second.tensors)


def metrics_difference(first: Metrics, second: Metrics) -> str:
    """The first metric that differs, with both values; "" if none does. NaN equals NaN, 0.0 does not equal -0.0."""
    for key in [*first, *(key for key in second if key not in first)]:
        values = [str(_exact(each[key])) if key in each else "absent" for each in (first, second)]
        if values[0] != values[1]:
            return f"{_when(key[0])}{key[1]}: {values[0]} and {values[1]}"
    return ""


def _exact(value: float) -> str:
    """All digits: two numbers have the same text only if they have the same bits."""
    return "nan" if math.isnan(value) else repr(float(value))


def _when(epoch: int) -> str:
    return f"epoch {epoch}, " if epoch else ""


def tensors_difference(first: Tensors, second: Tensors) -> str:
    """The first tensor that differs, with the largest difference; "" if none does."""
    names = [[path for path, _ in each] for each in (first, second)]
    if names[0] != names[1]:
        return f"tensors: {', '.join(names[0])} and {', '.join(names[1])}"
    for (path, a), (_, b) in zip(first, second, strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"{path}: {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        if a.tobytes() != b.tobytes():
            return f"{path}: {_how_many(a, b)}"
    return ""


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.frombuffer(array.tobytes(), dtype="uint8").reshape(array.size, -1)


def _how_many(a: np.ndarray, b: np.ndarray) -> str:
    differ = int(np.any(_bytes(a) != _bytes(b), axis=1).sum())
    with np.errstate(invalid="ignore"):
        distance = np.abs(np.asarray(a, dtype="float64") - np.asarray(b, dtype="float64"))
    finite = distance[np.isfinite(distance)]
    largest = repr(float(finite.max())) if finite.size else "not a number"
    return f"{differ} of {a.size} values differ, by {largest} at most"
