"""Scores of single units: how much one works as a switch, a toggle or a counter. Arrays in, numbers out.

All scores lie between 0 and 1 and are computed over the steps of one sequence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from experiments.trial.gate_statistics import Bounds

Array = np.ndarray
Scores = dict[str, dict[str, Array]]  # `(units,)` by score and quantity

GATES = ("input_gate", "forget_gate", "output_gate")
QUANTITIES = (*GATES, "candidate", "cell_state", "hidden_state")
SHUT, OPEN = 0.1, 0.9  # Karpathy, Johnson and Fei-Fei 2015, section 4.2: a gate beyond these is saturated
UNIFORM = 0.75  # Otsu's share of variance for values spread evenly
MOST_SYMBOLS = 16
MOST_UNITS = 4  # of a score
LEAST = 0.3
MOST_STEPS = 5
SCORES = ("switch", "toggle", "counter")


@dataclass(frozen=True)
class LayerTrace:
    """Gates and states of a layer on a sequence, in the order of reading and without masked steps.

    Attributes:
        arrays: By quantity, `(time, units)`.
        symbols: `(time,)`, the inputs, as `symbol_numbers` numbers them.
        steps: `(time,)`, which steps of the sequence these are.
        bounds: The range of each gate, 0 to 1 if it is not named; None for a gate without one, which has no open and
            no shut and so is no switch.
    """

    arrays: Mapping[str, Array]
    symbols: Array
    steps: Array
    bounds: Mapping[str, Bounds | None] = field(default_factory=dict)


@dataclass(frozen=True)
class UnitScore:
    """A score of a unit, with the steps that show it.

    Attributes:
        score: `switch`, `toggle` or `counter`.
        value: The score.
        layer: Name of the layer.
        quantity: The gate or state of the unit that has this score.
        unit: Its number, from 0.
        steps: Steps at which to look, in order of time: where the value changes most from one level to the other, of
            a counter where it is greatest and smallest.
    """

    score: str
    value: float
    layer: str
    quantity: str
    unit: int
    steps: list[int]


def unit_interval(gate: Array, bounds: Bounds) -> Array:
    """A gate's activations as numbers from 0 (shut) to 1 (open): of a gate from -1 to 1, (a + 1) / 2."""
    low, high = bounds
    return (gate - low) / (high - low)


def switch_score(gate: Array) -> Array:
    """Compute how much each unit of a gate is a switch, that is either open or shut: 2 * sqrt(shut * open).

    `shut` is the share of steps with an activation below 0.1, `open` that above 0.9 (the saturation of Karpathy,
    Johnson and Fei-Fei 2015, section 4.2). 1: saturated at all steps, half of them at either end; 0.6: shut at one step
    of ten, open at all others; 0.2: activations spread evenly; 0: one end is never reached.

    Args:
        gate: `(time, units)`, activations between 0 and 1.

    Returns:
        `(units,)`.
    """
    return 2 * np.sqrt((gate < SHUT).mean(axis=0) * (gate > OPEN).mean(axis=0))


def two_levels(values: Array) -> tuple[Array, Array]:
    """Split each unit's values in two groups so that the variance between the groups is greatest (Otsu 1979).

    Args:
        values: `(time, units)`.

    Returns:
        The thresholds and the shares of the variance that lies between the groups, each `(units,)`. The share is 0 for
        constant values, 0.75 for values spread evenly, 1 for two values.
    """
    time = len(values)
    if time < 2:
        return values.sum(axis=0), np.zeros(values.shape[1])
    ordered = np.sort(values.astype("float64"), axis=0)
    count = np.arange(1, time)[:, None]
    sums = ordered.cumsum(axis=0)
    distance = (sums[-1] - sums[:-1]) / (time - count) - sums[:-1] / count
    between = count * (time - count) / time**2 * distance**2
    best, units = between.argmax(axis=0), np.arange(values.shape[1])
    total = ordered.var(axis=0)
    share = np.divide(between[best, units], total, out=np.zeros(len(units)), where=total > 1e-12)
    return (ordered[best, units] + ordered[best + 1, units]) / 2, share


def toggle_score(values: Array) -> Array:
    """Compute how much each unit is a toggle, that holds one of two levels for long: separation * persistence.

    With the two levels of `two_levels` and s the share of variance between them, separation = (s - 0.75) / 0.25: 1 for
    two values, 0 for values spread evenly or normally. With p the share of steps on the upper level, persistence =
    1 - changes / (2 p (1 - p) (time - 1)): 1 for few changes of level, 0 for as many as in a random order. Both are at
    least 0. A unit that does not change its level and come back, as at the beginning of a sequence, scores 0.

    Args:
        values: `(time, units)`, in any range.

    Returns:
        `(units,)`.
    """
    threshold, share = two_levels(values)
    above = values > threshold
    changes = (above[1:] != above[:-1]).sum(axis=0)
    upper = above.mean(axis=0)
    by_chance = 2 * upper * (1 - upper) * (len(values) - 1)
    persistence = 1 - np.divide(changes, by_chance, out=np.ones(len(upper)), where=by_chance > 0)
    separation = (share - UNIFORM) / (1 - UNIFORM)
    return np.where(changes < 2, 0.0, np.clip(separation, 0, 1) * np.clip(persistence, 0, 1))


