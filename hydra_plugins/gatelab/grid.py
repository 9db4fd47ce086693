"""The sweeper `grid`: every combination of the values that are swept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from experiments.errors import UserError, reported
from hydra_plugins.gatelab.local import LocalLauncherConf


@dataclass
class GridSweeperConf:
    """`hydra/sweeper=grid`.

    Attributes:
        params: What a study sweeps, by key; the command line wins.
    """

    _target_: str = "hydra_plugins.gatelab.grid.GridSweeper"
    params: dict[str, str] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConf)


class GridSweeper(Sweeper):
    """Hands all trials of a sweep to the launcher in one batch.

    Hydra's own sweeper `basic` composes every trial before it launches them. The launcher `local` composes and checks
    them all itself before the first begins, so that for it this would be done twice.
    """

    def __init__(self, params: Mapping[str, str]) -> None:
        self.params = dict(params)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Any]:
        assert self.config is not None and self.launcher is not None and self.hydra_context is not None
        with reported():
            trials = [list(words) for words in product(*map(values, self.parse(arguments).values()))]
            self.save_config()
        is_local = self.config.hydra.launcher._target_ == LocalLauncherConf._target_
        if not is_local:
            self.validate_batch_is_legal(trials)
        results: list[JobReturn] = list(self.launcher.launch(trials, initial_job_idx=0))
        if not is_local:
            show(results)
        for result in results:
            _ = result.return_value  # raises what the trial raised
        return [results]

    def parse(self, arguments: Sequence[str]) -> dict[str, Override]:
        """The overrides of the study and the command line, by key, in the order in which they were given.

        Of several for the same key the last counts.

        Raises:
            UserError: for what Hydra cannot read.
        """
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        lines = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        try:
            return {override.get_key_element().lstrip("+"): override for override in parser.parse_overrides(lines)}
        except HydraException as error:
            raise UserError(str(error)) from error

    def save_config(self) -> None:
        """Write the configuration of the sweep into the folder of its study.

        Raises:
            UserError: if another user has made it, and others may not write there.
        """
        folder = Path(self.config.hydra.sweep.dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(self.config, folder / "multirun.yaml")
        except OSError as error:
            raise UserError(
                f"study={self.config.study}: {error.filename} cannot be written ({error.strerror}): choose another "
                "study, or let the user who has made it chmod g+w what is in the folder"
            ) from error


def show(results: Sequence[JobReturn]) -> None:
    """The table and the page of trials that another launcher than ours has trained."""
    from experiments.config.compose import load
    from experiments.sweep.run import show_elsewhere

    with reported():
        failed = sum(result.status is not JobStatus.COMPLETED for result in results)
        show_elsewhere([load(result.cfg) for result in results if result.cfg is not None], failed)


def values(override: Override) -> list[str]:
    """The words that an override stands for, one for each of its values."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    if not override.is_discrete_sweep():
        raise UserError(f"{override.input_line}: an interval is for hydra/sweeper=search; a grid takes a,b,c or range")
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
