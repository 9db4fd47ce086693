"""The registration of a study: what it is going to compare and by which rule, with a hash, before its first trial."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from experiments.config.names import study_folder
from experiments.errors import UserError

FORMAT = 1
LIVE = ("time", "version")  # may differ when a study goes on
SHORT = 8  # characters of the hash that people compare


@dataclass(frozen=True)
class Family:
    """The comparisons on one task, among which one false alarm is one too many.

    Attributes:
        comparisons: The reference of each variant: the hypotheses.
        score: The metric in the store that decides.
        better: `lower` or `higher`.
        paired: Whether seeds are pairs (signed ranks); else Mann and Whitney's test.
        margin: Below which a difference makes none, as a command line has it; None if nobody has said so.
        levels: Critical p-values of each look, by step of Holm's procedure.
    """

    comparisons: Mapping[str, str]
    score: str
    better: str
    paired: bool
    margin: str | None
    levels: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Registration:
    """What a study is going to do.

    Attributes:
        study: Its name.
        tasks: The comparisons on each task.
        first_seed: The first of the seeds, which are consecutive.
        looks: Seeds of each variant at each look; the last is the most there will be.
        alpha: Chance of any false alarm on a task.
        rule: The rule in words.
        search: How settings are searched for, and with which budget: names and values.
        version: Of gatelab.
        time: When it was registered, UTC.
    """

    study: str
    tasks: Mapping[str, Family]
    first_seed: int
    looks: tuple[int, ...]
    alpha: float
    rule: str
    search: Mapping[str, Any]
    version: str
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def seeds(self) -> range:
        """The seeds, as many as there are at most."""
        return range(self.first_seed, self.first_seed + self.looks[-1])

    @property
    def digest(self) -> str:
        """SHA-256 of everything in it, in hexadecimal digits."""
        return _digest(_content(self))

    @property
    def short(self) -> str:
        """The beginning of it, which people compare."""
        return self.digest[:SHORT]

    @property
    def text(self) -> str:
        """The file: everything in it, and the hash.

        Raises:
            ValueError: for a setting that JSON cannot hold, such as a number that is none.
        """
        content = {"format": FORMAT, "sha256": self.digest, "registration": _content(self)}
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def file_of(folder: Path, study: str) -> Path:
    """Where the registration of a study is, in the folder of everything that is written."""
    return study_folder(folder, study) / "registration.json"


def parse(text: str, origin: str) -> Registration:
    """A registration from the text of its file.

    Raises:
        UserError: if it is none, or is not what was registered; the message names its origin.
    """
    try:
        stored = json.loads(text)
        if stored["format"] != FORMAT:
            raise ValueError(f"its format is {stored['format']}, not {FORMAT}")
        content, expected = stored["registration"], str(stored["sha256"])
        actual = _digest(content)
        registration = _registration(content) if actual == expected else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the registration {origin} cannot be read ({type(error).__name__}: {error})") from error
    if registration is None:
        raise UserError(
            f"the registration {origin} was edited after it was written: its hash is {actual[:SHORT]}, "
            f"{expected[:SHORT]} was registered; restore the file, or begin another study=NAME"
        )
    return registration


def read(file: Path) -> Registration | None:
    """The registration of a study, None if it has none.

    Raises:
        UserError: if it cannot be read, or is not what was registered.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"the registration {file} cannot be read ({type(error).__name__}: {error})") from error
    return parse(text, str(file))


def register(file: Path, registration: Registration) -> Registration:
    """Write a registration, or return the one of before if the study goes on with the same plan.

    Raises:
        UserError: if the study was begun with another plan, or with one that cannot be read: nothing is written.
        OSError: if it cannot be written.
    """
    text = registration.text
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        before = read(file)
        if before is None:
            partial = file.with_suffix(".partial")
            with partial.open("w", encoding="utf-8") as opened:
                opened.write(text)
                opened.flush()
                os.fsync(opened.fileno())
            partial.replace(file)
            return registration
    changes = differences(before, registration)
    if changes:
        raise UserError(
            f"study={before.study} was begun with another plan, registered {_time(before)}: {'; '.join(changes)}. "
            "Type what was registered, or begin another study=NAME; nothing is mixed"
        )
    return before


def differences(before: Registration, now: Registration) -> list[str]:
    """What differs between two registrations, but for their times and versions: `alpha: 0.05 registered, 0.1 now`."""
    old, new = (_flat(_content(registration)) for registration in (before, now))
    names = [name for name in dict.fromkeys((*old, *new)) if name not in LIVE and old.get(name) != new.get(name)]
    causes = [name for name in names if not name.endswith(".levels")] or names  # levels follow from the rest
    return [f"{name}: {_shown(old.get(name))} registered, {_shown(new.get(name))} now" for name in causes]


def words(registration: Registration, first_trial: datetime | None = None) -> list[str]:
    """What a report says of a registration, sentence by sentence.

    Args:
        registration: The registration.
        first_trial: When the first trial of the study began, with its time zone; None if there is none.
    """
    late = first_trial is not None and first_trial < datetime.fromisoformat(registration.time)
    when = "AFTER the first trial, which says nothing about what was planned" if late else "before the first trial"
    search = ", ".join(f"{name}={_shown(value)}" for name, value in registration.search.items())
    return [
        f"Registered {_time(registration)} {when} ({registration.short}, gatelab {registration.version}): seeds are "
        "added until each comparison is decided.",
        *(f"{task}: {_family(family)}." for task, family in registration.tasks.items()),
        f"Looks at {_shown(registration.looks)} seeds, from {registration.first_seed} on; false alarms at most "
        f"{100 * registration.alpha:g} % on a task, over all looks and comparisons ({registration.rule}): they hold at "
        "whichever look one stops.",
        *([f"Search: {search}."] if search else []),
    ]


def _family(family: Family) -> str:
    pairs = ", ".join(f"{variant} with {reference}" for variant, reference in family.comparisons.items())
    margin = f"margin {family.margin}" if family.margin else "no margin"
    test = "signed ranks of pairs" if family.paired else "Mann and Whitney's test"
    return f"{pairs}, by {family.score} ({family.better} is better; {margin}; {test})"


def _time(registration: Registration) -> str:
    return f"{datetime.fromisoformat(registration.time).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _content(registration: Registration) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(registration), allow_nan=False))


def _registration(content: dict[str, Any]) -> Registration:
    tasks = {
        task: Family(**family | {"levels": tuple(map(tuple, family["levels"]))})
        for task, family in content["tasks"].items()
    }
    return Registration(**content | {"tasks": tasks, "looks": tuple(content["looks"])})


def _digest(content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        inner = isinstance(value, dict) and value
        flat |= _flat(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return flat


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return "nothing" if value is None else str(value)
