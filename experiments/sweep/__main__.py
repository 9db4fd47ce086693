"""`python -m experiments.sweep`: commands for the trials of a study. See --help."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from experiments.errors import UserError, did_you_mean, first_line, reported
from experiments.options import HELP, Field, StoreOptions, help_text, is_option, parse, words

if TYPE_CHECKING:
    from experiments.tracking import Store

USAGE = """\
Look after the trials of a study. Sweeps are begun by python -m experiments.train.

  python -m experiments.sweep status study=NAME                     what is done, running, failed and missing
  python -m experiments.sweep clean study=NAME                      end dead runs, remove checkpoints of no use; asks
  python -m experiments.sweep check TASK/VARIANT/s0 study=NAME      train a trial twice again and compare the bits
  python -m experiments.sweep export study=NAME file=FILE.zip       put all finished trials of a study into a file
  python -m experiments.sweep import file=FILE.zip                  bring those of a file into a store
  python -m experiments.sweep relocate output_dir=FOLDER            mend a store whose output folder was moved

Exit status: 0 if all is well; 1 if status finds trials without a score, check finds a difference, or clean is told no;
2 for mistakes.
"""


@dataclass(frozen=True, kw_only=True)
class StatusOptions(StoreOptions):
    study: Annotated[str, Field("the study", value="NAME")]


@dataclass(frozen=True, kw_only=True)
class CleanOptions(StatusOptions):
    yes: Annotated[bool, Field("do not ask", value="true")] = False
    all: Annotated[bool, Field("also checkpoints that a sweep can go on from", value="true")] = False


@dataclass(frozen=True, kw_only=True)
class CheckOptions(StatusOptions):
    data_dir: Annotated[str | None, Field("folder of fetched files", value="FOLDER")] = None


@dataclass(frozen=True, kw_only=True)
class ExportOptions(StatusOptions):
    file: Annotated[str, Field("the new file", value="FILE.zip")]
    artifacts: Annotated[
        bool, Field("false: without models and other files, what a report reads of all runs", value="false")
    ] = True


@dataclass(frozen=True, kw_only=True)
class ImportOptions(StoreOptions):
    file: Annotated[str, Field("what export has written", value="FILE.zip")]


@dataclass(frozen=True, kw_only=True)
class RelocateOptions(StoreOptions):
    pass


COMMANDS: dict[str, type[StoreOptions]] = {
    "status": StatusOptions,
    "clean": CleanOptions,
    "check": CheckOptions,
    "export": ExportOptions,
    "import": ImportOptions,
    "relocate": RelocateOptions,
}


def main(arguments: Sequence[str]) -> int:
    """Do what a command line asks for. Returns the exit status.

    Raises:
        UserError: for a mistake in it, a store or file that cannot be used.
    """
    if not arguments or HELP & set(arguments):
        print("\n".join([USAGE, *(help_text(schema, name) for name, schema in COMMANDS.items())]))
        return 0
    command, *rest = arguments
    if command not in COMMANDS:
        hint = did_you_mean(command, COMMANDS)
        raise UserError(
            f"{command}: there is no such command. Commands: {', '.join(COMMANDS)}; --help explains them.{hint}"
        )
    trial = ""
    if command == "check":
        if not rest or is_option(rest[0]):
            raise UserError("check which trial? For example: check adding/peephole/s0 study=quickstart")
        trial, *rest = rest
    options = parse(COMMANDS[command], rest)
    from experiments.tracking import STORE_ERRORS, Store

    store = Store.of(options, new=command == "import", wait_s=30.0)
    try:
        return _do(store, trial, options)
    except STORE_ERRORS as error:
        raise UserError(f"tracking.uri={store.uri}: the store failed ({first_line(error)})") from error


def _do(store: "Store", trial: str, options: Any) -> int:
    from experiments.sweep import check, clean, relocate, status, transfer

    match options:
        case CleanOptions():
            return clean.clean(store, options.study, options.yes, options.all)
        case CheckOptions():
            return check.check(store, options.study, trial, options.data_dir)
        case ExportOptions():
            return transfer.export(store, options.study, options.file, options.artifacts)
        case ImportOptions():
            return transfer.bring(store, options.file)
        case RelocateOptions():
            return relocate.mend(store)
        case _:
            return status.show(store, options.study, words(options, "study"))


if __name__ == "__main__":
    with reported():
        sys.exit(main(sys.argv[1:]))
