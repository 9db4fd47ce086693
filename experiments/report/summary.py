"""The answer in sentences: what is known of each row and what it is compared with, and what would decide the rest."""

import math
from collections import defaultdict
from collections.abc import Sequence

from experiments.analysis import Estimate, Verdict
from experiments.analysis.format import chance, counted, interval, listed, number
from experiments.report.across import Across
from experiments.report.findings import Comparison, TaskFindings
from experiments.report.study import Study

MOST_ROWS = 4  # comparisons of one task in words; the table has the rest
FEW_TASKS = 3
MUCH = 1.1  # factor from which a ratio says more than a difference

DECIDED = (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT)


def answer(study: Study, findings: Sequence[TaskFindings]) -> list[str]:
    """A sentence or two for each task, or for those of which the same is known, without statistics.

    Of rows that are compared with nothing it is what they reach.
    """
    tasks_by_answer: dict[str, list[str]] = defaultdict(list)
    for task in findings:
        tasks_by_answer[_answer(study, task)].append(task.results.task)
    return [f"{listed(tasks)}: {text}" for text, tasks in tasks_by_answer.items()]


def _answer(study: Study, task: TaskFindings) -> str:
    if not _is_compared(task):
        return _alone(study, task)
    by_verdict: dict[Verdict | None, list[str]] = defaultdict(list)
    for row, _ in task.comparisons:
        by_verdict[task.verdict(row)].append(row)
    statements = {verdict: _statements(task, by_verdict[verdict]) for verdict in DECIDED}
    parts = [part for several in statements.values() for part in several[:MOST_ROWS]]
    hidden = sum(max(len(several) - MOST_ROWS, 0) for several in statements.values())
    sentences = [f"{'; '.join(parts)}{f'; {hidden} more in the table' if hidden else ''}."] if parts else []
    undecided = by_verdict[Verdict.UNDECIDED]
    if undecided:
        few = [comparison for _, comparison in task.comparisons if comparison.is_possible and comparison.too_few]
        sentences.append(f"Undecided{_so_far(task)}: {listed(undecided)}.")
        sentences += [_too_few(study, few)] if few else []
    if by_verdict[None]:
        sentences.append(f"Not comparable: {listed(by_verdict[None])}, as one of the two has no score.")
    return " ".join(sentences)


def _so_far(task: TaskFindings) -> str:
    """After how many seeds, if more are added until something is decided."""
    progress = next((comparison.progress for _, comparison in task.comparisons if comparison.progress), None)
    if progress is None:
        return ""
    return f" after {counted(progress.seeds, 'seed')}{f' of at most {progress.looks[-1]}' if progress.needed else ''}"


def _is_compared(task: TaskFindings) -> bool:
    return bool(task.comparisons) and any(finding.median.count for finding in task.rows)


def _statements(task: TaskFindings, rows: Sequence[str]) -> list[str]:
    """What is known of rows, for a reader who wants to know what to use; rows of which it is the same together."""
    comparisons = dict(task.comparisons)
    rows_by_words: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        rows_by_words[_words(task, row, comparisons[row])].append(row)
    return [f"{listed(same)} {'is' if len(same) == 1 else 'are'} {words}" for words, same in rows_by_words.items()]


def _words(task: TaskFindings, row: str, comparison: Comparison) -> str:
    verdict = task.verdict(row)
    if verdict is Verdict.EQUIVALENT and comparison.margin is not None:
        unit = "" if comparison.margin.is_share else task.results.score.short_unit
        words = f"equivalent to {comparison.reference} (within {comparison.margin.text}{unit})"
    else:
        words = f"{verdict} than {comparison.reference} ({_size(task, row, comparison)})"
    return f"{words}{_early(task, row)}"


def _size(task: TaskFindings, row: str, comparison: Comparison) -> str:
    """How large an effect is: a factor where the scores differ by much, else a difference."""
    shift, ratio = comparison.test.difference.value, comparison.test.ratio.value
    score = task.results.score
    if math.isinf(shift):
        return "so many of its trials diverge" if not comparison.test.better else "trials of the other one diverge"
    if math.isfinite(ratio) and not 1 / MUCH < ratio < MUCH:
        return f"{ratio:.2g} times the {score.title}"
    if not shift:  # most trials of both have one score
        findings = [task.finding(name) for name in (row, comparison.reference)]
        shares = [finding.solved.text for finding in findings if finding and finding.solved]
        return f"solved {' against '.join(shares)}" if len(shares) == len(findings) else "in a part of the trials"
    return f"by {number(abs(shift))}{score.short_unit}"


