"""The report of a study in the terminal and as files: what the command and the end of a sweep call."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.config.names import study_folder
from experiments.errors import UserError
from experiments.tracking import Store

if TYPE_CHECKING:
    from experiments.report.results import Results
    from experiments.report.study import Study
    from experiments.tracking.study_file import StudyFile


def report_study(
    store: Store,
    name: str,
    *,
    reference: str | None = None,
    keys: Collection[str] | None = None,
    folder: Path | None = None,
    page: bool = True,
    margin: str | None = None,
    family: str = "task",
) -> None:
    """Print the table and the answer, and write the page, the figures and the CSV files, which the store gets too.

    Args:
        store: Where the study is.
        name: The study.
        reference: What every row is compared with. Default: the base of its variant.
        keys: The trials that are printed, by their key. Default: all. The files are about all in any case.
        folder: For the files. Default: `report` in the folder of the study.
        page: Whether to write files at all.
        margin: The smallest difference of the score that matters, such as `0.02` or `5%` of the reference's score.
            Default: what each task says.
        family: What Holm's correction is for: the comparisons of one `task`, or of the whole `study`.

    Raises:
        UserError: if the store has no trial of the study, the study does not have the reference, the margin or
            the family cannot be read, they are not those that were registered, or the files cannot be written.
    """
    from experiments.report import terminal  # takes a while, as it imports SciPy and matplotlib
    from experiments.report.record import report_run
    from experiments.report.results import load

    results = _analyse(store, name, reference, keys, margin, family)
    terminal.show(results)
    terminal.print_links(store, results.study)
    if not page:
        return
    if keys is not None and load(store, name, reference).count > results.study.count:
        results = _analyse(store, name, reference, None, margin, family)
    folder = folder or study_folder(store.folder, name) / "report"
    file = _write(results, store, folder)
    try:
        store.add_report(name, report_run(results), folder)
    except UserError as error:
        print(f"The report is not recorded in the store: {error}")
    _announce(results, file)


def report_file(
    file: Path,
    output_dir: Path,
    *,
    reference: str | None = None,
    folder: Path | None = None,
    margin: str | None = None,
    family: str = "task",
) -> None:
    """Do the same for the study in a file that `export` has written, without a store.

    Args:
        file: The file.
        output_dir: Where the report is if no folder is named: in the folder of the study there, beside that of a study
            of the same name which is in the store.
        reference: As for `report_study`.
        folder: For the files.
        margin: As for `report_study`.
        family: As for `report_study`.

    Raises:
        UserError: for a file that cannot be used, or as `report_study` does.
    """
    from experiments.report import terminal
    from experiments.tracking.study_file import StudyFile

    source = StudyFile.read(file)
    results = _analyse(source, source.study, reference, None, margin, family)
    terminal.show(results)
    written = _write(results, source, folder or study_folder(output_dir, source.study) / "report-of-file")
    _announce(results, written)


def _analyse(
    store: "Store | StudyFile",
    name: str,
    reference: str | None,
    keys: Collection[str] | None,
    margin: str | None,
    family: str,
) -> "Results":
    from experiments.analysis import parse_margin
    from experiments.report.findings import parse_family
    from experiments.report.results import analyse, load

    corrected, smallest = parse_family(family), None if margin is None else parse_margin(margin)
    study = load(store, name, reference, keys)
    _check_registered(study, reference=reference, margin=margin, family=None if family == "task" else family)
    return analyse(study, smallest, corrected)


def _write(results: "Results", store: "Store | StudyFile", folder: Path) -> Path:
    from experiments.report.files import write_files

    try:
        return write_files(results, store, folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"the report cannot be written to {folder} ({reason}). Name another folder=FOLDER") from error


def _announce(results: "Results", file: Path) -> None:
    count = results.study.count
    print(f"Report of {count:,} trial{'' if count == 1 else 's'} of the study: {file}")


def _check_registered(study: "Study", **options: str | None) -> None:
    """Refuse other comparisons than those which were registered: their error rates would not be known.

    Raises:
        UserError: names the option.
    """
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    if study.registration is not None and given:
        raise UserError(
            f"{' '.join(given)}: study {study.name} registered what is compared before its first trial "
            f"({study.registration.short}), and seeds were added until that was decided; leave it out"
        )
