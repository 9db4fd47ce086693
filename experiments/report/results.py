"""All estimates and comparisons of a study."""

from dataclasses import dataclass

from experiments.report import across, findings
from experiments.report.across import Across
from experiments.report.findings import TaskFindings
from experiments.report.search import Searched, search
from experiments.report.study import Study


@dataclass(frozen=True)
class Results:
    """Estimates and comparisons.

    Attributes:
        study: The study.
        findings: By task.
        across: Over all tasks; None if there are fewer than two, or fewer than two rows on all of them.
        searches: By task, if a search drew the settings.
    """

    study: Study
    findings: list[TaskFindings]
    across: Across | None
    searches: list[Searched]


def analyse(study: Study) -> Results:
    """Estimate all scores of a study and compare them."""
    by_task = [findings.find(study, task) for task in study.tasks]
    searches = [search(study, task) for task in study.tasks] if study.runs.drawn else []
    return Results(study, by_task, across.compare(study, by_task), searches)
