"""One trial: build, fit, evaluate. No Hydra, no MLflow; what happens is told to a listener by epoch."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from experiments import model as models
from experiments.batches import evaluation_batches, training_batches
from experiments.schema import Config, Optimizer, Training
from experiments.tasks import Task

OPTIMIZERS = {
    Optimizer.adam: keras.optimizers.Adam,
    Optimizer.rmsprop: keras.optimizers.RMSprop,
    Optimizer.sgd: keras.optimizers.SGD,
}
LOSSES = {
    "mean_squared_error": keras.losses.MeanSquaredError,
    "sparse_categorical_crossentropy": partial(keras.losses.SparseCategoricalCrossentropy, from_logits=True),
}
METRICS = {
    "mean_squared_error": keras.metrics.MeanSquaredError,
    "mean_absolute_error": keras.metrics.MeanAbsoluteError,
    "sparse_categorical_crossentropy": partial(keras.metrics.SparseCategoricalCrossentropy, from_logits=True),
    "sparse_categorical_accuracy": keras.metrics.SparseCategoricalAccuracy,
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
        parameters: Number of weights of the model.
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
    model = models.build(task, config.variant, config.model)
    _compile(model, task, config.training)
    epoch = tf.Variable(0, trainable=False, dtype="int32")
    watcher = _Watcher(task, listener, epoch)
    best = _keep_best(task, config.training)
    batch_size = config.training.batch_size
    model.fit(
        training_batches(task.train, batch_size, config.seed, epoch),
        validation_data=evaluation_batches(task.validation, batch_size, task.per_step),
        epochs=config.training.epochs,
        callbacks=[keras.callbacks.TerminateOnNaN(), watcher, best],
        shuffle=False,  # the batches come in a random order already
        verbose=verbose,
    )
    model.save(folder / "model.keras")
    test = dict.fromkeys((metric.name for metric in task.metrics), math.nan)
    if not watcher.diverged:
        batches = evaluation_batches(task.test, batch_size, task.per_step)
        test = _readable(task, model.evaluate(batches, return_dict=True, verbose=0))
    return Result(
        test=test,
        diverged=watcher.diverged,
        epochs=watcher.epochs,
        best_epoch=None if watcher.diverged else best.best_epoch + 1,
        parameters=model.count_params(),
        loop=models.loops(model),
        compile_s=watcher.compile_s,
        train_s=watcher.train_s,
    )


def _compile(model: keras.Model, task: Task, training: Training) -> None:
    optimizer = OPTIMIZERS[training.optimizer]
    model.compile(
        optimizer(learning_rate=training.learning_rate, global_clipnorm=training.clipnorm),
        loss=LOSSES[task.loss](),
        weighted_metrics=[METRICS[name](name=name) for name in {metric.keras: None for metric in task.metrics}],
        jit_compile=training.jit_compile,
        steps_per_execution=training.steps_per_execution,
    )


def _keep_best(task: Task, training: Training) -> keras.callbacks.EarlyStopping:
    return keras.callbacks.EarlyStopping(
        monitor=f"val_{task.score.keras}",
        mode="min" if task.score.better == "lower" else "max",
        patience=training.patience or training.epochs,
        restore_best_weights=True,
    )


def _readable(task: Task, logs: dict[str, Any], prefix: str = "") -> dict[str, float]:
    return {metric.name: metric.value(float(logs[prefix + metric.keras])) for metric in task.metrics}


class _Watcher(keras.callbacks.Callback):
    """Tells the listener of each epoch, sees divergence, and keeps compiling apart from training time."""

    def __init__(self, task: Task, listener: EpochListener, epoch: tf.Variable) -> None:
        super().__init__()
        self.task = task
        self.listener = listener
        self.epoch_variable = epoch
        self.diverged = False
        self.epochs = 0
        self.compile_s = 0.0
        self.train_s = 0.0
        self.compiled: set[str] = set()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch_variable.assign(epoch)
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
        if not (math.isfinite(logs["loss"]) and math.isfinite(metrics[f"val/{self.task.score.name}"])):
            self.diverged = True
            self.model.stop_training = True
        self.listener(self.epochs, metrics)
