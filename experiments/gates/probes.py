"""What cell states hold of a text, and in which order gates forget and write. Arrays in, numbers out."""

from collections.abc import Sequence

import numpy as np

Array = np.ndarray

OPENING, CLOSING = "([{", ")]}"
QUOTE = '"'
LAGS = (-3, -2, -1, 0, 1, 2, 3)


def held(symbols: Sequence[str]) -> dict[str, Array]:
    """What a reader of a text may have to remember at each step, `(time,)` each, by name.

    - `count`: how many more a than b were read, of texts of S, a and b only;
    - `depth`: how many brackets are open, never below 0, if there are brackets;
    - `in_quotes`: whether an odd number of double quotes was read since the last empty line, if there are any;
    - `column`: how many characters were read since the last new line, if there are new lines.

    Args:
        symbols: The tokens read, characters.
    """
    alphabet = set(symbols)
    found = {}
    if alphabet <= {"S", "a", "b"}:
        found["count"] = np.cumsum([(each == "a") - (each == "b") for each in symbols])
    if alphabet & set(OPENING):
        found["depth"] = _depth(symbols)
    if QUOTE in alphabet:
        found["in_quotes"] = _in_quotes(symbols)
    if "\n" in alphabet:
        found["column"] = _column(symbols)
    return {name: values.astype("float64") for name, values in found.items()}


def _depth(symbols: Sequence[str]) -> Array:
    depth, found = 0, []
    for each in symbols:
        depth = max(0, depth + (each in OPENING) - (each in CLOSING))
        found.append(depth)
    return np.array(found)


def _in_quotes(symbols: Sequence[str]) -> Array:
    inside, before, found = False, "", []
    for each in symbols:
        if each == before == "\n":
            inside = False
        inside ^= each == QUOTE
        before = each
        found.append(inside)
    return np.array(found)


def _column(symbols: Sequence[str]) -> Array:
    column, found = 0, []
    for each in symbols:
        column = 0 if each == "\n" else column + 1
        found.append(column)
    return np.array(found)


def best_unit(states: Array, wanted: Array) -> tuple[int, float]:
    """The unit whose state has the largest squared correlation with what is wanted, on one half of the steps.

    Returns the unit and its squared correlation on the other half, so that choosing the best of many units does not
    flatter it. 0 if either is constant there.

    Args:
        states: `(time, units)`.
        wanted: `(time,)`.
    """
    middle = len(wanted) // 2
    chosen = int(squared_correlation(states[:middle], wanted[:middle]).argmax())
    return chosen, float(squared_correlation(states[middle:, [chosen]], wanted[middle:])[0])


def squared_correlation(states: Array, wanted: Array) -> Array:
    """Squared correlation over time of each unit, `(time, units)`, with `(time,)`; 0 where one of them is constant."""
    return correlation(states, np.broadcast_to(wanted[:, None], states.shape)) ** 2


def correlation(first: Array, second: Array) -> Array:
    """Correlation over time, `(units,)`, of two arrays `(time, units)`; 0 where one of them is constant."""
    first, second = (each.astype("float64") - each.mean(axis=0) for each in (first, second))
    scale = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    return np.divide((first * second).sum(axis=0), scale, out=np.zeros(first.shape[1]), where=scale > 1e-12)


def forgetting_and_writing(forget_gate: Array, input_gate: Array, candidate: Array) -> dict[int, float]:
    """Correlation of how much a unit forgets, 1 - f_t, with how much it writes `lag` steps later, |i z| at t + lag.

    The mean over the units, by lag. A peak at lag 1 would mean that units forget first and write at the next step, a
    peak at 0 that they do both at one step.

    Args:
        forget_gate: f of one sequence, `(time, units)`.
        input_gate: i.
        candidate: z.
    """
    forgets, writes = 1 - forget_gate, np.abs(input_gate * candidate)
    time = len(forgets)
    found = {}
    for lag in LAGS:
        start, end = max(0, -lag), min(time, time - lag)
        found[lag] = float(correlation(forgets[start:end], writes[start + lag : end + lag]).mean())
    return found
