"""The sweeper `random`: a seeded random search over Hydra's override syntax."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep, Sweep
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from experiments import draw
from experiments.errors import UserError, reported

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


class RandomSweeper(Sweeper):
    """Draws all trials of a search and hands them to the launcher in one batch."""

    def __init__(self, n_trials: int, seed: int, params: Mapping[str, str], grid: Sequence[str]) -> None:
        self.n_trials = n_trials
        self.seed = seed
        self.params = dict(params)
        self.grid = list(grid)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        assert self.config is not None and self.launcher is not None
        with reported():
            trials = self._trials([*(f"{key}={value}" for key, value in self.params.items()), *arguments])
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        self.validate_batch_is_legal(trials)
        results = self.launcher.launch(trials, initial_job_idx=0)
        for result in results:
            _ = result.return_value  # raises what the trial raised
        return [results]

    def _trials(self, lines: list[str]) -> list[list[str]]:
        """The overrides of every trial, in the order of `lines`. Of several for the same key the last counts."""
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        try:
            overrides = {_key(override): override for override in parser.parse_overrides(lines)}
        except HydraException as error:
            raise UserError(str(error)) from error
        swept = {key: distribution(each) for key, each in overrides.items() if each.is_sweep_override()}
        fixed = {key: str(each.input_line) for key, each in overrides.items() if key not in swept}
        found = draw.search(swept, [key for key in self.grid if key not in fixed], self.n_trials, self.seed)
        print(found, flush=True)
        drawn = f"sweep.drawn=[{','.join(key for key in swept if key not in self.grid)}]"
        return [
            [*(fixed.get(key) or f"{overrides[key].get_key_element()}={values[key]}" for key in overrides), drawn]
            for values in found.trials
        ]


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+")


def distribution(override: Override) -> draw.Distribution:
    """What an override says about the values of its key.

    Raises:
        UserError: for what cannot be drawn from, with what is allowed.
    """
    sweep = override.value()
    try:
        found = _interval(sweep) if isinstance(sweep, IntervalSweep) else _choice(override)
        problem = _tag_problem(sweep) or found.problem()
    except (HydraException, ValueError, ArithmeticError) as error:
        problem = str(error)
    if problem:
        raise UserError(f"{override.input_line}: {problem}")
    return found


def _tag_problem(sweep: object) -> str | None:
    known = {"log", "int"} if isinstance(sweep, IntervalSweep) else set()
    unknown = sorted(sweep.tags - known) if isinstance(sweep, Sweep) else []
    return f"the tag {unknown[0]} means nothing here. Tags: log and int, of intervals" if unknown else None


def _interval(sweep: IntervalSweep) -> draw.Interval:
    low, high = sweep.start, sweep.end
    assert low is not None and high is not None
    integer = "int" in sweep.tags or (isinstance(low, int) and isinstance(high, int))
    return draw.Interval(low, high, log="log" in sweep.tags, integer=integer)


def _choice(override: Override) -> draw.Choice:
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle:
        raise ValueError("shuffle would change the draws from run to run; leave it out, values are drawn at random")
    values = list(islice(override.sweep_iterator(), MOST_VALUES + 1))
    if len(values) > MOST_VALUES:
        raise ValueError(f"has more than {MOST_VALUES} values; use int(interval(a, b))")
    if any(isinstance(value, Sweep | Glob) for value in values):
        raise ValueError("a value of a choice cannot be a choice, range, interval or glob itself")
    return draw.Choice(tuple(override.sweep_string_iterator()))
