"""The answer in words: which rows differ from the reference, by how much, and how sure that is."""

import math
from collections.abc import Sequence

from experiments.analysis import Estimate
from experiments.analysis.format import chance, counted, interval, listed, number
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
            verdict: [f.results.task for f in findings if f.verdict(row) == verdict] for verdict in ("better", "worse")
        }
        said = [f"{verdict} on {listed(tasks)}" for verdict, tasks in on.items() if tasks]
        if said:
            parts.append(f"{row} is {', '.join(said)}")
    if not parts:
        return [f"No variant is shown to differ from {study.reference} on any of the {len(findings)} tasks."]
    return [f"Compared with {study.reference}, {'; '.join(parts)}. Nothing else is shown to differ."]


def of_task(study: Study, found: TaskFindings) -> str:
    """What is shown on one task, by how much, and what more seeds would show."""
    return " ".join(_of_task(study, found))


def _of_task(study: Study, found: TaskFindings) -> list[str]:
    comparisons = found.comparisons
    if not comparisons or not any(row.mean.count for row in found.rows):
        return [_alone(study, found)]
    shown = sorted((each for each in comparisons if each[1].shown), key=lambda each: -abs(each[1].difference.value))
    unpaired = {row: each.reference for row, each in comparisons if not each.difference.count}
    hidden = [(row, each) for row, each in comparisons if not each.shown and row not in unpaired]
    sentences = [_shown(study, found, shown)] if shown else []
    if hidden:
        sentences.append(_hidden(study, found, hidden, first=not shown))
        sentences += _seeds(study, hidden)
    if unpaired:
        start = "Not" if sentences else f"On {found.results.task}, not"
        references = listed(list(dict.fromkeys(unpaired.values())))
        sentences.append(
            f"{start} comparable with {references}, as no {study.replicate} has a score of both: "
            f"{listed(list(unpaired))}."
        )
    return sentences


def _place(study: Study, found: TaskFindings, count: int) -> str:
    return f"On {found.results.task} ({found.results.score.name}, {_count(study, count)}), "


def _shown(study: Study, found: TaskFindings, shown: list[tuple[str, Comparison]]) -> str:
    """The largest differences, and the names of the others."""
    unit = found.results.score.short_unit
    parts = [
        f"{row} is {found.verdict(row)} than {each.reference} by {interval(_absolute(each.difference))}{unit}, "
        f"{chance(each.adjusted)}{'' if number else ' after Holm'}"
        for number, (row, each) in enumerate(shown[:MOST_SHOWN])
    ]
    for verdict in ("better", "worse"):
        more = [row for row, _ in shown[MOST_SHOWN:] if found.verdict(row) == verdict]
        parts += [f"also {verdict}: {listed(more)}"] if more else []
    return f"{_place(study, found, max(each.difference.count for _, each in shown))}{'; '.join(parts)}."


def _hidden(study: Study, found: TaskFindings, hidden: list[tuple[str, Comparison]], first: bool) -> str:
    """What is not shown to differ; with intervals where they are few."""
    names = [row for row, _ in hidden]
    if len(hidden) <= MOST_INTERVALS:
        names = [f"{row} ({_signed(each.difference)}{found.results.score.short_unit})" for row, each in hidden]
    if not first:
        return f"Not shown to differ: {listed(names)}."
    references = listed(list(dict.fromkeys(each.reference for _, each in hidden)))
    pairs = max(each.difference.count for _, each in hidden)
    return f"{_place(study, found, pairs)}nothing is shown to differ from {references}: {listed(names)}."


def _alone(study: Study, found: TaskFindings) -> str:
    """Of rows that are compared with nothing."""
    score = found.results.score
    scored = [row for row in found.rows if row.mean.count]
    if not scored:
        return f"On {found.results.task} no trial has a score."
    each = [f"{row.row} reaches {interval(row.mean)}" for row in scored[:MOST_SHOWN]]
    return (
        f"On {found.results.task} {listed(each)} ({score.name}, {score.better} is better; "
        f"{_count(study, scored[0].mean.count)}). The trivial baseline has {number(found.results.baseline)}."
    )


def _absolute(found: Estimate) -> Estimate:
    """The size of a difference, with the interval in its direction."""
    return found if found.value >= 0 else Estimate(-found.value, -found.high, -found.low, found.count)


def _seeds(study: Study, hidden: list[tuple[str, Comparison]]) -> list[str]:
    """Whether there are too few seeds to conclude, and how many would do."""
    few = [each for _, each in hidden if each.too_few]
    wanted = [(each.needed, row) for row, each in hidden if _planned(each)]
    said = []
    if few:
        said.append(
            f"{_count(study, max(each.difference.count for each in few))} cannot show any difference, however large: "
            f"the test needs {few[0].enough} or more."
        )
    if wanted:
        needed, row = min(wanted)
        said.append(f"About {needed:,} {study.replicate}s would show a difference as large as that of {row}.")
    return said


def _planned(comparison: Comparison) -> bool:
    """Whether the number of seeds that would do is worth saying: more than there are, and not from two or three."""
    return LEAST_PAIRS <= comparison.difference.count < (comparison.needed or 0)


def _signed(found: Estimate) -> str:
    text = interval(found)
    return text if text.startswith("-") else f"+{text}"


def _count(study: Study, count: int) -> str:
    return counted(count, study.replicate)


def across_tasks(study: Study, across: Across | None) -> list[str]:
    """What holds over all tasks, a sentence for each kind of comparison."""
    if across is None:
        return []
    order = sorted(range(len(across.rows)), key=lambda row: across.ranks[row])
    each = ", ".join(f"{across.rows[row]} {across.ranks[row]:.2f}" for row in order)
    sentences = [f"Mean rank over {len(across.tasks)} tasks, 1 the best: {each}. {_ranked(across)}"]
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
