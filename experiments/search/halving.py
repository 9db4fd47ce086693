"""Successive halving (Jamieson and Talwalkar 2016), and the brackets of Hyperband (Li et al. 2018): who goes on.

Draws are trained to the first rung, the best share of them to the next one, and so on; the last are trained to their
end. A bracket begins at a later rung, for settings that are slow to show what they are worth.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from experiments.config.schema import Halving
from experiments.errors import UserError

Stage = int | None  # the epoch after which trials pause; None: they are trained to their end

Key = TypeVar("Key", bound=int)


def check(halving: Halving) -> None:
    """Refuse rungs that do not rise, a share that is none, and more brackets than rungs.

    Raises:
        UserError: says what is allowed.
    """
    rungs = halving.rungs
    if any(rung < 1 for rung in rungs) or any(low >= high for low, high in zip(rungs, rungs[1:], strict=False)):
        raise UserError(f"search.halving.rungs={rungs}: must be epochs that rise, from 1 on, such as [3,9,27]")
    share(halving.keep)
    if halving.brackets > max(1, len(rungs)):
        raise UserError(f"search.halving.brackets={halving.brackets}: there are {len(rungs)} rungs to begin at")


def share(keep: Any) -> Fraction:
    """The share of draws that go on: a fraction such as `1/3`, or a number.

    Raises:
        UserError: if it is not between 0 and 1.
    """
    try:
        value = Fraction(str(keep))
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value < 1:
        raise UserError(f"search.halving.keep={keep}: must be greater than 0 and less than 1, such as 1/3")
    return value


def stages(halving: Halving, epochs: int, name: str) -> list[Stage]:
    """Where trials of so many epochs pause, and their end.

    Raises:
        UserError: for a rung beyond the last epoch.
    """
    rungs = halving.rungs
    if rungs and rungs[-1] > epochs:
        raise UserError(
            f"search.halving.rungs={rungs}: {name} has training.epochs={epochs}, and no rung may be beyond it"
        )
    return [*(rung for rung in rungs if rung < epochs), None]


def brackets(halving: Halving, count: int) -> list[int]:
    """The rung, from 0, at which each draw begins, so that every bracket costs about the same number of epochs."""
    if halving.brackets == 1:
        return [0] * count
    keep, rungs = share(halving.keep), halving.rungs
    costs = [_epochs(rungs[first:], keep) for first in range(halving.brackets)]
    weights = [1 / cost for cost in costs]
    ends = [round(count * float(sum(weights[: k + 1]) / sum(weights))) for k in range(len(weights))]
    return [next(bracket for bracket, end in enumerate(ends) if number < end) for number in range(count)]


def _epochs(rungs: Sequence[int], keep: Fraction) -> Fraction:
    """Expected epochs of a draw that begins at the first of some rungs."""
    steps = [rungs[0], *(high - low for low, high in zip(rungs, rungs[1:], strict=False))]
    return sum((keep**k * step for k, step in enumerate(steps)), Fraction(0))


def ranked(scores: Mapping[Key, float | None], better: str) -> list[Key]:
    """The draws that have a finite score, the best first, of equal ones that with the lower number."""
    sign = 1 if better == "lower" else -1
    finite = {number: sign * score for number, score in scores.items() if score is not None and math.isfinite(score)}
    return sorted(finite, key=lambda number: (finite[number], number))


def promoted(scores: Mapping[Key, float | None], keep: Any, better: str) -> list[Key]:
    """The draws that go on to the next rung: the best share of all, at least one, by their number.

    Args:
        scores: Validation scores by number of the draw: NaN of one that diverged, None of one that failed.
        keep: The share.
        better: `lower` or `higher` scores.
    """
    count = max(1, math.floor(len(scores) * share(keep)))
    return sorted(ranked(scores, better)[:count])
