"""A cache of compiled models: most trials of a sweep differ in their seed only."""

import random
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from experiments.config.schema import Optimizer, Training
from experiments.tasks import Split, Stream, Task
from experiments.trial import model as models
from experiments.trial.spec import TrialSpec
from variants.trace import Tracer

SIZE = 8  # compiled models of a process; the one used longest ago is given up

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


@dataclass(frozen=True)
class CompiledModel:
    """A compiled model and its tracer, which is compiled when it is first used."""

    model: keras.Model
    tracer: Tracer


_cache: OrderedDict[tuple[Any, ...], CompiledModel] = OrderedDict()


def compiled_model(spec: TrialSpec, task: Task) -> CompiledModel:
    """The compiled model of a trial as it is before its first step.

    A model is always built, which draws the initial weights from the seed. If this process has compiled one of the
    same graph before, that one takes over the values of all variables (weights, optimizer, random seeds, learning
    rate), so that nothing is compiled again and every number is the same as in a fresh process.
    """
    graph, seed = _graph(spec, task), spec.config.seed
    cached = _cache.get(graph)
    if cached is None:
        keras.backend.clear_session(free_memory=False)
        while len(_cache) >= SIZE:
            _cache.popitem(last=False)
        keras.utils.set_random_seed(seed)
        model = _built(spec, task)
        _cache[graph] = CompiledModel(model, Tracer(model))
        return _cache[graph]
    _cache.move_to_end(graph)
    random.seed(seed)  # Keras draws from here; its own functions would also empty TensorFlow's cache of kernels
    np.random.seed(seed)
    for variable, initial in zip(state(cached.model), state(_built(spec, task)), strict=True):
        variable.assign(initial)
    return cached


def _built(spec: TrialSpec, task: Task) -> keras.Model:
    batch_size = spec.config.training.batch_size if isinstance(task.train, Stream) else None
    model = models.build(task, spec.config.variant, spec.model, batch_size)
    compile_model(model, task, spec.config.training)
    model.optimizer.build(model.trainable_variables)
    return model


def state(model: keras.Model) -> list[keras.Variable]:
    """Everything that training changes: weights, states of random numbers and of layers, optimizer."""
    return [*model.variables, *model.optimizer.variables]


def compile_model(model: keras.Model, task: Task, training: Training) -> None:
    """Compile a model with the loss and the metrics of a task."""
    optimizer = OPTIMIZERS[training.optimizer]
    model.compile(
        optimizer(learning_rate=training.learning_rate, global_clipnorm=training.clipnorm),
        loss=LOSSES[task.loss](reduction=REDUCTION),
        weighted_metrics=[METRICS[name](name=name) for name in _metric_names(task)],
        jit_compile=training.jit_compile,
        steps_per_execution=training.steps_per_execution,
    )


def _metric_names(task: Task) -> tuple[str, ...]:
    return tuple(dict.fromkeys(metric.keras for metric in (*task.metrics, task.chooses) if metric.keras))


def _graph(spec: TrialSpec, task: Task) -> tuple[Any, ...]:
    """What the compiled functions of a model depend on: all of the trial but its values, seed and length."""
    training = spec.config.training
    compiled = (training.batch_size, training.optimizer, training.clipnorm, training.jit_compile)
    head = (task.vocabulary, task.outputs, task.per_step, task.loss, _metric_names(task))
    shapes = tuple(_shapes(part) for part in (task.train, task.validation, task.test))
    return (str(spec.config.variant), str(spec.model), *compiled, training.steps_per_execution, *head, shapes)


def _shapes(part: Split | Stream) -> tuple[Any, ...]:
    if isinstance(part, Stream):
        return ("stream", part.length)
    arrays = (part.inputs, part.targets, part.mask, part.weights)
    return tuple(None if array is None else (array.shape[1:], str(array.dtype)) for array in arrays)
