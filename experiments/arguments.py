"""The words `name=value` of commands that do without Hydra."""

import shlex
from collections.abc import Mapping, Sequence

from experiments.errors import UserError

STORE = {"output_dir": "outputs", "tracking.uri": None}  # what every command that reads a store takes


def options(arguments: Sequence[str], defaults: Mapping[str, str | None], use: str) -> dict[str, str | None]:
    """The values of a command's options, those that are not given from `defaults`.

    Raises:
        UserError: for a word that is none of them or has no value; it ends with `use`.
    """
    found = dict(defaults)
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name not in found or not value:
            raise UserError(f"{argument}: {use}")
        found[name] = value
    return found


def switch(given: Mapping[str, str | None], name: str) -> bool:
    """The value of an option that is true or false."""
    if given[name] not in ("true", "false"):
        raise UserError(f"{name}={given[name]}: must be true or false")
    return given[name] == "true"


def again(given: Mapping[str, str | None]) -> str:
    """The words that lead another command to the same study in the same store."""
    places = {"study": None, **STORE}
    kept = [f"{name}={given[name]}" for name, default in places.items() if given.get(name) not in (None, default)]
    return shlex.join(kept)
