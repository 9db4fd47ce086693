"""Random search without Hydra: seeded draws from distributions, crossed with a grid.

Draw `number` of a key depends on the seed of the search, the key and `number` alone. So more draws only add to the
ones before, and one more key leaves the draws of the others as they are.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from experiments.errors import UserError


@dataclass(frozen=True)
class Choice:
    """One of the values, each with the same probability. A value listed twice has twice the probability of others."""

    values: tuple[str, ...]

    def problem(self) -> str | None:
        """What is wrong with the values, or None."""
        return None if self.values else "has no values"

    def value(self, fraction: float) -> str:
        """The value at a fraction, 0 <= fraction < 1, of the cumulative probability."""
        return self.values[math.floor(fraction * len(self.values))]


@dataclass(frozen=True)
class Interval:
    """A number from `low` to `high`, uniform or, if `log`, with a uniform logarithm.

    A float is never `high` itself. An integer may be: `low` and `high` both belong to the interval.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def problem(self) -> str | None:
        """What is wrong with the bounds, or None."""
        low, high = self.low, self.high
        if not (math.isfinite(low) and math.isfinite(high)):
            return "the bounds must be finite numbers"
        if self.integer and not (float(low).is_integer() and float(high).is_integer()):
            return "the bounds of an interval of integers must be integers"
        if low >= high:
            return "the lower bound must be less than the upper bound"
        if self.log and low <= 0:
            return "the bounds of a log-uniform interval must be greater than 0"
        return None

    def value(self, fraction: float) -> str:
        """As `Choice.value`. A float is printed so that it parses back to the same bits."""
        if not self.integer:
            return repr(self._between(self.low, self.high, fraction))
        number = self._between(self.low - 0.5, self.high + 0.5, fraction)
        return str(min(max(math.floor(number + 0.5), int(self.low)), int(self.high)))

    def _between(self, low: float, high: float, fraction: float) -> float:
        if self.log:
            number = math.exp(math.log(low) + fraction * (math.log(high) - math.log(low)))
        else:
            number = low + fraction * (high - low)
        return min(max(number, low), math.nextafter(high, low))  # rounding may lead out of the interval


Distribution = Choice | Interval


@dataclass(frozen=True)
class Search:
    """The trials of a random search: each draw combined with each cell of the grid.

    Attributes:
        draws: Values by key, in the order in which they were drawn.
        cells: Values by key of the grid; one empty cell if there is no grid.
        repeated: Number of draws that were left out, since they repeat an earlier one.
    """

    draws: list[dict[str, str]]
    cells: list[dict[str, str]]
    repeated: int

    @property
    def trials(self) -> list[dict[str, str]]:
        """All cells of the first draw, then all of the second, and so on."""
        return [draw | cell for draw in self.draws for cell in self.cells]

    def __str__(self) -> str:
        count = len(self.draws) * len(self.cells)
        lines = [f"random search: {_keys(self.draws, 'draw')} x {_keys(self.cells, 'grid cell')} = {count} trials"]
        if self.repeated:
            lines.append(f"random search: {self.repeated} more draws repeat an earlier one and are left out")
        return "\n".join(lines)


def search(distributions: Mapping[str, Distribution], grid: Sequence[str], n_trials: int, seed: int) -> Search:
    """Draw every key that is not in the grid, `n_trials` times, and cross the values of those that are.

    Args:
        distributions: By key, in the order in which trials list their values. Keys of the grid have a `Choice`.
        grid: Keys of `distributions` that are not drawn.
        n_trials: Number of draws.
        seed: Seed of the draws, any integer.

    Raises:
        UserError: if there are no draws, no key is drawn, or a key of the grid has no list of values.
    """
    if n_trials < 1:
        raise UserError(f"hydra.sweeper.n_trials={n_trials}: must be at least 1")
    for key in grid:
        _check_grid(key, distributions)
    drawn = {key: distribution for key, distribution in distributions.items() if key not in grid}
    if not drawn:
        raise UserError(
            "a random search needs a key to draw, such as training.learning_rate='tag(log, interval(1e-4, 1e-1))', "
            "that is not in hydra.sweeper.grid; a grid alone is a sweep with hydra/sweeper=basic"
        )
    draws = [
        {key: distribution.value(_fraction(seed, key, n)) for key, distribution in drawn.items()}
        for n in range(n_trials)
    ]
    lists = {key: choice.values for key, choice in distributions.items() if key in grid and isinstance(choice, Choice)}
    cells = [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]
    distinct = _distinct(draws)
    return Search(distinct, _distinct(cells), n_trials - len(distinct))


def _check_grid(key: str, distributions: Mapping[str, Distribution]) -> None:
    if key not in distributions:
        swept = ", ".join(distributions) or "none"
        raise UserError(f"hydra.sweeper.grid: {key} is not swept, give it a list of values. Swept: {swept}")
    if not isinstance(distributions[key], Choice):
        raise UserError(f"hydra.sweeper.grid: {key} is an interval; allowed in the grid: a,b,c, choice, range, glob")


def _fraction(seed: int, key: str, number: int) -> float:
    """A uniform number, 0 <= number < 1, with 53 random bits: the same on every machine and with every NumPy."""
    digest = hashlib.sha256(repr((seed, key, number)).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _distinct(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return [dict(items) for items in dict.fromkeys(tuple(row.items()) for row in rows)]


def _keys(rows: Sequence[dict[str, str]], noun: str) -> str:
    keys = ", ".join(rows[0])
    count = f"{len(rows)} {noun}{'s' if len(rows) > 1 else ''}"
    return f"{count} ({keys})" if keys else count
