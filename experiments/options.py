"""Fields with a type, a meaning and a range: those of configurations, and those that commands take as `name=value`."""

import math
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from experiments.errors import UserError, did_you_mean

HELP = {"--help", "-h", "help"}
WIDTH = 120

Schema = TypeVar("Schema")


@dataclass(frozen=True)
class Field:
    """What a field means and which numbers it may hold: `minimum` and `maximum` included, `above` excluded.

    Attributes:
        text: Its meaning.
        minimum, above, maximum: Its range.
        name: What a command line calls it; None: as Python does.
        value: What stands for its value in the help of a command.
    """

    text: str
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    name: str | None = None
    value: str = "VALUE"

    def problem(self, value: Any) -> str | None:
        """What is allowed instead of `value`, or None if it is allowed."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not math.isfinite(value):
            return "a finite number"
        if self.minimum is not None and value < self.minimum:
            return f"at least {self.minimum:g}"
        if self.above is not None and value <= self.above:
            return f"greater than {self.above:g}"
        if self.maximum is not None and value > self.maximum:
            return f"at most {self.maximum:g}"
        return None


def described(schema: type, prefix: str = "") -> Iterator[tuple[str, Any, Field]]:
    """Dotted name, type and description of every field of a schema, the nested ones included."""
    for name, hint in get_type_hints(schema, include_extras=True).items():
        if hasattr(hint, "__metadata__"):
            kind, field = get_args(hint)
            yield prefix + name, kind, field
        elif isinstance(hint, type):
            yield from described(hint, f"{prefix}{name}.")


def problems(settings: Any, prefix: str = "") -> Iterator[str]:
    """One line for each number that is out of its range: name, value received, what is allowed."""
    for name, _, field in described(type(settings)):
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        allowed = field.problem(value)
        if allowed:
            yield f"{prefix}{field.name or name}={value!r}: must be {allowed} ({field.text})"


@dataclass(frozen=True, kw_only=True)
class StoreOptions:
    """Where a command finds the store."""

    output_dir: Annotated[str, Field("folder of the store", value="FOLDER")] = "outputs"
    tracking_uri: Annotated[
        str | None, Field("another MLflow store, as in experiments.train", name="tracking.uri", value="URI")
    ] = None


STORE = [option.name for option in fields(StoreOptions)]


def is_option(word: str) -> bool:
    """Whether a word of a command line is `name=value`; a trial is called `adding[length=101]/standard/s0`."""
    name, equals, _ = word.partition("=")
    return bool(equals) and not set(name) & set("/[")


def parse(schema: type[Schema], words: Sequence[str], others: Sequence[str] = ()) -> Schema:
    """Read the words `name=value` of a command line.

    Args:
        schema: A dataclass of annotated fields, of type str, int or bool, or None of these. Those without a default
            are needed.
        words: The words.
        others: Names of options that the command reads by itself, for the message of an unknown one.

    Raises:
        UserError: for a word that is no option, a value that does not fit, and an option that is missing.
    """
    known = {field.name or name: (name, kind) for name, kind, field in described(schema)}
    values = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in known or not text:
            names = (*known, *others)
            allowed = ", ".join(f"{option}=" for option in names)
            raise UserError(f"{word}: there is no such option here. Options: {allowed}.{did_you_mean(name, names)}")
        attribute, kind = known[name]
        values[attribute] = _value(name, text, kind)
    for option in fields(schema):  # type: ignore[arg-type]
        if option.name not in values and option.default is MISSING:
            raise UserError(f"{option.name}= is needed. --help shows examples")
    options = schema(**values)
    wrong = list(problems(options))
    if wrong:
        raise UserError("\n".join(wrong))
    return options


def _value(name: str, text: str, kind: Any) -> Any:
    kinds = get_args(kind) or (kind,)
    if bool in kinds:
        if text not in ("true", "false"):
            raise UserError(f"{name}={text}: must be true or false")
        return text == "true"
    if int in kinds:
        if not text.removeprefix("-").isdecimal():
            raise UserError(f"{name}={text}: must be a whole number")
        return int(text)
    return text


def help_text(schema: type, command: str = "") -> str:
    """The options of a command, each with its meaning and default, those that name the store last."""
    rows = [f"Options of {command}:" if command else "Options:", ""]
    described_fields = {name: field for name, _, field in described(schema)}
    for option in sorted(fields(schema), key=lambda option: option.name in STORE):
        field = described_fields[option.name]
        default = f" ({option.default})" if option.default not in (MISSING, None, False) else ""
        head = f"{field.name or option.name}={field.value}"
        first, *more = textwrap.wrap(f"{field.text}{default}", WIDTH - 24)
        rows += [f"  {head:<22}{first}", *(f"{'':<24}{line}" for line in more)]
    return "\n".join([*rows, ""])


def words(options: StoreOptions, *names: str) -> str:
    """The words that lead another command to the same store, and to what further options name."""
    defaults = {option.name: option.default for option in fields(options)}
    chosen = {name: getattr(options, name) for name in (*names, *STORE)}
    known = {name: field.name or name for name, _, field in described(type(options))}
    return shlex.join(f"{known[name]}={value}" for name, value in chosen.items() if value != defaults[name])