def counter_score(cell_state: Array, symbols: Array) -> Array:
    """Compute how much each unit is a counter, to which every symbol adds a constant or which it sets to one.

    For each symbol, of the two rules c' = c + a and c' = b the one with the smaller squared error counts, a and b by
    least squares; b sets the counter back, as a new line does to a counter of characters. The score is the product of

    - 1 - sum(errors^2) / sum((c' - c)^2), for the degrees of freedom divided by 1 - symbols / time;
    - the squared correlation of c with the path of the rules from c = 0 on;
    - twice the share of all movement, sum |c' - c|, that is by adding, at most 1: a unit that is only ever set, as a
      toggle or a memory of the last symbol, counts nothing.

    Args:
        cell_state: `(time, units)`, of a sequence that begins with an empty state.
        symbols: `(time,)`, the input of each step; all the same for a series.

    Returns:
        `(units,)`.
    """
    cell_state = cell_state.astype("float64")
    moves = np.diff(cell_state, axis=0, prepend=0.0)
    _, symbol, counts = np.unique(symbols, return_inverse=True, return_counts=True)
    increments, levels = (_sums(values, symbol, len(counts)) / counts[:, None] for values in (moves, cell_state))
    add_errors, set_errors = (moves - increments[symbol]) ** 2, (cell_state - levels[symbol]) ** 2
    total = (moves**2).sum(axis=0)
    sets = _sums(set_errors, symbol, len(counts)) < _sums(add_errors, symbol, len(counts)) - 1e-9 * total
    unexplained = np.where(sets[symbol], set_errors, add_errors).sum(axis=0)
    freedom = 1 - len(counts) / len(symbols)
    fit = 1 - np.divide(unexplained, total * freedom, out=np.ones(len(total)), where=total * freedom > 1e-12)
    path = _path(np.where(sets, levels, increments), sets, symbol)
    distance = np.abs(moves)
    by_adding = np.where(sets[symbol], 0.0, distance).sum(axis=0)
    share = np.divide(by_adding, distance.sum(axis=0), out=np.zeros(len(total)), where=total > 0)
    return np.clip(fit, 0, 1) * _squared_correlation(path, cell_state) * np.minimum(1, 2 * share)


def _sums(values: Array, symbol: Array, count: int) -> Array:
    """Sums over the steps of each symbol, `(symbols, units)`."""
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, symbol, values)
    return sums


def _path(constants: Array, sets: Array, symbol: Array) -> Array:
    """The counters as the rules alone make them, from 0 on: `(time, units)`."""
    path = np.zeros((len(symbol), constants.shape[1]))
    state = path[0]
    for step, number in enumerate(symbol):
        state = constants[number] + np.where(sets[number], 0.0, state)
        path[step] = state
    return path


def _squared_correlation(first: Array, second: Array) -> Array:
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = (first**2).sum(axis=0) * (second**2).sum(axis=0)
    product = (first * second).sum(axis=0) ** 2
    return np.divide(product, scale, out=np.zeros(len(scale)), where=scale > 1e-20)


def symbol_numbers(inputs: Array) -> Array:
    """The inputs of each step as numbers `(time,)`: tokens, or which of at most 16 different rows of features.

    A series of more different values has one symbol, "a step".
    """
    if inputs.ndim == 1:
        return inputs
    rows, number = np.unique(inputs, axis=0, return_inverse=True)
    return number.reshape(-1) if len(rows) <= MOST_SYMBOLS else np.zeros(len(inputs), int)


def unit_scores(trace: LayerTrace) -> Scores:
    """Compute all scores of a layer: switches of gates, toggles of all quantities, counters of the cell state."""
    ranges = {name: trace.bounds.get(name, (0.0, 1.0)) for name in GATES}
    return {
        "switch": {
            name: switch_score(unit_interval(trace.arrays[name], bounds))
            for name, bounds in ranges.items()
            if bounds is not None
        },
        "toggle": {name: toggle_score(trace.arrays[name]) for name in QUANTITIES},
        "counter": {"cell_state": counter_score(trace.arrays["cell_state"], trace.symbols)},
    }


def top_units(traces: Mapping[str, LayerTrace], scores: Mapping[str, Scores]) -> list[UnitScore]:
    """The best four units of each score, if it is at least 0.3, best first; a unit once for each score.

    Args:
        traces: By layer.
        scores: Their `unit_scores`, by layer.
    """
    top = []
    for score in SCORES:
        best: dict[tuple[str, int], tuple[float, str]] = {}
        for value, layer, quantity, unit in sorted(_large(scores, score), key=lambda row: -row[0]):
            best.setdefault((layer, unit), (value, quantity))
        for (layer, unit), (value, quantity) in list(best.items())[:MOST_UNITS]:
            trace = traces[layer]
            steps = sorted(int(trace.steps[k]) for k in _telling_steps(trace.arrays[quantity][:, unit], score))
            top.append(UnitScore(score, value, layer, quantity, unit, steps))
    return top


def _large(scores: Mapping[str, Scores], score: str) -> Iterator[tuple[float, str, str, int]]:
    """Value, layer, quantity and unit where a score is at least 0.3."""
    for layer, by_score in scores.items():
        for quantity, values in by_score[score].items():
            for unit in np.flatnonzero(values >= LEAST):
                yield float(values[unit]), layer, quantity, int(unit)


def _telling_steps(values: Array, score: str) -> Array:
    """Where a counter is greatest and smallest; where else the level changes, the greatest changes first."""
    if score == "counter":
        return np.unique([values.argmax(), values.argmin()])
    threshold, _ = two_levels(values[:, None])
    above = values > threshold
    changes = np.flatnonzero(above[1:] != above[:-1]) + 1
    return changes[np.argsort(-np.abs(values[changes] - values[changes - 1]), kind="stable")][:MOST_STEPS]
