"""How the comparisons of a registered study stand: seeds are added in groups until each of them is decided."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from experiments.analysis import Verdict, parse_margin, sequential
from experiments.analysis.sequential import Decision, Stage
from experiments.report.study import Study
from experiments.report.task_results import TaskResults
from experiments.tracking import registration as registrations
from experiments.tracking.metadata import Tag
from experiments.tracking.registration import Family, Registration

WITHOUT_END = ("missing", "running", "killed", "paused")


@dataclass(frozen=True)
class Progress:
    """The comparisons on one task after the last look at which all seeds that it needs have ended.

    Attributes:
        family: What was registered.
        looks: Seeds at each look.
        look: The number of the last look; 0 before the first.
        stage: What is decided there; None before the first.
    """

    family: Family
    looks: tuple[int, ...]
    look: int
    stage: Stage | None

    @property
    def decided(self) -> dict[str, Decision]:
        """The decisions of variants of which something is known."""
        decisions = self.stage.decisions if self.stage else {}
        return {row: one for row, one in decisions.items() if one.verdict is not Verdict.UNDECIDED}

    @property
    def needed(self) -> tuple[str, ...]:
        """What is to be trained with more seeds."""
        return names(self.family) if self.stage is None else self.stage.needed

    @property
    def seeds(self) -> int:
        """Of each variant at the last look."""
        return self.looks[self.look - 1] if self.look else 0


def names(family: Family) -> tuple[str, ...]:
    """All that are compared."""
    return tuple(dict.fromkeys(name for pair in family.comparisons.items() for name in reversed(pair)))


def progress(study: Study | None, registration: Registration) -> dict[str, Progress]:
    """How the comparisons of each registered task stand.

    What has no trial with a fresh seed is not waited for: none of its draws has a score.
    """
    results = {task.task: task for task in study.tasks} if study else {}
    return {name: _progress(results.get(name), family, registration) for name, family in registration.tasks.items()}


def _progress(task: TaskResults | None, family: Family, registration: Registration) -> Progress:
    looks, stage, number = registration.looks, None, 0
    if task is None:
        return Progress(family, looks, 0, None)
    margin = None if family.margin is None else parse_margin(family.margin)
    rule = sequential.Rule(looks, family.paired, registration.alpha)
    scores, ended = _by_seed(task, names(family), registration)
    needed: tuple[str, ...] = names(family)
    while needed and number < len(looks):
        if any(name in task.rows and not ended[name][: looks[number]].all() for name in needed):
            break
        number += 1
        stage = sequential.decide(scores, family.comparisons, family.better, rule, number, margin)
        needed = stage.needed
    return Progress(family, looks, number, stage)


def _by_seed(
    task: TaskResults, rows: tuple[str, ...], registration: Registration
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Scores of rows by registered seed, and whether the trial has ended."""
    places = {name: place for place, name in enumerate(task.replicates)}
    columns = [places.get(f"seed={seed}") for seed in registration.seeds]
    ranked = task.ranked()
    scores = {row: np.full(len(columns), np.nan) for row in rows}
    ended = {row: np.zeros(len(columns), bool) for row in rows}
    for row in set(rows) & set(task.rows):
        number = task.rows.index(row)
        for place, column in enumerate(columns):
            if column is not None:
                scores[row][place] = ranked[number, column]
                ended[row][place] = task.states[number, column] not in WITHOUT_END
    return scores, ended


def registered(study: Study) -> list[str]:
    """What was registered, sentence by sentence."""
    registration = study.registration
    return [] if registration is None else registrations.words(registration, _first_trial(study))


def headline(study: Study) -> list[str]:
    """When the plan was registered; or that it is not there."""
    registration = study.registration
    tagged = {trial.tags[Tag.REGISTERED] for trial in study.trials if trial.tags.get(Tag.REGISTERED)}
    own = {registration.short} if registration else set()
    lines = registered(study)[:1]
    if tagged - own:
        lines.append(
            f"These trials belong to a plan ({', '.join(sorted(tagged - own))}) that is not registration.json in the "
            "folder of the study: seeds were added until something was decided, which the p-values and intervals here "
            "do not allow for. Bring the file back."
        )
    return lines


def _first_trial(study: Study) -> datetime | None:
    trials = [*study.trials, *(study.search.trials if study.search else [])]
    began = min((trial.start_time for trial in trials if trial.start_time), default=None)
    return None if began is None else datetime.fromtimestamp(began / 1000, UTC)
