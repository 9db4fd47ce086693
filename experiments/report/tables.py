"""The tables of a report: for the page as text, for programs as CSV files with all digits."""

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.analysis import Estimate, Verdict
from experiments.analysis.format import column, number, p_value, sizes
from experiments.report.across import Across
from experiments.report.findings import Comparison, Finding, TaskFindings
from experiments.report.notes import failures
from experiments.report.readable import is_number
from experiments.report.study import PUBLISHED, Study
from experiments.report.task_results import UNSCORED, TaskResults
from experiments.tracking.metadata import Param

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
MOST_LEFT_OUT = 10  # runs that are named for each reason
SO_FAR = " so far"  # beside a verdict that more epochs may change
Cell = Estimate | float | str


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
    """Rows by tasks: the median with its interval, and the verdict; last the trivial baseline."""
    heads = [
        f"{task.task}: {task.score.name}, {task.score.better} is better"
        for task in (finding.results for finding in findings)
    ]
    columns = [[*study.rows, "trivial baseline"], *(marked_scores(study, finding) for finding in findings)]
    return Table(["variant", *heads], list(map(list, zip(*columns, strict=True))))


def marked_scores(study: Study, task: TaskFindings) -> list[str]:
    """Of each row the score on a task, the verdict, and how many trials have none; last the trivial baseline."""
    known = [task.finding(row) for row in study.rows]
    medians = [score(finding.median) if finding else "no trials" for finding in known]
    *texts, baseline = column([*medians, task.results.baseline_text if task.results.varies else task.results.baseline])
    return [
        *(_marked(task, finding, text) if finding else text for finding, text in zip(known, texts, strict=True)),
        baseline,
    ]


def _marked(task: TaskFindings, finding: Finding, text: str) -> str:
    marks = [*(["*"] if finding.row == task.best else []), *filter(None, [verdict(task, finding.row)])]
    lines = [" ".join([text, *marks])] if finding.median.count else []
    return "\n".join([*lines, *unscored(task.results, finding.row)])


def verdict(task: TaskFindings, row: str) -> str:
    """What is known of a row, and whether more epochs may change it; "" if it is compared with nothing."""
    known = task.verdict(row)
    so_far = SO_FAR if known and known is not Verdict.UNDECIDED and task.is_early(row) else ""
    return f"{known}{so_far}" if known else ""


def score(median: Estimate) -> Estimate | str:
    return "most diverged" if math.isinf(median.value) else median


def unscored(task: TaskResults, row: str) -> list[str]:
    """How many trials of a row have no score, by the reason."""
    counts = task.counts(task.rows.index(row))
    total = sum(counts.values())
    return [f"{counts[state]} of {total} {state}" for state in UNSCORED if counts[state]]


def details(study: Study, task: TaskFindings) -> Table:
    """Everything about one task: estimates, comparisons, costs."""
    columns: dict[str, Callable[[Finding], Cell]] = {
        "variant": lambda finding: finding.row,
        "median\n[95 % interval]": lambda finding: score(finding.median),
    }
    if task.comparisons:  # first of all, so that no window hides it
        if study.opponent not in (study.reference, *study.variants.values()):
            columns["compared\nwith"] = _compared(lambda comparison: comparison.reference)
        columns |= {
            f"minus {study.opponent}\n[95 % interval]": _compared(lambda one: one.test.difference),
            "p\n(Holm)": _compared(lambda one: p_value(one.adjusted)),
            "verdict": lambda finding: verdict(task, finding.row) if finding.comparison else "",
        }
    columns[f"{study.replicate}s"] = lambda finding: "\n".join(
        [str(finding.median.count), *unscored(task.results, finding.row)]
    )
    if any(finding.solved for finding in task.rows):
        columns["solved"] = lambda finding: finding.solved.text if finding.solved else ""
    if any(finding.improving.total for finding in task.rows):
        columns["still\nimproving"] = lambda finding: finding.improving.text if finding.improving.total else "-"
    if task.comparisons:
        columns |= {
            f"times {study.opponent}\n[95 % interval]": _compared(lambda one: one.test.ratio),
            "probability of\nimprovement": _compared(lambda one: one.test.improvement),
            "p": _compared(lambda one: p_value(one.test.p)),
            "correlation\nby seed": _compared(_correlation),
        }
    columns |= {
        "mean": lambda finding: finding.mean,
        "standard\ndeviation": lambda finding: finding.deviation,
    }
    if any(task.results.learning_rates(row) for row in range(len(task.rows))):
        columns["learning\nrate"] = lambda finding: _rate(task.results, finding.row)
    columns |= {
        "units": lambda finding: sizes(finding.units),
        "parameters": lambda finding: sizes(finding.parameters),
        "step time,\nms": lambda finding: finding.step_ms,
    }
    return _table(columns, task.rows)


