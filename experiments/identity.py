"""What makes a trial this trial: a key from everything its numbers depend on."""

import functools
import hashlib
import json
import platform
import subprocess
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from experiments.schema import Config

NUMBERS = 3  # raise it when a change of the code changes the numbers of an unchanged configuration

NO_NUMBERS = ("path", "test_path", "reference")  # of a file its digest counts

TRAINING = ("batches.py", "callbacks.py", "checkpoint.py", "compiled.py", "match.py", "model.py", "trial.py")

COMPUTING = ("tensorflow", "keras", "numpy")
PACKAGES = (
    "gatelab",
    "tensorflow",
    "keras",
    "numpy",
    "mlflow",
    "hydra-core",
    "pandas",
    "scikit-learn",
    "scipy",
    "statsmodels",
)


def trial_key(config: Config, digest: str) -> str:
    """16 hexadecimal digits that differ when the numbers may differ.

    Of files the content counts (`digest`), not the path; study, folders, store and workers do not count.
    """
    task = {name: value for name, value in vars(config.task).items() if name not in NO_NUMBERS}
    relevant = {
        "numbers": NUMBERS,
        "variant": asdict(config.variant),
        "task": task,
        "data": digest,
        "model": asdict(config.model),
        "training": asdict(config.training),
        "seed": config.seed,
    }
    text = json.dumps(relevant, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def code() -> str:
    """8 hexadecimal digits for what computes the numbers of a trial: the code that trains, and the versions below it.

    A trial that was interrupted goes on only with what it began with.
    """
    root = Path(__file__).parent
    files = [*root.parent.glob("variants/*.py"), *root.glob("tasks/*.py"), *(root / name for name in TRAINING)]
    texts = [file.read_bytes() for file in sorted(files)]
    return hashlib.sha256(b"".join([*texts, *(version(name).encode() for name in COMPUTING)])).hexdigest()[:8]


def plain(config: Config) -> dict[str, Any]:
    """The configuration as nested dicts of plain values, as YAML stores it."""
    return json.loads(json.dumps({**asdict(config), "task": vars(config.task)}))


@functools.cache
def git_commit() -> str:
    """The commit of the clone that this runs from; "" if there is none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
