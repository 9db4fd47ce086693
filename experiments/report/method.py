"""How the numbers of a report were made, and what makes them again."""

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import yaml

from experiments.report.study import Study

VARIANTS = Path(__file__).parents[2] / "conf" / "variant"
SHARED = ("match", "layers", "bidirectional", "epochs", "batch_size", "optimizer", "learning_rate", "clipnorm")


def facts(study: Study) -> str:
    """One line of sizes: tasks, rows, replicates, trials, when."""
    counts = {
        "task": len(study.tasks),
        "variant": len(study.rows),
        study.replicate: max(len(task.replicates) for task in study.tasks),
        "trial": len(study.trials),
    }
    parts = [f"{count:,} {name}{'' if count == 1 else 's'}" for name, count in counts.items()]
    return f"{', '.join(parts)}. Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by gatelab."


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
    params = [trial.params for trial in study.trials]
    found = {name: sorted({each[name] for each in params if name in each}) for name in SHARED}
    each = [f"{name} {', '.join(values)}" for name, values in found.items() if 0 < len(values) <= 4]
    sizes = "units chosen for equal parameters" if found["match"] == ["parameters"] else "the same units for all"
    return f"{'; '.join(each)} ({sizes}, unless a variant sets its own)."


def _code(study: Study) -> str:
    commits = sorted({trial.tags.get("git_commit", "") or "unknown" for trial in study.trials})
    codes = sorted({trial.tags.get("code", "") or "unknown" for trial in study.trials})
    return (
        f"Commit {', '.join(commits)}; digest of what trains {', '.join(codes)}. Versions: versions.yaml of each run."
    )


def commands(study: Study) -> list[str]:
    """What trains the same trials again, unless the store has them, and what makes this report."""
    experiments = {trial.tags.get("experiment", "") for trial in study.trials}
    experiment = f"experiment={experiments.pop()} " if len(experiments) == 1 and experiments != {""} else ""
    grid = None if study.runs.drawn or len(experiments) > 1 else _grid(study)
    if grid:
        train = f"python -m experiments.train -m {experiment}{grid} study={study.name}"
    elif experiment and study.runs.drawn:
        draws = len({place.draw for place in study.runs.placed})
        train = f"python -m experiments.train {experiment}hydra.sweeper.n_trials={draws} study={study.name}"
    else:
        train = (
            "# No single sweep has exactly these trials: the description of each run in the store has its own command, "
            f"and `python -m experiments.sweep status study={study.name}` lists what is missing."
        )
    return [train, f"python -m experiments.report study={study.name}"]


def _grid(study: Study) -> str | None:
    """The words of one sweep that has exactly these trials; None if there is no such sweep."""
    trials = study.trials
    files = _variant_files()
    if any(trial.params["variant"] not in files for trial in trials):
        return None
    words = [dict(_words(trial.params)) | {"variant": files[trial.params["variant"]]} for trial in trials]
    names = list(dict.fromkeys(name for each in words for name in each))
    values = {name: list(dict.fromkeys(each.get(name, "") for each in words)) for name in names}
    complete = {tuple(each.get(name, "") for name in names) for each in words} == set(product(*values.values()))
    if not complete or any("" in each or any("," in v for v in each) for each in values.values() if len(each) > 1):
        return None
    return shlex.join(f"{name}={','.join(values[name])}" for name in names)


def _variant_files() -> dict[str, str]:
    """What a variant is called on the command line, its file, by its name."""
    named = {yaml.safe_load(file.read_text())["name"]: file for file in VARIANTS.rglob("*.yaml")}
    return {name: file.relative_to(VARIANTS).with_suffix("").as_posix() for name, file in named.items()}


def _words(params: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name in ("variant", "task", "seed"):
        yield name, params[name]
    for word in shlex.split(params.get("settings", "")):
        name, _, value = word.partition("=")
        yield name, value
