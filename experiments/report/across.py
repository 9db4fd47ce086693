"""Rows compared over several tasks: mean ranks, and scores on one scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments import analysis
from experiments.analysis import Estimate, Profile
from experiments.report.findings import ALPHA, TaskFindings
from experiments.report.study import Study
from experiments.report.task_results import TaskResults

THRESHOLDS = np.linspace(0, 1.5, 151)
SEED = 0  # of the bootstrap: the same trials give the same report


@dataclass(frozen=True)
class ScaledScores:
    """Scores with 0 for the trivial baseline and 1 for the mean of the reference.

    Attributes:
        tasks: The tasks that can be scaled so.
        aggregate: Interquartile mean over all runs of these tasks, by row.
        profiles: Share of runs above each of `THRESHOLDS`, by row.
    """

    tasks: tuple[str, ...]
    aggregate: tuple[Estimate, ...]
    profiles: tuple[Profile, ...]


@dataclass(frozen=True)
class TaskTest:
    """A row against the one that it is compared with, over tasks.

    Attributes:
        improvement: Probability that a run of the row is better.
        p: Of the signed-rank test of these probabilities, task by task.
        adjusted: The same after Holm's correction.
    """

    improvement: Estimate
    p: float
    adjusted: float


@dataclass(frozen=True)
class Across:
    """Rows compared over tasks.

    Attributes:
        rows: Rows that have a score, or diverged, on each of the tasks.
        tasks: The tasks.
        ranks: Mean rank of each row by its median score, 1 the best.
        p: Of Friedman's test; NaN for two rows.
        least: The smallest p-value that so many rows and tasks can give.
        critical: The difference of mean ranks that counts as shown (Nemenyi).
        groups: Rows, by number, whose ranks are not shown to differ.
        tests: Of each row that is compared on every task.
        enough: Fewest tasks at which these tests can conclude at all.
        scaled: Scores on one scale; None if no task allows it.
        unscaled: Why tasks could not be scaled, by task.
    """

    rows: tuple[str, ...]
    tasks: tuple[str, ...]
    ranks: np.ndarray
    p: float
    least: float
    critical: float
    groups: tuple[tuple[int, ...], ...]
    tests: dict[str, TaskTest]
    enough: int
    scaled: ScaledScores | None
    unscaled: dict[str, str]

    @property
    def shown(self) -> bool:
        """Whether rows differ at all."""
        return self.p < ALPHA


def compare(study: Study, findings: Sequence[TaskFindings]) -> Across | None:
    """Compare the rows that were tried on every task. None if there are fewer than two of them, or of tasks."""
    rows = tuple(row for row in study.rows if all(_tried(task.results, row) for task in findings))
    if len(rows) < 2 or len(findings) < 2:
        return None
    better = [task.results.score.better for task in findings]
    medians = np.array([[_median(task, row) for task in findings] for row in rows])
    ranks = analysis.mean_ranks(medians, better)
    tests = _tests(findings, rows)
    critical = analysis.critical_difference(len(rows), len(findings), ALPHA)
    scaled, unscaled = _scaled(study, findings, rows)
    return Across(
        rows=rows,
        tasks=tuple(task.results.task for task in findings),
        ranks=ranks,
        p=analysis.friedman(medians, better),
        least=analysis.least_friedman(len(rows), len(findings)),
        critical=critical,
        groups=tuple(analysis.cliques(ranks, critical)),
        tests=tests,
        enough=analysis.seeds_to_conclude(max(len(tests), 1), ALPHA),
        scaled=scaled,
        unscaled=unscaled,
    )


def _tried(task: TaskResults, row: str) -> bool:
    if row not in task.rows:
        return False
    counts = task.counts(task.rows.index(row))
    return counts["finished"] + counts["diverged"] > 0


def _median(task: TaskFindings, row: str) -> float:
    return next(finding.median.value for finding in task.rows if finding.row == row)


def _tests(findings: Sequence[TaskFindings], rows: Sequence[str]) -> dict[str, TaskTest]:
    """The rows that are compared with the same other one on every task."""
    by_row = {row: [dict(task.comparisons).get(row) for task in findings] for row in rows}
    improvements = {
        row: np.array([comparison.test.improvement.value for comparison in comparisons if comparison is not None])
        for row, comparisons in by_row.items()
        if all(comparison is not None and comparison.is_possible for comparison in comparisons)
    }
    tests = {row: analysis.over_tasks(values) for row, values in improvements.items()}
    adjusted = analysis.holm([p for p, _ in tests.values()])
    return {
        row: TaskTest(estimate, p, float(corrected))
        for (row, (p, estimate)), corrected in zip(tests.items(), adjusted, strict=True)
    }


def _scaled(
    study: Study, findings: Sequence[TaskFindings], rows: tuple[str, ...]
) -> tuple[ScaledScores | None, dict[str, str]]:
    if study.reference not in rows:
        return None, {"all tasks": f"{study.reference} is not one row that was tried on each"}
    reference = rows.index(study.reference)
    tasks, scores, runs, unscaled = [], [], [], {}
    for task in (finding.results for finding in findings):
        ranked = task.ranked()[[task.rows.index(row) for row in rows]]
        if task.varies:
            unscaled[task.task] = "each draw has a trivial baseline of its own"
            continue
        if not (math.isfinite(task.baseline) and np.isfinite(ranked[reference]).any()):
            unscaled[task.task] = f"the trivial baseline or {study.reference} has no score"
            continue
        try:
            runs.append(analysis.normalised(ranked, reference, task.baseline, task.score.better))
        except ValueError:
            unscaled[task.task] = f"{study.reference} is not better than the trivial baseline"
        else:
            tasks.append(task)
            scores.append(ranked)
    if not tasks:
        return None, unscaled
    baselines, better = [task.baseline for task in tasks], [task.score.better for task in tasks]
    aggregate = analysis.aggregate(scores, reference, baselines, better, np.random.default_rng(SEED))
    profiles = [analysis.performance_profile([task[row] for task in runs], THRESHOLDS) for row in range(len(rows))]
    return ScaledScores(tuple(task.task for task in tasks), tuple(aggregate), tuple(profiles)), unscaled
