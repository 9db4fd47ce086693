"""How many units a variant needs for as many parameters as the standard LSTM has."""

import bisect
import math
from collections.abc import Callable

from experiments.config.schema import Config, Match, Model, Variant
from experiments.errors import UserError
from experiments.tasks import Task
from experiments.trial.model import make_layer

TOLERANCE = 0.01  # of the parameters of the standard LSTM
MOST_TRIED = 1024  # larger model.units, one after the other, for the advice of a refusal

_cache: dict[tuple[str, str, tuple[int, int, int]], int] = {}


class ParameterCount:
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
        self.counts: dict[int, int] = {}

    def __call__(self, units: int) -> int:
        if units not in self.counts:
            features, embedding, outputs = self.ends
            width = self.directions * units
            recurrent = self._count_layer(features, units)
            if self.layers > 1:
                recurrent += (self.layers - 1) * self._count_layer(width, units)
            self.counts[units] = embedding + self.directions * recurrent + (width + 1) * outputs
        return self.counts[units]

    def _count_layer(self, features: int, units: int) -> int:
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
    |P(u) - S|, where P(u) are the parameters of the model (see `ParameterCount`), and S those of the same model with
    `model.units` units of the standard LSTM, which is `GatedLSTM` with its default switches. P must not fall when u
    grows. Computed once for each process.

    Raises:
        UserError: if |P(u) - S| is more than 1 % of S for every u, or for a variant that the layers refuse.
    """
    if config.model.match is Match.units:
        return config.model.units
    key = (str(config.variant), str(config.model), _ends(task, config.model))
    if key not in _cache:
        _cache[key] = _match(config, task)
    return _cache[key]


def _match(config: Config, task: Task) -> int:
    count = ParameterCount(task, config.variant, config.model)
    standard = ParameterCount(task, Variant(), config.model)
    target = standard(config.model.units)
    for curve in (count.quadratic(), count):  # the second one for a variant whose parameters are no polynomial
        nearest = _nearest(curve, target)
        if count(nearest) == curve(nearest) and _fits(count(nearest), target):
            return nearest
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
    return min((max(below, 1), below + 1), key=lambda size: abs(count(size) - target))


def _fits(parameters: int, target: int) -> bool:
    return abs(parameters - target) <= TOLERANCE * target


def _refusal(config: Config, count: ParameterCount, standard: ParameterCount) -> str:
    """The message with the sizes around that of the standard LSTM, and the `model.units` that would do."""
    target = standard(config.model.units)
    below = _largest(count, target)
    around = [size for size in (below, below + 1) if size]
    sizes = " and ".join(f"{count(size):,} parameters with {_with_noun(size)}" for size in around)
    curve, advice = count.quadratic(), "a larger model.units"
    if all(curve(size) == count(size) for size in around):
        enough = _smallest_that_fits(curve, standard.quadratic(), config.model.units)
        advice = advice if enough is None else f"model.units={enough} or more"
    return (
        f"model.match=parameters: {config.variant.name} on {config.task.name} has {sizes}, "
        f"the standard LSTM {target:,} with {_with_noun(config.model.units)}: none is within {100 * TOLERANCE:g} %. "
        f"Use {advice}"
    )


def _with_noun(units: int) -> str:
    return "1 unit" if units == 1 else f"{units} units"


def _smallest_that_fits(count: Callable[[int], int], standard: Callable[[int], int], first: int) -> int | None:
    """The smallest `model.units` above `first` from which on all fit; None if it is far away."""
    sizes = range(first, first + MOST_TRIED)
    last_bad = max(u for u in sizes if not _fits(count(_nearest(count, standard(u))), standard(u)))
    return None if last_bad == sizes[-1] else last_bad + 1
