"""A trained trial, brought back from the store, and what happens inside of it while it reads a sequence."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import variants
from experiments import tasks
from experiments.config import compose as config
from experiments.config.schema import Config
from experiments.errors import UserError, first_line
from experiments.gates.sequence import Sequenced
from experiments.gates.units import QUANTITIES
from experiments.tasks import Task
from experiments.tracking import Store, StoredRun
from experiments.tracking.lookup import fetch, read_yaml
from experiments.trial.gate_statistics import Bounds
from experiments.trial.gate_tracer import activation_bounds, gate_bounds

Array = np.ndarray

MOST_VALUES = 20_000_000  # a page of 54 MB


@dataclass(frozen=True)
class Source:
    """A trained trial.

    Attributes:
        trial: Its run in the store.
        settings: Its configuration.
        task: Its task.
        model: Its model.
    """

    trial: StoredRun
    settings: Config
    task: Task
    model: keras.Model


@dataclass(frozen=True)
class Traced:
    """What a model does with a sequence.

    Attributes:
        source: The trial.
        layers: By layer and quantity, `(shown steps, units)`; NaN at masked steps.
        bounds: By layer, the ranges of its learned gates and its candidate; None for one without.
        backwards: The layers that read from the end to the beginning.
        outputs: The model's outputs, `(time, outputs)` or `(outputs,)`.
    """

    source: Source
    layers: dict[str, dict[str, Array]]
    bounds: dict[str, dict[str, Bounds | None]]
    backwards: frozenset[str]
    outputs: Array


def load(store: Store, trial: StoredRun, data_dir: str | None = None) -> Source:
    """Bring the configuration, the data and the model of a trial together.

    Args:
        store: The store.
        trial: The trial.
        data_dir: Folder of fetched files; None: the one of the recorded configuration.

    Raises:
        UserError: if the run has no model, its model cannot be loaded, or the data are not there or have changed.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = config.restored(read_yaml(fetch(store, trial, "config.yaml", Path(folder)), trial))
        file = fetch(store, trial, "model.keras", Path(folder))
        task = tasks.build(settings.task, data_dir or settings.data_dir)
        if trial.tags.get("data_sha256", "") != task.digest:
            raise UserError(
                f"{trial.name}: its data are not those that it was trained on, so that its tokens or numbers may mean "
                "something else now. Give it the data of then"
            )
        try:
            model = keras.saving.load_model(file, compile=False)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise UserError(f"{trial.name}: its artifact model.keras cannot be loaded ({first_line(error)})") from error
    return Source(trial, settings, task, model)


def trace(source: Source, read: Sequenced) -> Traced:
    """Let the model read a sequence from an empty state, and note what its layers do.

    Raises:
        UserError: if the model reads sequences of another length or has no layer of this library, if its values are
            not finite, or if the page would have more than 20 million values.
    """
    name, model = source.trial.name, source.model
    steps = model.inputs[0].shape[1]
    if steps not in (None, len(read.inputs)):
        raise UserError(f"text=: the model of {name} reads {steps} tokens, and the text has {len(read.inputs)}")
    inputs = {"inputs": read.inputs[None], "mask": read.mask[None]} if len(model.inputs) > 1 else read.inputs[None]
    try:
        found = variants.trace(model, inputs)
        outputs = keras.ops.convert_to_numpy(model(inputs, training=False))[0]
    except ValueError as error:
        raise UserError(f"{name}: its model cannot be looked into ({_reason(error)})") from error
    values = read.shown * sum(arrays["cell_state"].shape[-1] * len(QUANTITIES) for arrays in found.values())
    if values > MOST_VALUES:
        most = read.shown * MOST_VALUES // values
        raise UserError(f"length={read.shown}: a page has {MOST_VALUES:,} values at most. Use length={most} or less")
    mask = read.mask[: read.shown, None]
    layers = {
        layer: {quantity: np.where(mask, arrays[quantity][0, : read.shown], np.nan) for quantity in QUANTITIES}
        for layer, arrays in found.items()
    }
    if not all(np.isfinite(array[mask[:, 0]]).all() for arrays in layers.values() for array in arrays.values()):
        raise UserError(f"{name}: its gates and states are not finite. Has the trial diverged?")
    cells = {layer.name: layer.cell for layer in _layers(model)}
    bounds = {
        layer: {**gate_bounds(cells[layer]), "candidate": activation_bounds(cells[layer].candidate_activation)}
        for layer in layers
    }
    backwards = frozenset(layer.name for layer in _layers(model) if layer.go_backwards)
    return Traced(source, layers, bounds, backwards, outputs)


def _layers(model: keras.Model) -> list[variants.GatedLSTM]:
    """The recurrent layers of a model, of bidirectional ones both."""
    names = ("forward_layer", "backward_layer")
    each = [getattr(layer, name, layer) for layer in model.layers for name in names]
    return [layer for layer in each if isinstance(layer, variants.GatedLSTM)]


def _reason(error: ValueError) -> str:
    """What Keras says of an exception in a layer, without the arguments of the layer."""
    text = str(error).split("\n\nArguments")[0].replace("\x1b[1m", "").replace("\x1b[0m", "")
    return " ".join(text.split())
