"""How many units a variant needs for as many parameters as the standard LSTM has."""

import bisect
import math
from collections.abc import Callable

from experiments.config.schema import Config, Match, Model, Variant
from experiments.errors import UserError
from experiments.tasks import Task
from experiments.trial.model import make_layer

TOLERANCE = 0.01  # of the parameters of the standard LSTM
TRIED = 1024  # larger model.units, one after the other, for the advice of a refusal

_known: dict[tuple[str, str, tuple[int, int, int]], int] = {}


class Parameters:
    """Trainable parameters of the whole model of a task, as a function of the units of each recurrent layer.

        P(u) = embedding + d * (L(features, u) + (layers - 1) * L(d * u, u)) + (d * u + 1) * outputs

    L(n, u) counts those of one recurrent layer that reads n features, and d is 2 for a bidirectional model, else 1. L
    is counted in a layer that is built; all else follows from the shapes.
    """

    def __init__(self, task: Task, variant: Variant, settings: Model) -> None:
        self.variant = variant
        self.layers = settings.layers
        self.directions = 2 if settings.bidirectional else 1
        self.ends = _ends(task, settings)
        self.counted: dict[int, int] = {}

    def __call__(self, units: int) -> int:
        if units not in self.counted:
            self.counted[units] = self._count(units)
        return self.counted[units]

    def _count(self, units: int) -> int:
        features, embedding, outputs = self.ends
        width = self.directions * units
        recurrent = self._of_layer(features, units)
        if self.layers > 1:
            recurrent += (self.layers - 1) * self._of_layer(width, units)
        return embedding + self.directions * recurrent + (width + 1) * outputs

    def _of_layer(self, features: int, units: int) -> int:
        layer = make_layer(self.variant, units)
        layer.build((None, None, features))
        return sum(math.prod(variable.shape) for variable in layer.trainable_variables)

    def quadratic(self) -> Callable[[int], int]:
        """The polynomial of degree 2 through P(1), P(2) and P(3), which is P for every variant of this library."""
        first, second, third = (self(units) for units in (1, 2, 3))
        slope, bend = second - first, third - 2 * second + first
        return lambda units: first + (units - 1) * slope + (units - 1) * (units - 2) // 2 * bend


def units(config: Config, task: Task) -> int:
    """Units of each recurrent layer of a trial.

    With `model.match=units` those are `model.units`. With `model.match=parameters` they are the u >= 1 with the least
    |P(u) - S|, where P(u) are the parameters of the model (see `Parameters`), and S those of the same model with
    `model.units` units of the standard LSTM, which is `GatedLSTM` with its default switches. P must not fall when u
    grows. Found once for each process.

    Raises:
        UserError: if |P(u) - S| is more than 1 % of S for every u, or for a variant that the layers refuse.
    """
    if config.model.match is Match.units:
        return config.model.units
    key = (str(config.variant), str(config.model), _ends(task, config.model))
    if key not in _known:
        _known[key] = _matched(config, task)
    return _known[key]


def _matched(config: Config, task: Task) -> int:
    count = Parameters(task, config.variant, config.model)
    standard = Parameters(task, Variant(), config.model)
    target = standard(config.model.units)
    for guess in (count.quadratic(), count):  # the second one for a variant whose parameters are no polynomial
        found = _nearest(guess, target)
        if count(found) == guess(found) and _fits(count(found), target):
            return found
    raise UserError(_refusal(config, count, standard))


def _ends(task: Task, settings: Model) -> tuple[int, int, int]:
    """Features that the first recurrent layer reads, parameters of the embedding, outputs of the head."""
    if not task.vocabulary:
        return task.train.inputs.shape[2], 0, task.outputs
    if settings.embedding is None:
        return task.vocabulary, 0, task.outputs
    return settings.embedding, task.vocabulary * settings.embedding, task.outputs


def _largest(count: Callable[[int], int], target: int) -> int:
    """The largest u with no more parameters than `target`; 0 if there is none."""
    above = 1
    while count(above) <= target:
        above *= 2
    return bisect.bisect_right(range(1, above), target, key=count)


def _nearest(count: Callable[[int], int], target: int) -> int:
    below = _largest(count, target)
    return min((max(below, 1), below + 1), key=lambda each: abs(count(each) - target))


def _fits(parameters: int, target: int) -> bool:
    return abs(parameters - target) <= TOLERANCE * target


def _refusal(config: Config, count: Parameters, standard: Parameters) -> str:
    """Which sizes there are around the one that is asked for, and what can be asked for instead."""
    asked = config.model.units
    target = standard(asked)
    below = _largest(count, target)
    around = [each for each in (below, below + 1) if each]
    sizes = " and ".join(f"{count(each):,} parameters with {_said(each)}" for each in around)
    curve = count.quadratic()
    exact = all(curve(each) == count(each) for each in around)
    enough = _enough(curve, standard.quadratic(), asked) if exact else None
    return (
        f"model.match=parameters: {config.variant.name} on {config.task.name} has {sizes}, "
        f"the standard LSTM {target:,} with {_said(asked)}: none is within {100 * TOLERANCE:g} %. "
        f"Use {'a larger model.units' if enough is None else f'model.units={enough} or more'}"
    )


def _said(units: int) -> str:
    return "1 unit" if units == 1 else f"{units} units"


def _enough(count: Callable[[int], int], standard: Callable[[int], int], asked: int) -> int | None:
    """The smallest `model.units` from which on all fit; None if it is far away."""
    bad = [u for u in range(asked, asked + TRIED) if not _fits(count(_nearest(count, standard(u))), standard(u))]
    return bad[-1] + 1 if bad[-1] + 1 < asked + TRIED else None
