"""`python -m docs.answers`: make the pages of the answers, and the results that they are made from. See --help."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments.errors import UserError, reported
from experiments.options import HELP, Field, StoreOptions, help_text, parse

USAGE = """\
Make the pages of docs/answers, and docs/findings.md, from their templates and the results in docs/results.

  python -m docs.answers                          write all pages and figures anew
  python -m docs.answers results study=NAME       write docs/results/NAME.zip and NAME.csv from the store
"""


@dataclass(frozen=True, kw_only=True)
class ResultsOptions(StoreOptions):
    """What the results are of."""

    study: Annotated[str, Field("the study", value="NAME")]


def main(arguments: Sequence[str]) -> None:
    """Do what a command line asks for.

    Raises:
        UserError: for a mistake in it, in a template or in results.
    """
    if HELP & set(arguments):
        print(USAGE, help_text(ResultsOptions, "results"), sep="\n", end="")
        return
    from docs.answers.site import Site

    site = Site()
    if not arguments:
        for file in site.write():
            print(file)
        return
    command, *words = arguments
    if command != "results":
        raise UserError(f"{command}: there is no such command. Commands: results. --help explains them")
    write_results(parse(ResultsOptions, words), site.results)


def write_results(options: ResultsOptions, folder: Path) -> None:
    """Write a study of the store into the folder of results, in place of what there is of it."""
    from experiments.report import tables
    from experiments.report.results import load
    from experiments.sweep import transfer
    from experiments.tracking import Store
    from experiments.tracking.study_file import StudyFile

    folder.mkdir(exist_ok=True)
    file = folder / f"{options.study}.zip"
    print(transfer.write(Store.of(options), options.study, file, artifacts=False))
    tables.write(file.with_suffix(".csv"), tables.trials(load(StudyFile.read(file), options.study)))
    print(file.with_suffix(".csv"))


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
