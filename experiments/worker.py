"""What runs in the worker processes of a sweep."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import connection
from threading import Thread
from typing import TYPE_CHECKING

import psutil

from experiments.errors import UserError, terminable
from experiments.schema import Config, Match

if TYPE_CHECKING:
    from experiments.record import Outcome

SPAWN = multiprocessing.get_context("spawn")

LAST_WORDS_S = 20.0  # for a worker to say how its trial ended, when the process that it works for is gone
_starting_s = 0.0  # of this process, until it is told with an outcome
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@contextmanager
def environment(config: Config) -> Iterator[None]:
    """The environment that TensorFlow must find when it is first imported.

    The number of threads is set alone and in a sweep alike, since sums are taken in another order with another one.
    """
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(THREADS, str(config.training.threads)), TF_CPP_MIN_LOG_LEVEL="2")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def problem(config: Config) -> str:
    """What the layers have against a variant or its size; "" if nothing. As text, to cross a process boundary."""
    with _output_to(os.devnull):
        import keras

        from experiments import match, model, tasks

        try:
            model.make_layer(config.variant, units=3)(keras.ops.zeros((1, 2, 1)))
            if config.model.match is Match.parameters:
                match.units(config, tasks.build(config.task, config.data_dir))
        except UserError as error:
            return str(error)
        except (ValueError, TypeError) as error:
            reason = str(error).split("\n\nArguments")[0].replace("\n\n", " ")
            return f"variant={config.variant.name}: its layer cannot be used ({reason})"
    return ""


def check(config: Config) -> None:
    """Refuse a variant that the layers refuse, and one that cannot be given the size that `model.match` asks for.

    Raises:
        UserError: what is wrong with it.
    """
    if text := problem(config):
        raise UserError(text)


def start() -> None:
    """Prepare a fresh process: import what trains, and end with the process that it works for."""
    global _starting_s
    if "experiments.trial" not in sys.modules:
        Thread(target=_end_with_parent, daemon=True).start()
        with _output_to(os.devnull):
            import experiments.record
            import experiments.trial  # noqa: F401
        _starting_s = time.time() - psutil.Process().create_time()


def train(config: Config, overrides: tuple[str, ...], wait: bool = False) -> "Outcome":
    """Train one trial, with everything that it prints in `trial.log` of its run.

    Args:
        config: The checked configuration.
        overrides: The words of the command line that made it.
        wait: For another process that is at work on the same trial; else the outcome is then `busy`.
    """
    from experiments.record import Outcome, find_or_train, scratch_folder

    global _starting_s
    with _output_to(str(scratch_folder(config) / "trial.log")):
        try:
            with terminable():
                outcome = find_or_train(config, overrides, verbose=2, wait=wait)
        except KeyboardInterrupt:
            outcome = Outcome("killed", error="interrupted")
    parts, _starting_s = {**outcome.parts, "start": _starting_s}, 0.0
    return replace(outcome, parts=parts, memory_gb=psutil.Process().memory_info().rss / 1e9)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LAST_WORDS_S)
        os._exit(1)


@contextmanager
def _output_to(file: str) -> Iterator[None]:
    """Send what this process and its libraries write to standard output and error to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in (*kept, target):
            os.close(descriptor)
