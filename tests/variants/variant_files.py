"""The variants of `conf/variant/`, as layers: the subjects of the contract tests."""

from functools import partial

import variants
from experiments.config.compose import CONF, choices
from experiments.config.schema import Variant

FOLDERS = [name for name in choices("variant") if name.startswith("one_switch/")]
NAMES = [name for name in choices("variant") if name not in FOLDERS]


def settings(name: str) -> Variant:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_object(compose("config", overrides=[f"variant={name}"]).variant)


def maker(name: str, units: int = 5) -> partial:
    """A function that makes the layer of a variant file from further arguments."""
    variant = settings(name)
    return partial(getattr(variants, variant.layer), units, **variant.switches(), **variant.arguments)
