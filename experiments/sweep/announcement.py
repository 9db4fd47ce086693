"""What a sweep will cost and what it can show, said before the first trial."""

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean

from experiments.report.power import power
from experiments.sweep.preflight import Sweep
from experiments.sweep.progress import duration
from experiments.tracking.lookup import durations
from experiments.tracking.metadata import Param, params
from experiments.trial.spec import TrialSpec

RECENT = 200  # finished trials of a task, of all studies, by whose times the next ones are judged
OF_SEED = "task.data_seed"


def announcement(sweep: Sweep, workers: int) -> str:
    """How many trials of what, how long they may take, and what they can show.

    Args:
        sweep: The sweep.
        workers: Number of worker processes.
    """
    recorded = [{str(name): str(value) for name, value in params(spec, {}).items()} for spec in sweep.specs]
    seconds = _seconds(sweep, recorded) / workers
    time = "how long they take is known after the first"
    if math.isfinite(seconds):
        time = f"about {duration(seconds)} by earlier trials of this store"
    shown = power(sweep.specs)
    return f"{_size(sweep.specs, recorded)}, {time}{f'; {shown}' if shown else ''}"


def _size(specs: Sequence[TrialSpec], recorded: Sequence[Mapping[str, str]]) -> str:
    """Such as `2 variants x 3 tasks x 5 seeds = 30 trials`."""
    within: dict[Hashable, set[Hashable]] = defaultdict(set)  # by variant and task, whose defaults differ
    for spec, fields in zip(specs, recorded, strict=True):
        within[spec.config.variant.name, spec.config.task.name].add(_settings(fields, "variant."))
    counts = {
        "variant": len({variant for variant, _ in within}),
        "task": len({task for _, task in within}),
        "setting": max(map(len, within.values())),
        "seed": len({spec.config.seed for spec in specs}),
    }
    words = [_counted(count, name) for name, count in counts.items() if count > 1 or name != "setting"]
    trials = _counted(len(specs), "trial")
    if math.prod(counts.values()) != len(specs):
        return f"{trials} ({', '.join(words)})"
    return f"{' x '.join(words)} = {trials}"


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _seconds(sweep: Sweep, recorded: Sequence[Mapping[str, str]]) -> float:
    """Of the trials that the store does not have, by others of the same settings; NaN if there are none of some.

    Those of the same variant count, else those of others.
    """
    todo = [index for index in range(len(recorded)) if index not in sweep.stored]
    times: dict[Hashable, list[float]] = defaultdict(list)
    for task in {sweep.specs[index].config.task.name for index in todo}:
        for run, seconds in durations(sweep.store, task, RECENT):
            if math.isfinite(seconds):
                for alike in _alike(run.params):
                    times[alike].append(seconds)
    every = [next((times[alike] for alike in _alike(recorded[k]) if alike in times), [math.nan]) for k in todo]
    return sum(map(fmean, every))


def _alike(recorded: Mapping[str, str]) -> tuple[Hashable, Hashable]:
    """What trials that take about as long have in common: the settings with the variant, or without."""
    settings = _settings(recorded)
    return (settings, recorded.get(Param.VARIANT)), settings


def _settings(recorded: Mapping[str, str], *others: str) -> Hashable:
    """The fields of the task, the model and the training, and of other sections, but not the seed of the data."""
    sections = ("task.", "model.", "training.", *others)
    return frozenset((name, value) for name, value in recorded.items() if name.startswith(sections) and name != OF_SEED)
