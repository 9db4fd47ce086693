"""What hidden units may hold of a text, what is compared with it, and in which order gates forget and write."""

from collections.abc import Callable, Collection, Sequence
from itertools import accumulate

import numpy as np

from experiments.analysis import Moments, explained, explained_by_one

Array = np.ndarray

OPENING, CLOSING = "([{", ")]}"
QUOTE = '"'
LAGS = (-3, -2, -1, 0, 1, 2, 3)

BLOCKS = 5
CONTROLS = 9
WINDOW = 5  # symbols that inputs alone are probed with
MOST_KINDS = 100  # of symbols that are told apart among them


class ProbeTargets:
    """What a reader of a text may have to remember at each step, and control targets beside each.

    A *control task* (Hewitt and Liang 2019, "Designing and interpreting probes with control tasks") has the outputs of
    the real one in an order that the text does not decide, so that a probe can do well at it by its own capacity alone;
    *selectivity* is the score of the probe less that of the control. Theirs gives each symbol a value at random, which
    for a memory is no control: the last symbol says it all. Here it is the target itself, moved along the text by a
    random number of steps, a tenth of it at least: the same values, for as long as in the real one, but nothing that
    was read helps to tell them. Values drawn for each step by itself would be too easy to be right about, since states
    and targets both change slowly, and such series correlate by chance ("nonsense correlations", Harris 2020). The
    mean over 9 controls counts.

    Attributes:
        names: The targets.
        columns: `(steps, targets * (1 + CONTROLS))`, each target followed by its controls.
        block: `(steps,)`: of a stream five contiguous parts, since steps beside one another are alike; of several
            sequences, each of which begins anew, every fifth.
    """

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        alphabet = set().union(*texts)
        by_text = [probe_targets(text, alphabet) for text in texts]
        self.names = list(by_text[0])
        lengths = [len(text) for text in texts]
        steps = sum(lengths)
        shifts = np.random.default_rng(0).integers(steps // 10, steps - steps // 10, CONTROLS)
        columns = [
            np.roll(np.concatenate([targets[name] for targets in by_text]), shift)
            for name in self.names
            for shift in (0, *shifts)
        ]
        self.columns = np.array(columns, "float32").T.reshape(steps, -1)
        if len(texts) == 1:
            self.block = np.arange(steps) * BLOCKS // max(steps, 1)
        else:
            self.block = np.repeat(np.arange(len(texts)) % BLOCKS, lengths)

    @property
    def is_probed(self) -> bool:
        """Whether there is anything to hold, and enough to measure it."""
        return bool(self.names) and len(np.unique(self.block)) >= 3


class Probe:
    """Linear probes of features of every step, such as the cell states of a layer, as the steps come.

    Scores are `experiments.analysis.explained`, of a target that is 0 or 1 too, so that all compare: the share of the
    variance in blocks of the text that the probe has not seen. One that does worse than the mean, as few steps let it
    do by any amount, explains nothing and counts as 0.

    Args:
        targets: The targets and their controls.
        features: Number of features.
    """

    def __init__(self, targets: ProbeTargets, features: int) -> None:
        self.targets, self.features = targets, features
        self.moments = Moments(BLOCKS, features + targets.columns.shape[1])
        self.step = 0

    def add(self, features: Array) -> None:
        """Add the next steps: `(steps, features)`."""
        steps = slice(self.step, self.step + len(features))
        self.moments.add(np.column_stack([features, self.targets.columns[steps]]), self.targets.block[steps])
        self.step = steps.stop

    def scores(self) -> dict[str, float]:
        """The scores of each target that is not constant, such as `depth/probe`.

        - `unit`: of the best feature alone, chosen in other blocks than those in which it is measured;
        - `probe`: of all features together;
        - `control`: of the same for the control targets, their mean;
        - `selectivity`: probe - control.
        """
        features, columns = range(self.features), self.moments.sums.shape[1] - 1
        by_column = np.maximum(0, explained(self.moments, features, range(self.features, columns)))
        units = np.maximum(0, explained_by_one(self.moments, features, range(self.features, columns, 1 + CONTROLS)))
        scores = {}
        by_target = by_column.reshape(-1, 1 + CONTROLS)
        for name, unit, (probe, *controls) in zip(self.targets.names, units, by_target, strict=True):
            control = np.mean(controls)
            values = {"unit": unit, "probe": probe, "control": control, "selectivity": probe - control}
            scores |= {f"{name}/{score}": float(value) for score, value in values.items() if np.isfinite(value)}
        return scores


def input_scores(symbols: Sequence[Array], targets: ProbeTargets) -> dict[str, float]:
    """Scores of the last five symbols read, as indicators: what a probe finds without any memory beyond them.

    Args:
        symbols: `(time,)` of each sequence, as the targets were made of.
        targets: The targets.
    """
    _, number, counts = np.unique(np.concatenate(symbols), return_inverse=True, return_counts=True)
    kinds = min(len(counts), MOST_KINDS)
    rank = np.minimum(np.argsort(np.argsort(-counts, kind="stable")), kinds)  # 0 for the most frequent one
    indicators = np.eye(kinds + 1, kinds)  # all zeros: a rare symbol, or none yet
    probe = Probe(targets, WINDOW * kinds)
    for text in np.split(rank[number], np.cumsum([len(text) for text in symbols])[:-1]):
        padded = np.concatenate([np.full(WINDOW - 1, kinds), text])
        last = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)
        for part in np.array_split(last, 1 + len(last) // 2000):
            probe.add(indicators[part].reshape(len(part), -1))
    return {name: value for name, value in probe.scores().items() if not name.endswith("/unit")}


def probe_targets(symbols: Sequence[str], alphabet: Collection[str] | None = None) -> dict[str, Array]:
    """What a reader of a text may have to remember at each step: by name, `(time,)`.

    - `count`: how many more a than b were read, of texts of S, a and b only;
    - `depth`: how many brackets are open, never below 0, if there are brackets;
    - `in_quotes`: whether an odd number of double quotes was read since the last empty line, if there are any;
    - `column`: how many characters were read since the last new line, if there are new lines.

    Args:
        symbols: The tokens read, characters.
        alphabet: The tokens of all texts, which say what there is; None: those of this one.
    """
    alphabet = set(symbols if alphabet is None else alphabet)
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
