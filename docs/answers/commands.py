"""The commands of a page: how a study is trained."""

import shlex
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from experiments.errors import UserError
from experiments.report.reproduction import commands
from experiments.report.study import Study
from experiments.tracking.metadata import Tag

STUDIES = Path(__file__).parents[2] / "conf" / "experiment"


def of_experiment(name: str) -> str:
    """How a study is trained that nobody has trained yet.

    Raises:
        UserError: if there is no such study in `conf/experiment`.
    """
    if not (STUDIES / f"{name}.yaml").exists():
        raise UserError(f"command({name!r}): there is no conf/experiment/{name}.yaml")
    return f"python -m experiments.train experiment={name}"


def training(study: Study) -> str:
    """The command that trains exactly the trials of a study: without the words that its file has already."""
    command = commands(study)[0]
    names = {run.tags.get(Tag.EXPERIMENT, "") for run in study.trials}
    file = STUDIES / f"{'/'.join(names)}.yaml"
    if len(names) > 1 or not file.is_file() or command.startswith("#"):
        return command
    content, words = yaml.safe_load(file.read_text(encoding="utf-8")), shlex.split(command)
    is_grid = "-m" in words[3:]
    own = _swept(content) if is_grid else _searched(content)
    told = dict(word.lstrip("+").split("=", 1) for word in words if "=" in word)
    name = told.pop("experiment")
    same = told.pop("study") == content.get("study") and all(
        _values(*word) == own.get(word[0]) for word in told.items()
    )
    return of_experiment(name) if same and (not is_grid or own.keys() <= told.keys()) else command


def _searched(content: dict[str, Any]) -> dict[str, set[str]]:
    return {f"search.{name}": {str(value)} for name, value in content.get("search", {}).items()}


def _swept(content: dict[str, Any]) -> dict[str, set[str]]:
    """What the file of a study sweeps, by field."""
    params = content.get("hydra", {}).get("sweeper", {}).get("params") or {}
    return {name: _values(name, str(text)) for name, text in params.items()}


def _values(name: str, text: str) -> set[str]:
    """All values that a word of a command line gives to a field, in one spelling."""
    override = OverridesParser.create().parse_override(f"{name}={text}")
    if not override.is_sweep_override():
        return {text.lower()}
    return {str(value).lower() for value in override.sweep_string_iterator()}
