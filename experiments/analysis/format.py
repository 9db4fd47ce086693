"""Estimates, p-values and counts as text; numbers with as many digits as their interval allows."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

from experiments.analysis.estimators import Estimate

ROUNDING = 1e-12  # an interval that is narrower, for a value of 1, is one of rounding
SPARE = 2  # digits of a column beyond what half of its intervals need
MOST_DECIMALS = 8


def number(value: float) -> str:
    """A score with four significant digits; `∞` for one without bound, a dash if there is none."""
    if math.isnan(value):
        return "-"
    return f"{_positive_zero(value):.4g}" if math.isfinite(value) else "∞" if value > 0 else "-∞"


def interval(estimate: Estimate) -> str:
    """Value and interval, such as `0.12 [0.08, 0.17]`; the value alone if there is no interval."""
    return column([estimate])[0]


def column(cells: Sequence[Estimate | float | str]) -> list[str]:
    """The cells of a column in one format, with the same number of digits; words stay.

    Two digits of half the width of its interval are shown of each estimate, so of most more; but no more than two
    beyond what half of them need. Without intervals it is four digits of the largest number, or three of the smallest.
    """
    estimates = [cell for cell in cells if isinstance(cell, Estimate)]
    widths = [width for estimate in estimates if (width := _width(estimate))]
    numbers = [value for cell in cells if not isinstance(cell, str) for value in _finite(cell)]
    text = _by_widths(widths, numbers) if widths else _by_digits(numbers)
    return [cell if isinstance(cell, str) else _text(cell, text) for cell in cells]


def _finite(cell: Estimate | float) -> list[float]:
    numbers = (cell.value, cell.low, cell.high) if isinstance(cell, Estimate) else (cell,)
    return [value for value in numbers if math.isfinite(value)]


def _width(estimate: Estimate) -> tuple[float, float] | None:
    """Half the width of an interval, and its largest number; None if it has no width, or one of rounding."""
    half = (estimate.high - estimate.low) / 2
    largest = max(map(abs, (estimate.value, estimate.low, estimate.high)))
    return (half, largest) if math.isfinite(half) and half > ROUNDING * largest else None


def _by_widths(widths: Sequence[tuple[float, float]], numbers: Sequence[float]) -> Callable[[float], str]:
    decimals = _most([1 - _power(half) for half, _ in widths])
    digits = _most([_power(largest) - _power(half) + 1 for half, largest in widths])
    return _scientific(digits) if _is_long(decimals, numbers) else _fixed(decimals)


def _most(counts: list[int]) -> int:
    """What most digits need, so that one narrow interval does not lengthen all the others."""
    return max(min(max(counts), sorted(counts)[len(counts) // 2] + SPARE), 0)


def _by_digits(numbers: Sequence[float]) -> Callable[[float], str]:
    shown = [Decimal(f"{value:.4g}").normalize().as_tuple() for value in numbers if value]
    powers = [_power(value) for value in numbers if value]
    if not powers:
        return number
    needed = max(-int(value.exponent) for value in shown)
    decimals = max(min(needed, max(3 - max(powers), 2 - min(powers))), 0)
    digits = max(len(value.digits) for value in shown) - 1
    return _scientific(digits) if _is_long(decimals, numbers) else _fixed(decimals)


def _is_long(decimals: int, numbers: Sequence[float]) -> bool:
    """Whether powers of ten are easier to read."""
    largest = max(map(abs, numbers))
    return largest >= 1e6 or decimals > MOST_DECIMALS or (decimals > 5 and largest < 1e-3)


def _power(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _fixed(decimals: int) -> Callable[[float], str]:
    return lambda value: f"{_positive_zero(round(value, decimals)):,.{decimals}f}"


def _scientific(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{digits}e}" if value else "0"


def _text(cell: Estimate | float, text: Callable[[float], str]) -> str:
    numbers = (cell.value, cell.low, cell.high) if isinstance(cell, Estimate) else (cell, math.nan, math.nan)
    value, low, high = (text(value) if math.isfinite(value) else number(value) for value in numbers)
    bare = any(map(math.isnan, numbers)) or math.isinf(numbers[1]) and math.isinf(numbers[2])
    return value if bare else f"{value} [{low}, {high}]"


def _positive_zero(value: float) -> float:
    return value + 0.0  # -0.0 + 0.0 is 0.0


def chance(p: float) -> str:
    """A p-value: `p = 0.012`, `p < 0.001`; a dash if there is none."""
    if not math.isfinite(p):
        return "-"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


def p_value(p: float) -> str:
    """A p-value in a column of them: `0.012`, `< 0.001`; a dash if there is none."""
    if not math.isfinite(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


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
