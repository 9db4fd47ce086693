"""JSON schemas of the YAML files, for editors that complete and check them: `gatelab schema`. Draft 2020-12."""

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from experiments import tasks
from experiments.config.conf_files import own_functions
from experiments.config.schema import Config, Variant
from experiments.errors import UserError
from experiments.options import Field, described

JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
FOLDER = "conf/.schema"
GROUPS = ("variant", "task", "experiment")
TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}
LATER = {"type": "string", "pattern": r"^(\?\?\?|\$\{.*\})$"}  # a value that is missing yet, or found elsewhere
OTHERS = {r"^\+": {}, r"^variant\.arguments\.": {}}  # that a sweep may have without a field of that name
DEFAULTS = {"type": "array", "description": "other files that this one is put on top of"}
Schema = dict[str, Any]


def write(folder: Path) -> None:
    """Write one schema for each kind of file, and print the line with which a file names its own.

    Raises:
        UserError: if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas().items():
            (folder / f"{name}.json").write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"schema {folder}: cannot be written ({error.strerror or error}). Name another folder"
        ) from error
    print(f"{folder}: {', '.join(f'{name}.json' for name in GROUPS)}. The comment of a file that names one:")
    print(*(f"conf/{name}/NAME.yaml  {modeline(name)}" for name in GROUPS), sep="\n")


def modeline(name: str) -> str:
    """The comment by which a file in a folder of `conf` names its schema, as language servers of YAML read it."""
    return f"# yaml-language-server: $schema=../{Path(FOLDER).name}/{name}.json"


def schemas() -> dict[str, Schema]:
    """The schema of a file in `conf/variant`, `conf/task` and `conf/experiment`, by its folder."""
    variant, task = _object(Variant), _task()
    whole = _object(Config) | {"$schema": JSON_SCHEMA}
    whole["properties"] |= {"defaults": DEFAULTS, "variant": variant, "task": task, "hydra": _hydra(task)}
    variant = variant | {"$schema": JSON_SCHEMA, "properties": {"defaults": DEFAULTS, **variant["properties"]}}
    return {"variant": variant, "task": whole, "experiment": whole}


def _object(schema: type) -> Schema:
    """A dataclass: its fields and no others, with those that are dataclasses."""
    properties: dict[str, Schema] = {}
    for name, kind, field in described(schema):
        *path, last = name.split(".")
        place = properties
        for part in path:
            place = place.setdefault(part, _closed({}))["properties"]
        place[last] = _field(kind, field)
    return _closed(properties)


def _closed(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _field(kind: Any, field: Field) -> Schema:
    bounds = {"minimum": field.minimum, "exclusiveMinimum": field.above, "maximum": field.maximum}
    return {"description": field.text, **_type(kind, {name: v for name, v in bounds.items() if v is not None})}


def _type(kind: Any, bounds: Schema) -> Schema:
    if kind is Any:
        return {}
    kinds = [_plain(part, bounds) for part in (get_args(kind) if isinstance(kind, UnionType) else [kind])]
    is_text = any(one.get("type") == "string" and "enum" not in one for one in kinds)
    return {"anyOf": kinds if is_text else [*kinds, LATER]}


def _plain(kind: Any, bounds: Schema) -> Schema:
    if kind is type(None):
        return {"type": "null"}
    if issubclass(get_origin(kind) or kind, StrEnum):
        return {"type": "string", "enum": list(kind)}
    if get_origin(kind) is list and (items := get_args(kind)) != (Any,):
        return {"type": "array", "items": _plain(*items, {})}
    name = TYPES[get_origin(kind) or kind]
    return {"type": name, **(bounds if name in ("integer", "number") else {})}


def _task() -> Schema:
    """The fields of all task functions, as a file may change some of one that another file has named."""
    functions = [*tasks.functions().values(), *map(tasks.function, own_functions())]
    kinds: dict[str, list[Schema]] = {}
    for function in functions:
        for name, schema in _object(tasks.schema(function))["properties"].items():
            kinds.setdefault(name, [])
            if schema not in kinds[name]:
                kinds[name].append(schema)
    return _closed({name: any_of[0] if len(any_of) == 1 else {"anyOf": any_of} for name, any_of in kinds.items()})


def _hydra(task: Schema) -> Schema:
    """Of the fields of Hydra the values of a sweep, by dotted name; all others are Hydra's own."""
    names = {"variant": "variants", "task": "tasks", **dict(_dotted())}
    names |= {f"task.{name}": _description(schema) for name, schema in task["properties"].items()}
    values = {name: {"description": f"values, separated by commas: {text}"} for name, text in names.items()}
    params = {"type": "object", "properties": values, "additionalProperties": False, "patternProperties": OTHERS}
    return {"type": "object", "properties": {"sweeper": {"type": "object", "properties": {"params": params}}}}


def _dotted() -> Iterator[tuple[str, str]]:
    for schema, prefix in ((Config, ""), (Variant, "variant.")):
        yield from ((name, field.text) for name, _, field in described(schema, prefix))


def _description(schema: Schema) -> str:
    return schema.get("description") or schema["anyOf"][0]["description"]
