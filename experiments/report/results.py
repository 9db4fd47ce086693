"""All estimates and comparisons of a study, from a store or a file."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from experiments.analysis import Margin
from experiments.config import names
from experiments.errors import UserError
from experiments.report import across, findings
from experiments.report.across import Across
from experiments.report.findings import Family, TaskFindings
from experiments.report.rows import collect
from experiments.report.search import SearchResults, search
from experiments.report.study import Study, read
from experiments.tracking import Store, interventions, registration
from experiments.tracking.interventions import Intervention
from experiments.tracking.lookup import unknown_study
from experiments.tracking.registration import Registration
from experiments.tracking.study_file import StudyFile


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
    searches: list[SearchResults]


def load(
    store: Store | StudyFile, name: str, reference: str | None = None, keys: Collection[str] | None = None
) -> Study:
    """Read a study, or the trials of some keys.

    Raises:
        UserError: if there is no trial of it, the study does not have the reference, or what was registered of it was
            edited.
    """
    runs = store.runs(name, keys)
    study = read(name, store.uri, runs, reference, _registration(store, name))
    if study is None and runs:
        first = collect(runs).left_out[0]
        raise UserError(
            f"study={name}: none of its {len(runs)} runs in the store {store.uri} is a trial that can be read, such as "
            f"{first.run.name} ({first.run.run_id}): {first.reason}"
        )
    if study is None:
        raise unknown_study(store, name)
    return replace(study, interventions=tuple(_interventions(store, name)))


def _registration(store: Store | StudyFile, name: str) -> Registration | None:
    if isinstance(store, StudyFile):
        return store.registration
    return registration.read(registration.file_of(store.folder, name)) if _has_folder(name) else None


def _interventions(store: Store | StudyFile, name: str) -> list[Intervention]:
    if isinstance(store, StudyFile) or not _has_folder(name):
        return []
    return interventions.read(interventions.file_of(store.folder, name))


def _has_folder(name: str) -> bool:
    """Whether a study may have files: of a shared store names may be anything, and lead anywhere."""
    return not names.problem(name)


def analyse(study: Study, margin: Margin | None = None, family: Family = Family.task) -> Results:
    """Estimate all scores of a study and compare them, as `findings.find` does."""
    by_task = findings.find(study, margin, family)
    searched = study.search or study
    searches = [search(searched, task) for task in searched.tasks] if searched.runs.drawn else []
    return Results(study, by_task, across.compare(study, by_task), searches)
