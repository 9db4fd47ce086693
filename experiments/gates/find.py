"""The trial that a word on the command line means, and the files of its run."""

import re
from pathlib import Path
from typing import Any

import yaml

from experiments.errors import UserError, first_line
from experiments.report import runs as report
from experiments.tracking import Store, Trial
from experiments.tracking.transfer import download

WORD = re.compile(r"[\w./+-]+")
MOST_NAMES = 8


def find(store: Store, word: str, study: str | None = None) -> Trial:
    """The run that counts of the trial that a word names: the id of a run, the key of a trial, or a run's name.

    Args:
        store: The store.
        word: All of it, or of an id or key a beginning that no other trial has.
        study: Where to look; None: in all studies.

    Raises:
        UserError: if there is no such trial, or there are several.
    """
    if study is not None and study not in store.studies():
        raise report.unknown(store, study)
    runs = store.named(word, study) if WORD.fullmatch(word) else []
    chosen = [trial for trial in runs if trial.run_id == word] or report.newest(runs)
    if not chosen:
        raise UserError(f"{word}: {_where(study)} has no such trial. {_others(store, study)}")
    if len(chosen) > 1:
        lines = "".join(f"\n  {_line(trial)}" for trial in chosen[:MOST_NAMES])
        more = f"\n  and {len(chosen) - MOST_NAMES} more" if len(chosen) > MOST_NAMES else ""
        raise UserError(f"{word}: {len(chosen)} trials are meant by it. Name one by its run:{lines}{more}")
    return chosen[0]


def _where(study: str | None) -> str:
    return "the store" if study is None else f"study {study}"


def _line(trial: Trial) -> str:
    words = (trial.run_id, trial.tags.get("study", ""), trial.name, trial.status, trial.params.get("settings", ""))
    return "  ".join(word for word in words if word)


def _others(store: Store, study: str | None) -> str:
    studies = [study] if study else store.studies()
    trials = [trial for each in studies for trial in store.trials(each) if trial.status == "FINISHED"]
    if not trials:
        return "It has no finished trials"
    names = list(dict.fromkeys(f"{trial.name} (study {trial.tags.get('study', '')})" for trial in trials))
    return f"It has {', '.join(names[:MOST_NAMES])}{', ...' if len(names) > MOST_NAMES else ''}"


def fetch(store: Store, trial: Trial, name: str, folder: Path) -> Path:
    """An artifact of a trial's run, brought into a folder.

    Raises:
        UserError: if the run has no such artifact.
    """
    file = download(store, trial.run_id, name, folder)
    if file is None:
        advice = "" if trial.status == "FINISHED" else ". Only a trial that has ended well keeps its model"
        raise UserError(f"{trial.name}: its run {trial.run_id} is {trial.status} and has no artifact {name}{advice}")
    return file


def read_yaml(file: Path, trial: Trial) -> Any:
    """The content of a YAML artifact.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        return yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{trial.name}: its artifact {file.name} cannot be read ({first_line(error)})") from error
