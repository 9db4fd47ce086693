"""A callback that traces the gates at the ends of chosen epochs."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from experiments.config.schema import Training
from experiments.errors import first_line
from experiments.tasks import Stream, Task
from experiments.trial import gate_pictures
from experiments.trial.batches import stream_rows
from experiments.trial.callbacks import Progress
from experiments.trial.gate_bounds import gate_bounds, is_relative
from experiments.trial.gate_statistics import LayerStatistics, layer_statistics
from variants.trace import Tracer

SEQUENCES = 16  # of the validation part


@dataclass(eq=False)
class GateCallback(keras.callbacks.Callback):
    """Traces the gates at the ends of chosen epochs, and adds their statistics to the metrics of the epoch.

    The statistics do not depend on the choice of epochs, and training does not depend on them. A model that cannot be
    traced is trained all the same: one line says so. The callback comes after early stopping, so that it knows the
    last epoch.

    Args:
        task: The sequences come from its validation part.
        training: Gives the number of epochs at most, and of rows in a batch of a stream.
        progress: Where the metrics go.
        every: Trace every so many epochs and the last one; 0: none; None: the epochs 1, 2, 4, 8, 16, ... and the last
            one. Unless it is 0, also before training.
        folder: Where the content of the pictures is written.
        tracer: Traces the model.
    """

    task: Task
    training: Training
    progress: Progress
    every: int | None
    folder: Path
    tracer: Tracer
    batch: Any = field(default=None, init=False)
    seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        super().__init__()
        self.disabled = self.every == 0

    def on_train_begin(self, logs: Any = None) -> None:
        if not self.progress.epochs:
            gate_pictures.clear(self.folder)  # of a try that left no checkpoint
            self._try(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        last = self.model.stop_training or epoch + 1 == self.training.epochs
        if not self.progress.diverged and (last or is_chosen(epoch + 1, self.every)):
            self._try(epoch + 1)

    def _try(self, epoch: int) -> None:
        if self.disabled:
            return
        began = time.perf_counter()
        try:
            self._trace(epoch)
        except Exception as error:  # whatever it is, training is worth more
            self.disabled = True
            print(f"the gates cannot be traced: {first_line(error)}", flush=True)
        self.seconds += time.perf_counter() - began

    def _trace(self, epoch: int) -> None:
        if self.batch is None:
            self.batch = tf.nest.map_structure(tf.constant, gate_batch(self.task, self.training.batch_size))
        before = self.tracer.compile_s
        layers = trace_statistics(self.tracer, *self.batch)
        compiling = self.tracer.compile_s - before
        self.progress.compile_s += compiling
        self.seconds -= compiling
        if epoch:  # before the first epoch there is a picture only, which the MLflow UI shows first
            for name, statistics in layers.items():
                self.progress.epochs[epoch] |= statistics.metrics(f"gates/{name}")
        gate_pictures.save(self.folder, epoch, layers)


def trace_statistics(tracer: Tracer, inputs: Any, targets: Any, weights: Any) -> dict[str, LayerStatistics]:
    """Trace a model on a batch and summarize each layer, by its name as in `variants.trace`.

    Args:
        tracer: Traces the model.
        inputs: What the model is called with.
        targets: Targets of the loss.
        weights: Their weights.

    Raises:
        ValueError: if the model cannot be traced.
    """
    traces = tracer(inputs, targets, weights)
    statistics = {}
    for name, arrays in traces.items():
        cell = tracer.layers[name].cell
        bounds = gate_bounds(cell)
        remembers = "forget_gate" in bounds and not is_relative(cell)
        statistics[name] = layer_statistics(arrays, bounds, remembers)
    return statistics


def is_chosen(epoch: int, every: int | None) -> bool:
    """Whether the gates are traced after an epoch, counted from 1, that is not the last one.

    Args:
        epoch: The epoch.
        every: Every so many epochs; 0: never; None: after 1, 2, 4, 8, 16, ...
    """
    if every is None:
        return math.log2(epoch).is_integer()
    return every > 0 and epoch % every == 0


def gate_batch(task: Task, batch_size: int) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of the sequences on which the gates are traced, for all variants and seeds the same.

    They are the first 16 of the validation part, in their full length; of a stream the beginning of each row.
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
