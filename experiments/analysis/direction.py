"""Which way a score is better, and what a diverged trial counts as."""

import numpy as np


def sign(better: str) -> float:
    """+1 if lower scores are better, -1 if higher are: times this, every score is a cost.

    Raises ValueError for anything but "lower" and "higher".
    """
    if better not in ("lower", "higher"):
        raise ValueError(f"better={better!r}: must be 'lower' or 'higher'")
    return 1.0 if better == "lower" else -1.0


def costs(scores: np.ndarray, better: str) -> np.ndarray:
    """Scores turned so that lower is better, in float64; an infinite one, a diverged trial, costs infinitely much."""
    turned = sign(better) * np.asarray(scores, "float64")
    return np.where(np.isinf(turned), np.inf, turned)
