"""The callback that checks what must be right before Hydra writes the configuration to a file."""

from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from experiments.config import credentials, names
from experiments.config.schema import Search
from experiments.errors import UserError, reported

SEARCHERS = ("hydra_plugins.gatelab.search.SearchSweeper", "hydra_plugins.gatelab.search.RandomSweeper")


class EarlyChecks(Callback):
    """Asked before sweepers and launchers, those of others too, which write into the folder of the study."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        with reported():
            if credentials.PASSWORD.search(str(OmegaConf.to_container(config.sweep)["notify"])):
                raise UserError(
                    "sweep.notify: the address holds a password, which would be written into files. Keep it in a "
                    "variable: 'sweep.notify=${oc.env:NAME}'"
                )
            credentials.refuse("tracking.uri", OmegaConf.to_yaml(config))
            if reason := names.problem(config.study):
                raise UserError(f"study={config.study!r}: {reason}")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        self.on_run_start(config)
        with reported():
            if config.hydra.sweeper._target_ not in SEARCHERS:
                _refuse_search(config)


def _refuse_search(config: DictConfig) -> None:
    """Refuse settings of a search in a sweep that is none, which knows nothing of them."""
    default = OmegaConf.structured(Search)
    for name in default:
        if config.search[name] != default[name]:
            raise UserError(f"search.{name}: is for hydra/sweeper=search; add that, or leave it out")
