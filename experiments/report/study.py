"""A study as arrays: the score of every variant on every task with every seed."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from experiments.config.names import file_name
from experiments.config.schema import Phase
from experiments.errors import UserError
from experiments.report.readable import is_number
from experiments.report.rows import DATA_SEED, Place, Runs, collect, follows_seed, named
from experiments.report.task_results import Score, TaskResults
from experiments.tracking import StoredRun
from experiments.tracking.interventions import Intervention
from experiments.tracking.metadata import NULL, Param, Tag, fields
from experiments.tracking.registration import Registration

PUBLISHED = ("metric", "score", "model", "source")
REFERENCES = ("standard", "peephole")  # what variants without a base are compared with, if a study has it


@dataclass(frozen=True)
class Study:
    """A study, read from the store.

    Attributes:
        name: Its name.
        store: Address of the store.
        tasks: What it measured, by task.
        reference: What rows without a base of their own are compared with, and the 1 of the scale over all tasks: a
            variant or a row; "" if there is one row only.
        compared: For each row that is compared with another one, that other row.
        lacking: For each row whose base the study does not have, so that it is compared with another variant: that
            base.
        runs: The runs that count.
        search: The study of the search whose best settings these trials have, with seeds of their own.
        registration: What was going to be compared until it is decided, if these are trials of that.
        interventions: What trials scored with a gate clamped, if that was measured.
    """

    name: str
    store: str
    tasks: tuple[TaskResults, ...]
    reference: str
    compared: dict[str, str]
    lacking: dict[str, str]
    runs: Runs
    search: "Study | None" = None
    registration: Registration | None = None
    interventions: tuple[Intervention, ...] = ()

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """All rows of all tasks, those with which others are compared first."""
        rows = dict.fromkeys(row for task in self.tasks for row in task.rows)
        return tuple(sorted(rows, key=lambda row: row not in self.compared.values()))

    @cached_property
    def variants(self) -> dict[str, str]:
        """The variant of each row."""
        return {place.row: place.variant for place in self.runs.placed}

    @property
    def opponent(self) -> str:
        """What rows are compared with, in words: the reference, or `its base` if there are several."""
        others = {self.variants[row] for row in self.compared.values()}
        if len(others) < 2:
            return self.reference if self.reference in self.compared.values() else next(iter(others), self.reference)
        bases = _bases(self.runs)
        on_base = all(bases[self.variants[row]] == self.variants[other] for row, other in self.compared.items())
        return "its base" if on_base else "its reference"

    @property
    def trials(self) -> list[StoredRun]:
        return list(self.runs.placed.values())

    @property
    def count(self) -> int:
        """The number of trials, with those of the search."""
        return len(self.trials) + (self.search.count if self.search else 0)

    @property
    def replicate(self) -> str:
        """What one replicate is: a seed, or a draw."""
        return "draw" if self.runs.drawn else "seed"


def read(
    name: str,
    store: str,
    trials: Iterable[StoredRun],
    reference: str | None = None,
    registration: Registration | None = None,
) -> Study | None:
    """Arrange the runs of a study, newest first, by task, row and replicate. None if none of them is a trial.

    Where the best settings of a search were trained again with fresh seeds, the study is of those trials only.

    Args:
        name: The study.
        store: Address of the store.
        trials: Its runs.
        reference: What every row is compared with. Default: the base of its variant, if the study has it.
        registration: What was registered before the first trial, which says what is compared.

    Raises:
        UserError: for a reference that the study does not have.
    """
    everything = list(trials)
    confirmed = [trial for trial in everything if trial.tags.get(Tag.PHASE) == Phase.confirm]
    if confirmed and len(confirmed) < len(everything):
        study = read(name, store, confirmed, reference, registration)
        others = [trial for trial in everything if trial.tags.get(Tag.PHASE) != Phase.confirm]
        return None if study is None else replace(study, search=read(name, store, others))
    runs = collect(everything)
    if not runs.placed:
        return None
    files = _files(dict.fromkeys(place.measured for place in runs.placed))
    registration = registration if confirmed else None
    tasks = tuple(_task(task, file, runs.placed, registration is not None) for task, file in files.items())
    rows = {place.row: place for place in runs.placed}
    bases = _bases(runs)
    if reference not in (*bases, *rows):
        reference = runs.merged_into.get(reference, reference)
    if reference is None:
        reference = _reference(rows, bases)
    elif reference in (*bases, *rows):
        bases = dict.fromkeys(bases, "")
    else:
        raise UserError(f"reference={reference}: study {name} does not have it. Allowed: {', '.join(rows)}")
    compared = _compared(rows, bases, reference)
    if registration is not None:
        pairs = {row: other for family in registration.tasks.values() for row, other in family.comparisons.items()}
        compared = {row: other for row, other in pairs.items() if row in rows and other in rows}
    lacking = {row: bases[rows[row].variant] for row, other in compared.items() if _is_lacking(rows, bases, row, other)}
    return Study(name, store, tasks, reference, compared, lacking, runs, registration=registration)


def comparisons(bases: Mapping[str, str]) -> dict[str, str]:
    """What each variant of a study is compared with, before there is a trial of it.

    Args:
        bases: The base of each variant, "" if it has none.
    """
    ordered = sorted(bases, key=lambda variant: (variant != "standard", variant))
    rows = {variant: Place("", (), variant, (), (), (), 0) for variant in ordered}
    return _compared(rows, bases, _reference(rows, {variant: bases[variant] for variant in ordered}))


def _bases(runs: Runs) -> dict[str, str]:
    """For each variant the one that it changes; "" if its runs name none, as those of version 0.1.0."""
    bases: dict[str, str] = {}
    for place, run in runs.placed.items():
        base = run.tags.get(Tag.BASE, "") if run.params[Param.VARIANT] == place.variant else ""
        bases[place.variant] = bases.get(place.variant) or base
    return {variant: base if base in bases else runs.merged_into.get(base, base) for variant, base in bases.items()}


def _reference(rows: Mapping[str, Place], bases: Mapping[str, str]) -> str:
    """`standard`, else `peephole`, else the first variant whose base is not there; of one variant the first row."""
    if len(bases) == 1:
        return next(iter(rows)) if len(rows) > 1 else ""
    first = next((name for name, base in bases.items() if base not in bases), next(iter(bases)))
    return next((name for name in REFERENCES if name in bases), first)


def _compared(rows: Mapping[str, Place], bases: Mapping[str, str], reference: str) -> dict[str, str]:
    """The row that each row is compared with.

    It is that of its base in the same settings, else that of the reference variant in them, or the row that was named.
    Rows of the reference variant with other switches are compared with that which has none set.
    """
    if reference not in bases or len(bases) == 1:
        return {row: reference for row in rows if row != reference} if reference in rows else {}
    plain = {(p.variant, p.settings): row for row, p in rows.items() if all(value == NULL for _, value in p.switches)}
    compared = {}
    for row, place in rows.items():
        variants = [reference] if place.variant == reference else [bases[place.variant], reference]
        for variant in variants:
            same = named(variant, (*place.switches, *place.settings))
            other = same if same in rows and same != row else plain.get((variant, place.settings), row)
            if other != row:
                compared[row] = other
                break
    return compared


def _is_lacking(rows: Mapping[str, Place], bases: Mapping[str, str], row: str, other: str) -> bool:
    variant, reference = rows[row].variant, rows[other].variant
    return reference not in (variant, bases[variant]) and bases[variant] != ""


def _files(tasks: Iterable[str]) -> dict[str, str]:
    """For each task how the names of its files begin; also on disks that take `A` for `a`."""
    files: dict[str, str] = {}
    for task in tasks:
        stem = file_name(task)
        taken = {file.casefold() for file in files.values()}
        numbered = (stem, *(f"{stem}-{number}" for number in range(2, len(files) + 3)))
        files[task] = next(file for file in numbered if file.casefold() not in taken)
    return files


def _task(name: str, file: str, placed: Mapping[Place, StoredRun], grows: bool) -> TaskResults:
    trials = {place: trial for place, trial in placed.items() if place.measured == name}
    metric = max(trials.values(), key=lambda trial: trial.status == "FINISHED").tags[Tag.SCORE_METRIC]
    alike = [trial for trial in trials.values() if trial.tags[Tag.SCORE_METRIC] == metric]
    finished = [trial for trial in alike if trial.status == "FINISHED"] or alike
    baselines = Counter(map(_baseline, finished)).most_common()
    values = {_baseline(trial): float(trial.tags[Tag.BASELINE]) for trial in reversed(finished)}
    tags = next(trial for trial in finished if _baseline(trial) == baselines[0][0]).tags
    solved = {trial.tags.get(Tag.SCORE_SOLVED, "") for trial in finished}
    draws = {place.replicate: dict(place.draw) for place in sorted(trials, key=lambda place: (place.draw, place.seed))}
    return TaskResults(
        task=name,
        task_name=next(iter(trials)).task,
        file=file,
        score=Score(metric, tags[Tag.SCORE_TITLE], tags.get(Tag.SCORE_UNIT, ""), tags[Tag.SCORE_BETTER]),
        baselines=tuple((values[text], count) for text, count in baselines),
        baseline_title=tags.get(Tag.BASELINE_TITLE, "trivial predictor"),
        solved=float(*solved) if len(solved) == 1 and "" not in solved else None,
        references=tuple(dict.fromkeys(PUBLISHED, "-") | score for score in json.loads(tags.get(Tag.REFERENCES, "[]"))),
        rows=tuple(dict.fromkeys(place.row for place in trials)),
        replicates=tuple(draws),
        trials={(place.row, place.replicate): trial for place, trial in trials.items()},
        draws=draws,
        resampled=follows_seed([(str(place.seed), fields(run.params).get(DATA_SEED)) for place, run in trials.items()]),
        margin=float(tags[Tag.MARGIN]) if is_number(tags.get(Tag.MARGIN, "")) else None,
        grows=grows,
    )


def _baseline(trial: StoredRun) -> str:
    """To six digits: machines may differ in the last ones."""
    return f"{float(trial.tags[Tag.BASELINE]):.6g}"
