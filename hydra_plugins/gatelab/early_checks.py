"""The callback that checks what must be right before Hydra writes the configuration to a file."""

from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from experiments.config import credentials, names
from experiments.errors import UserError, reported


class EarlyChecks(Callback):
    """Asked before sweepers and launchers, those of others too, which write into the folder of the study."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        with reported():
            credentials.refuse("tracking.uri", OmegaConf.to_yaml(config))
            if reason := names.problem(config.study):
                raise UserError(f"study={config.study!r}: {reason}")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        self.on_run_start(config)
