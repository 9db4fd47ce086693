"""What is known of a variant and its reference: better, worse, equivalent or undecided."""

import math
from dataclasses import dataclass
from enum import StrEnum

from experiments.analysis.comparison import Comparison
from experiments.analysis.rank_tests import ALPHA
from experiments.errors import UserError


class Verdict(StrEnum):
    """What is known of a row and the one that it is compared with."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Margin:
    """The size of a difference below which it makes no difference.

    Attributes:
        value: In units of the score, or as a share of the reference's score.
        is_share: Whether it is a share.
    """

    value: float
    is_share: bool = False

    def holds(self, comparison: Comparison) -> bool:
        """Whether the interval of a comparison lies within the margin."""
        if not self.is_share:
            shift = comparison.difference
            return -self.value <= shift.low and shift.high <= self.value
        factor = comparison.ratio
        return 1 / (1 + self.value) <= factor.low and factor.high <= 1 + self.value

    @property
    def text(self) -> str:
        """Such as `0.02`, or `5 %`."""
        return f"{100 * self.value:g} %" if self.is_share else f"{self.value:g}"


def parse_margin(text: str) -> Margin:
    """A margin as a command line has it: `0.02`, or `5%`.

    Raises:
        UserError: if it is no number greater than 0.
    """
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"margin={text}: must be a number greater than 0 in units of the score, or a share such as 5%")
    return Margin(value / 100, is_share=True) if text.endswith("%") else Margin(value)


def conclude(comparison: Comparison, adjusted: float, margin: Margin | None, alpha: float = ALPHA) -> Verdict:
    """Equivalent if the interval lies within the margin, else better or worse if the adjusted p is below alpha."""
    if margin is not None and margin.holds(comparison):
        return Verdict.EQUIVALENT
    if not adjusted < alpha or comparison.better is None:
        return Verdict.UNDECIDED
    return Verdict.BETTER if comparison.better else Verdict.WORSE
