"""`python -m experiments.train`: one trial, or with -m a sweep. See --help."""

import signal
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiments.config.compose import load, register
from experiments.config.conf_files import CONF, refuse_twins
from experiments.config.help import help_text
from experiments.config.renamed import renamed_variants
from experiments.config.suggestions import suggestions
from experiments.errors import UserError, reported, terminable
from experiments.options import HELP

SHOWING = {"--cfg", "-c", "--info", "-i", "--hydra-help"}  # options of Hydra that print and train nothing
MULTIRUN = {"--multirun", "-m"}


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


def run(words: list[str]) -> None:
    """Do what a command line asks for, after what Hydra has no words for."""
    with reported():
        if renamed := renamed_variants(words):
            raise UserError(renamed.strip())
        if HELP & set(words):
            program = "gatelab train" if Path(sys.argv[0]).stem == "gatelab" else "python -m experiments.train"
            print(help_text(program, [word for word in words if not word.startswith("-") and word not in HELP]))
            return
        refuse_twins()
        register()
        showing = SHOWING & set(words)
        if showing and MULTIRUN & set(words):
            option = showing.pop()
            raise UserError(f"{option} shows one trial: leave out -m, and give each field one value")
    if showing:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Hydra prints, and its reader may stop reading
    try:
        main()
    except SystemExit as end:
        if end.code == 1 and (text := suggestions(words)):  # Hydra has said what it refuses
            print(text.strip(), file=sys.stderr)
        raise


if __name__ == "__main__":
    run(sys.argv[1:])
