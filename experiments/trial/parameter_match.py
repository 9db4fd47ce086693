"""How many units a variant needs for as many parameters as the standard LSTM has."""

import bisect
import functools
import math
from collections.abc import Callable

from experiments.config.schema import Config, Match, Model, Variant
from experiments.errors import UserError
from experiments.tasks import Task
from experiments.trial.model import make_layer

TOLERANCE = 0.01  # of the parameters of the standard LSTM
MOST_TRIED = 1024  # larger model.units, one after the other, for the advice of a refusal

Count = Callable[[int], int]  # from units to parameters

_cache: dict[tuple[str, str, tuple[int, int, int]], int] = {}


def parameter_count(task: Task, variant: Variant, settings: Model) -> Count:
    """Trainable parameters of the whole model of a task, as a function of the units of each recurrent layer.

        P(u) = embedding + d * (L(features, u) + (layers - 1) * L(d * u, u)) + (d * u + 1) * outputs

    L(n, u) counts those of one recurrent layer that reads n features, and d is 2 for a bidirectional model, else 1. L
    is counted in a layer that is built; all else follows from the shapes.
    """
    features, embedding, outputs = _ends(task, settings)
    directions = 2 if settings.bidirectional else 1

    def count_layer(features: int, units: int) -> int:
        layer = make_layer(variant, units)
        layer.build((None, None, features))
        return sum(math.prod(variable.shape) for variable in layer.trainable_variables)

    @functools.cache
    def count(units: int) -> int:
        width = directions * units
        recurrent = count_layer(features, units)
        if settings.layers > 1:
            recurrent += (settings.layers - 1) * count_layer(width, units)
        return embedding + directions * recurrent + (width + 1) * outputs

    return count


def _quadratic(count: Count) -> Count:
    """The polynomial of degree 2 through P(1), P(2) and P(3), which is P for every variant of this library."""
    first, second, third = (count(units) for units in (1, 2, 3))
    slope, bend = second - first, third - 2 * second + first
    return lambda units: first + (units - 1) * slope + (units - 1) * (units - 2) // 2 * bend


def units(config: Config, task: Task) -> int:
    """Units of each recurrent layer of a trial.

    With `model.match=units` those are `model.units`. With `model.match=parameters` they are the u >= 1 with the least
    |P(u) - S|, where P(u) are the parameters of the model (see `parameter_count`), and S those of the same model with
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
    count = parameter_count(task, config.variant, config.model)
    standard = parameter_count(task, Variant(), config.model)
    target = standard(config.model.units)
    for curve in (_quadratic(count), count):  # the second one for a variant whose parameters are no polynomial
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


def _largest(count: Count, target: int) -> int:
    """The largest u with no more parameters than `target`; 0 if there is none."""
    above = 1
    while count(above) <= target:
        above *= 2
    return bisect.bisect_right(range(1, above), target, key=count)


def _nearest(count: Count, target: int) -> int:
    below = _largest(count, target)
    return min((max(below, 1), below + 1), key=lambda size: abs(count(size) - target))


def _fits(parameters: int, target: int) -> bool:
    return abs(parameters - target) <= TOLERANCE * target


def _refusal(config: Config, count: Count, standard: Count) -> str:
    """The message with the sizes around that of the standard LSTM, and the `model.units` that would do."""
    target = standard(config.model.units)
    below = _largest(count, target)
    around = [size for size in (below, below + 1) if size]
    sizes = " and ".join(f"{count(size):,} parameters with {_with_noun(size)}" for size in around)
    curve, advice = _quadratic(count), "a larger model.units"
    if all(curve(size) == count(size) for size in around):
        enough = _smallest_that_fits(curve, _quadratic(standard), config.model.units)
        advice = advice if enough is None else f"model.units={enough} or more"
    return (
        f"model.match=parameters: {config.variant.name} on {config.task.name} has {sizes}, "
        f"the standard LSTM {target:,} with {_with_noun(config.model.units)}: none is within {100 * TOLERANCE:g} %. "
        f"Use {advice}"
    )


def _with_noun(units: int) -> str:
    return "1 unit" if units == 1 else f"{units} units"


def _smallest_that_fits(count: Count, standard: Count, first: int) -> int | None:
    """The smallest `model.units` above `first` from which on all fit; None if it is far away."""
    sizes = range(first, first + MOST_TRIED)
    last_bad = max(u for u in sizes if not _fits(count(_nearest(count, standard(u))), standard(u)))
    return None if last_bad == sizes[-1] else last_bad + 1
