"""The YAML files of the lab, and what a group of them can be set to."""

from pathlib import Path

CONF = Path(__file__).resolve().parents[2] / "conf"


def choices(group: str) -> list[str]:
    """What a group of `conf/` can be set to: its YAML files, those in folders by their path."""
    folder = CONF / group
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml"))
