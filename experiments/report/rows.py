"""The runs of a study: which of them count, and why the others do not."""

import json
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from experiments.tracking import StoredRun
from experiments.tracking.lookup import described, is_readable

NEEDED = ("trial_key", "score_metric", "score_title", "score_better", "baseline")  # tags without which no score is read
UNKNOWN = ("settings=unknown",)
MOST_SETTINGS = 12  # more different settings than this are the draws of a search, not rows of a table


@dataclass(frozen=True)
class Place:
    """Where the score of a run stands in the comparison.

    Attributes:
        task: Its task.
        variant: Its variant.
        settings: The settings that not all trials of the study have in common, such as `units=16`.
        draw: Those of them that a search drew.
        seed: Its seed.
    """

    task: str
    variant: str
    settings: tuple[str, ...]
    draw: tuple[str, ...]
    seed: int

    @property
    def row(self) -> str:
        """What its row is called: the variant, and the settings that were not drawn."""
        return " ".join([self.variant, *self.settings])

    @property
    def replicate(self) -> str:
        """What it shares with the trials of other variants that it is paired with: the draw, if any, and the seed."""
        return " ".join([*self.draw, f"seed={self.seed}"])


@dataclass(frozen=True)
class Runs:
    """The runs of a study that count, and how many do not.

    Attributes:
        placed: One run for each place.
        superseded: Runs with a finished one of the same place beside them that is newer: trained with other data,
            another version of the code or other files in `conf/`.
        foreign: Runs in the experiments of the study that gatelab did not write, or that lost what it had written.
    """

    placed: dict[Place, StoredRun]
    superseded: int = 0
    foreign: int = 0

    @property
    def drawn(self) -> bool:
        """Whether a search drew the settings."""
        return any(place.draw for place in self.placed)


def collect(trials: Iterable[StoredRun]) -> Runs:
    """Give each trial its place. Of several runs for one place the newest finished one counts, else the newest.

    `trials` come newest first.
    """
    everything = list(trials)
    ours = [trial for trial in everything if _is_ours(trial)]
    found: dict[Place, list[StoredRun]] = defaultdict(list)
    for place, trial in zip(places(ours), ours, strict=True):
        found[place].append(described(trial))
    placed, superseded = {}, 0
    for place, runs in found.items():
        finished = [run for run in runs if run.status == "FINISHED"]
        placed[place] = (finished or runs)[0]
        superseded += len({run.tags["trial_key"] for run in finished[1:]} - {placed[place].tags["trial_key"]})
    ordered = sorted(placed, key=lambda place: (place.task, place.variant != "standard", *_fields(place)))
    return Runs({place: placed[place] for place in ordered}, superseded, len(everything) - len(ours))


def _fields(place: Place) -> tuple[object, ...]:
    settings = [_value(word) for word in place.settings]
    return place.variant, place.settings == UNKNOWN, settings, place.draw, place.seed


def _value(word: str) -> tuple[str, bool, float, str]:
    """What settings are sorted by: `units=8` comes before `units=16`."""
    key, _, value = word.partition("=")
    try:
        return key, False, float(value), ""
    except ValueError:
        return key, True, 0.0, value


def _is_ours(trial: StoredRun) -> bool:
    """Whether it has what a trial of gatelab has, and all of that can be read."""
    tags = trial.tags
    if tags.get("kind", "trial") != "trial" or not all(tag in tags for tag in NEEDED) or not is_readable(trial):
        return False
    try:
        json.loads(tags.get("references", "[]"))
        numbers = [tags["baseline"], tags.get("score_solved") or "0"]
        sizes = [int(float(trial.params.get(name, "0"))) for name in ("units", "parameters")]
        return len([*map(float, numbers), *sizes]) == 4 and tags["score_better"] in ("lower", "higher")
    except (OverflowError, ValueError):
        return False


def places(trials: Sequence[StoredRun]) -> list[Place]:
    """Where each trial stands among the others: what all have in common does not tell them apart.

    Of a trial whose process died before it had parameters, the settings are unknown.
    """
    words = [shlex.split(trial.params.get("settings", "")) for trial in trials]
    known = [set(each) for each, trial in zip(words, trials, strict=True) if trial.params]
    common = set.intersection(*known) if known else set()
    varied = [tuple(word for word in each if word not in common) for each in words]
    keys = {word.partition("=")[0] for each in varied for word in each}
    drawn = {key for trial in trials for key in trial.tags.get("drawn", "").split(",")} & keys
    if not drawn and len(set(varied)) > MOST_SETTINGS:
        drawn = keys
    short = _short(keys)
    found = []
    for trial, each in zip(trials, varied, strict=True):
        settings = tuple(_renamed(word, short) for word in each if word.partition("=")[0] not in drawn)
        if not trial.params and keys - drawn:
            settings = UNKNOWN
        draw = tuple(word for word in each if word.partition("=")[0] in drawn)
        params = described(trial).params
        found.append(Place(params["task"], params["variant"], settings, draw, int(params["seed"])))
    return found


def _short(keys: set[str]) -> dict[str, str]:
    """The last part of each key, if no other key ends alike."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: end if last.count(end) == 1 else key for key, end in zip(keys, last, strict=True)}


def _renamed(word: str, names: dict[str, str]) -> str:
    key, _, value = word.partition("=")
    return f"{names[key]}={value}"
