"""Draws of settings by the samplers of Optuna, whose studies are kept in memory.

The same samplers, asked for as many draws at a time and told the same scores, give the same draws: so the studies need
no file, and a search that is begun again repeats its questions and hears the answers of the store.
"""

import importlib.util
import math
import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GridSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from experiments.config.schema import Sampler
from experiments.errors import UserError
from experiments.search.space import MOST_VALUES, word

LEARNING = (Sampler.tpe, Sampler.cmaes)  # whose draws depend on scores
DRAWS = 20

Space = Mapping[str, BaseDistribution]
Draw = dict[str, str]  # words of a command line by key

optuna.logging.set_verbosity(optuna.logging.ERROR)  # it has a line for each trial, and the progress has one too


class Proposals:
    """The draws of one study of Optuna, in batches: ask, then tell the scores.

    Args:
        sampler: How they are drawn.
        space: The distribution of each key.
        seed: Of the draws.
        better: `lower` or `higher` scores.
    """

    def __init__(self, sampler: Sampler, space: Space, seed: int, better: str = "lower") -> None:
        self.space = {key: space[key] for key in sorted(space)}  # so that the order of words makes no difference
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            chosen = _sampler(sampler, self.space, seed)
        self.study = optuna.create_study(sampler=chosen, direction="minimize" if better == "lower" else "maximize")
        self.worst = math.inf if better == "lower" else -math.inf
        self.asked: list[optuna.Trial] = []

    def ask(self, count: int) -> list[Draw]:
        """So many draws."""
        self.asked = [self.study.ask(self.space) for _ in range(count)]
        return [{key: word(trial.params[key]) for key in self.space} for trial in self.asked]

    def tell(self, scores: Sequence[float | None]) -> None:
        """The scores of what was asked for, in its order.

        Args:
            scores: NaN for a draw that diverged, which counts as the worst; None for one of which nothing is known.
        """
        for trial, score in zip(self.asked, scores, strict=True):
            if score is None:
                self.study.tell(trial, state=TrialState.FAIL)
            else:
                self.study.tell(trial, self.worst if math.isnan(score) else score)


def draws(sampler: Sampler, space: Space, seed: int, count: int | None) -> list[Draw]:
    """All draws of a sampler that does not learn from scores; more of them only add to fewer."""
    return Proposals(sampler, space, seed).ask(count_of(sampler, space, count))


def count_of(sampler: Sampler, space: Space, count: int | None) -> int:
    """How many draws a search makes.

    Raises:
        UserError: for a grid of which not all is asked for.
    """
    if sampler is not Sampler.grid:
        return count or DRAWS
    size = math.prod(len(_grid_values(key, distribution)) for key, distribution in space.items())
    if size > MOST_VALUES:
        raise UserError(f"search.sampler=grid: has {size} draws, more than {MOST_VALUES}; use another sampler")
    if count not in (None, size):
        raise UserError(
            f"search.trials={count}: the grid has {size} draws. Leave it out, or sample it with another sampler"
        )
    return size


def _sampler(sampler: Sampler, space: Space, seed: int) -> BaseSampler:
    match sampler:
        case Sampler.random:
            return RandomSampler(seed)
        case Sampler.qmc:
            return QMCSampler(
                scramble=True,
                seed=seed,
                independent_sampler=RandomSampler(seed),  # of choices, which have no order
                warn_independent_sampling=False,
            )
        case Sampler.grid:
            return GridSampler({key: list(_grid_values(key, space[key])) for key in space}, seed)
        case Sampler.tpe:
            return TPESampler(seed=seed)
        case Sampler.cmaes:
            return _cmaes(space, seed)


def _cmaes(space: Space, seed: int) -> BaseSampler:
    if importlib.util.find_spec("cmaes") is None:
        raise UserError("search.sampler=cmaes: needs the package cmaes: pip install cmaes")
    numeric = [key for key, distribution in space.items() if not isinstance(distribution, CategoricalDistribution)]
    if len(numeric) < 2:
        raise UserError(
            f"search.sampler=cmaes: needs two keys with numbers, and has {', '.join(numeric) or 'none'}. "
            "Allowed: interval, range; or another sampler"
        )
    return CmaEsSampler(seed=seed, independent_sampler=RandomSampler(seed), warn_independent_sampling=False)


def _grid_values(key: str, distribution: BaseDistribution) -> Sequence[str | int]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution) and not distribution.log:
        return range(distribution.low, distribution.high + 1, distribution.step)
    raise UserError(
        f"search.sampler=grid: {key} is an interval, which has no list of values. Allowed: a,b,c, choice, range"
    )
