"""Probes of hidden units: what cell states hold of a text, and in which order gates forget and write."""

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np

Array = np.ndarray

OPENING, CLOSING = "([{", ")]}"
QUOTE = '"'
LAGS = (-3, -2, -1, 0, 1, 2, 3)


def probe_targets(symbols: Sequence[str]) -> dict[str, Array]:
    """What a reader of a text may have to remember at each step: by name, `(time,)`.

    - `count`: how many more a than b were read, of texts of S, a and b only;
    - `depth`: how many brackets are open, never below 0, if there are brackets;
    - `in_quotes`: whether an odd number of double quotes was read since the last empty line, if there are any;
    - `column`: how many characters were read since the last new line, if there are new lines.

    Args:
        symbols: The tokens read, characters.
    """
    alphabet = set(symbols)
    targets = {}
    if alphabet <= {"S", "a", "b"}:
        targets["count"] = _running(symbols, lambda count, symbol: count + (symbol == "a") - (symbol == "b"))
    if alphabet & set(OPENING):
        targets["depth"] = _running(symbols, lambda n, symbol: max(0, n + (symbol in OPENING) - (symbol in CLOSING)))
    if QUOTE in alphabet:
        targets["in_quotes"] = _in_quotes(symbols)
    if "\n" in alphabet:
        targets["column"] = _running(symbols, lambda column, symbol: 0 if symbol == "\n" else column + 1)
    return {name: values.astype("float64") for name, values in targets.items()}


def _running(symbols: Sequence[str], update: Callable[[int, str], int]) -> Array:
    """What an automaton that starts at 0 and is updated by each symbol holds after it: `(time,)`."""
    return np.array(list(accumulate(symbols, update, initial=0))[1:])


def _in_quotes(symbols: Sequence[str]) -> Array:
    inside, previous, states = False, "", []
    for symbol in symbols:
        if symbol == previous == "\n":
            inside = False
        inside ^= symbol == QUOTE
        previous = symbol
        states.append(inside)
    return np.array(states)


def best_unit(states: Array, target: Array) -> tuple[int, float]:
    """Find the unit whose state has the largest squared correlation with a target, on one half of the steps.

    Returns the unit and its squared correlation on the other half, so that choosing the best of many units does not
    flatter it. 0 if either is constant there.

    Args:
        states: `(time, units)`.
        target: `(time,)`.
    """
    middle = len(target) // 2
    unit = int(squared_correlation(states[:middle], target[:middle]).argmax())
    return unit, float(squared_correlation(states[middle:, [unit]], target[middle:])[0])


def squared_correlation(states: Array, target: Array) -> Array:
    """Squared correlation over time of each unit, `(time, units)`, with `(time,)`; 0 where one of them is constant."""
    return correlation(states, np.broadcast_to(target[:, None], states.shape)) ** 2


def correlation(first: Array, second: Array) -> Array:
    """Correlation over time, `(units,)`, of two arrays `(time, units)`; 0 where one of them is constant."""
    first, second = (values.astype("float64") - values.mean(axis=0) for values in (first, second))
    scale = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    return np.divide((first * second).sum(axis=0), scale, out=np.zeros(first.shape[1]), where=scale > 1e-12)


def forget_write_correlation(forget_gate: Array, input_gate: Array, candidate: Array) -> dict[int, float]:
    """Correlate how much a unit forgets, 1 - f_t, with how much it writes `lag` steps later, |i z| at t + lag.

    The mean over the units, by lag. A peak at lag 1 would mean that units forget first and write at the next step, a
    peak at 0 that they do both at one step.

    Args:
        forget_gate: f of one sequence, `(time, units)`.
        input_gate: i.
        candidate: z.
    """
    forgetting, writing = 1 - forget_gate, np.abs(input_gate * candidate)
    time = len(forgetting)
    correlations = {}
    for lag in LAGS:
        start, end = max(0, -lag), min(time, time - lag)
        correlations[lag] = float(correlation(forgetting[start:end], writing[start + lag : end + lag]).mean())
    return correlations
