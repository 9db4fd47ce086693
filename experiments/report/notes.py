"""What a reader must know before the numbers: what is missing, left out or mixed."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from experiments.analysis.format import counted, listed, number
from experiments.report.study import Study
from experiments.report.task_results import UNSCORED, TaskResults
from experiments.tracking import StoredRun
from experiments.tracking.metadata import Tag

REASONS = {"diverged": "the loss stopped being finite", "unmeasured": "it has no {}"}


def notes(study: Study) -> list[str]:
    """A sentence for each thing that is missing, left out or mixed."""
    unscored = [sentence for task in study.tasks for sentence in _unscored(task)]
    return [*_lacking(study), *_merged(study), *_left_out(study), *_mixed(study), *_missing(study), *unscored]


def _lacking(study: Study) -> Iterator[str]:
    """Which rows are compared with another variant than their base, so that the difference is not their own alone."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row, base in study.lacking.items():
        rows[base, study.variants[study.compared[row]]].append(row)
    for (base, reference), names in rows.items():
        changes, differ = ("changes", "it differs") if len(names) == 1 else ("change", "they differ")
        yield (
            f"{listed(names)} {changes} {base}, of which there are no trials to compare with. Compared with "
            f"{reference}, {differ} by more than that change: also by what {base} has apart from {reference}."
        )


def _merged(study: Study) -> Iterator[str]:
    """Which variants are one row, since what is recorded of their layers is equal."""
    for row, names in study.runs.merged.items():
        yield f"{listed(list(names))} are the same configuration here: one row, {row}."


def _left_out(study: Study) -> Iterator[str]:
    for reason, count in Counter(one.reason for one in study.runs.left_out).items():
        yield f"{counted(count, 'run')} left out: {reason}."


def _mixed(study: Study) -> Iterator[str]:
    yield from _several(study.trials, Tag.CODE, "versions of the code that trains")
    for task in study.tasks:
        if not task.is_drawn:
            yield from _several(list(task.trials.values()), Tag.DATA, f"versions of the data of {task.task}")
        if len(task.baselines) > 1 and not task.varies:
            values = ", ".join(f"{number(value)} ({counted(count, 'trial')})" for value, count in task.baselines)
            yield (
                f"The trials of {task.task} recorded {len(task.baselines)} trivial baselines, {values}, so that their "
                "data differ. The tables have the first."
            )


def _several(trials: list[StoredRun], tag: Tag, what: str) -> Iterator[str]:
    counts = Counter(trial.tags.get(tag) or "unknown" for trial in trials if trial.status == "FINISHED")
    if len(counts) > 1:
        versions = ", ".join(f"{value[:8]} ({counted(count, 'trial')})" for value, count in counts.most_common())
        yield f"The scores come from {len(counts)} {what}: {versions}. Differences may come from that."


def _missing(study: Study) -> Iterator[str]:
    for task in study.tasks:
        lacking = [row for row in study.rows if row not in task.rows]
        if lacking:
            yield f"{task.task}: no trials of {', '.join(lacking)}."
        other = [t for t in task.trials.values() if t.tags[Tag.SCORE_METRIC] != task.score.metric]
        if other:
            yield f"{task.task}: {counted(len(other), 'trial')} measured another score than {task.score.metric}."


def _unscored(task: TaskResults) -> Iterator[str]:
    for row, name in enumerate(task.rows):
        counts = task.counts(row)
        total = sum(counts.values())
        parts = [f"{counts[state]} of {total} {state}" for state in UNSCORED if counts[state]]
        if parts:
            yield f"{task.task}, {name}: {', '.join(parts)}; without a score."


def failures(task: TaskResults) -> list[tuple[str, str, str, str]]:
    """Name, run, end and reason of every trial that failed, was killed, diverged or has another score."""
    trials = []
    for (row, replicate), trial in task.trials.items():
        state = task.states[task.rows.index(row), task.replicates.index(replicate)]
        if state in ("failed", "killed", "diverged", "unmeasured"):
            reason = trial.tags.get(Tag.ERROR) or REASONS.get(str(state), "").format(task.score.metric)
            trials.append((trial.name, trial.run_id, str(state), reason))
    return trials
