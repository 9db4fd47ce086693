"""The files of `conf/task` as settings, for commands that train nothing and can do without Hydra."""

from collections.abc import Mapping
from enum import EnumType
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml

from experiments import tasks
from experiments.errors import UserError
from experiments.options import described

CONF = Path(__file__).resolve().parents[2] / "conf" / "task"
SCHEMA = "/schema/task/"


def names() -> list[str]:
    """The tasks that there is a file of."""
    return sorted(file.stem for file in CONF.glob("*.yaml"))


def settings_of(name: str, changes: Mapping[str, str] | None = None) -> Any:
    """The settings of a task: its file, and on top of it parameters as they are written on a command line.

    Args:
        name: A file of `conf/task`, without its ending.
        changes: Text of the new value by parameter, read as YAML.

    Raises:
        UserError: if there is no such task or parameter, or a value is of another type.
    """
    if name not in names():
        raise UserError(f"{name}: there is no such task. Tasks: {', '.join(names())}")
    function, values = _content(name)
    schema = tasks.schema(tasks.functions()[function])
    values = {"name": name, **values, **{key: _read(key, text) for key, text in (changes or {}).items()}}
    kinds = {key: kind for key, kind, _ in described(schema)}
    for key in values:
        if key not in kinds:
            raise UserError(f"task.{key}: there is no such field. Allowed: {', '.join(sorted(kinds))}")
    return schema(**{key: _typed(key, value, kinds[key]) for key, value in values.items()})


def _content(name: str) -> tuple[str, dict[str, Any]]:
    """The task function of a file and its parameters, those of a file that it builds on included."""
    file = CONF / f"{name}.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{file}: cannot be read as YAML ({' '.join(str(error).split())})") from error
    function, values = "", {}
    for entry in content["defaults"]:
        if str(entry).startswith(SCHEMA):
            function = entry.removeprefix(SCHEMA).split("@")[0]
        elif entry in names():
            function, values = _content(entry)
    if function not in tasks.functions():
        raise UserError(
            f"{file}: its defaults must name one of {', '.join(SCHEMA + each for each in tasks.functions())}"
        )
    return function, values | content.get("task", {})


def _read(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"task.{key}={text}: cannot be read as YAML") from error


def _typed(key: str, value: Any, kind: Any) -> Any:
    """The value as the type that it is declared with; Hydra does this for the other commands."""
    kinds = get_args(kind) if get_origin(kind) not in (list, dict, None) else (kind,)
    for each in kinds:
        accepted, made = _as(each, value)
        if accepted:
            return made
    wanted = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    if isinstance(kind, EnumType):
        wanted = f"one of {', '.join(kind.__members__)}"
    raise UserError(f"task.{key}={value}: must be {wanted}")


def _as(kind: Any, value: Any) -> tuple[bool, Any]:
    plain = get_origin(kind) or kind
    if isinstance(plain, EnumType):
        return value in plain.__members__, plain.__members__.get(value)
    if plain is float and isinstance(value, int | str) and not isinstance(value, bool):
        return _as_float(value)
    if plain is str and isinstance(value, int | float):
        return True, str(value)
    fits = plain is Any or isinstance(value, plain) and not (isinstance(value, bool) and plain is int)
    return fits, value


def _as_float(value: int | str) -> tuple[bool, Any]:
    try:
        return True, float(value)  # YAML 1.1 takes 1e-3 for text
    except ValueError:
        return False, value
