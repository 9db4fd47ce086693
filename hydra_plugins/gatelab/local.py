"""The launcher `local`: the trials of a sweep in worker processes of this machine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException


@dataclass
class LocalLauncherConf:
    """`hydra/launcher=local`; its settings are the fields `sweep.*` of the configuration."""

    _target_: str = "hydra_plugins.gatelab.local.LocalLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalLauncherConf)


class LocalLauncher(Launcher):
    """Composes every trial of a sweep and hands them to `experiments.sweep`.

    Attributes:
        title: What phase of a sweep the next batch is; "" if it is all of it.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config = config
        self.config_loader = hydra_context.config_loader
        self.title = ""
        self.crew: Any = None

    @contextmanager
    def phases(self) -> Iterator[None]:
        """Keep the worker processes from one batch to the next, and show the report after the last one."""
        from experiments.sweep.run import Crew

        with Crew() as self.crew:
            yield
        self.crew.show(self.config.study)
        self.crew.tell()

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        from experiments.config.compose import load
        from experiments.errors import reported
        from experiments.sweep.run import run_sweep

        with reported():
            composed = [self._compose(list(overrides)) for overrides in job_overrides]
            configs = [load(cfg) for cfg in composed]
            Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)  # sweepers write their results there
            outcomes = run_sweep(configs, [tuple(words) for words in job_overrides], self.crew, self.title)
        return [
            _job_return(cfg, overrides, outcome)
            for cfg, overrides, outcome in zip(composed, job_overrides, outcomes, strict=True)
        ]

    def _compose(self, overrides: list[str]) -> DictConfig:
        from experiments.config.compose import reason
        from experiments.errors import UserError

        try:
            return self.config_loader.load_sweep_config(self.config, overrides)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(f"{' '.join(overrides)}: {reason(error, overrides)}") from error


def _job_return(cfg: DictConfig, overrides: Sequence[str], outcome: Any) -> JobReturn:
    result = JobReturn(overrides=list(overrides), cfg=cfg)
    result.status = JobStatus.FAILED if outcome.has_failed else JobStatus.COMPLETED
    result.return_value = SystemExit(1) if outcome.has_failed else outcome.validation  # its error is printed
    return result
