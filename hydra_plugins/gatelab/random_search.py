"""The sweeper `random`: a seeded random search over Hydra's override syntax."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep, Sweep
from hydra.errors import HydraException

from experiments.errors import UserError
from experiments.search import random_search
from hydra_plugins.gatelab.grid import GridSweeper

MOST_VALUES = 100_000


@dataclass
class RandomSweeperConf:
    """`hydra/sweeper=random`.

    Attributes:
        n_trials: Number of draws, at least 1. Each is combined with every cell of the grid.
        seed: Seed of the draws; `seed` without `hydra.sweeper.` is the seed of a trial.
        params: What a study sweeps, by key; the command line wins.
        grid: Keys that are not drawn: the products of their values are combined with every draw. Default: none.
    """

    _target_: str = "hydra_plugins.gatelab.random_search.RandomSweeper"
    n_trials: int = 20
    seed: int = 0
    params: dict[str, str] = field(default_factory=dict)
    grid: list[str] = field(default_factory=list)


ConfigStore.instance().store(group="hydra/sweeper", name="random", node=RandomSweeperConf)


class RandomSweeper(GridSweeper):
    """Draws all trials of a search and hands them to the launcher in one batch."""

    def __init__(self, n_trials: int, seed: int, params: Mapping[str, str], grid: Sequence[str]) -> None:
        super().__init__(params)
        self.n_trials = n_trials
        self.seed = seed
        self.grid = list(grid)

    def trials(self, overrides: Mapping[str, Override]) -> list[list[str]]:
        """The overrides of every trial, in the order in which the keys were given."""
        swept = {key: distribution(override) for key, override in overrides.items() if override.is_sweep_override()}
        fixed = {key: str(override.input_line) for key, override in overrides.items() if key not in swept}
        search = random_search.search(swept, [key for key in self.grid if key not in fixed], self.n_trials, self.seed)
        print(search, flush=True)
        drawn = f"sweep.drawn=[{','.join(key for key in swept if key not in self.grid)}]"
        return [
            [*(fixed.get(key) or f"{overrides[key].get_key_element()}={values[key]}" for key in overrides), drawn]
            for values in search.trials
        ]


def distribution(override: Override) -> random_search.Distribution:
    """What an override says about the values of its key.

    Raises:
        UserError: for what cannot be drawn from, with what is allowed.
    """
    sweep = override.value()
    try:
        values = _interval(sweep) if isinstance(sweep, IntervalSweep) else _choice(override)
        problem = _tag_problem(sweep) or values.problem()
    except (HydraException, ValueError, ArithmeticError) as error:
        problem = str(error)
    if problem:
        raise UserError(f"{override.input_line}: {problem}")
    return values


def _tag_problem(sweep: object) -> str | None:
    known = {"log", "int"} if isinstance(sweep, IntervalSweep) else set()
    unknown = sorted(sweep.tags - known) if isinstance(sweep, Sweep) else []
    return f"the tag {unknown[0]} means nothing here. Tags: log and int, of intervals" if unknown else None


def _interval(sweep: IntervalSweep) -> random_search.Interval:
    low, high = sweep.start, sweep.end
    assert low is not None and high is not None
    integer = "int" in sweep.tags or (isinstance(low, int) and isinstance(high, int))
    return random_search.Interval(low, high, log="log" in sweep.tags, integer=integer)


def _choice(override: Override) -> random_search.Choice:
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle:
        raise ValueError("shuffle would change the draws from run to run; leave it out, values are drawn at random")
    values = list(islice(override.sweep_iterator(), MOST_VALUES + 1))
    if len(values) > MOST_VALUES:
        raise ValueError(f"has more than {MOST_VALUES} values; use int(interval(a, b))")
    if any(isinstance(value, Sweep | Glob) for value in values):
        raise ValueError("a value of a choice cannot be a choice, range, interval or glob itself")
    return random_search.Choice(tuple(override.sweep_string_iterator()))
