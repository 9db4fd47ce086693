"""A trained trial from the store, and the activations of its layers on a sequence."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import variants
from experiments import tasks
from experiments.config.schema import Config
from experiments.errors import UserError, first_line
from experiments.gates.sequence import InputSequence
from experiments.gates.unit_scores import QUANTITIES
from experiments.tasks import Task
from experiments.tracking import Store, StoredRun
from experiments.tracking.lookup import fetch, recorded_spec
from experiments.tracking.metadata import Tag
from experiments.trial.gate_bounds import Bounds, activation_bounds, gate_bounds
from experiments.trial.model import layer_class
from experiments.trial.spec import TrialSpec

Array = np.ndarray

MOST_VALUES = 20_000_000  # a page of 54 MB


@dataclass(frozen=True)
class TrainedTrial:
    """A trained trial.

    Attributes:
        run: Its run in the store.
        spec: What was known of it before training, with the units that its model has.
        task: Its task.
        model: Its model.
    """

    run: StoredRun
    spec: TrialSpec
    task: Task
    model: keras.Model

    @property
    def config(self) -> Config:
        """Its configuration."""
        return self.spec.config


@dataclass(frozen=True)
class Activations:
    """Gates and states of the layers of a trained trial on a sequence.

    Attributes:
        trial: The trial.
        layers: By layer and quantity, `(shown steps, units)`; NaN at masked steps.
        bounds: By layer, the ranges of its learned gates and its candidate; None for one without.
        backwards: The layers that read from the end to the beginning.
        output_activation: Name of the activation function of the cell state on its way out.
        outputs: The model's outputs, `(time, outputs)` or `(outputs,)`.
    """

    trial: TrainedTrial
    layers: dict[str, dict[str, Array]]
    bounds: dict[str, dict[str, Bounds | None]]
    backwards: frozenset[str]
    output_activation: str
    outputs: Array


def load_trial(store: Store, run: StoredRun, data_dir: str | None = None) -> TrainedTrial:
    """Bring the configuration, the data and the model of a run together.

    Args:
        store: The store.
        run: The run.
        data_dir: Folder of fetched files; None: the one of the recorded configuration.

    Raises:
        UserError: if the run has no model, its model cannot be loaded, or the data are not there or have changed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = fetch(store, run, "model.keras", Path(folder))
        spec = recorded_spec(store, run, data_dir)
        if run.tags.get(Tag.DATA, "") != spec.digest:
            raise UserError(
                f"{run.name}: its data are not those that it was trained on, so that its tokens or numbers may mean "
                "something else now. Give it the data of then"
            )
        layer_class(spec.config.variant.layer)  # one of the user is known to Keras when it is imported
        try:
            model = keras.saving.load_model(file, compile=False)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise UserError(f"{run.name}: its artifact model.keras cannot be loaded ({first_line(error)})") from error
    return TrainedTrial(run, spec, tasks.build(spec.config.task, spec.config.data_dir), model)


def activations(trial: TrainedTrial, sequence: InputSequence) -> Activations:
    """Run the model of a trial on a sequence, from an empty state.

    Raises:
        UserError: if the model reads sequences of another length or has no layer of this library, if its values are
            not finite, or if the page would have more than 20 million values.
    """
    name, model, shown = trial.run.name, trial.model, sequence.shown
    steps = model.inputs[0].shape[1]
    if steps not in (None, len(sequence.inputs)):
        raise UserError(f"text=: the model of {name} reads {steps} tokens, and the text has {len(sequence.inputs)}")
    inputs = model_inputs(model, sequence.inputs, sequence.mask)
    try:
        trace = variants.trace(model, inputs)
        outputs = keras.ops.convert_to_numpy(model(inputs, training=False))[0]
    except ValueError as error:
        raise UserError(f"{name}: its model cannot be looked into ({reason(error)})") from error
    values = shown * sum(arrays["cell_state"].shape[-1] * len(QUANTITIES) for arrays in trace.values())
    if values > MOST_VALUES:
        most = shown * MOST_VALUES // values
        raise UserError(f"length={shown}: a page has {MOST_VALUES:,} values at most. Use length={most} or less")
    mask = sequence.mask[:shown, None]
    layers = {
        layer: {quantity: np.where(mask, arrays[quantity][0, :shown], np.nan) for quantity in QUANTITIES}
        for layer, arrays in trace.items()
    }
    if not all(np.isfinite(array[mask[:, 0]]).all() for arrays in layers.values() for array in arrays.values()):
        raise UserError(f"{name}: its gates and states are not finite. Has the trial diverged?")
    recurrent = {layer.name: layer for layer in recurrent_layers(model)}
    return Activations(
        trial=trial,
        layers=layers,
        bounds={layer: _bounds(recurrent[layer].cell) for layer in layers},
        backwards=frozenset(name for name, layer in recurrent.items() if layer.go_backwards),
        output_activation=recurrent[next(iter(layers))].cell.output_activation.__name__,
        outputs=outputs,
    )


def model_inputs(model: keras.Model, inputs: Array, mask: Array) -> Array | dict[str, Array]:
    """One sequence `(time, ...)` and its mask `(time,)` as the batch of one that a model is called with."""
    return {"inputs": inputs[None], "mask": mask[None]} if len(model.inputs) > 1 else inputs[None]


def layer_bounds(model: keras.Model) -> dict[str, dict[str, Bounds | None]]:
    """The ranges of the learned gates of each recurrent layer of a model, by the layer's name; None: without one."""
    return {layer.name: gate_bounds(layer.cell) for layer in recurrent_layers(model)}


def _bounds(cell: variants.GatedLSTMCell) -> dict[str, Bounds | None]:
    return {**gate_bounds(cell), "candidate": activation_bounds(cell.candidate_activation)}


def recurrent_layers(model: keras.Model) -> list[variants.GatedLSTM]:
    """The recurrent layers of a model, of bidirectional ones both."""
    names = ("forward_layer", "backward_layer")
    layers = [getattr(layer, name, layer) for layer in model.layers for name in names]
    return [layer for layer in layers if isinstance(layer, variants.GatedLSTM)]


def reason(error: ValueError) -> str:
    """The message of an exception in a layer, without the arguments of the layer that Keras adds."""
    text = str(error).split("\n\nArguments")[0].replace("\x1b[1m", "").replace("\x1b[0m", "")
    return " ".join(text.split())
