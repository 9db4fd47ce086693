"""`python -m experiments.tasks`: the tasks that there are, and pictures of their sequences."""

import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import tasks
from experiments.errors import UserError, reported

HELP = """\
Look at the tasks, train nothing.

  python -m experiments.tasks                       a table of all tasks; downloads nothing
  python -m experiments.tasks show TASK             draw some training sequences of a task
  python -m experiments.tasks --help                this text

Further arguments:

  data_dir=FOLDER          folder of fetched files, instead of the user's cache folder
  out=FILE.png             with show: where the picture goes, .png, .pdf or .svg (outputs/tasks/TASK.png)
  task.PARAMETER=VALUE     with show: another value of a parameter of the task, as in experiments.train

For example: python -m experiments.tasks show adding task.length=100
             python -m experiments.tasks show forecast task.path=FILE.csv task.target=COLUMN
"""
FORMATS = (".png", ".pdf", ".svg")


def main(arguments: Sequence[str]) -> None:
    """Print the table of all tasks, or draw one of them."""
    if {"--help", "-h"} & set(arguments):
        print(HELP, end="")
    elif arguments[:1] == ["show"]:
        _show(arguments[1:])
    else:
        _list(arguments)


def _list(arguments: Sequence[str]) -> None:
    from rich.console import Console

    from experiments.tasks import _listing
    from experiments.tasks.fetch import folder_of

    data_dir = _options(arguments, "data_dir").get("data_dir")
    console = Console(width=None if sys.stdout.isatty() else 150)
    with Console(stderr=True).status("reading the data of all tasks"):
        made = _listing.table(data_dir)
    console.print(made)
    print(f"Folder of fetched files: {folder_of(data_dir)}; another one: data_dir=FOLDER")
    print("Train one of them: python -m experiments.train task=NAME; see it: python -m experiments.tasks show NAME")


def _show(arguments: Sequence[str]) -> None:
    from experiments.tasks import _settings

    if not arguments or "=" in arguments[0]:
        raise UserError(f"show which task? For example: show adding. Tasks: {', '.join(_settings.names())}")
    name, *rest = arguments
    options = _options(rest, "data_dir", "out", "task.")
    changes = {key.removeprefix("task."): value for key, value in options.items() if key.startswith("task.")}
    settings = _settings.settings_of(name, changes)
    file = _checked(Path(options.get("out", f"outputs/tasks/{name}.png")).expanduser())
    task = tasks.build(settings, options.get("data_dir"))

    from experiments.tasks import _show

    _show.save(_show.draw(task, settings), file)
    print(f"{task.title}: {file}")


def _options(arguments: Sequence[str], *allowed: str) -> dict[str, str]:
    """Values by name; an allowed name that ends with a dot stands for all that begin with it."""
    given = {}
    for argument in arguments:
        name, _, value = argument.partition("=")
        if not value or not any(name == each or (each[-1] == "." and name.startswith(each)) for each in allowed):
            known = ", ".join(f"{each}{'PARAMETER' if each[-1] == '.' else ''}=..." for each in allowed)
            raise UserError(
                f"{argument}: cannot be used here. Allowed: {known}. See python -m experiments.tasks --help"
            )
        given[name] = value
    return given


def _checked(file: Path) -> Path:
    if file.suffix.lower() not in FORMATS:
        raise UserError(f"out={file}: the name must end with one of {', '.join(FORMATS)}")
    return file


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
