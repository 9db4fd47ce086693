"""One trial: build, fit, evaluate. No Hydra, no MLflow; what happens is told to a listener by epoch."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from experiments import model as models
from experiments.batches import Order, evaluation_batches, training_batches
from experiments.schema import Config, Optimizer, Training
from experiments.tasks import Split, Stream, Task

OPTIMIZERS = {
    Optimizer.adam: keras.optimizers.Adam,
    Optimizer.rmsprop: keras.optimizers.RMSprop,
    Optimizer.sgd: keras.optimizers.SGD,
}
REDUCTION = "mean_with_sample_weight"  # steps that do not count are not divided by either
LOSSES = {
    "mean_squared_error": keras.losses.MeanSquaredError,
    "sparse_categorical_crossentropy": partial(keras.losses.SparseCategoricalCrossentropy, from_logits=True),
    "binary_crossentropy": partial(keras.losses.BinaryCrossentropy, from_logits=True),
}
METRICS = {
    "mean_squared_error": keras.metrics.MeanSquaredError,
    "mean_absolute_error": keras.metrics.MeanAbsoluteError,
    "sparse_categorical_crossentropy": partial(keras.metrics.SparseCategoricalCrossentropy, from_logits=True),
    "sparse_categorical_accuracy": keras.metrics.SparseCategoricalAccuracy,
    "binary_crossentropy": partial(keras.metrics.BinaryCrossentropy, from_logits=True),
    "binary_accuracy": partial(keras.metrics.BinaryAccuracy, threshold=0.0),  # of a logit
}

EpochListener = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Result:
    """What a trial ended with.

    Attributes:
        test: Test metrics by name; NaN if the trial diverged.
        diverged: Whether the loss stopped being finite.
        epochs: Epochs that were trained.
        best_epoch: Epoch, from 1, whose weights were kept; None if the trial diverged.
        parameters: Number of trainable weights of the model.
        loop: Which loop the recurrent layers ran: `fast`, or `plain` and the reason.
        compile_s: Seconds to build and compile the training and the evaluation step.
        train_s: Seconds of training and validation without those.
    """

    test: dict[str, float]
    diverged: bool
    epochs: int
    best_epoch: int | None
    parameters: int
    loop: str
    compile_s: float
    train_s: float


def run(config: Config, task: Task, listener: EpochListener, folder: Path, verbose: int = 0) -> Result:
    """Train one model, keep the weights of its best validation score, evaluate them on the test part.

    The numbers depend on `config` and the data only: every random stream starts from `config.seed`.

    Args:
        config: The checked configuration.
        task: The prepared task.
        listener: Called after each epoch with its number, from 1, and the metrics by name, such as `val/mse`.
        folder: Where `model.keras` is written.
        verbose: Keras's verbosity: 0 silent, 1 progress bar, 2 one line per epoch.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(config.seed)
    batch_size = config.training.batch_size
    model = models.build(task, config.variant, config.model, batch_size if isinstance(task.train, Stream) else None)
    compile_model(model, task, config.training)
    order, empty_states = Order(len(task.train), batch_size, config.seed), _EmptyStates()
    watcher = _Watcher(task, listener)
    best = _keep_best(task, config.training)
    batches = training_batches(task.train, batch_size, order)
    model.fit(
        batches,
        steps_per_epoch=len(batches),  # without it Keras makes each epoch's iterator twice, some milliseconds each
        validation_data=evaluation_batches(task.validation, batch_size, task.per_step),
        epochs=config.training.epochs,
        callbacks=[order, empty_states, keras.callbacks.TerminateOnNaN(), watcher, best],
        shuffle=False,  # the batches come in a random order already
        verbose=verbose,
    )
    _save(model, config, task, folder / "model.keras")
    test = dict.fromkeys((metric.name for metric in task.metrics), math.nan)
    if not watcher.diverged:
        batches = evaluation_batches(task.test, batch_size, task.per_step)
        test = _readable(task, model.evaluate(batches, return_dict=True, verbose=0, callbacks=[empty_states]))
        test |= _measured(model, task, batch_size)
    return Result(
        test={metric.name: test[metric.name] for metric in task.metrics},
        diverged=watcher.diverged,
        epochs=watcher.epochs,
        best_epoch=None if watcher.diverged else best.best_epoch + 1,
        parameters=sum(math.prod(variable.shape) for variable in model.trainable_variables),
        loop=models.loops(model),
        compile_s=watcher.compile_s,
        train_s=watcher.train_s,
    )


