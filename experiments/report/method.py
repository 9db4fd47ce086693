"""The method of a report: sizes, what was trained by task, statistics and code."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from experiments.analysis.format import counted
from experiments.report.group_sequential import registered
from experiments.report.study import Study
from experiments.report.task_results import TaskResults
from experiments.tracking.metadata import NULL, Tag, fields

MOST_VALUES = 4  # of a field
# No numbers depend on them, or they are told otherwise.
UNTOLD = ("task.function", "task.path", "model.match", "training.threads")


def facts(study: Study) -> str:
    """One line of sizes: tasks, rows, replicates, trials, when."""
    counts = {
        "task": len(study.tasks),
        "variant": len(study.rows),
        study.replicate: max(len(task.replicates) for task in study.tasks),
        "trial": len(study.trials),
    }
    sizes = ", ".join(counted(count, name) for name, count in counts.items())
    sizes += f", after a search of {counted(study.search.count, 'trial')}" if study.search else ""
    return f"{sizes}. Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by gatelab."


def method(study: Study) -> list[tuple[str, str]]:
    """Terms and what was done, for a reader who wants to check it."""
    return [
        (
            "Score",
            "On the test part, with the weights of the epoch that was best on the validation part.",
        ),
        (
            "Intervals",
            "95 %, for any distribution of the scores. Median: between order statistics (Hettmansperger and Sheather "
            "1986); 5 scores span 93.75 %, fewer have none. Probability of improvement, that a run of the variant "
            "beats one of the other: Newcombe's method 5 (2006).",
        ),
        (
            "Comparison",
            "One statistic by ranks gives effect, interval, direction and p-value, and takes a diverged trial for the "
            "worst outcome: the exact test of Mann and Whitney with the shift of Hodges and Lehmann, the median of all "
            "differences between two runs, and the interval that inverts the test; the factor is the same of "
            "logarithms. Where seeds draw the data anew, or scores of one seed correlate (0.5 or more by rank), the "
            "signed-rank test of their pairs, if there are enough to conclude. How often all this errs is simulated by "
            "`python -m benchmarks.coverage`. Of a search, the seeds of one draw are averaged first.",
        ),
        (
            "Verdicts",
            "Equivalent: the interval lies within the margin (`task.margin`, or `margin=` of the report). Better, "
            "worse: p < 0.05 after Holm's correction for the comparisons of one task, or with `family=study` of all. "
            "Else undecided, which is not `no difference`. So far: in more than a quarter of the trials of one of the "
            "two rows the best epoch is among the last tenth of those allowed. Plans take 80 % power and the upper "
            "80 % limit of the deviation (Browne 1995).",
        ),
        (
            "Across tasks",
            "Mean rank of the medians, Friedman's test (Iman and Davenport 1980) and Nemenyi's critical difference "
            "(Demsar 2006); the signed-rank test of the probabilities of improvement, task by task, with Holm's "
            "correction. One scale: 0 the trivial baseline, 1 the mean of the reference on each task; interquartile "
            "mean over all runs (Agarwal et al. 2021) with an interval from a bootstrap by task; performance profiles "
            "with pointwise 95 % bands. A diverged run counts as 0 there.",
        ),
        (
            "Trials without a score",
            "Failed and killed trials are counted beside every score and are in none. Diverged ones are the worst "
            "score in medians and comparisons, and are in no mean.",
        ),
        ("Time", "Of a training step, without validation and compilation, while the other workers of the sweep ran."),
        (
            "Curves",
            "Learning curves are medians over the first 10 runs of each row at most; a run that has ended keeps its "
            "last value. Curves of gates are means over 5.",
        ),
        *([("Registered", " ".join(registered(study)))] if study.registration else []),
        ("Code", _code(study)),
        ("Store", study.store),
    ]


def settings(study: Study) -> list[tuple[str, str]]:
    """Of each task what was trained on what, with the fields that all its trials share or that differ little."""
    return [(task.task, _trained(study, task)) for task in study.tasks]


def _trained(study: Study, task: TaskResults) -> str:
    recorded = [fields(trial.params) for trial in task.trials.values()]
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for record in recorded:
        for name in record:
            values[name][record[name]] = None
    sizes = "units chosen for equal parameters" if set(values["model.match"]) == {"parameters"} else "the same units"
    parts = {
        "Data": [_values(values, "task."), *_digests(task)],
        "Model": [_values(values, "model."), f"{sizes} for all rows, unless a variant sets its own"],
        "Training": [_values(values, "training."), _tuned(study, task)],
        "Trials": [f"{counted(len(task.rows), 'row')} with {counted(len(task.replicates), study.replicate)} at most"],
    }
    return " ".join(f"{part}: {'; '.join(filter(None, texts))}." for part, texts in parts.items())


def _values(values: Mapping[str, Iterable[str]], section: str) -> str:
    texts = []
    for name in sorted(name for name in values if name.startswith(section)):
        several = [text for text in values[name] if text != NULL]
        if several and name not in UNTOLD:
            shown = ", ".join(several) if len(several) <= MOST_VALUES else f"{len(several)} values"
            texts.append(f"{name.removeprefix(section)} {shown}")
    return ", ".join(texts)


def _digests(task: TaskResults) -> list[str]:
    """The beginnings of the digests of the files that were read."""
    digests = dict.fromkeys(trial.tags.get(Tag.DATA, "")[:12] for trial in task.trials.values())
    names = [digest for digest in digests if digest]
    return [f"SHA-256 of what was read {', '.join(names)}"] if 0 < len(names) <= MOST_VALUES else []


def _tuned(study: Study, task: TaskResults) -> str:
    if study.search is not None:
        return "each row with its own best setting of a search, chosen on validation"
    if study.runs.drawn:
        return "settings were drawn by a search"
    return "tuned for no row: all share one learning rate" if task.shared_rate else "tuned by no search"


def _code(study: Study) -> str:
    commits = sorted({trial.tags.get(Tag.GIT_COMMIT, "") or "unknown" for trial in study.trials})
    codes = sorted({trial.tags.get(Tag.CODE, "") or "unknown" for trial in study.trials})
    return (
        f"Commit {', '.join(commits)}; digest of what trains {', '.join(codes)}. Versions: versions.yaml of each run."
    )
