"""Keras callbacks of a trial: empty states, early stopping, metrics of each epoch, checkpoints."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partialmethod
from pathlib import Path
from typing import Any

import keras

from experiments.tasks import Task
from experiments.trial import checkpoint
from experiments.trial import model as models
from experiments.trial.model_cache import state

SHARE = 50  # seconds of training for each second that recording and checkpoints take: 2 %
FIRST_S = 0.05  # what they are taken to need before they were measured

Epochs = Mapping[int, Mapping[str, float]]
Listener = Callable[[Epochs], None]


@dataclass
class Progress:
    """What a trial has done so far.

    Attributes:
        epochs: Metrics by name, such as `val/mse`, of each epoch, from 1.
        diverged: Whether the loss stopped being finite.
        stopped: Whether training has ended before its last epoch.
        compile_s: Seconds to compile the training and the evaluation step.
        train_s: Seconds of training and validation without those.
    """

    epochs: dict[int, dict[str, float]] = field(default_factory=dict)
    diverged: bool = False
    stopped: bool = False
    compile_s: float = 0.0
    train_s: float = 0.0


class EmptyStates(keras.callbacks.Callback):
    """Every pass over a stream begins in an empty state."""

    def on_epoch_begin(self, *_: Any) -> None:
        for layer in models.recurrent_layers(self.model):
            if layer.stateful:
                layer.reset_state()

    on_test_begin = on_epoch_begin


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's early stopping, whose state can be written to a checkpoint and taken up again."""

    resumed: tuple[dict[str, Any], list[Any]] | None = None

    def state(self) -> tuple[dict[str, Any], list[Any]]:
        """What JSON can hold of it, and the best weights."""
        facts = {"wait": self.wait, "stopped_epoch": self.stopped_epoch, "best_epoch": self.best_epoch}
        facts["best"] = None if self.best is None else float(self.best)
        return facts, self.best_weights or []

    def resume(self, facts: dict[str, Any], best_weights: list[Any]) -> None:
        """Go on from a state when training begins."""
        self.resumed = facts, best_weights

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        if self.resumed is not None:
            facts, weights = self.resumed
            vars(self).update(facts, best_weights=weights or None)
            self.resumed = None


@dataclass(eq=False)
class EpochRecorder(keras.callbacks.Callback):
    """Adds the metrics of each epoch to the progress, sees divergence, and tells compiling from training time."""

    task: Task
    progress: Progress
    compiled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = time.perf_counter()
        self.compiling = 0.0
        self.training = 0.0

    def on_test_begin(self, logs: Any = None) -> None:
        self.training = time.perf_counter() - self.started - self.compiling

    def _before_batch(self, step: str, batch: int, logs: Any = None) -> None:
        if step not in self.compiled:
            self.first_began = time.perf_counter()

    def _after_batch(self, step: str, batch: int, logs: Any = None) -> None:
        if step not in self.compiled:
            self.compiled.add(step)
            self.compiling += time.perf_counter() - self.first_began

    on_train_batch_begin = partialmethod(_before_batch, "train")
    on_train_batch_end = partialmethod(_after_batch, "train")
    on_test_batch_begin = partialmethod(_before_batch, "test")
    on_test_batch_end = partialmethod(_after_batch, "test")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self.started - self.compiling
        self.progress.compile_s += self.compiling
        self.progress.train_s += seconds
        step_ms = self.training / self.params["steps"] * 1000
        metrics = {"train/loss": float(logs["loss"]), "time/epoch_s": seconds, "time/step_ms": step_ms}
        metrics |= {f"train/{name}": value for name, value in readable(self.task, logs).items()}
        metrics |= {f"val/{name}": value for name, value in readable(self.task, logs, "val_").items()}
        self.progress.epochs[epoch + 1] = metrics
        if not (math.isfinite(logs["loss"]) and math.isfinite(logs[f"val_{self.task.chooses.keras}"])):
            self.progress.diverged = True
            self.model.stop_training = True


def readable(task: Task, logs: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Keras's metrics under the names and in the units of the task."""
    return {metric.name: metric.value(float(logs[prefix + metric.keras])) for metric in task.metrics if metric.keras}


@dataclass(eq=False)
class Recorder(keras.callbacks.Callback):
    """Tells the listener of new epochs and writes a checkpoint, at the ends of epochs.

    Both happen as often as they may: after `every_s` seconds of training; by default when training has taken 50 times
    as long as they did the last time, so that they cost 2 % of the time at most.

    Training goes on from a checkpoint with the same bits as without the interruption: it holds the weights, the state
    of the optimizer and of the random numbers, and of early stopping. The order of the data needs the epoch only.

    Args:
        file: The checkpoint; None: no checkpoints.
        owner: Names the trial and the code.
        progress: What the trial has done so far.
        stopping: Its early stopping.
        listener: Called with the metrics of new epochs.
        every_s: Seconds of training between two checkpoints.
        pause_after: The epoch after which training pauses, with a checkpoint in any case; None: it does not.
    """

    file: Path | None
    owner: str
    progress: Progress
    stopping: EarlyStopping
    listener: Listener
    every_s: float | None
    pause_after: int | None = None
    reported: int = field(default=0, init=False)
    cost: float = field(default=FIRST_S, init=False)
    seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        super().__init__()
        self.last = time.perf_counter()

    def restore(self, model: keras.Model) -> None:
        """Take up the checkpoint, if there is one."""
        stored = checkpoint.read(self.file, self.owner) if self.file else None
        if stored is None:
            return
        if stored.refusal:
            print(f"{stored.refusal}: training begins anew", flush=True)
            return
        variables = state(model)
        for variable, value in zip(variables, stored.arrays, strict=False):
            variable.assign(value)
        vars(self.progress).update(stored.facts["progress"])
        self.progress.epochs = {int(epoch): metrics for epoch, metrics in self.progress.epochs.items()}
        self.stopping.resume(stored.facts["best"], stored.arrays[len(variables) :])
        print(f"goes on after epoch {len(self.progress.epochs)}", flush=True)

    def on_train_begin(self, logs: Any = None) -> None:
        self.last = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.progress.stopped = self.model.stop_training
        due = SHARE * self.cost if self.every_s is None else self.every_s
        if time.perf_counter() - self.last >= due or epoch + 1 == self.pause_after:
            began = time.perf_counter()
            self.tell()
            writing = time.perf_counter()
            self._write()
            self.last = time.perf_counter()
            self.cost = self.last - began
            self.seconds += self.last - writing

    def tell(self) -> None:
        """Tell the listener of the epochs that it has not heard of."""
        self.listener({epoch: metrics for epoch, metrics in self.progress.epochs.items() if epoch > self.reported})
        self.reported = len(self.progress.epochs)

    def _write(self) -> None:
        if self.file is None:
            return
        stopping, best_weights = self.stopping.state()
        facts = {"progress": asdict(self.progress), "best": stopping}
        arrays = [variable.numpy() for variable in state(self.model)]
        try:
            checkpoint.write(self.file, self.owner, facts, [*arrays, *best_weights])
        except OSError as error:  # training is worth more than a checkpoint of it
            print(f"no checkpoint of epoch {len(self.progress.epochs)}: {error}", flush=True)
