"""The launcher `local`: the trials of a sweep in worker processes of this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class LocalLauncherConf:
    """`hydra/launcher=local`; its settings are the fields `sweep.*` of the configuration."""

    _target_: str = "hydra_plugins.gatelab.local.LocalLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalLauncherConf)


class LocalLauncher(Launcher):
    """Composes every trial of a sweep and hands them to `experiments.sweep`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config = config
        self.compose = _Once(hydra_context.config_loader.load_sweep_config)
        hydra_context.config_loader.load_sweep_config = self.compose

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        from experiments import config, sweep
        from experiments.errors import reported
        from experiments.job import Job

        with reported():
            composed = [self.compose.take(self.config, list(overrides)) for overrides in job_overrides]
            jobs = [
                Job(config.load(cfg), tuple(overrides)) for cfg, overrides in zip(composed, job_overrides, strict=True)
            ]
            Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)  # sweepers write their results there
            outcomes = sweep.run_sweep(jobs)
        return [
            _job_return(cfg, overrides, outcome)
            for cfg, overrides, outcome in zip(composed, job_overrides, outcomes, strict=True)
        ]


class _Once:
    """Composes each configuration once, where a sweeper that checks all before the launch would have it done twice.

    Composing takes time that grows with the number of trials, before the first of them can begin.
    """

    def __init__(self, load: Callable[[DictConfig, list[str]], DictConfig]) -> None:
        self.load = load
        self.kept: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        self.kept[tuple(sweep_overrides)] = composed = self.load(master_config, sweep_overrides)
        return composed

    def take(self, config: DictConfig, overrides: list[str]) -> DictConfig:
        """The configuration, which is no longer kept."""
        return self.kept.pop(tuple(overrides), None) or self.load(config, overrides)


def _job_return(cfg: DictConfig, overrides: Sequence[str], outcome: Any) -> JobReturn:
    result = JobReturn(overrides=list(overrides), cfg=cfg)
    result.status = JobStatus.COMPLETED if outcome.score is not None else JobStatus.FAILED
    result.return_value = outcome.validation if outcome.score is not None else SystemExit(1)  # said already
    return result
