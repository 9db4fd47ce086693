"""The variants of `conf/variant/`, as layers: the subjects of the contract tests."""

from functools import cache, partial

from experiments.config.conf_files import CONF, choices
from experiments.config.schema import Variant
from experiments.trial.model import make_layer

# Those of one_switch/ and timing/ differ from others by activations and first weights, most of them; these in more than
# that: by a gradient that is not the function's own, by an activation for one gate, by their recurrent weights.
SPECIAL = [
    f"one_switch/{name}" for name in ("binary_gates", "hard_forget_gate", "diagonal_recurrence", "no_recurrence")
]
FOLDERS = ("one_switch/", "timing/")
ONE_SWITCH = [name for name in choices("variant") if name.startswith(FOLDERS) and name not in SPECIAL]
NAMES = [name for name in choices("variant") if name not in ONE_SWITCH]


@cache  # composing takes as long as many a test
def settings(name: str) -> Variant:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_object(compose("config", overrides=[f"variant={name}"]).variant)


def maker(name: str, units: int = 5) -> partial:
    """A function that makes the layer of a variant file from further arguments."""
    return partial(make_layer, settings(name), units)
