"""`gatelab`: the commands of the lab under one name, with completion in bash, zsh and fish. See --help."""

import importlib
import os
import runpy
import sys
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path

from experiments.errors import UserError, did_you_mean, reported
from experiments.options import HELP, described

MODULES = {
    "train": "one trial, or with -m a sweep",
    "sweep": "look after the trials of a study: status, clean, check, export, import",
    "report": "compare the trials of a study: table, page, figures",
    "gates": "a page that shows what the gates of a trained trial do",
    "tasks": "a table of all tasks; draw sequences of one",
}
COMMANDS = MODULES | {
    "init": "FOLDER: a project of your own with a variant, a task, a study and a test",
    "schema": "JSON schemas of the YAML files, for editors that complete and check them",
}
ZSH = "autoload -Uz compinit bashcompinit; (( $+functions[compdef] )) || compinit; bashcompinit"
COMPLETION = ("-sc", "--shell-completion", "--shell_completion")
EXAMPLES = """
  gatelab COMMAND --help                 what a command takes
  gatelab train --help variant           all variants, and what can be set of one
  gatelab train --help task              all tasks; --help task=NAME: what can be set of one

For example:  gatelab train -m variant=standard,peephole task=adding seed=0,1,2,3,4

Completion of all this in bash and zsh:  eval "$(gatelab -sc install=bash)"  (install=zsh)
in fish:                                 gatelab -sc install=fish | source
"""


def main() -> None:
    """Run the command that the command line names, as `python -m experiments.COMMAND` does."""
    with reported():
        words = sys.argv[1:]
        if words[:1] and words[0] in COMPLETION:
            _complete(words)
        elif not words or words[0] in HELP:
            print(help_text(), end="")
        elif words[0] in MODULES:
            _run(words[0], words[1:])
        elif words[0] == "init":
            _init(words[1:])
        elif words[0] == "schema":
            _schema(words[1:])
        else:
            hint = did_you_mean(words[0], COMMANDS)
            raise UserError(f"{words[0]}: there is no such command. Commands: {', '.join(COMMANDS)}.{hint}")


def help_text() -> str:
    """All commands on one screen."""
    rows = [f"  gatelab {name:<8}{text}" for name, text in COMMANDS.items()]
    return "\n".join(["Train LSTM variants, record every trial, compare them.", "", *rows, EXAMPLES])


def _init(words: Sequence[str]) -> None:
    from experiments.config.project import init

    if len(words) != 1 or words[0].startswith("-"):
        raise UserError("gatelab init FOLDER: one folder, into which it writes a project of your own")
    init(Path(words[0]).expanduser())


def _schema(words: Sequence[str]) -> None:
    from experiments.config import json_schema

    if len(words) > 1 or any(word.startswith("-") for word in words):
        raise UserError(f"gatelab schema [FOLDER]: the folder of the schemas, {json_schema.FOLDER} if none is given")
    json_schema.write(Path(*words).expanduser() if words else Path(json_schema.FOLDER))


def _run(command: str, words: Sequence[str]) -> None:
    """Run a module as a program; `sys.argv[0]` stays, as shells complete for the program that the user calls."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # as `python -m` does; last, so that no file there hides one of the lab
    sys.argv[1:] = words
    runpy.run_module(f"experiments.{command}", run_name="__main__")


def _complete(words: Sequence[str]) -> None:
    """What a shell asks of its completion; zsh asks as bash does, and fish takes a word a line.

    Of `train` it is Hydra's, which sees the command line of one program; values are ours, as Hydra completes neither
    those in subfolders nor lists nor the members of an enumeration.
    """
    from experiments.config import suggestions

    if words[1:2] == ["install=zsh"]:
        print(ZSH)
    is_query = words[1:2] in (["query=bash"], ["query=fish"])
    separator = "\n" if words[1:2] == ["query=fish"] else " "
    line = os.environ.get("COMP_LINE", "").split(maxsplit=2) if is_query else []
    ends = os.environ.get("COMP_LINE", "").endswith(" ")
    if is_query and (len(line) < 2 or (len(line) == 2 and not ends)):
        print(*COMMANDS, sep=separator)
    elif is_query and line[1] in MODULES and line[1] != "train":
        print(*_options(line[1]), sep=separator)
    elif is_query and not ends and (matches := suggestions.completions(line[2].split()[-1])):
        print(*matches, sep=separator)
    else:
        os.environ["COMP_LINE"] = " ".join([*line[:1], *line[2:]]) + (" " if ends and len(line) == 2 else "")
        _run("train", words)


def _options(command: str) -> list[str]:
    """The words that a command takes: its own commands, and the options `name=` of its schemas."""
    names = vars(importlib.import_module(f"experiments.{command}.__main__"))
    schemas = [value for value in names.values() if isinstance(value, type) and is_dataclass(value)]
    options = [f"{field.name or name}=" for schema in schemas for name, _, field in described(schema)]
    others = {"tasks": ["show"], "gates": ["intervene"]}.get(command, [])
    return list(dict.fromkeys([*names.get("COMMANDS", ()), *others, *options]))
