"""What a reader must know before the numbers: what is missing, left out or mixed."""

from collections import Counter
from collections.abc import Iterator

from experiments.analysis.format import counted
from experiments.report.study import UNSCORED, Study, TaskResults
from experiments.tracking import StoredRun

REASONS = {"diverged": "the loss stopped being finite", "unmeasured": "it has no {}"}


def notes(study: Study) -> list[str]:
    """A sentence for each thing that is missing, left out or mixed."""
    return [*_left_out(study), *_mixed(study), *_missing(study), *(s for task in study.tasks for s in _unscored(task))]


def _left_out(study: Study) -> Iterator[str]:
    runs = study.runs
    if runs.superseded:
        yield (
            f"{counted(runs.superseded, 'older trial')} left out: the same variant, settings and seed have a newer "
            "one, trained with other data, another version of the code or other defaults in conf/."
        )
    if runs.foreign:
        yield (
            f"{counted(runs.foreign, 'run')} in the experiments of this study left out: not written by gatelab, or "
            "without the tags and parameters that it wrote."
        )


def _mixed(study: Study) -> Iterator[str]:
    yield from _several(study.trials, "code", "versions of the code that trains")
    for task in study.tasks:
        yield from _several(list(task.trials.values()), "data_sha256", f"versions of the data of {task.task}")


def _several(trials: list[StoredRun], tag: str, what: str) -> Iterator[str]:
    counts = Counter(trial.tags.get(tag) or "unknown" for trial in trials if trial.status == "FINISHED")
    if len(counts) > 1:
        each = ", ".join(f"{value[:8]} ({counted(count, 'trial')})" for value, count in counts.most_common())
        yield f"The scores come from {len(counts)} {what}: {each}. Differences may come from that."


def _missing(study: Study) -> Iterator[str]:
    for task in study.tasks:
        lacking = [row for row in study.rows if row not in task.rows]
        if lacking:
            yield f"{task.task}: no trials of {', '.join(lacking)}."
        other = [t for t in task.trials.values() if t.tags["score_metric"] != task.score.metric]
        if other:
            yield f"{task.task}: {counted(len(other), 'trial')} measured another score than {task.score.metric}."


def _unscored(task: TaskResults) -> Iterator[str]:
    for row, name in enumerate(task.rows):
        counts = task.counts(row)
        total = len(task.replicates)
        parts = [f"{counts[state]} of {total} {state}" for state in UNSCORED if counts[state]]
        if parts:
            yield f"{task.task}, {name}: {', '.join(parts)}; without a score."


def failures(study: Study) -> list[tuple[str, str, str]]:
    """Name, end and reason of every trial that failed, was killed, diverged or has another score."""
    found = []
    for task in study.tasks:
        for (row, replicate), trial in task.trials.items():
            state = task.states[task.rows.index(row), task.replicates.index(replicate)]
            if state in ("failed", "killed", "diverged", "unmeasured"):
                reason = trial.tags.get("error") or REASONS.get(str(state), "").format(task.score.metric)
                found.append((trial.name, str(state), reason))
    return found
