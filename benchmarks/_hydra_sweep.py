"""The trials of `_plain_sweep.py` as a Hydra app, whose sweeps run on Hydra's basic launcher.

python benchmarks/_hydra_sweep.py -m work=work.json variant=standard,swapped task=adding seed=0,1
"""

import json
from dataclasses import dataclass
from pathlib import Path

import hydra
from _plain_sweep import trial
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class Settings:
    """One trial."""

    work: str = MISSING
    variant: str = MISSING
    task: str = MISSING
    seed: int = 0


ConfigStore.instance().store(name="settings", node=Settings)


@hydra.main(version_base="1.3", config_path=None, config_name="settings")
def main(settings: Settings) -> float:
    work = json.loads(Path(settings.work).read_text())
    return trial(work, settings.variant, settings.task, settings.seed)


if __name__ == "__main__":
    main()
