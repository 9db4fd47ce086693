"""`python -m experiments.train`: one trial, or with -m a sweep. See --help."""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from experiments.config.compose import CONF, load, register
from experiments.config.help import help_text
from experiments.config.renamed import renamed_variants
from experiments.errors import UserError, reported, terminable

register()
OmegaConf.register_new_resolver("help_text", help_text)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(cfg: DictConfig) -> float:
    """Train one trial in this process and return its validation score.

    In a sweep of another launcher than ours an exception costs this trial, while leaving would end its process too.
    """
    from experiments.sweep import run

    overrides = tuple(HydraConfig.get().overrides.task)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        with terminable():
            return run.run_elsewhere(load(cfg), overrides)
    with reported():
        return run.run_alone(load(cfg), overrides)


if __name__ == "__main__":
    with reported():
        if renamed := renamed_variants(sys.argv[1:]):
            raise UserError(renamed.strip())
    main()
