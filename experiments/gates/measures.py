"""Everything that a survey measures of one model, by layer."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from experiments.gates import probes
from experiments.gates.probes import Probe, ProbeTargets
from experiments.gates.reading import Piece, joined, read_pieces, read_symbols
from experiments.gates.trained_trial import TrainedTrial, layer_bounds
from experiments.gates.unit_scores import QUANTITIES, LayerTrace, unit_scores
from experiments.trial.gate_statistics import Bounds, saturation

Array = np.ndarray
Measures = dict[tuple[str, str], float]  # by layer and measure

BEGINNING = 2000  # steps that unit scores and lags are computed on
MOSTLY = 0.9  # of the steps
ORDER = ("forget_gate", "input_gate", "candidate")


class ReadText:
    """The symbols of the test part of a task that are read, and what is to be held of them.

    Args:
        trial: A trial of the task.
        steps: As in `reading.read_symbols`.
    """

    def __init__(self, trial: TrainedTrial, steps: int | None) -> None:
        self.steps = steps
        self.symbols = read_symbols(trial.task.test, steps)
        self.tokens = trial.task.tokens
        texts = [[self.tokens[number] for number in text] for text in self.symbols] if self.tokens else []
        targets = ProbeTargets(texts) if texts else None
        self.targets = targets if targets and targets.is_probed else None

    def equals(self, other: "ReadText") -> bool:
        """Whether another one has the same symbols, as trials of one text with other seeds do."""
        pairs = zip(self.symbols, other.symbols, strict=False)
        return (self.tokens, len(self.symbols)) == (other.tokens, len(other.symbols)) and all(
            np.array_equal(here, there) for here, there in pairs
        )

    @cached_property
    def input_measures(self) -> Measures:
        """What inputs alone give, of no layer."""
        scores = probes.input_scores(self.symbols, self.targets) if self.targets else {}
        return {("", measure): value for measure, value in scores.items()}


class Saturation:
    """How much of the time each unit of the gates of a layer is saturated, as the steps come.

    Args:
        bounds: The ranges of the gates, by name; gates without one are left out.
    """

    def __init__(self, bounds: dict[str, Bounds | None]) -> None:
        self.bounds = {gate: low_high for gate, low_high in bounds.items() if low_high is not None}
        self.steps = 0
        self.totals: dict[str, Array] = {}

    def add(self, arrays: dict[str, Array]) -> None:
        """Add the next steps of the gates, each `(steps, units)`."""
        for gate, bounds in self.bounds.items():
            shares = np.array(saturation(arrays[gate], bounds)) * len(arrays[gate])
            self.totals[gate] = self.totals.get(gate, 0.0) + shares
        self.steps += len(arrays["cell_state"])

    def measures(self) -> dict[str, float]:
        """Shares of steps and units, after Karpathy, Johnson and Fei-Fei 2015, section 4.2, by gate.

        - `left_saturated`, `right_saturated`, `unsaturated`: of the steps at which a unit is shut, open or neither, the
          mean over the units;
        - `mostly_shut`, `mostly_open`: of the units that are left- or right-saturated at more than 90 % of the steps.
        """
        measures = {}
        for gate, totals in self.totals.items():
            left, right = totals / self.steps
            shares = {
                "left_saturated": left,
                "right_saturated": right,
                "unsaturated": 1 - left - right,
                "mostly_shut": left > MOSTLY,
                "mostly_open": right > MOSTLY,
            }
            measures |= {f"{gate}/{name}": float(np.mean(values)) for name, values in shares.items()}
        return measures


def model_measures(trial: TrainedTrial, text: ReadText) -> Measures:
    """Everything that is measured of the model of a trial as it is."""
    bounds = layer_bounds(trial.model)
    layer_probes: dict[str, Probe] = {}
    saturations: dict[str, Saturation] = {}
    first: list[Piece] = []
    for piece in read_pieces(trial, text.steps):
        if sum(map(len, first)) < BEGINNING:
            first.append(piece)
        for layer, arrays in piece.layers.items():
            saturations.setdefault(layer, Saturation(bounds[layer])).add(arrays)
            if text.targets:
                states = arrays["cell_state"]
                layer_probes.setdefault(layer, Probe(text.targets, states.shape[1])).add(states)
    sequences = joined(first)
    measures: Measures = {}
    for layer in saturations:
        traces = [layers[layer] for layers in sequences]
        by_measure = layer_probes[layer].scores() if text.targets else {}
        by_measure |= best_units(text.symbols, traces, bounds[layer]) | order_of_gates(traces)
        by_measure |= saturations[layer].measures()
        measures |= {(layer, measure): value for measure, value in by_measure.items()}
    return measures


def best_units(
    symbols: Sequence[Array], traces: Sequence[dict[str, Array]], bounds: dict[str, Bounds | None]
) -> dict[str, float]:
    """The best unit's score of each kind, of the gate browser, over the steps of the traces, one after the other."""
    arrays = {quantity: np.concatenate([trace[quantity] for trace in traces]) for quantity in QUANTITIES}
    inputs = np.concatenate(symbols)[: len(arrays["cell_state"])]
    scores = unit_scores(LayerTrace(arrays, inputs, np.arange(len(inputs)), bounds))
    return {
        score: max((float(values.max()) for values in by_quantity.values()), default=0.0)
        for score, by_quantity in scores.items()
    }


def order_of_gates(traces: Sequence[dict[str, Array]]) -> dict[str, float]:
    """By lag the correlation of forgetting with writing, mean over units and sequences."""
    orders = [probes.forget_write_correlation(*map(arrays.get, ORDER)) for arrays in traces]
    return {f"forgets_and_writes {lag:+d}": float(np.mean([order[lag] for order in orders])) for lag in probes.LAGS}
