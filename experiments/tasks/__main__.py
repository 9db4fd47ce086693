"""`python -m experiments.tasks`: the tasks that there are, and pictures of their sequences. See --help."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from experiments import tasks
from experiments.errors import UserError, did_you_mean, reported
from experiments.options import HELP, Field, help_text, parse

USAGE = """\
Look at the tasks, train nothing.

  python -m experiments.tasks                       a table of all tasks; downloads nothing
  python -m experiments.tasks show TASK             draw some training sequences of a task

For example: python -m experiments.tasks show adding task.length=100
             python -m experiments.tasks show forecast task.path=FILE.csv task.target=COLUMN
"""
PARAMETER = "task.PARAMETER"
FORMATS = (".png", ".pdf", ".svg")


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    data_dir: Annotated[
        str | None, Field("folder of fetched files, instead of the user's cache folder", value="FOLDER")
    ] = None


@dataclass(frozen=True, kw_only=True)
class ShowOptions(TableOptions):
    out: Annotated[str | None, Field("the picture, .png, .pdf or .svg (outputs/tasks/TASK.png)", value="FILE")] = None


def main(arguments: Sequence[str]) -> None:
    """Print the table of all tasks, or draw one of them.

    Raises:
        UserError: for a mistake in the arguments, or a task whose data cannot be used.
    """
    if HELP & set(arguments):
        print(USAGE, help_text(TableOptions, "the table"), help_text(ShowOptions, "show"), sep="\n", end="")
        print(f"  {PARAMETER}=VALUE  another value of a parameter of the task, as in experiments.train")
    elif arguments[:1] == ["show"]:
        _show(arguments[1:])
    else:
        _print_table(parse(TableOptions, arguments).data_dir)


def _print_table(data_dir: str | None) -> None:
    from rich.console import Console

    from experiments.config.compose import compose
    from experiments.config.conf_files import choices
    from experiments.tasks import _listing
    from experiments.tasks.fetch import folder_of

    with Console(stderr=True).status("reading the data of all tasks"):
        settings = {name: compose([f"task={name}"]).task for name in choices("task")}
        table = _listing.table(settings, data_dir)
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    print(f"Folder of fetched files: {folder_of(data_dir)}; another one: data_dir=FOLDER")
    print("Train one of them: python -m experiments.train task=NAME; see it: python -m experiments.tasks show NAME")


def _show(arguments: Sequence[str]) -> None:
    from experiments.config.compose import compose
    from experiments.config.conf_files import choices

    names = choices("task")
    if not arguments or "=" in arguments[0]:
        raise UserError(f"show which task? For example: show adding. Tasks: {', '.join(names)}")
    name, *words = arguments
    if name not in names:
        raise UserError(f"{name}: there is no such task. Tasks: {', '.join(names)}.{did_you_mean(name, names)}")
    parameters = [word for word in words if word.startswith("task.")]
    options = parse(ShowOptions, [word for word in words if word not in parameters], others=(PARAMETER,))
    file = Path(options.out or f"outputs/tasks/{name}.png").expanduser()
    if file.suffix.lower() not in FORMATS:
        raise UserError(f"out={file}: the name must end with one of {', '.join(FORMATS)}")
    # ++ lets a field pass that the task does not have, so that the message names those that it has.
    settings = compose([f"task={name}", *(f"++{word}" for word in parameters)]).task
    task = tasks.build(settings, options.data_dir)

    from experiments.tasks import _figure

    _figure.save(_figure.draw(task, settings), file)
    if task.description:
        print("\n  ".join(task.description))
    print(f"{task.title}: {file}")


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
