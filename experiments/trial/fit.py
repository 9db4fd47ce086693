"""One trial: build, fit, evaluate. No Hydra, no MLflow; what happens is told to a listener."""

import math
from dataclasses import dataclass
from pathlib import Path

import keras

from experiments.config.schema import Config, Training
from experiments.tasks import Stream, Task
from experiments.trial import model as models
from experiments.trial.batches import Order, evaluation_batches, training_batches
from experiments.trial.callbacks import (
    EarlyStopping,
    EmptyStates,
    EpochRecorder,
    Listener,
    Progress,
    Recorder,
)
from experiments.trial.evaluation import test_metrics
from experiments.trial.gate_callback import GateCallback
from experiments.trial.model_cache import compiled_model
from experiments.trial.spec import TrialSpec


@dataclass(frozen=True)
class TrialResult:
    """What training returned.

    Attributes:
        test: Test metrics by name; NaN if the trial diverged.
        diverged: Whether the loss stopped being finite.
        epochs: Epochs that were trained.
        best_epoch: Epoch, from 1, whose weights were restored; None if the trial diverged.
        best_validation: The validation score that chose that epoch; NaN if the trial diverged.
        parameters: Number of trainable weights of the model.
        loop: Which loop the recurrent layers ran: `fast`, or `plain` and the reason.
        compile_s: Seconds to compile the training and the evaluation step; next to none where this process had done it.
        train_s: Seconds of training and validation without those.
        compiled_now_s: What of `compile_s` this process took: the rest is from before the checkpoint.
        trained_now_s: The same of `train_s`.
        checkpoint_s: Seconds of writing checkpoints.
        gates_s: Seconds of tracing the gates.
    """

    test: dict[str, float]
    diverged: bool
    epochs: int
    best_epoch: int | None
    best_validation: float
    parameters: int
    loop: str
    compile_s: float
    train_s: float
    compiled_now_s: float
    trained_now_s: float
    checkpoint_s: float
    gates_s: float


@dataclass(frozen=True)
class Pause:
    """What is known of a trial that is paused, and not evaluated: its checkpoint has all that it goes on from.

    Attributes:
        epoch: After which epoch.
        best_validation: The best validation score of the epochs until then.
        train_s: Seconds of training and validation, without compiling.
        compiled_now_s, trained_now_s, checkpoint_s, gates_s: As of a `TrialResult`.
    """

    epoch: int
    best_validation: float
    train_s: float
    compiled_now_s: float
    trained_now_s: float
    checkpoint_s: float
    gates_s: float


def fit(
    spec: TrialSpec, task: Task, listener: Listener, folder: Path, owner: str | None = None, verbose: int = 0
) -> TrialResult | Pause:
    """Train one model, restore the weights of its best validation score, evaluate them on the test part.

    With `sweep.pause_after` training may pause before its end. It goes on as after any other interruption.

    The numbers depend on the configuration and the data only: every random stream starts from `config.seed`. Training
    goes on from `checkpoint.npz`, if the folder has one of this owner, with the same numbers as without the
    interruption.

    Args:
        spec: The trial.
        task: Its prepared task.
        listener: Called now and then with the metrics of new epochs: by number of the epoch, from 1, and by name,
            such as `val/mse`. Epochs before a checkpoint are told again.
        folder: Where `model.keras`, `checkpoint.npz` and, in `gates`, the statistics of the gates are written.
        owner: Names the trial and the code; a checkpoint of another owner is not used. None: no checkpoints.
        verbose: Keras's verbosity: 0 silent, 1 progress bar, 2 one line per epoch.
    """
    config, batch_size = spec.config, spec.config.training.batch_size
    compiled = compiled_model(spec, task)
    model = compiled.model
    order, empty_states, progress = Order(len(task.train), batch_size, config.seed), EmptyStates(), Progress()
    stopping = _early_stopping(task, config.training)
    file = None if owner is None else folder / "checkpoint.npz"
    pause_after = _pause(config)
    recorder = Recorder(file, owner or "", progress, stopping, listener, config.sweep.checkpoint_s, pause_after)
    recorder.restore(model)
    compiled_before_s, trained_before_s = progress.compile_s, progress.train_s
    gates = GateCallback(task, config.training, progress, config.tracking.gates, folder / "gates", compiled.tracer)
    batches = training_batches(task.train, batch_size, order)
    on_nan, epochs = keras.callbacks.TerminateOnNaN(), EpochRecorder(task, progress)
    trained = len(progress.epochs)
    try:
        model.fit(
            batches,
            steps_per_epoch=len(batches),  # without it Keras makes each epoch's iterator twice, some milliseconds each
            validation_data=evaluation_batches(task.validation, batch_size, task.per_step),
            initial_epoch=trained,
            epochs=trained if progress.stopped else max(trained, pause_after or config.training.epochs),
            callbacks=[order, empty_states, on_nan, epochs, stopping, gates, recorder],
            shuffle=False,  # the batches come in a random order already
            verbose=verbose,
        )
    finally:
        recorder.tell()
    if pause_after is not None and not progress.stopped:
        return Pause(
            epoch=pause_after,
            best_validation=_best_until(pause_after, task, progress),
            train_s=progress.train_s,
            compiled_now_s=progress.compile_s - compiled_before_s,
            trained_now_s=progress.train_s - trained_before_s,
            checkpoint_s=recorder.seconds,
            gates_s=gates.seconds,
        )
    _save(model, spec, task, folder / "model.keras")
    return TrialResult(
        test=_no_metrics(task) if progress.diverged else test_metrics(model, task, batch_size),
        diverged=progress.diverged,
        epochs=len(progress.epochs),
        best_epoch=None if progress.diverged else stopping.best_epoch + 1,
        best_validation=math.nan if progress.diverged else task.chooses.value(float(stopping.best)),
        parameters=sum(math.prod(variable.shape) for variable in model.trainable_variables),
        loop=models.loops(model),
        compile_s=progress.compile_s,
        train_s=progress.train_s,
        compiled_now_s=progress.compile_s - compiled_before_s,
        trained_now_s=progress.train_s - trained_before_s,
        checkpoint_s=recorder.seconds,
        gates_s=gates.seconds,
    )


def _pause(config: Config) -> int | None:
    """The epoch after which training pauses, if it is not the last one."""
    pause_after = config.sweep.pause_after
    return pause_after if pause_after is not None and pause_after < config.training.epochs else None


def _best_until(epoch: int, task: Task, progress: Progress) -> float:
    """The best validation score of the first epochs: a checkpoint may hold more of them."""
    choose = min if task.chooses.better == "lower" else max
    return float(choose(progress.epochs[number][f"val/{task.chooses.name}"] for number in range(1, epoch + 1)))


def _save(model: keras.Model, spec: TrialSpec, task: Task, file: Path) -> None:
    """Save a model that takes any number of sequences: one that carries states is bound to its batch size."""
    if isinstance(task.train, Stream):
        model = models.with_weights_of(models.build(task, spec.config.variant, spec.model), model)
    model.save(file)


def _no_metrics(task: Task) -> dict[str, float]:
    return dict.fromkeys((metric.name for metric in task.metrics), math.nan)


def _early_stopping(task: Task, training: Training) -> EarlyStopping:
    return EarlyStopping(
        monitor=f"val_{task.chooses.keras}",
        mode="min" if task.chooses.better == "lower" else "max",
        patience=training.patience or training.epochs,
        restore_best_weights=True,
    )
