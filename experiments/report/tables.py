"""The tables of a report: for the page as text, for programs as CSV files with all digits."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.analysis.format import chance, interval, number, sizes
from experiments.report.across import Across
from experiments.report.findings import Finding, TaskFindings
from experiments.report.notes import failures
from experiments.report.study import PUBLISHED, UNSCORED, Study, TaskResults


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
        f"{each.results.task}: {each.results.score.name}, {each.results.score.better} is better" for each in findings
    ]
    rows = [[row, *(cell(found, row) for found in findings)] for row in study.rows]
    return Table(["variant", *heads], [*rows, ["trivial baseline", *(number(f.results.baseline) for f in findings)]])


def cell(found: TaskFindings, row: str) -> str:
    """The score of a row on a task, how it compares, and how many trials have none."""
    finding = next((each for each in found.rows if each.row == row), None)
    if finding is None:
        return "no trials"
    marks = [*(["*"] if row == found.best else []), found.verdict(row)]
    lines = [" ".join([interval(finding.mean), *marks]).strip()] if finding.mean.count else []
    return "\n".join([*lines, *unscored(found.results, row)])


def unscored(task: TaskResults, row: str) -> list[str]:
    """How many trials of a row have no score, by the reason."""
    counts = task.counts(task.rows.index(row))
    total = sum(counts.values())
    return [f"{counts[state]} of {total} {state}" for state in UNSCORED if counts[state]]


def details(study: Study, found: TaskFindings) -> Table:
    """Everything about one task: estimates, comparisons, costs."""
    replicates = f"{study.replicate}s"
    head = [
        "variant",
        "mean\n[95 % interval]",
        "interquartile mean\n[95 % interval]",
        "standard\ndeviation",
        replicates,
    ]
    compared = bool(found.comparisons)
    if compared:
        head += [
            f"minus {study.reference}\n[95 % interval]",
            "probability of\nimprovement",
            "p\n(Wilcoxon)",
            "p\n(Holm)",
        ]
    head += ["units", "parameters", "step time,\nms"]
    return Table(head, [_row(each, found.results, compared) for each in found.rows])


def _row(finding: Finding, task: TaskResults, compared: bool) -> list[str]:
    cells = [
        finding.row,
        interval(finding.mean),
        interval(finding.interquartile_mean),
        number(finding.deviation),
        "\n".join([str(finding.mean.count), *unscored(task, finding.row)]),
    ]
    comparison = finding.comparison
    if compared and comparison is None:
        cells += ["", "", "", ""]
    elif comparison is not None:
        p_values = [
            chance(value).removeprefix("p = ").removeprefix("p ") for value in (comparison.p, comparison.adjusted)
        ]
        cells += [interval(comparison.difference), interval(comparison.improvement), *p_values]
    return [*cells, sizes(finding.units), sizes(finding.parameters), number(finding.step_ms)]


def across(found: Across) -> Table:
    """Mean ranks, and the aggregate on one scale."""
    order = sorted(range(len(found.rows)), key=lambda row: found.ranks[row])
    head = ["variant", "mean rank", *(["interquartile mean on one scale\n[95 % interval]"] if found.scaled else [])]
    aggregate = found.scaled.aggregate if found.scaled else ()
    rows = [
        [found.rows[row], f"{found.ranks[row]:.2f}", *([interval(aggregate[row])] if aggregate else [])]
        for row in order
    ]
    return Table(head, rows)


def published(task: TaskResults) -> Table:
    """The published scores that a task names."""
    return Table(PUBLISHED, [[str(each[name]) for name in PUBLISHED] for each in task.references], text=True)


def without_score(study: Study, task: TaskResults) -> Table:
    """Each trial of a task that failed, was killed or diverged, and why."""
    rows = [each for each in failures(study) if each[0].startswith(f"{task.task}/")]
    return Table(("trial", "end", "reason"), rows, text=True)


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
                    "units": trial.params.get("units", ""),
                    "parameters": trial.params.get("parameters", ""),
                    "step_ms": trial.metrics.get("time/step_ms", ""),
                    "run_id": trial.run_id,
                }
            )
    return rows


def comparisons(findings: Sequence[TaskFindings]) -> list[dict[str, Any]]:
    """Every estimate and every comparison, as numbers."""
    return [_numbers(found.results, each) for found in findings for each in found.rows]


def _numbers(task: TaskResults, finding: Finding) -> dict[str, Any]:
    row: dict[str, Any] = {"task": task.task, "variant": finding.row, "score_metric": task.score.metric}
    for name in ("mean", "interquartile_mean"):
        found = getattr(finding, name)
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    row |= {"deviation": finding.deviation, "count": finding.mean.count, "step_ms": finding.step_ms}
    comparison = finding.comparison
    if comparison is not None:
        row["reference"] = comparison.reference
        for name in ("difference", "improvement"):
            found = getattr(comparison, name)
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        row |= {"pairs": comparison.difference.count, "p": comparison.p, "p_holm": comparison.adjusted}
    return row


def write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, a column for each name that any row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, names)
        writer.writeheader()
        writer.writerows(rows)
