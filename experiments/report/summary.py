"""The answer in sentences: which rows differ from what they are compared with, by how much, how surely."""

import math
from collections.abc import Sequence

from experiments.analysis import Estimate
from experiments.analysis.format import chance, counted, interval, listed
from experiments.report.across import Across
from experiments.report.findings import Comparison, TaskFindings
from experiments.report.study import Study

MOST_SHOWN = 4  # differences of one task in words; the table has the rest
MOST_INTERVALS = 3
LEAST_PAIRS = 4


def summary(study: Study, findings: Sequence[TaskFindings]) -> list[str]:
    """On which tasks each row is shown to differ, if there are several tasks."""
    if len(findings) < 2 or not study.compared:
        return []
    parts = []
    for row in study.rows:
        on = {
            verdict: [task.results.task for task in findings if task.verdict(row) == verdict]
            for verdict in ("better", "worse")
        }
        verdicts = [f"{verdict} on {listed(tasks)}" for verdict, tasks in on.items() if tasks]
        if verdicts:
            parts.append(f"{row} is {', '.join(verdicts)}")
    if not parts:
        return [f"No variant is shown to differ from {study.opponent} on any of the {len(findings)} tasks."]
    return [f"Compared with {study.opponent}, {'; '.join(parts)}. Nothing else is shown to differ."]


def task_summary(study: Study, task: TaskFindings) -> str:
    """The differences that are shown on one task, those that are not, and how many seeds would show them."""
    return " ".join(_sentences(study, task))


def _sentences(study: Study, task: TaskFindings) -> list[str]:
    comparisons = task.comparisons
    if not comparisons or not any(row.mean.count for row in task.rows):
        return [_alone(study, task)]
    shown = [(row, comparison) for row, comparison in comparisons if comparison.shown]
    shown.sort(key=lambda pair: -abs(pair[1].difference.value))
    unpaired = {row: comparison.reference for row, comparison in comparisons if not comparison.difference.count}
    hidden = [(row, comparison) for row, comparison in comparisons if not comparison.shown and row not in unpaired]
    sentences = [_shown(study, task, shown)] if shown else []
    if hidden:
        sentences.append(_hidden(study, task, hidden, first=not shown))
        sentences += _seeds(study, hidden)
    if unpaired:
        start = "Not" if sentences else f"On {task.results.task}, not"
        references = _references(study, list(unpaired.values()))
        sentences.append(
            f"{start} comparable with {references}, as no {study.replicate} has a score of both: "
            f"{listed(list(unpaired))}."
        )
    return sentences


def _references(study: Study, rows: Sequence[str]) -> str:
    """The rows that others are compared with; `its base` if they are of several variants."""
    several = len({study.variants[row] for row in rows}) > 1
    return study.opponent if several else listed(list(dict.fromkeys(rows)))


def _place(study: Study, task: TaskFindings, count: int) -> str:
    return f"On {task.results.task} ({task.results.score.name}, {_count(study, count)}), "


def _shown(study: Study, task: TaskFindings, shown: list[tuple[str, Comparison]]) -> str:
    """The largest differences, and the names of the others."""
    unit = task.results.score.short_unit
    parts = [
        f"{row} is {task.verdict(row)} than {comparison.reference} by "
        f"{interval(_absolute(comparison.difference))}{unit}, "
        f"{chance(comparison.adjusted)}{'' if number else ' after Holm'}"
        for number, (row, comparison) in enumerate(shown[:MOST_SHOWN])
    ]
    for verdict in ("better", "worse"):
        more = [row for row, _ in shown[MOST_SHOWN:] if task.verdict(row) == verdict]
        parts += [f"also {verdict}: {listed(more)}"] if more else []
    return f"{_place(study, task, max(comparison.difference.count for _, comparison in shown))}{'; '.join(parts)}."


