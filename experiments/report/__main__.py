"""`python -m experiments.report study=quickstart`: what a study found, from the store alone. See --help."""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.arguments import STORE, options
from experiments.errors import UserError, reported
from experiments.report.command import show, write
from experiments.tracking import Store

USAGE = """\
Print what a study found, and write its report: a page, figures and CSV files, recorded in the store too.

  python -m experiments.report study=quickstart

Options:

  reference=VARIANT     what others are compared with (standard, if the study has it)
  folder=FOLDER         for the files (OUTPUT_DIR/STUDY/report)
  output_dir=FOLDER     folder of the store (outputs)
  tracking.uri=URI      another MLflow store, as in experiments.train
"""
OPTIONS = {"study": None, "reference": None, "folder": None, **STORE}


def main(arguments: Sequence[str]) -> None:
    """Report on the study named on the command line.

    Raises:
        UserError: for a mistake in the arguments, a study or reference that is not there, or a folder to no avail.
    """
    if {"--help", "-h", "help"} & set(arguments):
        print(USAGE, end="")
        return
    given = options(arguments, OPTIONS, "use study=NAME; --help lists the other options")
    name = given["study"]
    if name is None:
        raise UserError("which study? For example: python -m experiments.report study=quickstart")
    store = Store(given["tracking.uri"], given["output_dir"] or "")
    folder = Path(given["folder"]).expanduser().resolve() if given["folder"] else None
    write(store, show(store, name, given["reference"]), given["reference"], folder)


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
