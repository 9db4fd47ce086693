"""Statistics of the gates of a layer: NumPy arrays in, numbers out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Bounds = tuple[float, float]

MARGIN = 0.1  # of the range of a gate: below it is left-saturated, as far from the top right-saturated
LONGEST = 10_000.0  # steps; a gate that forgets less counts as one that remembers for so long
BINS = 20  # of the histogram of activations


@dataclass(frozen=True)
class GateStatistics:
    """Statistics of one gate.

    Attributes:
        mean: Mean activation.
        left, right: `(units,)`, fractions of the steps at which a unit is saturated; None for a gate without bounds.
        histogram: `(BINS,)`, fractions of the activations in bins of equal width between the bounds; None as before.
    """

    mean: float
    left: Array | None = None
    right: Array | None = None
    histogram: Array | None = None


@dataclass(frozen=True)
class LayerStatistics:
    """Statistics of one layer.

    Attributes:
        gates: Its learned gates by name, such as `forget_gate`.
        time_scales: `(units,)`, memory in steps, as `time_scales` computes it; None without a learned forget gate.
        mean_cell: Mean of the absolute cell states.
        largest_cell: Largest absolute cell state.
        gradient: `(time,)`, norms of dLoss/dc by step in the order of reading, as `gradient_by_step` computes it.
        first_to_last: The gradient at the first step as a multiple of the one at the last step.
    """

    gates: Mapping[str, GateStatistics]
    time_scales: Array | None
    mean_cell: float
    largest_cell: float
    gradient: Array
    first_to_last: float

    def metrics(self, prefix: str) -> dict[str, float]:
        """The metrics to record, by names that begin with a prefix: means over the units, of time-scales the median.

        Those that are not finite are left out.
        """
        metrics = {
            "cell_state/mean": self.mean_cell,
            "cell_state/largest": self.largest_cell,
            "gradient_first_to_last": self.first_to_last,
        }
        for name, gate in self.gates.items():
            metrics[f"{name}/mean"] = gate.mean
            if gate.left is not None and gate.right is not None:
                metrics[f"{name}/left_saturated"] = float(gate.left.mean())
                metrics[f"{name}/right_saturated"] = float(gate.right.mean())
        if self.time_scales is not None:
            metrics["time_scale"] = float(np.median(self.time_scales))
        return {f"{prefix}/{name}": value for name, value in metrics.items() if math.isfinite(value)}


def layer_statistics(
    arrays: Mapping[str, Array], bounds: Mapping[str, Bounds | None], remembers: bool
) -> LayerStatistics:
    """Summarize the trace of a layer.

    Args:
        arrays: From `variants.trace.Tracer`: the gates and cell_state `(batch, time, units)`, and `(batch, time)` mask
            and gradient, the norms of dLoss/dc_t, in the order of reading.
        bounds: The learned gates by name, such as `forget_gate`, each with the range of its activation; None: without.
        remembers: Whether the forget gate is learned and f is the share of the cell state that is kept.
    """
    mask = arrays["mask"]
    cells = np.abs(unmasked(arrays["cell_state"], mask))
    gates = {name: gate_statistics(unmasked(arrays[name], mask), low_high) for name, low_high in bounds.items()}
    curve, ratio = gradient_by_step(arrays["gradient"])
    return LayerStatistics(
        gates=gates,
        time_scales=time_scales(unmasked(arrays["forget_gate"], mask)) if remembers else None,
        mean_cell=float(cells.mean()),
        largest_cell=float(cells.max()),
        gradient=curve,
        first_to_last=ratio,
    )


def unmasked(values: Array, mask: Array) -> Array:
    """From `(batch, time, units)` to `(steps, units)`: the steps that are not masked, of all sequences."""
    return values.reshape(-1, values.shape[-1]) if mask.all() else values[mask]


def gate_statistics(values: Array, bounds: Bounds | None) -> GateStatistics:
    """Summarize the activations `(steps, units)` of a gate whose activation function has a range, or None."""
    mean = float(values.mean(dtype="float64"))
    if bounds is None:
        return GateStatistics(mean)
    return GateStatistics(mean, *saturation(values, bounds), histogram(values, bounds))


def saturation(values: Array, bounds: Bounds) -> tuple[Array, Array]:
    """Compute for each unit the fraction of steps at which it is left-saturated, and right-saturated.

    A gate between 0 and 1 is left-saturated below 0.1 and right-saturated above 0.9: Karpathy, Johnson and Fei-Fei
    2015, "Visualizing and understanding recurrent networks" (section 4.2, figure 2). Another range is mapped to that
    one first, so that a tanh gate is saturated below -0.8 and above 0.8.

    Args:
        values: `(steps, units)`.
        bounds: The range of the activation function.
    """
    low, high = bounds
    margin = MARGIN * (high - low)
    return (values < low + margin).mean(axis=0), (values > high - margin).mean(axis=0)


def histogram(values: Array, bounds: Bounds) -> Array:
    """Compute which fraction of the values `(steps, units)` lies in each of `BINS` equal bins between the bounds."""
    low, high = bounds
    numbers = ((values - low) * (BINS / (high - low))).astype("int32").ravel()
    return np.bincount(np.clip(numbers, 0, BINS - 1), minlength=BINS) / max(values.size, 1)


def time_scales(forget: Array) -> Array:
    """Compute for how many steps each unit remembers: 1 / (1 - mean over time of |f|).

    With a constant f near 1 this is the time after which the product of the forget gates has fallen to 1/e (Tallec
    and Ollivier 2018, "Can recurrent neural networks warp time?", section 2); with an f that is 0 or 1 it is the mean
    time between two steps that forget everything, where the mean of log f would be minus infinity. At least 1 step
    for |f| <= 1. Of f < 0 the absolute value counts, since the sign does not change how much is kept.

    Args:
        forget: `(steps, units)`.

    Returns:
        `(units,)`, in steps, `LONGEST` at most.
    """
    forgotten = 1 - np.abs(forget).mean(axis=0, dtype="float64")
    return 1 / np.maximum(forgotten, 1 / LONGEST)


def gradient_by_step(gradient: Array) -> tuple[Array, float]:
    """Compute the mean norm of each step, and that of the first steps as a multiple of that of the last steps.

    First and last are those of each sequence that are not masked. Sequences without any step are left out.

    Args:
        gradient: `(batch, time)`, in the order of reading, NaN at masked steps.

    Returns:
        `(time,)`, means over the sequences, NaN where all are masked; and the ratio of the means, NaN if the
        gradient at the last steps is 0.
    """
    counts = np.isfinite(gradient)
    totals = np.where(counts, gradient, 0).sum(axis=0, dtype="float64")
    number = counts.sum(axis=0)
    curve = np.where(number > 0, totals / np.maximum(number, 1), math.nan)
    rows = np.flatnonzero(counts.any(axis=1))
    first = gradient[rows, counts[rows].argmax(axis=1)]
    last = gradient[rows, counts.shape[1] - 1 - counts[rows, ::-1].argmax(axis=1)]
    below = float(last.sum(dtype="float64"))
    return curve, float(first.sum(dtype="float64")) / below if below > 0 else math.nan