def _save(model: keras.Model, config: Config, task: Task, file: Path) -> None:
    """Save a model that takes any number of sequences: one that carries states is bound to its batch size."""
    if isinstance(task.train, Stream):
        model = models.with_weights_of(models.build(task, config.variant, config.model), model)
    model.save(file)


def _measured(model: keras.Model, task: Task, batch_size: int) -> dict[str, float]:
    def predict(split: Split) -> np.ndarray:
        batches = evaluation_batches(split, batch_size, task.per_step)
        return model.predict(batches, verbose=0)[: len(split)]

    return task.measure(predict) if task.measure else {}


def compile_model(model: keras.Model, task: Task, training: Training) -> None:
    """Compile a model with the loss and the metrics of a task."""
    optimizer = OPTIMIZERS[training.optimizer]
    names = dict.fromkeys(metric.keras for metric in (*task.metrics, task.chooses) if metric.keras)
    model.compile(
        optimizer(learning_rate=training.learning_rate, global_clipnorm=training.clipnorm),
        loss=LOSSES[task.loss](reduction=REDUCTION),
        weighted_metrics=[METRICS[name](name=name) for name in names],
        jit_compile=training.jit_compile,
        steps_per_execution=training.steps_per_execution,
    )


def _keep_best(task: Task, training: Training) -> keras.callbacks.EarlyStopping:
    return keras.callbacks.EarlyStopping(
        monitor=f"val_{task.chooses.keras}",
        mode="min" if task.chooses.better == "lower" else "max",
        patience=training.patience or training.epochs,
        restore_best_weights=True,
    )


def _readable(task: Task, logs: dict[str, Any], prefix: str = "") -> dict[str, float]:
    shown = [metric for metric in task.metrics if metric.keras]
    return {metric.name: metric.value(float(logs[prefix + metric.keras])) for metric in shown}


class _EmptyStates(keras.callbacks.Callback):
    """Every pass over a stream begins in an empty state."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._empty()

    def on_test_begin(self, logs: Any = None) -> None:
        self._empty()

    def _empty(self) -> None:
        for layer in models.recurrent_layers(self.model):
            if layer.stateful:
                layer.reset_state()


class _Watcher(keras.callbacks.Callback):
    """Tells the listener of each epoch, sees divergence, and keeps compiling apart from training time."""

    def __init__(self, task: Task, listener: EpochListener) -> None:
        super().__init__()
        self.task = task
        self.listener = listener
        self.diverged = False
        self.epochs = 0
        self.compile_s = 0.0
        self.train_s = 0.0
        self.compiled: set[str] = set()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = time.perf_counter()
        self.compiling = 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._before_first("train")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._after_first("train")

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._before_first("test")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._after_first("test")

    def _before_first(self, step: str) -> None:
        if step not in self.compiled:
            self.first_began = time.perf_counter()

    def _after_first(self, step: str) -> None:
        if step not in self.compiled:
            self.compiled.add(step)
            self.compiling += time.perf_counter() - self.first_began

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self.started - self.compiling
        self.compile_s += self.compiling
        self.train_s += seconds
        self.epochs = epoch + 1
        metrics = {"train/loss": float(logs["loss"]), "time/epoch_s": seconds}
        metrics |= {f"train/{name}": value for name, value in _readable(self.task, logs).items()}
        metrics |= {f"val/{name}": value for name, value in _readable(self.task, logs, "val_").items()}
        if not (math.isfinite(logs["loss"]) and math.isfinite(logs[f"val_{self.task.chooses.keras}"])):
            self.diverged = True
            self.model.stop_training = True
        self.listener(self.epochs, metrics)