def _early(task: TaskFindings, row: str) -> str:
    """What is to be said of a verdict that more epochs may change."""
    if not task.is_early(row):
        return ""
    pair = [task.finding(name) for name in (row, dict(task.comparisons)[row].reference)]
    early = [finding for finding in pair if finding is not None and finding.is_early]
    epochs = max(finding.epochs or 0 for finding in early)
    which = listed([f"{finding.improving.text} trials of {finding.row}" for finding in early])
    return f" after {counted(epochs, 'epoch')}, still improving in {which}"


def _too_few(study: Study, few: Sequence[Comparison]) -> str:
    most = max(comparison.test.difference.count for comparison in few)
    enough = few[0].enough
    words = f"search.confirm={enough}" if study.search else f"seed=range({enough})"
    more = f", such as {words}" if study.replicate == "seed" else ""
    return f"{counted(most, study.replicate)} cannot show any difference: it takes {enough}{more}."


def summary(study: Study, findings: Sequence[TaskFindings]) -> list[str]:
    """On which tasks each row is better, worse or equivalent, if there are many tasks and anything is decided.

    Of few tasks the answer of each says it.
    """
    if len(findings) <= FEW_TASKS or not study.compared:
        return []
    parts = []
    for row in study.rows:
        tasks = {verdict: [task for task in findings if task.verdict(row) is verdict] for verdict in DECIDED}
        words = [f"{verdict} on {listed([_task(task, row) for task in on])}" for verdict, on in tasks.items() if on]
        parts += [f"{row} is {', '.join(words)}"] if words else []
    if not parts:
        return []
    return [f"Compared with {study.opponent}, {'; '.join(parts)}. All else is undecided."]


def _task(task: TaskFindings, row: str) -> str:
    return f"{task.results.task} (so far)" if task.is_early(row) else task.results.task


def task_summary(study: Study, task: TaskFindings) -> list[str]:
    """Effect, interval and p-value of the largest differences of a task, and what would decide the others."""
    if not _is_compared(task):
        return [f"{task.results.task}: {_alone(study, task)}"]
    possible = [(row, comparison) for row, comparison in task.comparisons if comparison.is_possible]
    possible.sort(key=lambda pair: (pair[1].adjusted, -abs(pair[1].test.difference.value)))
    enough = [pair for pair in possible if not pair[1].too_few]
    sentences = [_numbers(study, task, row, comparison) for row, comparison in enough[:MOST_ROWS]]
    sentences += [_rates(task, row, comparison) for row, comparison in possible if _has_rates(comparison)]
    undecided = [comparison for _, comparison in possible if comparison.verdict is Verdict.UNDECIDED]
    return [*sentences, *([_decides(study, task, undecided)] if undecided else [])]


def _numbers(study: Study, task: TaskFindings, row: str, comparison: Comparison) -> str:
    """One comparison, for a reader who wants to check it."""
    test = comparison.test
    factor = f", {_times(test.ratio)}" if math.isfinite(test.ratio.value) else ""
    paired = f", by {study.replicate}" if test.paired else ""
    paired += ", repeated interval and p" if comparison.progress else ""
    family = f" (Holm, {comparison.family} comparisons)" if comparison.family > 1 else ""
    verdict = f"{comparison.verdict}{_early(task, row) if comparison.verdict in DECIDED else ''}"
    return (
        f"{task.results.task}: {row} minus {comparison.reference} {signed(test.difference)}"
        f"{task.results.score.short_unit}{factor}, {counted(test.difference.count, study.replicate)}{paired}, "
        f"{chance(comparison.adjusted)}{family}: {verdict}."
    )


def _times(ratio: Estimate) -> str:
    return interval(ratio).replace(" [", " times [") if "[" in interval(ratio) else f"{number(ratio.value)} times"


def _has_rates(comparison: Comparison) -> bool:
    return comparison.solved < 0.05 or comparison.diverged < 0.05


def _rates(task: TaskFindings, row: str, comparison: Comparison) -> str:
    """Shares of solved and diverged trials that differ."""
    names = row, comparison.reference
    findings = [finding for finding in map(task.finding, names) if finding is not None]
    parts = []
    if comparison.solved < 0.05:
        solved = [f"{finding.solved.text} of {finding.row}" for finding in findings if finding.solved is not None]
        parts.append(f"solved: {listed(solved)} ({chance(comparison.solved)}, Fisher)")
    if comparison.diverged < 0.05:
        counts = {name: task.results.counts(task.results.rows.index(name)) for name in names}
        diverged = [f"{count['diverged']} of {sum(count.values())} of {name}" for name, count in counts.items()]
        parts.append(f"diverged: {listed(diverged)} ({chance(comparison.diverged)}, Fisher)")
    return f"{task.results.task}: trials that {'; '.join(parts)}."


