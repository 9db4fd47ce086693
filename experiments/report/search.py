"""What a search over settings found on one task: the best draws, and which setting matters."""

import math
from dataclasses import dataclass

import numpy as np

from experiments import analysis
from experiments.analysis import Estimate
from experiments.analysis.format import chance, interval, listed, number
from experiments.analysis.importance import Forest, forests
from experiments.report.figures.style import label
from experiments.report.findings import BEST_SHARE, TaskFindings
from experiments.report.study import Study, TaskResults
from experiments.report.tables import Table
from experiments.tracking import StoredRun


@dataclass(frozen=True)
class Best:
    """The best draws of a row, chosen by their validation score.

    Attributes:
        row: The row.
        draws: How many draws have a score.
        chosen: How many of them are the best tenth.
        mean: Mean test score of those.
        p: Of Welch's t-test against the reference's best tenth, after Holm's correction; NaN if there is none.
        settings: The draw that is best on the validation part.
        score: Its test score.
    """

    row: str
    draws: int
    chosen: int
    mean: Estimate
    p: float
    settings: str
    score: float


@dataclass(frozen=True)
class Searched:
    """What a search found on one task.

    Attributes:
        task: The task.
        best: By row.
        forests: By row, what predicts the score from the settings.
        reasons: Why rows have none.
    """

    task: TaskResults
    best: tuple[Best, ...]
    forests: dict[str, Forest]
    reasons: dict[str, str]

    @property
    def axis(self) -> str:
        """The score, as an axis is labelled."""
        return label(self.task.score)


def search(study: Study, found: TaskFindings) -> Searched:
    """Look at the draws of every row of a task."""
    task = found.results
    draws = {row: [dict(_settings(each)) for each in task.replicates] for row in task.rows}
    tried = {row: task.states[task.rows.index(row)] for row in task.rows}
    kept = {row: np.isin(tried[row], ("finished", "diverged")) for row in task.rows}
    searches = {
        row: ([draw for draw, here in zip(draws[row], kept[row], strict=True) if here], task.scores[number][kept[row]])
        for number, row in enumerate(task.rows)
    }
    made, reasons = forests(searches, task.score.better)
    return Searched(task, tuple(_best(study, task)), made, reasons)


def _settings(replicate: str) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in replicate.split(" ")]
    return [(name, value) for name, _, value in pairs if name != "seed"]


def _best(study: Study, task: TaskResults) -> list[Best]:
    chosen = {row: _tenth(task, row) for row in task.rows}
    p_values = [_welch(chosen, row, study.compared.get(row)) for row in task.rows]
    found = []
    for row, p in zip(task.rows, analysis.holm(p_values), strict=True):
        trials = chosen[row]
        count = int(np.isfinite(task.scores[task.rows.index(row)]).sum())
        scores = _scores(trials)
        first = trials[0].params.get("settings", "") if trials else ""
        best = scores[0] if trials else math.nan
        found.append(Best(row, count, len(trials), analysis.mean(scores), float(p), first, float(best)))
    return found


def _tenth(task: TaskResults, row: str) -> list[StoredRun]:
    """The tenth of the draws with the best validation scores, the best first (Greff et al. 2017, section IV)."""
    trials = [trial for (name, _), trial in task.trials.items() if name == row and math.isfinite(trial.score)]
    sign = -1 if trials and trials[0].tags.get("chosen_better", task.score.better) == "higher" else 1
    ordered = sorted(trials, key=lambda trial: sign * trial.metrics.get(trial.tags.get("chosen_metric", ""), math.nan))
    known = [trial for trial in ordered if trial.tags.get("chosen_metric", "") in trial.metrics]
    return known[: math.ceil(BEST_SHARE * len(known))]


def _scores(trials: list[StoredRun]) -> np.ndarray:
    return np.array([trial.score for trial in trials])


def _welch(chosen: dict[str, list[StoredRun]], row: str, other: str | None) -> float:
    if other not in chosen or min(len(chosen[row]), len(chosen[other])) < 2:
        return math.nan
    return analysis.welch(_scores(chosen[row]), _scores(chosen[other]))


def table(study: Study, found: Searched) -> Table:
    """The best draws of each row."""
    head = [
        "variant",
        "draws with\na score",
        f"best {BEST_SHARE:.0%} on validation:\nmean test score [95 % interval]",
        f"p against {study.reference}\n(Welch, Holm)",
        "best on validation:\ntest score",
        "its settings",
    ]
    rows = [
        [
            each.row,
            str(each.draws),
            f"{interval(each.mean)} (n = {each.chosen})",
            chance(each.p).removeprefix("p = ").removeprefix("p "),
            number(each.score),
            each.settings,
        ]
        for each in found.best
    ]
    return Table(head, rows)


def words(found: Searched) -> list[str]:
    """The setting that explains most, for each row, and what could not be said."""
    largest = {row: forest.importance.main[0] for row, forest in found.forests.items()}
    parts = [f"{row} {each.settings[0]} ({100 * each.mean:.0f} %)" for row, each in largest.items()]
    start = f"On {found.task.task}, the setting that explains most of the variance of the score is"
    said = [f"{start}, for {listed(parts)}."] if parts else []
    return said + [f"On {found.task.task}, {row}: {reason}." for row, reason in found.reasons.items()]
