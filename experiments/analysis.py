"""Arrays in, numbers out."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of the finite scores, and how many there are."""

    mean: float
    deviation: float
    count: int


def spread(scores: np.ndarray) -> Spread:
    """Summarise the scores of one variant on one task, one score per seed, shape `(seeds,)`.

    The standard deviation divides by n - 1; it is NaN for a single score, as is the mean for none.
    """
    finite = np.asarray(scores, "float64")
    finite = finite[np.isfinite(finite)]
    mean = float(finite.mean()) if len(finite) else float("nan")
    deviation = float(finite.std(ddof=1)) if len(finite) > 1 else float("nan")
    return Spread(mean, deviation, len(finite))
