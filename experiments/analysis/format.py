"""Estimates, p-values and counts as text; numbers with as many digits as their interval allows."""

import math

from experiments.analysis.estimators import Estimate

ROUNDING = 1e-12  # an interval that is narrower, for a value of 1, is one of rounding


def number(value: float) -> str:
    """A score with four significant digits; `∞` for one without bound, a dash if there is none."""
    if math.isnan(value):
        return "-"
    return f"{_positive_zero(value):.4g}" if math.isfinite(value) else "∞" if value > 0 else "-∞"


def interval(estimate: Estimate) -> str:
    """Value and interval, such as `0.12 [0.08, 0.17]`; the value alone if there is no interval."""
    numbers = estimate.value, estimate.low, estimate.high
    if any(map(math.isnan, numbers)) or math.isinf(estimate.low) and math.isinf(estimate.high):
        return number(estimate.value)
    value, low, high = rounded(*numbers) if all(map(math.isfinite, numbers)) else map(number, numbers)
    return f"{value} [{low}, {high}]"


def rounded(*values: float) -> list[str]:
    """Numbers of which the last two span an interval, with two digits of half its width."""
    half = (values[-1] - values[-2]) / 2
    if not half > 0:
        return [number(value) for value in values]
    last = math.floor(math.log10(half)) - 1  # power of ten of the last digit that is shown
    largest = max(abs(value) for value in values)
    if half < ROUNDING * largest:
        return [number(value) for value in values]
    if largest >= 1e6 or (last < -5 and largest < 1e-3):
        digits = max(math.floor(math.log10(largest)) - last, 1)
        return [f"{value:.{digits}e}" for value in values]
    return [f"{_positive_zero(round(value, max(-last, 0))):,.{max(-last, 0)}f}" for value in values]


def _positive_zero(value: float) -> float:
    return value + 0.0  # -0.0 + 0.0 is 0.0


def chance(p: float) -> str:
    """A p-value: `p = 0.012`, `p < 0.001`; a dash if there is none."""
    if not math.isfinite(p):
        return "-"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


def sizes(extremes: tuple[int, int] | None) -> str:
    """A count, or a range of counts, with thousands separated; a dash if there is none."""
    if extremes is None:
        return "-"
    low, high = extremes
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def counted(count: int, name: str) -> str:
    """A count with its noun: `1 seed`, `1,200 seeds`."""
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def listed(names: list[str]) -> str:
    """Names as in a sentence: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
