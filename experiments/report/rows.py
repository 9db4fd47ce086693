"""The rows of a comparison: which runs of a study count, and by which settings they are told apart."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

from experiments.config.schema import Phase
from experiments.report.readable import problem
from experiments.tracking import StoredRun
from experiments.tracking.lookup import described
from experiments.tracking.metadata import NULL, Param, Tag, fields, is_complete, is_from_0_1

Settings = tuple[tuple[str, str], ...]  # name and value

UNKNOWN: Settings = (("settings", "unknown"),)
NOT_SET = ""
DATA_SEED = "task.data_seed"
MOST_SETTINGS = 12  # more different settings than this are the draws of a search, not rows of a table
SUPERSEDED = (
    "older than the run that counts of the same variant, settings and seed, and trained with other data, another "
    "version of the code or other defaults in conf/"
)
REPEATED = "another run of the same trial counts, the newest that has finished or else the newest"


@dataclass(frozen=True)
class Place:
    """Where the score of a run stands in the comparison.

    Attributes:
        task: Its task.
        task_settings: The fields of the task that tell its trials apart, such as `horizon=12`.
        variant: Its variant, or the one that its configuration is equal to.
        switches: The fields of the variant that differ among the trials of this variant, such as `chrono_time=30`.
        settings: The other fields that tell rows apart, such as `units=16`.
        draw: The fields that a search drew, by dotted name.
        seed: Its seed.
    """

    task: str
    task_settings: Settings
    variant: str
    switches: Settings
    settings: Settings
    draw: Settings
    seed: int

    @property
    def measured(self) -> str:
        """What it was trained and tested on: the task, with the fields of it that were not drawn."""
        return named(self.task, self.task_settings)

    @property
    def row(self) -> str:
        """The name of its row: the variant, and the settings that were not drawn."""
        return named(self.variant, (*self.switches, *self.settings))

    @property
    def replicate(self) -> str:
        """The name of what it shares with the trials that it is paired with: the draw, if any, and the seed."""
        return " ".join([*_words(self.draw), f"seed={self.seed}"])


def named(name: str, settings: Settings) -> str:
    """A variant or a task with its settings, such as `standard units=16`."""
    return " ".join([name, *_words(settings)])


def _words(settings: Settings) -> list[str]:
    return [f"{name}={value}" for name, value in settings]


@dataclass(frozen=True)
class LeftOut:
    """A run in the experiments of a study that is in no table, and why."""

    run: StoredRun
    reason: str


@dataclass(frozen=True)
class Runs:
    """All runs in the experiments of a study: those that count, and those that do not.

    Attributes:
        placed: One run for each place.
        left_out: The others, newest first.
        merged: For each row that holds the trials of several variants, whose configurations are equal, those variants.
    """

    placed: dict[Place, StoredRun]
    left_out: tuple[LeftOut, ...] = ()
    merged: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def drawn(self) -> bool:
        """Whether a search drew the settings."""
        return any(place.draw for place in self.placed)

    @property
    def merged_into(self) -> dict[str, str]:
        """The variant whose rows hold the trials of a variant with an equal configuration."""
        variants = {place.row: place.variant for place in self.placed}
        return {name: variants[row] for row, names in self.merged.items() for name in names if name != variants[row]}


def collect(trials: Iterable[StoredRun]) -> Runs:
    """Give each trial its place. Of several runs for one place the newest finished one counts, else the newest.

    `trials` come newest first.
    """
    everything = list(trials)
    reasons = {trial.run_id: reason for trial in everything if (reason := problem(trial))}
    readable = [trial for trial in everything if trial.run_id not in reasons]
    by_place: dict[Place, list[StoredRun]] = defaultdict(list)
    for place, trial in zip(places(readable), readable, strict=True):
        if isinstance(place, Place):
            by_place[place].append(described(trial))
        else:
            reasons[trial.run_id] = place
    placed: dict[Place, StoredRun] = {}
    merged: dict[str, dict[str, None]] = defaultdict(dict)
    for place in sorted(by_place, key=_order):
        runs = by_place[place]
        placed[place] = counted = min(runs, key=lambda run: (run.status != "FINISHED", _variant(run) != place.variant))
        reasons |= {run.run_id: _reason(run, counted) for run in runs if run is not counted}
        merged[place.row] |= dict.fromkeys(sorted({place.variant, *map(_variant, runs)}, key=_first))
    left_out = tuple(LeftOut(trial, reasons[trial.run_id]) for trial in everything if trial.run_id in reasons)
    return Runs(placed, left_out, {row: tuple(names) for row, names in merged.items() if len(names) > 1})


def _variant(run: StoredRun) -> str:
    return run.params[Param.VARIANT]


def _first(variant: str) -> tuple[bool, str]:
    return variant != "standard", variant


def _reason(run: StoredRun, counted: StoredRun) -> str:
    """Why another run of the same place counts."""
    if _variant(run) != _variant(counted):
        return f"{_variant(run)} is the same configuration as {_variant(counted)} here, whose run counts"
    return REPEATED if run.tags[Tag.TRIAL_KEY] == counted.tags[Tag.TRIAL_KEY] else SUPERSEDED


def _order(place: Place) -> tuple[object, ...]:
    """By task and variant, `standard` first, then by settings: `units=8` comes before `units=16`."""
    of_task, settings = _sortable(place.task_settings), _sortable((*place.switches, *place.settings))
    unknown = place.settings == UNKNOWN
    return place.task, of_task, *_first(place.variant), unknown, settings, place.draw, place.seed


def _sortable(settings: Settings) -> list[tuple[str, bool, float, str]]:
    return [(name, *_sortable_value(value)) for name, value in settings]


def _sortable_value(value: str) -> tuple[bool, float, str]:
    """What is not set first, then numbers, then words."""
    if value == NULL:
        return False, -math.inf, ""
    try:
        return False, float(value), ""
    except ValueError:
        return True, 0.0, value


def places(trials: Sequence[StoredRun]) -> list[Place | str]:
    """Where each trial stands among the others, or why it stands nowhere.

    Fields in which trials do not differ do not tell them apart. A field of the task counts where it differs within the
    task, one of the variant where it differs among the trials of one variant, any other in the whole study if it
    differs within any task. A field that a run does not record makes no difference: a process that died at once
    recorded none. Runs of version 0.1.0 recorded what their command lines set: among them, set and not set are
    different.
    """
    labels = [described(trial).params for trial in trials]
    recorded = [_settings(trial) for trial in trials]
    old = [values for trial, values in zip(trials, recorded, strict=True) if is_from_0_1(trial.params)]
    for values in old:
        values |= dict.fromkeys(set().union(*old) - values.keys(), NOT_SET)
    for task in {label[Param.TASK] for label in labels}:
        of_task = [pair for pair in zip(labels, recorded, strict=True) if pair[0][Param.TASK] == task]
        if follows_seed([(label[Param.SEED], values.get(DATA_SEED)) for label, values in of_task]):
            for _, values in of_task:
                del values[DATA_SEED]
    variants = _variants(trials, labels, recorded)
    differing = _differing([label[Param.TASK] for label in labels], variants, recorded)
    settings = [
        {name: values[name] for name in sorted(names & values.keys()) if values[name] != NOT_SET}
        for names, values in zip(differing, recorded, strict=True)
    ]
    drawn = _drawn(trials, labels, settings)
    short = _short(set().union(*differing))
    positions: list[Place | str] = []
    for trial, label, variant, own, values in zip(trials, labels, variants, differing, settings, strict=True):
        draw = tuple((name, value) for name, value in values.items() if name in drawn)
        swept = [(name, value) for name, value in values.items() if name not in drawn]
        of_task = tuple((short[name], value) for name, value in swept if _is_of_task(name))
        switches = tuple((short[name], value) for name, value in swept if _is_switch(name))
        others = tuple((short[name], value) for name, value in swept if not (_is_of_task(name) or _is_switch(name)))
        if not trial.params and own - drawn:
            others = UNKNOWN
        unknown = sorted(short[name] for name in own - drawn if _is_of_task(name)) if not trial.params else []
        place = Place(label[Param.TASK], of_task, variant, switches, others, draw, int(label[Param.SEED]))
        positions.append(f"it ended before it had recorded its {', '.join(unknown)}" if unknown else place)
    return positions


def _settings(trial: StoredRun) -> dict[str, str]:
    """The fields of a trial that may tell it apart: not those that were chosen for its variant."""
    chosen = trial.tags.get(Tag.DRAWN, "").split(",") if trial.tags.get(Tag.PHASE) == Phase.confirm else ()
    return {name: _plain(value) for name, value in fields(trial.params).items() if name not in chosen}


def follows_seed(pairs: Sequence[tuple[str, str | None]]) -> bool:
    """Whether the seed of the data is that of the trial in all of several seeds: pairs of both."""
    return len(set(pairs)) > 1 and all(seed == data_seed for seed, data_seed in pairs)


def _variants(
    trials: Sequence[StoredRun], labels: Sequence[Mapping[str, str]], recorded: Sequence[Mapping[str, str]]
) -> list[str]:
    """The variant in whose rows each trial stands: of several with the same layer the first, a base before others.

    They are the same if all that makes the layer is recorded of both and equal: runs of version 0.1.0, and those that
    died before they had recorded anything, are taken at their names.
    """
    layers: list[frozenset[tuple[str, str]] | None] = [
        frozenset(item for item in values.items() if _is_switch(item[0])) if is_complete(trial.params) else None
        for trial, values in zip(trials, recorded, strict=True)
    ]
    alike: dict[object, dict[str, str]] = defaultdict(dict)  # by layer the variants, with the base of each
    for trial, label, layer in zip(trials, labels, layers, strict=True):
        alike[layer][label[Param.VARIANT]] = trial.tags.get(Tag.BASE, "")
    first = {
        layer: min(bases, key=lambda name, bases=bases: (bases[name] in bases, *_first(name)))
        for layer, bases in alike.items()
    }
    return [
        label[Param.VARIANT] if layer is None else first[layer] for label, layer in zip(labels, layers, strict=True)
    ]


def _drawn(
    trials: Sequence[StoredRun], labels: Sequence[Mapping[str, str]], settings: Sequence[Mapping[str, str]]
) -> set[str]:
    """The fields that a search drew: what it says it drew, else those of rows or of a task that differ too often."""
    names = set().union(*settings)
    drawn = {name for trial in trials for name in trial.tags.get(Tag.DRAWN, "").split(",")} & names
    if drawn:
        return drawn
    of_rows = {tuple(item for item in values.items() if not _is_of_task(item[0])) for values in settings}
    of_tasks: dict[str, set[tuple[tuple[str, str], ...]]] = defaultdict(set)
    for label, values in zip(labels, settings, strict=True):
        of_tasks[label[Param.TASK]].add(tuple(item for item in values.items() if _is_of_task(item[0])))
    many = {False: len(of_rows) > MOST_SETTINGS, True: max(map(len, of_tasks.values()), default=0) > MOST_SETTINGS}
    return {name for name in names if many[_is_of_task(name)]}


def _differing(tasks: Sequence[str], variants: Sequence[str], recorded: Sequence[Mapping[str, str]]) -> list[set[str]]:
    """For each trial the fields that tell it from others."""
    by_task: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    by_variant: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for task, variant, values in zip(tasks, variants, recorded, strict=True):
        by_task[task].append(values)
        by_variant[variant].append(values)
    task_fields = {task: _with_several_values(values) for task, values in by_task.items()}
    variant_fields = {variant: _with_several_values(values) for variant, values in by_variant.items()}
    differing = {name for names in task_fields.values() for name in names}
    shared = {name for name in differing if not (_is_of_task(name) or _is_switch(name))}
    return [
        shared | set(filter(_is_of_task, task_fields[task])) | set(filter(_is_switch, variant_fields[variant]))
        for task, variant in zip(tasks, variants, strict=True)
    ]


def _is_of_task(name: str) -> bool:
    return name.startswith("task.")


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
