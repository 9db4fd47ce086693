"""What makes a trial this trial: a key from everything its numbers depend on."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from experiments.config.schema import Config

NUMBERS = 4  # raise it when a change of the code changes the numbers of an unchanged configuration

LABELS = {  # of a file its digest counts, however it was read
    "variant": ("base",),
    "task": ("path", "test_path", "date_format", "delimiter", "decimal", "reference", "margin"),
}
ADDED = {"variant": ("recurrence",)}  # fields that came later: null, they leave the keys of earlier trials as they are


def trial_key(config: Config, digest: str, source: str = "") -> str:
    """16 hexadecimal digits that differ when the numbers may differ.

    Of files the content counts (`digest`), not the path, and of the user's own code what it says (`source`); study,
    folders, store and workers do not count.
    """
    values = plain(config)
    relevant = {section: values[section] for section in ("variant", "task", "model", "training", "seed")}
    for section, labels in LABELS.items():
        relevant[section] = {name: value for name, value in relevant[section].items() if name not in labels}
    for section, added in ADDED.items():
        relevant[section] = {n: value for n, value in relevant[section].items() if n not in added or value is not None}
    own = {"source": source} if source else {}
    text = json.dumps({"numbers": NUMBERS, "data": digest, **own, **relevant}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plain(config: Config) -> dict[str, Any]:
    """The configuration as nested dicts of plain values, as YAML stores it."""
    return json.loads(json.dumps({**asdict(config), "task": vars(config.task)}))