def _decides(study: Study, task: TaskFindings, undecided: Sequence[Comparison]) -> str:
    """What would decide the comparisons that are not."""
    name, unit = task.results.task, task.results.score.short_unit
    if undecided[0].progress is not None:
        more = "the sweep adds seeds" if undecided[0].progress.needed else "no more seeds were registered"
        return f"{name}: undecided{_so_far(task)}; {more}."
    few = [comparison for comparison in undecided if comparison.too_few]
    if few:
        return f"{name}: {_too_few(study, few)}"
    counts = max(comparison.test.difference.count for comparison in undecided)
    needed = [comparison.needed for comparison in undecided]
    if all(count is not None for count in needed) and undecided[0].margin is not None:
        most = max(count for count in needed if count is not None)
        return (
            f"{name}: about {counted(most, study.replicate)} of each would show a difference of "
            f"{undecided[0].margin.text}{unit}, the margin, with a chance of 80 %."
        )
    smallest = max(comparison.detectable for comparison in undecided)
    return (
        f"{name}: {counted(counts, study.replicate)} show differences from about {number(smallest)}{unit} on, with a "
        "chance of 80 %. With margin=SIZE, the smallest difference that matters, the report says how many would do."
    )


def _alone(study: Study, task: TaskFindings) -> str:
    """Of rows that are compared with nothing."""
    score = task.results.score
    scored = [finding for finding in task.rows if finding.median.count]
    if not scored:
        return "No trial has a score."
    medians = [f"{finding.row} reaches {interval(finding.median)}" for finding in scored[:MOST_ROWS]]
    return (
        f"{listed(medians)} ({score.name}, {score.better} is better; "
        f"{counted(scored[0].median.count, study.replicate)}). The trivial baseline has {task.results.baseline_text}."
    )


def signed(difference: Estimate) -> str:
    """A difference with its sign and interval."""
    text = interval(difference)
    return text if text.startswith("-") else f"+{text}"


def across_tasks(study: Study, across: Across | None) -> list[str]:
    """Tests and interquartile means over all tasks, a sentence for each, and which tasks are not in them."""
    if across is None:
        return []
    order = sorted(range(len(across.rows)), key=lambda row: across.ranks[row])
    ranks = ", ".join(f"{across.rows[row]} {across.ranks[row]:.2f}" for row in order)
    sentences = [f"Mean rank over {len(across.tasks)} tasks, 1 the best: {ranks}. {_ranked(across)}", *_tested(across)]
    if across.scaled is not None:
        scale = f"On a scale with 0 for the trivial baseline and 1 for the mean of {study.reference}"
        best = sorted(order, key=lambda row: -across.scaled.aggregate[row].value)
        ends = best if len(best) <= MOST_ROWS else [best[0], best[-1]]
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


def _tested(across: Across) -> list[str]:
    """Each row against the one that it is compared with, over tasks."""
    if not across.tests:
        return []
    if len(across.tasks) < across.enough:
        return [
            f"{counted(len(across.tasks), 'task')} cannot show that one is better in general: it takes {across.enough}."
        ]
    parts = [
        f"{row} {interval(test.improvement)} ({chance(test.adjusted)})"
        for row, test in list(across.tests.items())[:MOST_ROWS]
    ]
    return [f"Probability that a run is better than one of what it is compared with, over tasks: {', '.join(parts)}."]


def _ranked(across: Across) -> str:
    if not math.isfinite(across.p):
        return "Two rows are too few for Friedman's test."
    if across.least >= 0.05:
        return f"{len(across.rows)} rows on {len(across.tasks)} tasks cannot show that ranks differ."
    if not across.shown:
        return f"Friedman's test does not show that ranks differ ({chance(across.p)})."
    if across.critical > len(across.rows) - 1:
        return f"Ranks differ (Friedman's test, {chance(across.p)}); so few tasks cannot show which."
    return (
        f"Ranks differ (Friedman's test, {chance(across.p)}); two of them differ if they are more than "
        f"{across.critical:.2f} apart (Nemenyi's critical difference)."
    )
