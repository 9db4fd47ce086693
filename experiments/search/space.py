"""The space of a search: what Hydra's overrides say about the values of a key, as distributions of Optuna."""

import math
from itertools import islice
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep, Sweep
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from experiments.errors import UserError

MOST_VALUES = 100_000


def key_of(override: Override) -> str:
    """The key of an override, without the sign that adds it."""
    return override.get_key_element().lstrip("+")


def values(override: Override) -> list[str]:
    """The words of all values that an override lists, each once.

    Raises:
        UserError: for what lists no values.
    """
    sweep = override.value()
    try:
        if isinstance(sweep, IntervalSweep):
            raise ValueError("an interval has no list of values; allowed here: a,b,c, choice, range, glob")
        if isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle:
            raise ValueError("shuffle would change the values from run to run; leave it out")
        listed = list(islice(override.sweep_iterator(), MOST_VALUES + 1))
        if len(listed) > MOST_VALUES:
            raise ValueError(f"has more than {MOST_VALUES} values; use int(interval(a, b))")
        if any(isinstance(value, Sweep | Glob) for value in listed):
            raise ValueError("a value of a choice cannot be a choice, range, interval or glob itself")
        if not listed:
            raise ValueError("has no values")
        return list(dict.fromkeys(override.sweep_string_iterator()))
    except (HydraException, ValueError, ArithmeticError) as error:
        raise UserError(f"{override.input_line}: {error}") from error


def distribution(override: Override) -> BaseDistribution:
    """What an override says about the values of its key. Choices hold the words of their values.

    Raises:
        UserError: for what cannot be drawn from, with what is allowed.
    """
    sweep = override.value()
    known = {"log", "int"} if isinstance(sweep, IntervalSweep) else set()
    unknown = sorted(sweep.tags - known) if isinstance(sweep, Sweep) else []
    if unknown:
        raise UserError(
            f"{override.input_line}: the tag {unknown[0]} means nothing here. Tags: log and int, of intervals"
        )
    if isinstance(sweep, IntervalSweep):
        return _interval(override.input_line, sweep)
    words = values(override)
    if isinstance(sweep, RangeSweep) and all(isinstance(value, int) for value in (sweep.start, sweep.stop, sweep.step)):
        numbers = sorted(map(int, words))
        return IntDistribution(numbers[0], numbers[-1], step=abs(int(sweep.step)))
    return CategoricalDistribution(words)


def _interval(line: str | None, sweep: IntervalSweep) -> BaseDistribution:
    low, high = sweep.start, sweep.end
    assert low is not None and high is not None
    integer, log = "int" in sweep.tags or (isinstance(low, int) and isinstance(high, int)), "log" in sweep.tags
    if problem := _problem(low, high, integer, log):
        raise UserError(f"{line}: {problem}")
    return IntDistribution(int(low), int(high), log) if integer else FloatDistribution(low, high, log)


def _problem(low: float, high: float, integer: bool, log: bool) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return "the bounds must be finite numbers"
    if integer and not (float(low).is_integer() and float(high).is_integer()):
        return "the bounds of an interval of integers must be integers"
    if low >= high:
        return "the lower bound must be less than the upper bound"
    if log and low <= 0:
        return "the bounds of a log-uniform interval must be greater than 0"
    return ""


def word(value: Any) -> str:
    """A drawn value as a command line has it; a float parses back to the same bits."""
    return value if isinstance(value, str) else repr(value)
