"""From a task and a variant to a Keras model."""

from typing import Any

import keras

import variants
from experiments.errors import UserError
from experiments.schema import Model, Variant
from experiments.tasks import Task


def build(task: Task, variant: Variant, settings: Model) -> keras.Model:
    """Token embedding if the task has tokens, `settings.layers` recurrent layers, a dense head (logits)."""
    dtype = "int32" if task.vocabulary else "float32"
    inputs = keras.Input(task.train.inputs.shape[1:], dtype=dtype, name="inputs")
    x = inputs
    if task.vocabulary:
        x = keras.layers.Embedding(task.vocabulary, settings.embedding, name="embedding")(x)
    for number in range(1, settings.layers + 1):
        x = _recurrent(variant, settings, number, task.per_step or number < settings.layers)(x)
    return keras.Model(inputs, keras.layers.Dense(task.outputs, name="head")(x))


def _recurrent(variant: Variant, settings: Model, number: int, return_sequences: bool) -> keras.layers.Layer:
    layer = make_layer(variant, settings.units, return_sequences=return_sequences, name=f"lstm_{number}")
    if settings.bidirectional:
        return keras.layers.Bidirectional(layer, name=f"bidirectional_{number}")
    return layer


def loops(model: keras.Model) -> str:
    """Which loop the recurrent layers of a model run, as their property `loop` says it."""
    layers = [getattr(layer, "forward_layer", layer) for layer in model.layers]
    return "; ".join(dict.fromkeys(layer.loop for layer in layers if isinstance(layer, variants.GatedLSTM)))


def make_layer(variant: Variant, units: int, **arguments: Any) -> variants.GatedLSTM:
    """The layer that a variant's configuration describes.

    Raises:
        UserError: for a layer that the library does not have, or switches that it refuses.
    """
    layers = _layer_classes()
    if variant.layer not in layers:
        raise UserError(f"variant.layer={variant.layer}: there is no such layer. Allowed: {', '.join(layers)}")
    allowed = layers[variant.layer].cell_arguments()
    unknown = [name for name in variant.arguments if name not in allowed]
    if unknown:
        raise UserError(
            f"variant.arguments: {variant.layer} has no cell argument {', '.join(unknown)}. "
            f"Allowed: {', '.join(sorted(allowed))}"
        )
    try:
        return layers[variant.layer](units, **variant.switches(), **arguments)
    except ValueError as error:
        raise UserError(f"variant={variant.name}: {error}") from error


def _layer_classes() -> dict[str, type[variants.GatedLSTM]]:
    exported = {name: getattr(variants, name) for name in variants.__all__}
    return {
        name: each for name, each in exported.items() if isinstance(each, type) and issubclass(each, variants.GatedLSTM)
    }
