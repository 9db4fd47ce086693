"""What a comparison can show, before its trials are trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from experiments import analysis
from experiments.analysis.format import counted
from experiments.config.schema import Phase
from experiments.report.study import Study, read
from experiments.report.task_results import TaskResults
from experiments.tracking import StoredRun
from experiments.tracking.metadata import Tag, params
from experiments.trial.spec import TrialSpec


@dataclass(frozen=True)
class Power:
    """What the comparisons on one task can show.

    Attributes:
        family: How many they are.
        count: Seeds, or draws, of each row.
        replicate: Which of the two.
    """

    family: int
    count: int
    replicate: str

    @property
    def detectable(self) -> float:
        """The smallest difference, in standard deviations, that is shown with a chance of 80 %; infinite if none is."""
        return analysis.detectable(self.count, self.family)

    @property
    def enough(self) -> int:
        """Seeds, or draws, that show a difference of one standard deviation, which a figure shows to the eye."""
        return analysis.seeds_for_effect(1.0, 1.0, self.family) or 0

    def __str__(self) -> str:
        count, smallest = counted(self.count, self.replicate), self.detectable
        if not math.isfinite(smallest):
            least = analysis.runs_to_conclude(self.family)
            return f"{count} cannot show any difference: it takes {least}, and {self.enough} for 1 standard deviation"
        text = f"with {count} differences from about {smallest:.1f} standard deviations on can be shown"
        return text if self.count >= self.enough else f"{text}, with {self.enough} those from 1 on"


def power(specs: Sequence[TrialSpec], count: int | None = None) -> Power | None:
    """What the report of these trials can show on the task with the fewest seeds or the most comparisons.

    The rows, what each is compared with, the family of Holm's correction and the fewest seeds that can conclude are
    those of the report. None if there is nothing to compare.

    Args:
        specs: The trials.
        count: Seeds of each row. Default: as many as the trials have.
    """
    study = read("", "", [_planned(spec, number) for number, spec in enumerate(specs)])
    if study is None:
        return None
    by_task = [power for task in study.tasks if (power := _of_task(study, task, count))]
    return max(by_task, key=lambda power: power.detectable, default=None)


def _of_task(study: Study, task: TaskResults, count: int | None) -> Power | None:
    compared = {row: other for row, other in study.compared.items() if {row, other} <= set(task.rows)}
    if not compared:
        return None
    replicates = {row: set() for row in task.rows}
    for row, replicate in task.trials:
        draw = tuple(task.draws[replicate].items())
        replicates[row].add(draw or replicate)  # seeds of one draw are averaged
    least = min(min(len(replicates[row]), len(replicates[other])) for row, other in compared.items())
    return Power(len(compared), count or least, study.replicate)


def _planned(spec: TrialSpec, number: int) -> StoredRun:
    """The run that a trial will have, as far as it tells where its score will stand."""
    config = spec.config
    tags = {
        Tag.TRIAL_KEY: str(number),
        Tag.BASE: config.variant.base or "",
        Tag.DRAWN: ",".join(config.sweep.drawn),
        Tag.PHASE: Phase.search if config.sweep.drawn else "",
        Tag.SCORE_METRIC: f"test/{spec.score.name}",
        Tag.SCORE_TITLE: spec.score.title,
        Tag.SCORE_BETTER: spec.score.better,
        Tag.BASELINE: "0",
    }
    recorded = {str(name): str(value) for name, value in params(spec, {}).items()}
    return StoredRun(str(number), spec.name, "FINISHED", recorded, {str(name): text for name, text in tags.items()}, {})