def _table(columns: Mapping[str, Callable[[Any], Cell]], rows: Sequence[Any]) -> Table:
    """A table of what each column has of each row, each column in one format."""
    texts = [column([cell(row) for row in rows]) for cell in columns.values()]
    return Table(list(columns), list(map(list, zip(*texts, strict=True))))


def _rate(task: TaskResults, row: str) -> Cell:
    """The learning rate of a row, and whether all rows share it, so that it may suit one better than another."""
    rates = task.learning_rates(task.rows.index(row))
    if len(rates) > 1:
        return "several"
    rate = next(iter(rates), "-")
    if task.shared_rate:
        return f"{number(float(rate)) if is_number(rate) else rate}\nshared, untuned"
    return float(rate) if is_number(rate) else rate


def _correlation(comparison: Comparison) -> str:
    """Rank correlation of the scores, and whether they were compared seed by seed for it."""
    value = comparison.test.correlation
    text = f"{value:.2f}" if math.isfinite(value) else "-"
    return f"{text}, paired" if comparison.test.paired else text


def _compared(cell: Callable[[Comparison], Cell]) -> Callable[[Finding], Cell]:
    return lambda finding: cell(finding.comparison) if finding.comparison else ""


def across(comparison: Across) -> Table:
    """Mean ranks, tests against what rows are compared with, and the aggregate on one scale."""
    order = sorted(range(len(comparison.rows)), key=lambda row: comparison.ranks[row])
    scaled = comparison.scaled
    columns: dict[str, Callable[[int], Cell]] = {
        "variant": lambda row: comparison.rows[row],
        "mean rank": lambda row: f"{comparison.ranks[row]:.2f}",
    }
    if comparison.tests:
        tests = [comparison.tests.get(row) for row in comparison.rows]
        columns |= {
            "probability of improvement\n[95 % interval]": lambda row: tests[row].improvement if tests[row] else "",
            "p\n(Holm)": lambda row: p_value(tests[row].adjusted) if tests[row] else "",
        }
    if scaled:
        columns["interquartile mean on one scale\n[95 % interval]"] = lambda row: scaled.aggregate[row]
    return _table(columns, order)


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
    row |= _estimate("median", finding.median)
    row |= {"mean": finding.mean, "deviation": finding.deviation, "count": finding.median.count}
    row |= {"improving": finding.improving.count, "step_ms": finding.step_ms}
    if finding.solved is not None:
        row["solved"] = finding.solved.count
    comparison = finding.comparison
    if comparison is not None:
        test = comparison.test
        row |= {"reference": comparison.reference, "verdict": str(comparison.verdict) if comparison.is_possible else ""}
        for name in ("difference", "ratio", "improvement"):
            row |= _estimate(name, getattr(test, name))
        row |= {"p": test.p, "p_holm": comparison.adjusted, "paired": test.paired, "correlation": test.correlation}
        row |= {"margin": comparison.margin.text if comparison.margin else ""}
    return row


def _estimate(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, a column for each name that any row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, names)
        writer.writeheader()
        writer.writerows({name: _no_formula(value) for name, value in row.items()} for row in rows)


def _no_formula(value: Any) -> Any:
    """A cell that spreadsheets do not compute: a text of the store that begins like a formula has an apostrophe."""
    is_formula = isinstance(value, str) and value.startswith(FORMULA) and not is_number(value)
    return f"'{value}" if is_formula else value
