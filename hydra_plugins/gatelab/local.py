"""The launcher `local`: the trials of a sweep in worker processes of this machine."""

from collections.abc import Sequence
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
        self.hydra_context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        from experiments import config, sweep
        from experiments.errors import reported
        from experiments.job import Job

        with reported():
            composed = [
                self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
                for overrides in job_overrides
            ]
            jobs = [
                Job(config.load(cfg), tuple(overrides)) for cfg, overrides in zip(composed, job_overrides, strict=True)
            ]
            Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)  # sweepers write their results there
            outcomes = sweep.run_sweep(jobs)
        return [
            _job_return(cfg, overrides, outcome)
            for cfg, overrides, outcome in zip(composed, job_overrides, outcomes, strict=True)
        ]


def _job_return(cfg: DictConfig, overrides: Sequence[str], outcome: Any) -> JobReturn:
    result = JobReturn(overrides=list(overrides), cfg=cfg)
    result.status = JobStatus.COMPLETED if outcome.score is not None else JobStatus.FAILED
    result.return_value = outcome.score if outcome.score is not None else SystemExit(1)  # said already
    return result
