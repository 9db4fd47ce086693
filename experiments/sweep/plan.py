"""The plan of a study: the trials that its sweeps were to do, in a file beside the store."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from experiments.config.names import study_folder
from experiments.errors import UserError
from experiments.trial.spec import TrialSpec

FORMAT = 1


@dataclass(frozen=True)
class PlanEntry:
    """A trial that a sweep was to do.

    Attributes:
        name: How runs and messages call it: task[settings]/variant[settings]/s<seed>.
        overrides: The words of the command line that make it.
    """

    name: str
    overrides: tuple[str, ...]


def file_of(folder: Path, study: str) -> Path:
    """Where the plan of a study is, in the folder of everything that is written."""
    return study_folder(folder, study) / "plan.json"


def read(file: Path) -> dict[str, PlanEntry]:
    """The planned trials by key.

    Raises:
        UserError: if there is no such file, or it cannot be read.
    """
    try:
        content = json.loads(file.read_text())
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']}, not {FORMAT}")
        entries = content["trials"].items()
        return {key: PlanEntry(entry["name"], tuple(entry["overrides"])) for key, entry in entries}
    except FileNotFoundError as error:
        raise UserError(f"there is no plan {file}, which a sweep writes when it begins") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the plan {file} cannot be read ({type(error).__name__}: {error})") from error


def add(file: Path, specs: Sequence[TrialSpec]) -> None:
    """Put trials into a plan, which whoever reads it sees before or after, never between.

    A trial that was planned with the same overrides under another key gives way: its data, its code or a file of
    `conf/` have changed, so that the command now makes this trial. A plan that cannot be read is written anew.

    Raises:
        OSError: if it cannot be written; the old one stays.
    """
    entries = {spec.key: PlanEntry(spec.name, spec.overrides) for spec in specs}
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        try:
            before = read(file)
        except UserError:
            before = {}
        replaced = {entry.overrides for entry in entries.values()}
        merged = {key: entry for key, entry in before.items() if entry.overrides not in replaced} | entries
        if merged == before:
            return
        partial = file.with_suffix(".partial")
        with partial.open("w") as opened:
            json.dump({"format": FORMAT, "trials": {key: asdict(entry) for key, entry in merged.items()}}, opened)
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(file)
