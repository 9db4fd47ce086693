"""What the store is told of a report: sentences as descriptions, and differences as metrics."""

import math
from collections.abc import Sequence

from experiments.report import introduction, summary
from experiments.report.findings import TaskFindings
from experiments.report.results import Results
from experiments.report.study import Study
from experiments.tracking.description import ReportRun
from experiments.tracking.metadata import Tag


def report_run(results: Results) -> ReportRun:
    """The run of a report: the answer as its description, medians, differences and p-values as its metrics."""
    study, findings = results.study, results.findings
    sentences = [*summary.summary(study, findings), *summary.answer(study, findings)]
    by_task: dict[str, list[TaskFindings]] = {}
    for finding in findings:
        by_task.setdefault(finding.results.task_name, []).append(finding)
    return ReportRun(
        name=f"{study.name} report",
        tags={Tag.TRIALS: study.count},
        note="\n\n".join(sentences),
        metrics=_metrics(findings),
        experiments={task: _description(study, several) for task, several in by_task.items()},
    )


def _metrics(findings: Sequence[TaskFindings]) -> dict[str, float]:
    """A difference is that of the row minus what it is compared with, in the unit of the score."""
    metrics = {}
    for task in findings:
        name = task.results.task
        metrics |= {f"median/{name} {finding.row}": finding.median.value for finding in task.rows}
        for row, comparison in task.comparisons:
            metrics[f"difference/{name} {row}"] = comparison.test.difference.value
            metrics[f"p/{name} {row}"] = comparison.adjusted
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _description(study: Study, findings: Sequence[TaskFindings]) -> str:
    """What an experiment asks, compares and shows."""
    tasks, variants = dict(introduction.tasks(study)), dict(introduction.variants(study))
    paragraphs = []  # the MLflow UI shows the first one, and the others when it is asked
    for task in findings:
        results = task.results
        baseline = f"Baseline ({results.baseline_title}): {results.baseline_text}."
        paragraphs.append(f"**{results.task}**: {tasks[results.task]} {baseline}")
    rows = dict.fromkeys(finding.row for task in findings for finding in task.rows)
    paragraphs.append("\n".join(f"- **{row}**: {variants[row]}" for row in rows if row in variants))
    paragraphs.append(f"Trials of the study **{study.name}**.")
    return "\n\n".join([*paragraphs, *summary.answer(study, findings)])
