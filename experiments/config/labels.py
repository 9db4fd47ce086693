"""What tells the trials of a sweep apart beside task, variant and seed, as their names have it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.config.identity import plain
from experiments.config.schema import Config

Settings = tuple[tuple[str, str], ...]  # dotted name and value
SECTIONS = ("task", "variant", "model", "training")
LABELS = ("name", "base", "function", "reference", "margin")
DATA_SEED = "task.data_seed"
LONGEST = 40  # characters of a value


def told_apart(configs: Sequence[Config]) -> list[Settings]:
    """For each trial the fields in which it differs from others of its task and variant, and those that were drawn.

    The seed of the data is none of them where it goes with that of the trial.
    """
    recorded = [_fields(config) for config in configs]
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, config in enumerate(configs):
        groups[config.task.name, config.variant.name].append(number)
    names = [set(config.sweep.drawn) for config in configs]
    for numbers in groups.values():
        differing = _differing([recorded[number] for number in numbers])
        pairs = {(configs[number].seed, recorded[number].get(DATA_SEED)) for number in numbers}
        if len(pairs) == len({configs[number].seed for number in numbers}):
            differing.discard(DATA_SEED)
        for number in numbers:
            names[number] |= differing
    return [
        tuple((name, fields[name]) for name in sorted(own) if name in fields)
        for own, fields in zip(names, recorded, strict=True)
    ]


def label(settings: Settings, *sections: str) -> str:
    """The settings of some sections in brackets, by the last part of their name where no other one ends alike."""
    ends = [name.rpartition(".")[2] for name, _ in settings]
    words = [
        f"{end if ends.count(end) == 1 else name}={value}"
        for (name, value), end in zip(settings, ends, strict=True)
        if name.partition(".")[0] in sections
    ]
    return f"[{','.join(words)}]" if words else ""


def _fields(config: Config) -> dict[str, str]:
    values = plain(config)
    fields: dict[str, str] = {}
    for section in SECTIONS:
        own = {name: value for name, value in values[section].items() if name not in LABELS}
        own |= {f"arguments.{name}": value for name, value in own.pop("arguments", {}).items()}
        fields |= {f"{section}.{name}": _text(value) for name, value in own.items()}
    return fields


def _text(value: Any) -> str:
    """A value in words that a name can have: of a path the file, of a long one the beginning and a checksum."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":")).replace('"', "")
    text = "".join(letter if letter.isprintable() else "?" for letter in text.rstrip("/").rpartition("/")[2])
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}~{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _differing(records: Sequence[Mapping[str, str]]) -> set[str]:
    return {name for record in records for name in record if len({other.get(name) for other in records}) > 1}
