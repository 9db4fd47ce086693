"""The method of a report: sizes, statistics, settings and code."""

from datetime import UTC, datetime

from experiments.analysis.format import counted
from experiments.report.study import Study
from experiments.tracking.metadata import Tag, fields

SHARED = {
    "model": ("match", "layers", "bidirectional"),
    "training": ("epochs", "batch_size", "optimizer", "learning_rate", "clipnorm"),
}


def facts(study: Study) -> str:
    """One line of sizes: tasks, rows, replicates, trials, when."""
    counts = {
        "task": len(study.tasks),
        "variant": len(study.rows),
        study.replicate: max(len(task.replicates) for task in study.tasks),
        "trial": len(study.trials),
    }
    sizes = ", ".join(counted(count, name) for name, count in counts.items())
    return f"{sizes}. Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by gatelab."


def method(study: Study) -> list[tuple[str, str]]:
    """Terms and what was done, for a reader who wants to check it."""
    return [
        (
            "Score",
            "On the test part, with the weights of the epoch that was best on the validation part. All variants share "
            f"the {study.replicate}s, so that scores are compared pair by pair.",
        ),
        (
            "Intervals",
            "95 %. Mean and paired difference: Student's t. Interquartile mean (the middle half of the scores, Agarwal "
            "et al. 2021): Yuen's trimmed t (1974). Probability of improvement (that a run of the variant beats one "
            "of the reference, a diverged run being the worst): Newcombe's method 5 (2006) with the variance "
            "corrected for shared seeds. How often they hold the truth is simulated by `python -m "
            "benchmarks.coverage`; percentiles of a bootstrap do so too seldom at 5 seeds. Of scores that are far from "
            "symmetric, trust the interquartile mean and the paired difference.",
        ),
        (
            "Tests",
            "Wilcoxon's signed-rank test of the paired differences, exact up to 50 pairs, two-sided; Holm's "
            "correction over the comparisons of one task. `better` and `worse` stand for p < 0.05 after correction. "
            "Number of seeds that would do: power 80 % for a difference as large as the one seen, at the corrected "
            "level; a planning figure.",
        ),
        (
            "Across tasks",
            "Mean rank, Friedman's test and Nemenyi's critical difference (Demsar 2006). One scale: 0 the trivial "
            "baseline, 1 the mean of the reference on each task; interquartile mean over all runs with an interval "
            "from a bootstrap by task, which draws seeds jointly for all variants; performance profiles with "
            "pointwise 95 % bands. A diverged run counts as 0 there.",
        ),
        (
            "Trials without a score",
            "Diverged, failed and killed trials are counted beside every mean and are in none of them: a mean over "
            "the rest flatters a variant that diverges.",
        ),
        ("Time", "Of a training step, without validation and compilation, while the other workers of the sweep ran."),
        (
            "Curves",
            "Learning curves are means over the first 10 runs of each row at most, with Student's t intervals; a run "
            "that has ended keeps its last value. Curves of gates are means over 5.",
        ),
        ("Settings", _settings(study)),
        ("Code", _code(study)),
        ("Store", study.store),
    ]


def _settings(study: Study) -> str:
    recorded = [fields(trial.params) for trial in study.trials]
    names = {name: f"{section}.{name}" for section, names in SHARED.items() for name in names}
    values = {name: sorted({record[path] for record in recorded if path in record}) for name, path in names.items()}
    parts = [f"{name} {', '.join(texts)}" for name, texts in values.items() if 0 < len(texts) <= 4]
    sizes = "units chosen for equal parameters" if values["match"] == ["parameters"] else "the same units for all"
    return f"{'; '.join(parts)} ({sizes}, unless a variant sets its own)."


def _code(study: Study) -> str:
    commits = sorted({trial.tags.get(Tag.GIT_COMMIT, "") or "unknown" for trial in study.trials})
    codes = sorted({trial.tags.get(Tag.CODE, "") or "unknown" for trial in study.trials})
    return (
        f"Commit {', '.join(commits)}; digest of what trains {', '.join(codes)}. Versions: versions.yaml of each run."
    )
