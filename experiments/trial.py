"""One trial: build, fit, evaluate. No Hydra, no MLflow; what happens is told to a listener."""

import math
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from experiments import match
from experiments import model as models
from experiments.batches import Order, evaluation_batches, training_batches
from experiments.callbacks import EmptyStates, Keeper, Listener, Progress, Watcher, readable
from experiments.compiled import first_model
from experiments.gates.watch import GateWatch
from experiments.schema import Config, Training
from experiments.tasks import Split, Stream, Task


@dataclass(frozen=True)
class Result:
    """What a trial ended with.

    Attributes:
        test: Test metrics by name; NaN if the trial diverged.
        diverged: Whether the loss stopped being finite.
        epochs: Epochs that were trained.
        best_epoch: Epoch, from 1, whose weights were kept; None if the trial diverged.
        best_validation: The validation score that chose that epoch; NaN if the trial diverged.
        units: Units of each recurrent layer.
        parameters: Number of trainable weights of the model.
        loop: Which loop the recurrent layers ran: `fast`, or `plain` and the reason.
        compile_s: Seconds to compile the training and the evaluation step; next to none where this process had done it.
        train_s: Seconds of training and validation without those.
        checkpoint_s: Seconds of writing checkpoints.
        gates_s: Seconds of looking at the gates.
    """

    test: dict[str, float]
    diverged: bool
    epochs: int
    best_epoch: int | None
    best_validation: float
    units: int
    parameters: int
    loop: str
    compile_s: float
    train_s: float
    checkpoint_s: float
    gates_s: float


def run(
    config: Config, task: Task, listener: Listener, folder: Path, owner: str | None = None, verbose: int = 0
) -> Result:
    """Train one model, keep the weights of its best validation score, evaluate them on the test part.

    The numbers depend on `config` and the data only: every random stream starts from `config.seed`. Training goes on
    from `checkpoint.npz`, if the folder has one of this owner, with the same numbers as without the interruption.

    Args:
        config: The checked configuration.
        task: The prepared task.
        listener: Called now and then with the metrics of new epochs: by number of the epoch, from 1, and by name,
            such as `val/mse`. Epochs before a checkpoint are told again.
        folder: Where `model.keras`, `checkpoint.npz` and, in `gates`, what is seen of the gates are written.
        owner: Names the trial and the code; a checkpoint of another owner is not used. None: no checkpoints.
        verbose: Keras's verbosity: 0 silent, 1 progress bar, 2 one line per epoch.
    """
    config = match.settled(config, task)
    batch_size = config.training.batch_size
    model = first_model(config, task)
    order, empty_states, progress = Order(len(task.train), batch_size, config.seed), EmptyStates(), Progress()
    best = _keep_best(task, config.training)
    file = None if owner is None else folder / "checkpoint.npz"
    keeper = Keeper(file, owner or "", progress, best, listener, config.sweep.checkpoint_s)
    keeper.restore(model)
    watch = GateWatch(task, config.training, progress, config.tracking.gates, folder / "gates")
    watcher, on_nan = Watcher(task, progress), keras.callbacks.TerminateOnNaN()
    batches = training_batches(task.train, batch_size, order)
    try:
        model.fit(
            batches,
            steps_per_epoch=len(batches),  # without it Keras makes each epoch's iterator twice, some milliseconds each
            validation_data=evaluation_batches(task.validation, batch_size, task.per_step),
            initial_epoch=len(progress.epochs),
            epochs=len(progress.epochs) if progress.stopped else config.training.epochs,
            callbacks=[order, empty_states, on_nan, watcher, best, watch, keeper],
            shuffle=False,  # the batches come in a random order already
            verbose=verbose,
        )
    finally:
        keeper.tell()
    _save(model, config, task, folder / "model.keras")
    test = dict.fromkeys((metric.name for metric in task.metrics), math.nan)
    if not progress.diverged:
        batches = evaluation_batches(task.test, batch_size, task.per_step)
        test = readable(task, model.evaluate(batches, return_dict=True, verbose=0, callbacks=[empty_states]))
        test |= _measured(model, task, batch_size)
    return Result(
        test={metric.name: test[metric.name] for metric in task.metrics},
        diverged=progress.diverged,
        epochs=len(progress.epochs),
        best_epoch=None if progress.diverged else best.best_epoch + 1,
        best_validation=math.nan if progress.diverged else task.chooses.value(float(best.best)),
        units=config.model.units,
        parameters=sum(math.prod(variable.shape) for variable in model.trainable_variables),
        loop=models.loops(model),
        compile_s=progress.compile_s,
        train_s=progress.train_s,
        checkpoint_s=keeper.seconds,
        gates_s=watch.seconds,
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


def _keep_best(task: Task, training: Training) -> keras.callbacks.EarlyStopping:
    return keras.callbacks.EarlyStopping(
        monitor=f"val_{task.chooses.keras}",
        mode="min" if task.chooses.better == "lower" else "max",
        patience=training.patience or training.epochs,
        restore_best_weights=True,
    )
