"""The sweeper `search`: settings are drawn, the best of each variant go on, and are tried again with fresh seeds."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus

from experiments.errors import UserError, reported
from hydra_plugins.gatelab.grid import GridSweeper, show
from hydra_plugins.gatelab.local import LocalLauncher

RENAMED = (
    "hydra/sweeper=random is hydra/sweeper=search now. In a file of conf/experiment/ write `- override /hydra/sweeper: "
    "search` and, in place of hydra.sweeper.n_trials, seed and grid, `search: {sampler: random, trials: 20, seed: 0}`; "
    "variant, task and seed are crossed with every draw, other fields if search.grid=[...] names them. Draws are other "
    "ones than before: choose another study"
)


@dataclass
class SearchSweeperConf:
    """`hydra/sweeper=search`; its settings are the fields `search.*` of the configuration.

    Attributes:
        params: What a study sweeps and draws, by key; the command line wins.
    """

    _target_: str = "hydra_plugins.gatelab.search.SearchSweeper"
    params: dict[str, str] = field(default_factory=dict)


@dataclass
class RandomSweeperConf:
    """`hydra/sweeper=random` of version 0.1.0, which is refused with what to write instead."""

    _target_: str = "hydra_plugins.gatelab.search.RandomSweeper"
    n_trials: int = 20
    seed: int = 0
    params: dict[str, str] = field(default_factory=dict)
    grid: list[str] = field(default_factory=list)


ConfigStore.instance().store(group="hydra/sweeper", name="search", node=SearchSweeperConf)
ConfigStore.instance().store(group="hydra/sweeper", name="random", node=RandomSweeperConf)


class SearchSweeper(GridSweeper):
    """Hands the phases of a search to the launcher, one batch after the other."""

    def sweep(self, arguments: list[str]) -> list[Any]:
        assert self.config is not None and self.launcher is not None
        from experiments.search.run import run

        self.results: list[JobReturn] = []
        with reported():
            overrides = self.parse(arguments)
            self.save_config()
            with self.launcher.phases() if isinstance(self.launcher, LocalLauncher) else nullcontext():
                run(overrides, self.config, self.launch)
        if not isinstance(self.launcher, LocalLauncher):
            show(self.results)
        for result in self.results:
            _ = result.return_value  # raises what the trial raised
        return [self.results]

    def launch(self, title: str, trials: Sequence[Sequence[str]]) -> list[float | None]:
        """Validation scores of trials: NaN of one that diverged, None of one that has failed."""
        assert self.launcher is not None
        if isinstance(self.launcher, LocalLauncher):
            self.launcher.title = title
        else:
            print(f"{title}: {len(trials)} trials", flush=True)
            self.validate_batch_is_legal(trials)
        results = list(self.launcher.launch(trials, initial_job_idx=len(self.results)))
        self.results += results
        return [result.return_value if result.status is JobStatus.COMPLETED else None for result in results]


class RandomSweeper(GridSweeper):
    """Refuses what was once a sweeper of its own."""

    def __init__(self, params: Mapping[str, str], **_: Any) -> None:
        super().__init__(params)

    def sweep(self, arguments: list[str]) -> list[Any]:
        with reported():
            raise UserError(RENAMED)
