"""What a word of a command line can be: for completion, and for the one that a misspelt word probably means."""

from collections.abc import Iterable
from types import UnionType
from typing import Any, get_args

from experiments import tasks
from experiments.config.conf_files import choices
from experiments.config.schema import Config, Variant
from experiments.errors import did_you_mean, most_like
from experiments.options import described

GROUPS = ("variant", "task", "experiment", "model", "training")


def field_kinds() -> dict[str, Any]:
    """Type of every field by its dotted name; those of all tasks together."""
    schemas = [(Config, ""), (Variant, "variant.")]
    schemas += [(tasks.schema(function), "task.") for function in tasks.functions().values()]
    return {name: kind for schema, prefix in schemas for name, kind, _ in described(schema, prefix)}


def values(key: str) -> list[str]:
    """The values that a field or a group of `conf/` can be set to; none if they cannot be listed."""
    if key in GROUPS:
        return choices(key)
    return _members(field_kinds().get(key))


def _members(kind: Any) -> list[str]:
    if isinstance(kind, UnionType):
        listed = [_members(part) for part in get_args(kind) if part is not type(None)]
        return [*listed[0], "null"] if len(listed) == 1 and listed[0] else []
    if kind is bool:
        return ["true", "false"]
    return list(getattr(kind, "__members__", ()))


def completions(word: str) -> list[str]:
    """What `key=value`, or the last of several values, may become; none if the values of the key cannot be listed."""
    key, _, value = word.rpartition("=")
    before, comma, last = value.rpartition(",")
    return [f"{key}={before}{comma}{name}" for name in values(key) if name.startswith(last)]


def suggestions(words: Iterable[str]) -> str:
    """A line for each word whose field or value is probably misspelt; "" if there is none."""
    return "".join(f"\n{word}:{hint}" for word in words if (hint := _suggestion(word)))


def _suggestion(word: str) -> str:
    key, equals, value = word.lstrip("+~").partition("=")
    if not equals or key.startswith("hydra"):
        return ""
    known = values(key)
    unknown = [name for name in value.split(",") if name not in known]
    if known and unknown:
        names = {name.rpartition("/")[2]: name for name in known} | {name: name for name in known}
        close = most_like(unknown[0], names)
        return f" Did you mean {names[close]}?" if close else ""
    fields = field_kinds()
    if known or key in fields or key.startswith("variant.arguments."):
        return ""
    return did_you_mean(key, [*fields, *GROUPS])
