"""The commands of `python -m experiments.sweep`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.arguments import STORE, again, options, switch
from experiments.errors import UserError

if TYPE_CHECKING:
    from experiments.tracking import Store

USAGE = """\
Look after the trials of a study. Sweeps are begun by python -m experiments.train.

  python -m experiments.sweep status study=NAME                     what is done, running, failed and missing
  python -m experiments.sweep clean study=NAME                      end dead runs, remove checkpoints of no use; asks
  python -m experiments.sweep check TASK/VARIANT/s0 study=NAME      train a trial twice again and compare the bits
  python -m experiments.sweep export study=NAME file=FILE.zip       put all finished trials of a study into a file
  python -m experiments.sweep import file=FILE.zip                  bring those of a file into a store

Further options:

  output_dir=FOLDER     folder of the store, of plans and of checkpoints (outputs)
  tracking.uri=URI      another MLflow store, as in experiments.train
  yes=true              with clean: do not ask
  all=true              with clean: also checkpoints that a sweep can go on from
  data_dir=FOLDER       with check: folder of fetched files

Exit status: 0 if all is well; 1 if status finds trials without a score, check finds a difference, or clean is told no;
2 for mistakes.
"""

OPTIONS = {
    "status": {"study": None},
    "clean": {"study": None, "yes": "false", "all": "false"},
    "check": {"study": None, "data_dir": None},
    "export": {"study": None, "file": None},
    "import": {"file": None},
}
NEEDED = ("study", "file")


def main(arguments: Sequence[str]) -> int:
    """Do what a command line asks for. Returns the exit status.

    Raises:
        UserError: for a mistake in it, a store or file that cannot be used.
    """
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(USAGE, end="")
        return 0
    command, *words = arguments
    if command not in OPTIONS:
        raise UserError(f"{command}: there is no such command. Commands: {', '.join(OPTIONS)}. --help explains them")
    trial = ""
    if command == "check":
        if not words or "=" in words[0]:
            raise UserError("check which trial? For example: check adding/peephole/s0 study=quickstart")
        trial, *words = words
    allowed = {**OPTIONS[command], **STORE}
    use = f"{command} takes {', '.join(f'{name}=' for name in allowed)}"
    given = options(words, allowed, use)
    for name in NEEDED:
        if name in given and given[name] is None:
            raise UserError(f"{command} needs {name}=. For example:\n{_example(command)}")
    return _do(command, trial, given)


def _example(command: str) -> str:
    return next(line for line in USAGE.splitlines() if f"sweep {command} " in line)


def _do(command: str, trial: str, given: dict[str, str | None]) -> int:
    from experiments.tracking import STORE_ERRORS

    sure, everything = (name in given and switch(given, name) for name in ("yes", "all"))
    store = _store(given, new=command == "import")
    study, file = given.get("study") or "", given.get("file") or ""
    try:
        if command == "status":
            from experiments import status

            return status.show(store, study, again(given))
        if command == "clean":
            from experiments import cleanup

            return cleanup.clean(store, study, sure, everything)
        if command == "check":
            from experiments import repeat

            return repeat.check(store, study, trial, given["data_dir"])
        from experiments import transfer

        return transfer.export(store, study, file) if command == "export" else transfer.bring(store, file)
    except STORE_ERRORS as error:
        raise UserError(f"tracking.uri={store.uri}: the store failed ({str(error).splitlines()[0]})") from error


def _store(given: dict[str, str | None], new: bool) -> "Store":
    """The store that the options name; one that is not there is made only if it may be `new`."""
    from pathlib import Path

    from experiments.tracking import Store

    uri = given["tracking.uri"] or f"sqlite:///{given['output_dir']}/mlflow.db"
    file = Path(uri.removeprefix("sqlite:///")).expanduser()
    if not new and uri.startswith("sqlite:///") and not file.exists():
        raise UserError(f"there is no store {file}: name its output_dir=FOLDER or tracking.uri=URI")
    return Store(given["tracking.uri"], given["output_dir"] or "", wait_s=30.0)
