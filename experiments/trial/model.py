"""From a task and a variant to a Keras model."""

from typing import Any

import keras

import variants.cells
import variants.layers
from experiments.config.schema import Match, Model, Variant
from experiments.errors import UserError, did_you_mean
from experiments.tasks import Stream, Task
from experiments.tasks._own_code import imported
from variants.initializers import ChronoInitializer
from variants.layers import GatedLSTM


def build(task: Task, variant: Variant, settings: Model, batch_size: int | None = None) -> keras.Model:
    """Tokens as embeddings or one-hot vectors, `settings.layers` recurrent layers, a dense head (logits).

    Ragged data has a second input `mask`, `(batch, time)`. Dropout, if any, follows the embedding and each recurrent
    layer, with one mask for all steps of a sequence (Gal and Ghahramani 2016).

    Args:
        task: Gives the inputs and the head.
        variant: The recurrent layers.
        settings: Actual units and number of the layers, direction, embedding, dropout.
        batch_size: For a task on a stream: rows of a batch, whose states are carried to the next batch. None: each
            sequence starts from an empty state.

    Raises:
        ValueError: for settings whose units have not been matched yet, unlike those of `TrialSpec.model`.
        UserError: as `make_layer` does.
    """
    if settings.match is not Match.units:
        raise ValueError(f"`settings.match` must be `units`, as `TrialSpec.model` has it. Received: {settings.match}")
    streamed = isinstance(task.train, Stream)
    features = () if task.vocabulary else task.train.inputs.shape[2:]
    shape = (batch_size, task.train.length if batch_size else None) if streamed else (None, task.steps, *features)
    inputs = keras.Input(batch_shape=shape, dtype="int32" if task.vocabulary else "float32", name="inputs")
    mask = None
    if not streamed and task.train.mask is not None:
        mask = keras.Input(batch_shape=shape[:2], dtype="bool", name="mask")
    x = inputs
    if task.vocabulary:
        x = _vectors(task.vocabulary, settings)(x)
    for number in range(1, settings.layers + 1):
        each_step = task.per_step or number < settings.layers
        layer = _recurrent(variant, settings, number, return_sequences=each_step, stateful=batch_size is not None)
        x = layer(x) if mask is None else layer(x, mask=mask)
        x = _dropped(x, settings.dropout)
    outputs = keras.layers.Dense(task.outputs, name="head")(x)
    return keras.Model(inputs if mask is None else {"inputs": inputs, "mask": mask}, outputs)


def _vectors(vocabulary: int, settings: Model) -> Any:
    if settings.embedding is None:
        return lambda tokens: keras.ops.one_hot(tokens, vocabulary)
    embedding = keras.layers.Embedding(vocabulary, settings.embedding, name="embedding")
    return lambda tokens: _dropped(embedding(tokens), settings.dropout)


def _dropped(x: Any, rate: float) -> Any:
    if not rate:
        return x
    return keras.layers.SpatialDropout1D(rate)(x) if len(x.shape) == 3 else keras.layers.Dropout(rate)(x)


def _recurrent(variant: Variant, settings: Model, number: int, **arguments: Any) -> keras.layers.Layer:
    layer = make_layer(variant, settings.units, name=f"lstm_{number}", **arguments)
    if settings.bidirectional:
        return keras.layers.Bidirectional(layer, name=f"bidirectional_{number}")
    return layer


def recurrent_layers(model: keras.Model) -> list[GatedLSTM]:
    """The recurrent layers of a model, of bidirectional ones the forward layer."""
    layers = [getattr(layer, "forward_layer", layer) for layer in model.layers]
    return [layer for layer in layers if isinstance(layer, GatedLSTM)]


def loops(model: keras.Model) -> str:
    """Which loop the recurrent layers of a model run, as their property `loop` says it."""
    return "; ".join(dict.fromkeys(layer.loop for layer in recurrent_layers(model)))


def with_weights_of(model: keras.Model, trained: keras.Model) -> keras.Model:
    """Give `model` the trained weights of another one of the same shape."""
    for variable, source in zip(model.trainable_variables, trained.trainable_variables, strict=True):
        variable.assign(source)
    return model


def make_layer(variant: Variant, units: int, **arguments: Any) -> GatedLSTM:
    """The layer that a variant's configuration describes: every field that is set, and nothing else.

    Raises:
        UserError: for a layer that the library does not have, or arguments that it refuses.
    """
    layer = layer_class(variant.layer)
    allowed = layer.cell_arguments()
    unknown = [name for name in variant.arguments if name not in allowed]
    if unknown:
        raise UserError(
            f"variant.arguments: {variant.layer} has no cell argument {', '.join(unknown)}. "
            f"Allowed: {', '.join(sorted(allowed))}"
        )
    chosen = {**variant.switches(), **variant.arguments}
    if variant.chrono_time is not None:
        if "bias_initializer" in chosen:
            raise UserError(
                "variant.chrono_time and variant.arguments.bias_initializer set the same biases: choose one"
            )
        chosen["bias_initializer"] = ChronoInitializer(variant.chrono_time)
    try:
        return layer(units, **chosen, **arguments)
    except (ValueError, TypeError) as error:
        raise UserError(f"variant={variant.name}: {error}") from error


def layer_class(name: str) -> type[GatedLSTM]:
    """A layer of the library by its name, or one of the user by its dotted path.

    Raises:
        UserError: if there is none.
    """
    classes = _layer_classes()
    layer = imported(name, "variant.layer") if "." in name else classes.get(name)
    if not isinstance(layer, type) or not issubclass(layer, GatedLSTM):
        raise UserError(
            f"variant.layer={name}: there is no such layer. Allowed: {', '.join(classes)}, or a subclass of "
            f"GatedLSTM of your own, module.Class.{did_you_mean(name, classes)}"
        )
    return layer


def _layer_classes() -> dict[str, type[GatedLSTM]]:
    values = {**vars(variants.layers), **vars(variants.cells)}
    return {name: value for name, value in values.items() if isinstance(value, type) and issubclass(value, GatedLSTM)}
