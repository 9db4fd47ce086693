"""Estimates of the scores of each row, and its comparison with another one, by task."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from experiments import analysis
from experiments.analysis import Estimate, Margin, Verdict, conclude, parse_margin
from experiments.analysis.sequential import Decision
from experiments.errors import UserError
from experiments.report.group_sequential import Progress, progress
from experiments.report.study import Study
from experiments.report.task_results import TaskResults
from experiments.tracking.metadata import Param

ALPHA = 0.05
BEST_SHARE = 0.1  # of the draws of a search, by validation score (Greff et al. 2017, section IV)
MANY_IMPROVING = 0.25  # share of the trials of a row, of which a tenth would improve last on a flat curve


class Family(StrEnum):
    """The comparisons among which one false alarm is one too many (Holm's correction)."""

    task = "task"
    study = "study"


def parse_family(text: str) -> Family:
    """A family as a command line has it.

    Raises:
        UserError: if there is no such family.
    """
    if text not in list(Family):
        raise UserError(f"family={text}: must be one of {', '.join(Family)}")
    return Family(text)


@dataclass(frozen=True)
class Share:
    """So many of the trials whose end is known."""

    count: int
    total: int

    @property
    def text(self) -> str:
        """Such as `3 of 10`."""
        return f"{self.count} of {self.total}"


@dataclass(frozen=True)
class Comparison:
    """A row against the row it is compared with, on one task.

    Attributes:
        reference: That other row.
        test: Effect, interval, direction and p-value, all of one statistic.
        adjusted: The p-value after Holm's correction for all comparisons of the family.
        family: How many those are.
        margin: Below which a difference makes none; None if nobody has said so.
        deviation: Upper limit of the deviation of the scores over seeds, for plans.
        solved: P-value, after Holm, that the shares of solved trials are equal; NaN if none can count as solved.
        diverged: The same of trials that diverged.
        progress: Of seeds that are added until it is decided; None where their number was fixed.
    """

    reference: str
    test: analysis.Comparison
    adjusted: float
    family: int
    margin: Margin | None
    deviation: float
    solved: float
    diverged: float
    progress: Progress | None = None

    @property
    def is_possible(self) -> bool:
        """Whether both rows have a trial to compare."""
        return math.isfinite(self.test.p)

    @property
    def verdict(self) -> Verdict:
        """Better, worse, equivalent or undecided."""
        return conclude(self.test, self.adjusted, self.margin, ALPHA)

    @property
    def enough(self) -> int:
        """Fewest runs of each row at which the family of tests can conclude at all."""
        return analysis.runs_to_conclude(self.family, ALPHA)

    @property
    def too_few(self) -> bool:
        """Whether there are fewer, of a fixed number."""
        return self.progress is None and self.test.difference.count < self.enough

    @property
    def detectable(self) -> float:
        """The smallest difference that so many runs would show with a power of 80 %."""
        return analysis.detectable(self.test.difference.count, self.family, ALPHA) * self.deviation

    @property
    def needed(self) -> int | None:
        """Runs of each row that would show a difference as large as the margin with a power of 80 %."""
        if self.margin is None or self.margin.is_share:
            return None
        return analysis.seeds_for_effect(self.margin.value, self.deviation, self.family, ALPHA)


@dataclass(frozen=True)
class Finding:
    """The estimates of one row on one task.

    Attributes:
        row: The row.
        median: Median of the test score, a diverged trial being the worst.
        mean: Mean of the scores of trials that did not diverge; NaN if there is none.
        deviation: Standard deviation of those.
        comparison: With another row; None for one that is compared with none.
        improving: Trials whose validation score was still improving when the epochs ran out.
        epochs: The epochs that trials were allowed; None if they did not record it.
        solved: Trials that reached the score that counts as solved; None if there is no such score.
        units: Least and largest number of units.
        parameters: Least and largest number of trainable parameters.
        step_ms: Median duration of a training step, in milliseconds; NaN if it was not measured.
    """

    row: str
    median: Estimate
    mean: float
    deviation: float
    comparison: Comparison | None
    improving: Share
    epochs: int | None
    solved: Share | None
    units: tuple[int, int] | None
    parameters: tuple[int, int] | None
    step_ms: float

    @property
    def is_early(self) -> bool:
        """Whether so many trials were still improving that more epochs may change the answer."""
        return self.improving.count > MANY_IMPROVING * self.improving.total


@dataclass(frozen=True)
class TaskFindings:
    """The estimates on one task, by row."""

    results: TaskResults
    rows: tuple[Finding, ...]

    def finding(self, row: str) -> Finding | None:
        """The estimates of a row, if it was tried on this task."""
        return next((finding for finding in self.rows if finding.row == row), None)

    @property
    def comparisons(self) -> list[tuple[str, Comparison]]:
        """Each row that is compared, with its comparison."""
        return [(finding.row, finding.comparison) for finding in self.rows if finding.comparison is not None]

    @property
    def can_conclude(self) -> bool:
        """Whether any comparison has runs enough to show something."""
        return any(comparison.is_possible and not comparison.too_few for _, comparison in self.comparisons)

    def verdict(self, row: str) -> Verdict | None:
        """What is known of a row; None if it is compared with nothing, or there is nothing to compare."""
        comparison = dict(self.comparisons).get(row)
        return comparison.verdict if comparison is not None and comparison.is_possible else None

    def is_early(self, row: str) -> bool:
        """Whether trials of a row, or of the one that it is compared with, were still improving when epochs ran out."""
        pair = [self.finding(name) for name in (row, dict(self.comparisons)[row].reference)]
        return any(finding.is_early for finding in pair if finding is not None)

    @property
    def best(self) -> str | None:
        """The row with the best median, if there are several with a score."""
        medians = {finding.row: finding.median.value for finding in self.rows if math.isfinite(finding.median.value)}
        choose = min if self.results.score.better == "lower" else max
        return choose(medians, key=lambda row: medians[row]) if len(medians) > 1 else None


def find(study: Study, margin: Margin | None = None, family: Family = Family.task) -> list[TaskFindings]:
    """Estimate the score of each row on each task, and compare it with its reference.

    Args:
        study: The study.
        margin: Of all tasks, instead of that of each.
        family: The comparisons that Holm's correction is for: those of one task, or of all.
    """
    registered = {} if study.registration is None else progress(study, study.registration)
    findings = [_find(study, task, margin, registered.get(task.task)) for task in study.tasks]
    groups = [[finding] for finding in findings] if family is Family.task else [findings]
    return [corrected for group in groups for corrected in _corrected(group)]


def _find(study: Study, task: TaskResults, margin: Margin | None, registered: Progress | None) -> TaskFindings:
    compared = {row: study.compared[row] for row in task.rows if study.compared.get(row) in task.rows}
    margin = margin or (Margin(task.margin) if task.margin else None)
    ranked, steps = task.by_draw(task.ranked()), task.values("time/step_ms")
    findings = []
    for number, row in enumerate(task.rows):
        improving = task.improving[number][~np.isnan(task.improving[number])]
        solved = task.solves(number)
        ended = int((~np.isnan(task.ranked()[number])).sum())
        findings.append(
            Finding(
                row=row,
                median=analysis.median(ranked[number], task.score.better),
                mean=analysis.mean(task.scores[number]).value,
                deviation=analysis.deviation(ranked[number]),
                comparison=_compared(task, row, compared.get(row), ranked, margin, registered),
                improving=Share(int(improving.sum()), len(improving)),
                epochs=task.epochs(number),
                solved=None if solved is None else Share(solved, ended),
                units=task.number(number, Param.UNITS),
                parameters=task.number(number, Param.PARAMETERS),
                step_ms=_median(steps[number]),
            )
        )
    return TaskFindings(task, tuple(findings))


def _compared(
    task: TaskResults,
    row: str,
    other: str | None,
    ranked: np.ndarray,
    margin: Margin | None,
    registered: Progress | None,
) -> Comparison | None:
    if other is None:
        return None
    if not task.grows:
        return _compare(task, row, other, ranked, margin)
    if registered is None or registered.stage is None:  # tests of a fixed number of seeds would err too often
        return None
    decision = registered.stage.decisions.get(row)
    return None if decision is None else _decided(task, row, decision, ranked, registered)


def _decided(task: TaskResults, row: str, decision: Decision, ranked: np.ndarray, registered: Progress) -> Comparison:
    """What is known of a comparison that goes on until it is decided."""
    text, other = registered.family.margin, decision.reference
    places = task.rows.index(row), task.rows.index(other)
    family = len(registered.family.comparisons)
    deviation = analysis.upper_deviation(*(ranked[place][np.isfinite(ranked[place])] for place in places))
    margin = None if text is None else parse_margin(text)
    others = math.nan, math.nan  # shares of trials, which were not registered
    return Comparison(other, decision.comparison, decision.adjusted, family, margin, deviation, *others, registered)


def _compare(task: TaskResults, row: str, other: str, ranked: np.ndarray, margin: Margin | None) -> Comparison:
    places = task.rows.index(row), task.rows.index(other)
    family = sum(not np.isnan(scores).all() for scores in ranked) - 1
    scores, reference = (ranked[place] for place in places)
    test = analysis.compare(scores, reference, task.score.better, task.resampled, max(family, 1))
    deviation = analysis.upper_deviation(*(group[np.isfinite(group)] for group in (scores, reference)))
    return Comparison(other, test, test.p, 1, margin, deviation, *_rates(task, *places))


def _rates(task: TaskResults, row: int, other: int) -> tuple[float, float]:
    """P-values of the shares of solved and of diverged trials; NaN where both are all or nothing."""
    ended = [int((~np.isnan(task.ranked()[place])).sum()) for place in (row, other)]
    solved = [task.solves(place) for place in (row, other)]
    diverged = [task.counts(place)["diverged"] for place in (row, other)]
    pairs = [[count for count in counts if count is not None] for counts in (solved, diverged)]
    p_values = []
    for counts in pairs:
        same = len(counts) < 2 or sum(counts) in (0, sum(ended))
        p_values.append(math.nan if same else analysis.rates(counts[0], ended[0], counts[1], ended[1]))
    return p_values[0], p_values[1]


def _corrected(findings: Sequence[TaskFindings]) -> list[TaskFindings]:
    """The findings of one family of comparisons, with Holm's correction for all of them.

    Those that go on until they are decided have had theirs at each look.
    """
    rows = [finding for task in findings for finding in task.rows if finding.comparison is not None]
    comparisons = [finding.comparison for finding in rows if finding.comparison is not None]
    count = max(sum(comparison.is_possible for comparison in comparisons), 1)
    adjusted = {
        name: analysis.holm([values(comparison) for comparison in comparisons])
        for name, values in {
            "adjusted": lambda comparison: comparison.test.p,
            "solved": lambda comparison: comparison.solved,
            "diverged": lambda comparison: comparison.diverged,
        }.items()
    }
    by_place = {id(finding): number for number, finding in enumerate(rows)}

    def correct(finding: Finding) -> Finding:
        if finding.comparison is None or finding.comparison.progress is not None:
            return finding
        numbers = {name: float(values[by_place[id(finding)]]) for name, values in adjusted.items()}
        return replace(finding, comparison=replace(finding.comparison, family=count, **numbers))

    return [replace(task, rows=tuple(map(correct, task.rows))) for task in findings]


def _median(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else math.nan
