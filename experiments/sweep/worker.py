"""What runs in the worker processes of a sweep."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import connection
from threading import Thread
from typing import TYPE_CHECKING

import psutil

from experiments.config.schema import Config
from experiments.errors import UserError, terminable, tolerate_characters

if TYPE_CHECKING:
    from experiments.sweep.run_trial import Outcome
    from experiments.trial.spec import TrialSpec

SPAWN = multiprocessing.get_context("spawn")

GRACE_S = 20.0  # for a worker to record how its trial ended, when the process that it works for is gone
_starting_s = 0.0  # of this process, until it is told with an outcome
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclass(frozen=True)
class LayerCheck:
    """What the layers make of a configuration: their units, or what is wrong with it."""

    units: int
    problem: str = ""


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


def check_layers(configs: Sequence[Config]) -> list[LayerCheck]:
    """Build the layers of configurations in this process, and match their units where that is asked for."""
    with output_to(os.devnull):
        from experiments import tasks
        from experiments.trial.parameter_match import units

        checks = []
        for config in configs:
            try:
                matched = units(config, tasks.build(config.task, config.data_dir))
                _try(config, matched)
                checks.append(LayerCheck(matched))
            except UserError as error:
                checks.append(LayerCheck(0, str(error)))
        return checks


def _try(config: Config, units: int) -> None:
    """Call a layer as the trial will have it.

    Raises:
        UserError: for whatever the layer refuses.
    """
    import keras

    from experiments.trial.model import make_layer

    layer = make_layer(config.variant, units)
    try:
        layer(keras.ops.zeros((1, 2, 1)))
    except Exception as error:  # of Keras or of TensorFlow, whatever it is
        reason = str(error).split("\n\nArguments")[0].replace("\n\n", " ")
        raise UserError(f"variant={config.variant.name}: its layer cannot be used ({reason})") from error


def start() -> None:
    """Prepare a fresh process: import what trains, and end with the process that it works for."""
    global _starting_s
    if "experiments.trial.fit" not in sys.modules:
        tolerate_characters()
        Thread(target=_end_with_parent, daemon=True).start()
        with output_to(os.devnull):
            import experiments.sweep.run_trial
            import experiments.trial.fit  # noqa: F401
        _starting_s = time.time() - psutil.Process().create_time()


def train(spec: "TrialSpec", wait: bool = False, timeout_s: float | None = None) -> "Outcome":
    """Train one trial, with everything that it prints in `trial.log` of its run.

    Args:
        spec: The trial.
        wait: For another process that is at work on the same trial; else the outcome is then `busy`.
        timeout_s: Seconds after which the kernel ends this process, whatever it does; the clock has no part in it.
    """
    from experiments.sweep.run_trial import Outcome, not_writable, run_trial, scratch_folder

    global _starting_s
    folder = scratch_folder(spec)
    with ending_after(timeout_s), output_to(os.devnull if not_writable(folder) else str(folder / "trial.log")):
        try:
            with terminable():
                outcome = run_trial(spec, verbose=2, wait=wait)
        except KeyboardInterrupt:
            outcome = Outcome("killed", error="interrupted")
    parts, _starting_s = {**outcome.parts, "start": _starting_s}, 0.0
    return replace(outcome, parts=parts, memory_gb=psutil.Process().memory_info().rss / 1e9)


@contextmanager
def ending_after(seconds: float | None) -> Iterator[None]:
    """Let the kernel kill this process by SIGALRM if that takes longer; None: never."""
    signal.setitimer(signal.ITIMER_REAL, seconds or 0.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os._exit(1)


@contextmanager
def output_to(file: str) -> Iterator[None]:
    """Send what this process and its libraries write to standard output and error to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = os.dup(1), os.dup(2)
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(before[0], 1)
        os.dup2(before[1], 2)
        for descriptor in (*before, target):
            os.close(descriptor)
