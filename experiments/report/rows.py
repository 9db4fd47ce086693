"""The rows of a comparison: which runs of a study count, and by which settings they are told apart."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from experiments.tracking import StoredRun
from experiments.tracking.lookup import described, is_readable
from experiments.tracking.metadata import Param, Tag, fields, is_from_0_1

Settings = tuple[tuple[str, str], ...]  # name and value

NEEDED = (Tag.TRIAL_KEY, Tag.SCORE_METRIC, Tag.SCORE_TITLE, Tag.SCORE_BETTER, Tag.BASELINE)  # else no score is read
UNKNOWN: Settings = (("settings", "unknown"),)
NOT_SET = ""
MOST_SETTINGS = 12  # more different settings than this are the draws of a search, not rows of a table


@dataclass(frozen=True)
class Place:
    """Where the score of a run stands in the comparison.

    Attributes:
        task: Its task.
        variant: Its variant.
        switches: The fields of the variant that differ among the trials of this variant, such as `chrono_time=30`.
        settings: The other fields that tell rows apart, such as `units=16`.
        draw: The fields that a search drew, by dotted name.
        seed: Its seed.
    """

    task: str
    variant: str
    switches: Settings
    settings: Settings
    draw: Settings
    seed: int

    @property
    def row(self) -> str:
        """The name of its row: the variant, and the settings that were not drawn."""
        return row_name(self.variant, (*self.switches, *self.settings))

    @property
    def replicate(self) -> str:
        """The name of what it shares with the trials that it is paired with: the draw, if any, and the seed."""
        return " ".join([*_words(self.draw), f"seed={self.seed}"])


def row_name(variant: str, settings: Settings) -> str:
    """The variant with its settings, such as `standard units=16`."""
    return " ".join([variant, *_words(settings)])


def _words(settings: Settings) -> list[str]:
    return [f"{name}={value}" for name, value in settings]


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
    readable = [trial for trial in everything if _is_readable(trial)]
    by_place: dict[Place, list[StoredRun]] = defaultdict(list)
    for place, trial in zip(places(readable), readable, strict=True):
        by_place[place].append(described(trial))
    placed, superseded = {}, 0
    for place in sorted(by_place, key=_order):
        runs = by_place[place]
        finished = [run for run in runs if run.status == "FINISHED"]
        placed[place] = (finished or runs)[0]
        keys = {run.tags[Tag.TRIAL_KEY] for run in finished[1:]}
        superseded += len(keys - {placed[place].tags[Tag.TRIAL_KEY]})
    return Runs(placed, superseded, len(everything) - len(readable))


def _is_readable(trial: StoredRun) -> bool:
    """Whether it has what a trial of gatelab has, and all of that can be read."""
    tags = trial.tags
    if tags.get(Tag.KIND, "trial") != "trial" or not all(tag in tags for tag in NEEDED) or not is_readable(trial):
        return False
    try:
        json.loads(tags.get(Tag.REFERENCES, "[]"))
        for number in (tags[Tag.BASELINE], tags.get(Tag.SCORE_SOLVED) or "0"):
            float(number)
        for param in (Param.UNITS, Param.PARAMETERS):
            int(float(trial.params.get(param, "0")))
    except (OverflowError, ValueError):
        return False
    return tags[Tag.SCORE_BETTER] in ("lower", "higher")


def _order(place: Place) -> tuple[object, ...]:
    """By task and variant, `standard` first, then by settings: `units=8` comes before `units=16`."""
    settings = [(name, *_sortable(value)) for name, value in (*place.switches, *place.settings)]
    unknown = place.settings == UNKNOWN
    return place.task, place.variant != "standard", place.variant, unknown, settings, place.draw, place.seed


def _sortable(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), ""
    except ValueError:
        return True, 0.0, value


def places(trials: Sequence[StoredRun]) -> list[Place]:
    """Where each trial stands among the others: fields in which they do not differ do not tell them apart.

    A field of the task counts where it differs within the task, one of the variant where it differs among the trials
    of one name, any other in the whole study if it differs within any task. A field that a run does not record makes
    no difference: a process that died at once recorded none. Runs of version 0.1.0 recorded what their command lines
    set: among them, set and not set are different.
    """
    labels = [described(trial).params for trial in trials]
    recorded = [{name: _plain(value) for name, value in fields(trial.params).items()} for trial in trials]
    old = [values for trial, values in zip(trials, recorded, strict=True) if is_from_0_1(trial.params)]
    for values in old:
        values |= dict.fromkeys(set().union(*old) - values.keys(), NOT_SET)
    differing = _differing(labels, recorded)
    settings = [
        {name: values[name] for name in sorted(names & values.keys()) if values[name] != NOT_SET}
        for names, values in zip(differing, recorded, strict=True)
    ]
    names = set().union(*differing)
    drawn = {name for trial in trials for name in trial.tags.get(Tag.DRAWN, "").split(",")} & names
    if not drawn and len({tuple(values.items()) for values in settings}) > MOST_SETTINGS:
        drawn = names
    short = _short(names)
    positions = []
    for trial, label, own, values in zip(trials, labels, differing, settings, strict=True):
        draw = tuple((name, value) for name, value in values.items() if name in drawn)
        swept = [(name, value) for name, value in values.items() if name not in drawn]
        switches = tuple((short[name], value) for name, value in swept if _is_switch(name))
        others = tuple((short[name], value) for name, value in swept if not _is_switch(name))
        if not trial.params and own - drawn:
            others = UNKNOWN
        positions.append(Place(label[Param.TASK], label[Param.VARIANT], switches, others, draw, int(label[Param.SEED])))
    return positions


def _differing(labels: Sequence[Mapping[str, str]], recorded: Sequence[Mapping[str, str]]) -> list[set[str]]:
    """For each trial the fields that tell it from others."""
    by_task: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    by_variant: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for label, values in zip(labels, recorded, strict=True):
        by_task[label[Param.TASK]].append(values)
        by_variant[label[Param.VARIANT]].append(values)
    task_fields = {task: _with_several_values(values) for task, values in by_task.items()}
    variant_fields = {variant: _with_several_values(values) for variant, values in by_variant.items()}
    shared = {name for names in task_fields.values() for name in names if not name.startswith(("task.", "variant."))}
    return [
        shared
        | {name for name in task_fields[label[Param.TASK]] if name.startswith("task.")}
        | {name for name in variant_fields[label[Param.VARIANT]] if _is_switch(name)}
        for label in labels
    ]


def _is_switch(name: str) -> bool:
    return name.startswith("variant.")


def _with_several_values(records: Iterable[Mapping[str, str]]) -> set[str]:
    values: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name, value in record.items():
            values[name].add(value)
    return {name for name in values if len(values[name]) > 1}


@cache
def _plain(value: str) -> str:
    """A number in one spelling: version 0.1.0 recorded `1e-2` of a command line and `0.01` of a file."""
    try:
        number = float(value)
    except ValueError:
        return value
    return repr(number).removesuffix(".0") if math.isfinite(number) else value


def _short(names: Iterable[str]) -> dict[str, str]:
    """The last part of each dotted name, if no other one ends alike."""
    last = {name: name.rpartition(".")[2] for name in names}
    ends = list(last.values())
    return {name: end if ends.count(end) == 1 else name for name, end in last.items()}
