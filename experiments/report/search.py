"""A search over settings on one task: the best draws, and which setting matters."""

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from experiments import analysis
from experiments.analysis import Estimate
from experiments.analysis.format import column, listed, p_value
from experiments.analysis.importance import Forest, forests
from experiments.report.findings import BEST_SHARE
from experiments.report.study import Study
from experiments.report.tables import Table
from experiments.report.task_results import TaskResults
from experiments.report.tuning import Tuning, is_halved, tunings
from experiments.report.tuning import sentences as tuning_sentences
from experiments.report.tuning import table as tuning_table
from experiments.tracking import StoredRun
from experiments.tracking.metadata import Tag


@dataclass(frozen=True)
class Best:
    """The best draws of a row, chosen by their validation score.

    Attributes:
        row: The row.
        draws: How many draws have a score.
        chosen: How many of them are the best tenth.
        median: Median test score of those.
        p: Of Mann and Whitney's test against the best tenth of the row that it is compared with, after Holm's
            correction; NaN if there is none.
        settings: The draw that is best on the validation part.
        score: Its test score.
    """

    row: str
    draws: int
    chosen: int
    median: Estimate
    p: float
    settings: str
    score: float


@dataclass(frozen=True)
class SearchResults:
    """The results of a search on one task.

    Attributes:
        task: The task.
        best: By row.
        tunings: By row, what was chosen and what it has cost.
        forests: By row, what predicts the score from the settings.
        reasons: Why rows have none.
    """

    task: TaskResults
    best: tuple[Best, ...]
    tunings: tuple[Tuning, ...]
    forests: dict[str, Forest]
    reasons: dict[str, str]


def search(study: Study, task: TaskResults) -> SearchResults:
    """The best draws of every row of a task, and the forests that predict scores from draws."""
    searches = {}
    for row, states, scores in zip(task.rows, task.states, task.scores, strict=True):
        ended = np.flatnonzero(np.isin(states, ("finished", "diverged")))
        searches[row] = [task.draws[task.replicates[number]] for number in ended], scores[ended]
    by_row, reasons = forests(searches, task.score.better)
    return SearchResults(task, tuple(_best(study, task)), tunings(task), by_row, reasons)


def _best(study: Study, task: TaskResults) -> list[Best]:
    chosen = {row: _tenth(task, row) for row in task.rows}
    tested = {row: np.array([trial.score for trial in trials.values()]) for row, trials in chosen.items()}
    others = [study.compared.get(row, "") for row in task.rows]
    p_values = [
        analysis.independent(tested[row], tested[other], task.score.better) if other in tested else math.nan
        for row, other in zip(task.rows, others, strict=True)
    ]
    return [
        Best(
            row=row,
            draws=int(np.isfinite(scores).sum()),
            chosen=len(tested[row]),
            median=analysis.median(tested[row], task.score.better),
            p=float(p),
            settings=next((_words(task.draws[replicate]) for replicate in chosen[row]), ""),
            score=float(tested[row][0]) if len(tested[row]) else math.nan,
        )
        for row, scores, p in zip(task.rows, task.scores, analysis.holm(p_values), strict=True)
    ]


def _words(draw: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in draw.items())


def _tenth(task: TaskResults, row: str) -> dict[str, StoredRun]:
    """The tenth of the draws with the best validation scores, the best first (Greff et al. 2017, section IV)."""
    trials = {
        replicate: trial
        for (name, replicate), trial in task.trials.items()
        if name == row and math.isfinite(trial.score) and trial.tags.get(Tag.CHOSEN_METRIC, "") in trial.metrics
    }
    first = next(iter(trials.values()), None)
    sign = -1 if first and first.tags.get(Tag.CHOSEN_BETTER, task.score.better) == "higher" else 1
    ordered = sorted(trials, key=lambda replicate: sign * trials[replicate].validation)
    return {replicate: trials[replicate] for replicate in ordered[: math.ceil(BEST_SHARE * len(ordered))]}


def search_tables(study: Study, result: SearchResults) -> list[Table]:
    """What was chosen for each row; and its best draws, if all were trained to their end."""
    tables = [tuning_table(result.task, result.tunings)]
    return tables if is_halved(result.tunings) else [*tables, table(study, result)]


def table(study: Study, result: SearchResults) -> Table:
    """The best draws of each row."""
    head = [
        "variant",
        "draws with\na score",
        f"best {BEST_SHARE:.0%} on validation:\nmedian test score [95 % interval]",
        f"p against {study.opponent}\n(Mann-Whitney, Holm)",
        "best on validation:\ntest score",
        "its settings",
    ]
    medians, scores = column([best.median for best in result.best]), column([best.score for best in result.best])
    rows = [
        [best.row, str(best.draws), f"{median} (n = {best.chosen})", p_value(best.p), score, best.settings]
        for best, median, score in zip(result.best, medians, scores, strict=True)
    ]
    return Table(head, rows)


def sentences(result: SearchResults) -> list[str]:
    """The setting that explains most, for each row, and why rows have none."""
    task = result.task.task
    largest = {row: forest.importance.main[0] for row, forest in result.forests.items()}
    parts = [f"{row} {share.settings[0]} ({100 * share.mean:.0f} %)" for row, share in largest.items()]
    start = f"On {task}, the setting that explains most of the variance of the score is"
    return [
        *tuning_sentences(result.task, result.tunings),
        *([f"{start}, for {listed(parts)}."] if parts else []),
        *_without_forest(result),
    ]


def _without_forest(result: SearchResults) -> list[str]:
    """Why rows have no forest, once for each reason; scores after different epochs need no forest."""
    if is_halved(result.tunings):
        return []
    rows: dict[str, list[str]] = defaultdict(list)
    for row, reason in result.reasons.items():
        rows[reason].append(row)
    return [f"On {result.task.task}, {listed(names)}: {reason}." for reason, names in rows.items()]
