"""Everything that was found in a study."""

from dataclasses import dataclass

from experiments.report import across, findings
from experiments.report.across import Across
from experiments.report.findings import TaskFindings
from experiments.report.search import Searched, search
from experiments.report.study import Study


@dataclass(frozen=True)
class Results:
    """What was found.

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
    """All estimates and comparisons of a study."""
    found = [findings.find(study, task) for task in study.tasks]
    searches = [search(study, each) for each in found] if study.runs.drawn else []
    return Results(study, found, across.compare(study, found), searches)
