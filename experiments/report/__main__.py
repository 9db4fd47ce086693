"""`python -m experiments.report study=quickstart`: compare the trials of a study in the store. See --help."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments.errors import UserError, reported
from experiments.options import HELP, Field, StoreOptions, help_text, parse

USAGE = """\
Compare the trials of a study, and write its report: a page, figures and CSV files, recorded in the store too.

  python -m experiments.report study=quickstart       from the store
  python -m experiments.report file=quickstart.zip    from what export has written, without a store
"""


@dataclass(frozen=True, kw_only=True)
class ReportOptions(StoreOptions):
    study: Annotated[str | None, Field("the study", value="NAME")] = None
    file: Annotated[str | None, Field("a study in a file of experiments.sweep export", value="FILE.zip")] = None
    reference: Annotated[
        str | None, Field("what others are compared with, instead of the base of each variant", value="VARIANT")
    ] = None
    margin: Annotated[
        str | None, Field("smallest difference of the score that matters, or 5% (that of each task)", value="SIZE")
    ] = None
    family: Annotated[str, Field("what Holm's correction is for: task, study", value="NAME")] = "task"
    folder: Annotated[
        str | None, Field("for the files (report, or report-of-file, in OUTPUT_DIR/STUDY)", value="FOLDER")
    ] = None


def main(arguments: Sequence[str]) -> None:
    """Report on the study named on the command line.

    Raises:
        UserError: for a mistake in the arguments, or as `report_study` does.
    """
    if HELP & set(arguments):
        print(USAGE, help_text(ReportOptions), sep="\n", end="")
        return
    options = parse(ReportOptions, arguments)
    _check(options)
    from experiments.report.command import report_file, report_study
    from experiments.tracking import Store

    folder = Path(options.folder).expanduser().resolve() if options.folder else None
    choices = {name: getattr(options, name) for name in ("reference", "margin", "family")}
    if options.file is None:
        report_study(Store.of(options), options.study, folder=folder, **choices)
    else:
        output_dir = Path(options.output_dir).expanduser().resolve()
        report_file(Path(options.file).expanduser(), output_dir, folder=folder, **choices)


def _check(options: ReportOptions) -> None:
    if (options.study is None) == (options.file is None):
        wrong = "is needed" if options.study is None else f"not both study={options.study} and file={options.file}"
        raise UserError(f"study=NAME, of a store, or file=FILE.zip, of an export: {wrong}. --help shows examples")
    if options.file is not None and options.tracking_uri is not None:
        raise UserError(f"tracking.uri={options.tracking_uri}: file={options.file} is read without a store")


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
