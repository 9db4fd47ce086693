"""`python -m experiments.report study=quickstart`: compare the trials of a study in the store. See --help."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments.errors import reported
from experiments.options import HELP, Field, StoreOptions, help_text, parse

USAGE = """\
Compare the trials of a study, and write its report: a page, figures and CSV files, recorded in the store too.

  python -m experiments.report study=quickstart
"""


@dataclass(frozen=True, kw_only=True)
class ReportOptions(StoreOptions):
    study: Annotated[str, Field("the study", value="NAME")]
    reference: Annotated[
        str | None, Field("what others are compared with, instead of the base of each variant", value="VARIANT")
    ] = None
    margin: Annotated[
        str | None, Field("smallest difference of the score that matters, or 5% (that of each task)", value="SIZE")
    ] = None
    family: Annotated[str, Field("what Holm's correction is for: task, study", value="NAME")] = "task"
    folder: Annotated[str | None, Field("for the files (OUTPUT_DIR/STUDY/report)", value="FOLDER")] = None


def main(arguments: Sequence[str]) -> None:
    """Report on the study named on the command line.

    Raises:
        UserError: for a mistake in the arguments, or as `report_study` does.
    """
    if HELP & set(arguments):
        print(USAGE, help_text(ReportOptions), sep="\n", end="")
        return
    options = parse(ReportOptions, arguments)
    from experiments.report.command import report_study
    from experiments.tracking import Store

    folder = Path(options.folder).expanduser().resolve() if options.folder else None
    choices = {name: getattr(options, name) for name in ("reference", "margin", "family")}
    report_study(Store.of(options), options.study, folder=folder, **choices)


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
