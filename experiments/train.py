"""`python -m experiments.train`: one trial, or with -m a sweep. See --help."""

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from experiments import config, usage
from experiments.errors import reported, terminable

config.register()
OmegaConf.register_new_resolver("help_text", usage.help_text)


@hydra.main(version_base="1.3", config_path=str(config.CONF), config_name="config")
def main(cfg: DictConfig) -> float:
    """Train one trial in this process and return its validation score.

    In a sweep of another launcher than ours an exception costs this trial, while leaving would end its process too.
    """
    from experiments import sweep
    from experiments.job import Job

    overrides = tuple(HydraConfig.get().overrides.task)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        with terminable():
            return sweep.run_elsewhere(Job(config.load(cfg), overrides))
    with reported():
        return sweep.run_alone(Job(config.load(cfg), overrides))


if __name__ == "__main__":
    main()
