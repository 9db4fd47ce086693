"""A callback that looks at the gates at the ends of chosen epochs."""

import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from experiments.config.schema import Training
from experiments.errors import first_line
from experiments.tasks import Stream, Task
from experiments.trial import gate_pictures as pictures
from experiments.trial.batches import stream_rows
from experiments.trial.callbacks import Progress
from experiments.trial.gate_tracer import Look

SEQUENCES = 16  # of the validation part


class GateCallback(keras.callbacks.Callback):
    """Looks at the gates at the ends of chosen epochs, and adds what it sees to what is told of the epoch.

    What it sees does not depend on when it looks, and training does not depend on it. A model that it cannot look at
    is trained all the same: one line says so. It comes after early stopping in the list of callbacks, so that it knows
    the last epoch.

    Args:
        task: The sequences that are looked at come from its validation part.
        training: Says how many epochs there are at most, and how many rows a batch of a stream has.
        progress: Where the metrics go.
        every: Look at every so many epochs and the last one; 0: at none; None: at the epochs 1, 2, 4, 8, 16, ... and
            the last one. Unless it is 0, also before training.
        folder: Where what the pictures show is written.
        tracer: Looks into the model.
    """

    def __init__(
        self, task: Task, training: Training, progress: Progress, every: int | None, folder: Path, tracer: Look
    ) -> None:
        super().__init__()
        self.task = task
        self.training = training
        self.progress = progress
        self.every = every
        self.folder = folder
        self.tracer = tracer
        self.given_up = every == 0
        self.sequences: Any = None
        self.seconds = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        if not self.progress.epochs:
            pictures.clear(self.folder)  # of a try that left no checkpoint
            self._try(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        last = self.model.stop_training or epoch + 1 == self.training.epochs
        if not self.progress.diverged and (last or is_looked_at(epoch + 1, self.every)):
            self._try(epoch + 1)

    def _try(self, epoch: int) -> None:
        if self.given_up:
            return
        began = time.perf_counter()
        try:
            self._look(epoch)
        except Exception as error:  # whatever it is, training is worth more
            self.given_up = True
            print(f"the gates are not looked at: {first_line(error)}", flush=True)
        self.seconds += time.perf_counter() - began

    def _look(self, epoch: int) -> None:
        if self.sequences is None:
            self.sequences = tf.nest.map_structure(tf.constant, watched_sequences(self.task, self.training.batch_size))
        look = self.tracer
        before = look.compile_s
        found = look(*self.sequences)
        compiling = look.compile_s - before
        self.progress.compile_s += compiling
        self.seconds -= compiling
        if epoch:  # before the first epoch there is a picture only, which the MLflow UI shows first
            for name, statistics in found.items():
                self.progress.epochs[epoch] |= statistics.metrics(f"gates/{name}")
        pictures.keep(self.folder, epoch, found)


def is_looked_at(epoch: int, every: int | None) -> bool:
    """Whether the gates are looked at after an epoch, counted from 1, that is not the last one.

    Args:
        epoch: The epoch.
        every: Every so many epochs; 0: never; None: after 1, 2, 4, 8, 16, ...
    """
    if every is None:
        return math.log2(epoch).is_integer()
    return every > 0 and epoch % every == 0


def watched_sequences(task: Task, batch_size: int) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of the sequences that are looked at, the same for all variants and seeds.

    They are the first 16 of the validation part, as long as they are; of a stream the beginning of each row.
    """
    part = task.validation
    if isinstance(part, Stream):
        inputs, targets, weights = stream_rows(part, batch_size, complete=True)
        return inputs[0], targets[0], weights[0]
    arrays = {name: value[:SEQUENCES] for name, value in vars(part).items() if value is not None}
    inputs, targets, mask = arrays["inputs"], arrays["targets"], arrays.get("mask")
    weights = arrays.get("weights", mask if task.per_step else None)
    if weights is None:
        weights = np.ones(targets.shape[: 2 if task.per_step else 1])
    return inputs if mask is None else {"inputs": inputs, "mask": mask}, targets, weights.astype("float32")