def _hidden(study: Study, task: TaskFindings, hidden: list[tuple[str, Comparison]], first: bool) -> str:
    """What is not shown to differ; with intervals where they are few."""
    names = [row for row, _ in hidden]
    if len(hidden) <= MOST_INTERVALS:
        unit = task.results.score.short_unit
        names = [f"{row} ({_signed(comparison.difference)}{unit})" for row, comparison in hidden]
    if not first:
        return f"Not shown to differ: {listed(names)}."
    references = _references(study, [comparison.reference for _, comparison in hidden])
    pairs = max(comparison.difference.count for _, comparison in hidden)
    return f"{_place(study, task, pairs)}nothing is shown to differ from {references}: {listed(names)}."


def _alone(study: Study, task: TaskFindings) -> str:
    """Of rows that are compared with nothing."""
    score = task.results.score
    scored = [row for row in task.rows if row.mean.count]
    if not scored:
        return f"On {task.results.task} no trial has a score."
    means = [f"{row.row} reaches {interval(row.mean)}" for row in scored[:MOST_SHOWN]]
    return (
        f"On {task.results.task} {listed(means)} ({score.name}, {score.better} is better; "
        f"{_count(study, scored[0].mean.count)}). The trivial baseline has {task.results.baseline_text}."
    )


def _absolute(difference: Estimate) -> Estimate:
    """The size of a difference, with the interval in its direction."""
    value, low, high, count = difference.value, difference.low, difference.high, difference.count
    return difference if value >= 0 else Estimate(-value, -high, -low, count)


def _seeds(study: Study, hidden: list[tuple[str, Comparison]]) -> list[str]:
    """Whether there are too few seeds to conclude, and how many would do."""
    few = [comparison for _, comparison in hidden if comparison.too_few]
    plans = [(comparison.needed, row) for row, comparison in hidden if _planned(comparison)]
    sentences = []
    if few:
        most = max(comparison.difference.count for comparison in few)
        sentences.append(
            f"{_count(study, most)} cannot show any difference, however large: the test needs {few[0].enough} or more."
        )
    if plans:
        needed, row = min(plans)
        sentences.append(f"About {needed:,} {study.replicate}s would show a difference as large as that of {row}.")
    return sentences


def _planned(comparison: Comparison) -> bool:
    """Whether the number of seeds that would do is worth saying: more than there are, and not from two or three."""
    return LEAST_PAIRS <= comparison.difference.count < (comparison.needed or 0)


def _signed(difference: Estimate) -> str:
    text = interval(difference)
    return text if text.startswith("-") else f"+{text}"


def _count(study: Study, count: int) -> str:
    return counted(count, study.replicate)


def across_tasks(study: Study, across: Across | None) -> list[str]:
    """Mean ranks and interquartile means over all tasks, a sentence for each, and which tasks are not in them."""
    if across is None:
        return []
    order = sorted(range(len(across.rows)), key=lambda row: across.ranks[row])
    ranks = ", ".join(f"{across.rows[row]} {across.ranks[row]:.2f}" for row in order)
    sentences = [f"Mean rank over {len(across.tasks)} tasks, 1 the best: {ranks}. {_ranked(across)}"]
    if across.scaled is not None:
        scale = f"On a scale with 0 for the trivial baseline and 1 for the mean of {study.reference}"
        best = sorted(order, key=lambda row: -across.scaled.aggregate[row].value)
        ends = best if len(best) <= MOST_SHOWN else [best[0], best[-1]]
        values = [f"{across.rows[row]} {interval(across.scaled.aggregate[row])}" for row in ends]
        between = "from " + " to ".join(values) if len(ends) < len(best) else listed(values)
        sentences.append(
            f"{scale}, interquartile means over all runs of {counted(len(across.scaled.tasks), 'task')}: {between}."
        )
    reasons = dict.fromkeys(across.unscaled.values())
    sentences += [
        f"Not on a scale from the trivial baseline to {study.reference}: "
        f"{listed([task for task, why in across.unscaled.items() if why == reason])}, as {reason}."
        for reason in reasons
    ]
    return sentences


def _ranked(across: Across) -> str:
    if not math.isfinite(across.p):
        return "Two rows are too few for Friedman's test."
    if not across.shown:
        return f"Friedman's test does not show that ranks differ ({chance(across.p)})."
    return (
        f"Ranks differ (Friedman's test, {chance(across.p)}); two of them differ if they are more than "
        f"{across.critical:.2f} apart (Nemenyi's critical difference)."
    )
