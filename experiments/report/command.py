"""The report of a study, in the terminal and as files."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.analysis.format import counted
from experiments.errors import UserError
from experiments.report.study import Study, read
from experiments.tracking import Store
from experiments.tracking.lookup import unknown_study
from experiments.tracking.metadata import Tag

if TYPE_CHECKING:
    from experiments.report.results import Results


def load(store: Store, name: str, reference: str | None = None, keys: Collection[str] | None = None) -> Study:
    """Read a study, or some of its trials, from the store.

    Raises:
        UserError: if the store has no trial of it, or the study does not have the reference.
    """
    runs = store.runs(name)
    if keys is not None:
        runs = [run for run in runs if run.tags.get(Tag.TRIAL_KEY) in keys]
    study = read(name, store.uri, runs, reference)
    if study is None and runs:
        raise UserError(f"study={name}: none of its {len(runs)} runs in the store {store.uri} was written by gatelab")
    if study is None:
        raise unknown_study(store, name)
    return study


def show(store: Store, name: str, reference: str | None = None, keys: Collection[str] | None = None) -> "Results":
    """Print what a study found, or some of its trials, and where to look further.

    Raises:
        UserError: as `load`.
    """
    from experiments.report import terminal
    from experiments.report.results import analyse

    results = analyse(load(store, name, reference, keys))
    terminal.show(results)
    terminal.print_links(store, results.study)
    return results


def write(store: Store, shown: "Results", reference: str | None = None, folder: Path | None = None) -> Path:
    """Write the whole report of a study of which some trials, or all, were shown, and record it in the store.

    Args:
        store: The store.
        shown: What was shown.
        reference: What every row is compared with. Default: the base of its variant.
        folder: For the files. Default: `report` in the folder of the study.

    Returns:
        The page.

    Raises:
        UserError: if the files cannot be written.
    """
    from experiments.report.files import write_files
    from experiments.report.results import analyse

    name = shown.study.name
    study = load(store, name, reference)
    results = shown if len(study.trials) == len(shown.study.trials) else analyse(study)
    folder = folder or store.folder / name / "report"
    try:
        page = write_files(results, store, folder)
    except OSError as error:
        raise UserError(f"the report cannot be written to {folder} ({error.strerror or error})") from error
    store.add_report(name, f"{name} report", {Tag.TRIALS: len(study.trials)}, folder)
    print(f"Report of {counted(len(study.trials), 'trial')} of the study: {page}")
    return page
