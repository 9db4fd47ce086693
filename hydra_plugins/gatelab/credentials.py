"""The callback that refuses a password in a configuration before Hydra writes that down."""

from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from experiments.config import credentials
from experiments.errors import reported


class RefuseCredentials(Callback):
    """Asked before sweepers and launchers, those of others too, which write the configuration to files."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        with reported():
            credentials.refuse("tracking.uri", OmegaConf.to_yaml(config))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        self.on_run_start(config)
