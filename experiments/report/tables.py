"""The tables of a report: for the page as text, for programs as CSV files with all digits."""

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.analysis import Estimate
from experiments.analysis.format import chance, interval, number, sizes
from experiments.report.across import Across
from experiments.report.findings import Comparison, Finding, TaskFindings
from experiments.report.notes import failures
from experiments.report.study import PUBLISHED, UNSCORED, Study, TaskResults
from experiments.tracking.metadata import Param

MOST_LEFT_OUT = 10  # runs that are named for each reason


@dataclass(frozen=True)
class Table:
    """Cells as text, for a reader.

    Attributes:
        head: Headings of the columns.
        rows: Cells by row.
        text: Whether the cells are words rather than numbers.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: bool = False


def overview(study: Study, findings: Sequence[TaskFindings]) -> Table:
    """Rows by tasks: the mean with its interval, and how it compares."""
    heads = [
        f"{task.task}: {task.score.name}, {task.score.better} is better"
        for task in (finding.results for finding in findings)
    ]
    rows = [[row, *(cell(finding, row) for finding in findings)] for row in study.rows]
    return Table(
        ["variant", *heads], [*rows, ["trivial baseline", *(finding.results.baseline_text for finding in findings)]]
    )


def cell(task: TaskFindings, row: str) -> str:
    """The score of a row on a task, how it compares, and how many trials have none."""
    finding = next((finding for finding in task.rows if finding.row == row), None)
    if finding is None:
        return "no trials"
    marks = [*(["*"] if row == task.best else []), task.verdict(row)]
    lines = [" ".join([interval(finding.mean), *marks]).strip()] if finding.mean.count else []
    return "\n".join([*lines, *unscored(task.results, row)])


def unscored(task: TaskResults, row: str) -> list[str]:
    """How many trials of a row have no score, by the reason."""
    counts = task.counts(task.rows.index(row))
    total = sum(counts.values())
    return [f"{counts[state]} of {total} {state}" for state in UNSCORED if counts[state]]


def details(study: Study, task: TaskFindings) -> Table:
    """Everything about one task: estimates, comparisons, costs."""
    columns: dict[str, Callable[[Finding], str]] = {
        "variant": lambda finding: finding.row,
        "mean\n[95 % interval]": lambda finding: interval(finding.mean),
        "interquartile mean\n[95 % interval]": lambda finding: interval(finding.interquartile_mean),
        "standard\ndeviation": lambda finding: number(finding.deviation),
        f"{study.replicate}s": lambda finding: "\n".join(
            [str(finding.mean.count), *unscored(task.results, finding.row)]
        ),
    }
    if task.comparisons:
        if study.opponent not in (study.reference, *study.variants.values()):
            columns["compared\nwith"] = _compared(lambda comparison: comparison.reference)
        columns |= {
            f"minus {study.opponent}\n[95 % interval]": _compared(lambda comparison: interval(comparison.difference)),
            "probability of\nimprovement": _compared(lambda comparison: interval(comparison.improvement)),
            "p\n(Wilcoxon)": _compared(lambda comparison: _bare(comparison.p)),
            "p\n(Holm)": _compared(lambda comparison: _bare(comparison.adjusted)),
        }
    columns |= {
        "units": lambda finding: sizes(finding.units),
        "parameters": lambda finding: sizes(finding.parameters),
        "step time,\nms": lambda finding: number(finding.step_ms),
    }
    return Table(list(columns), [[cell(finding) for cell in columns.values()] for finding in task.rows])


def _compared(cell: Callable[[Comparison], str]) -> Callable[[Finding], str]:
    return lambda finding: cell(finding.comparison) if finding.comparison else ""


def _bare(p: float) -> str:
    return chance(p).removeprefix("p = ").removeprefix("p ")


def across(comparison: Across) -> Table:
    """Mean ranks, and the aggregate on one scale."""
    order = sorted(range(len(comparison.rows)), key=lambda row: comparison.ranks[row])
    scaled = comparison.scaled
    head = ["variant", "mean rank", *(["interquartile mean on one scale\n[95 % interval]"] if scaled else [])]
    rows = [
        [comparison.rows[row], f"{comparison.ranks[row]:.2f}", *([interval(scaled.aggregate[row])] if scaled else [])]
        for row in order
    ]
    return Table(head, rows)


def published(task: TaskResults) -> Table:
    """The published scores that a task names."""
    return Table(PUBLISHED, [[str(score[name]) for name in PUBLISHED] for score in task.references], text=True)


def without_score(task: TaskResults) -> Table:
    """Each trial of a task that failed, was killed or diverged, and why."""
    return Table(("trial", "run", "end", "reason"), failures(task), text=True)


def left_out(study: Study) -> Table:
    """The runs that are in no table, by reason: the first of each and how many more there are."""
    by_reason = defaultdict(list)
    for one in study.runs.left_out:
        by_reason[one.reason].append((one.run.name, one.run.run_id, one.reason))
    rows = []
    for reason, runs in by_reason.items():
        more = len(runs) - MOST_LEFT_OUT
        rows += [*runs[:MOST_LEFT_OUT], *([(f"and {more:,} more", "", reason)] if more > 0 else [])]
    return Table(("run", "id", "reason"), rows, text=True)


def trials(study: Study) -> list[dict[str, Any]]:
    """Every trial with its score, as numbers."""
    rows = []
    for task in study.tasks:
        for (row, replicate), trial in task.trials.items():
            place = task.rows.index(row), task.replicates.index(replicate)
            rows.append(
                {
                    "task": task.task,
                    "variant": row,
                    study.replicate: replicate,
                    "state": task.states[place],
                    "score": trial.score,
                    "score_metric": task.score.metric,
                    "units": trial.params.get(Param.UNITS, ""),
                    "parameters": trial.params.get(Param.PARAMETERS, ""),
                    "step_ms": trial.metrics.get("time/step_ms", ""),
                    "run_id": trial.run_id,
                }
            )
    return rows


def comparisons(findings: Sequence[TaskFindings]) -> list[dict[str, Any]]:
    """Every estimate and every comparison, as numbers."""
    return [_numbers(task.results, finding) for task in findings for finding in task.rows]


def _numbers(task: TaskResults, finding: Finding) -> dict[str, Any]:
    row: dict[str, Any] = {"task": task.task, "variant": finding.row, "score_metric": task.score.metric}
    for name in ("mean", "interquartile_mean"):
        row |= _estimate(name, getattr(finding, name))
    row |= {"deviation": finding.deviation, "count": finding.mean.count, "step_ms": finding.step_ms}
    comparison = finding.comparison
    if comparison is not None:
        row["reference"] = comparison.reference
        for name in ("difference", "improvement"):
            row |= _estimate(name, getattr(comparison, name))
        row |= {"pairs": comparison.difference.count, "p": comparison.p, "p_holm": comparison.adjusted}
    return row


def _estimate(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, a column for each name that any row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, names)
        writer.writeheader()
        writer.writerows(rows)
