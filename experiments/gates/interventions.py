"""A trained trial with one of its gates clamped: which clamps make sense, and what the model scores with them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import keras
import numpy as np

import variants
from experiments.errors import UserError
from experiments.gates.trained_trial import TrainedTrial, reason, recurrent_layers
from experiments.tasks import Stream
from experiments.trial import model as models
from experiments.trial.evaluation import test_metrics
from experiments.trial.model_cache import compile_model
from variants.clamp import QUANTITIES, SHORT, clampable, mean_activations

Array = np.ndarray

VALUES = {
    **dict.fromkeys(("input_gate", "forget_gate", "output_gate"), ("mean", "shuffled", "0", "1")),
    **dict.fromkeys(("candidate", "cell_state"), ("mean", "shuffled")),
}
STEPS = 1000  # of each row of a text that the means are taken over


@dataclass(frozen=True)
class Clamping:
    """What is clamped in a model, and to what.

    Attributes:
        layer: The recurrent layer.
        gate: The gate, such as input_gate.
        value: `mean`, `shuffled` or a number, as it was typed.
        unit: The unit; None: all.
    """

    layer: str
    gate: str
    value: str
    unit: int | None

    @property
    def text(self) -> str:
        """Such as `lstm_1 input_gate=mean`."""
        unit = "" if self.unit is None else f" unit={self.unit}"
        return f"{self.layer} {self.gate}={self.value}{unit}"


def gate_name(word: str) -> str:
    """The gate that a word means.

    Raises:
        UserError: if it means none.
    """
    gate = SHORT.get(word, word)
    if gate not in QUANTITIES:
        raise UserError(f"gate={word}: must be one of {', '.join((*SHORT, *QUANTITIES))}")
    return gate


def value_name(word: str) -> str:
    """The value that a word means, numbers as they are written into files.

    Raises:
        UserError: if it is neither `mean` nor `shuffled` nor a finite number.
    """
    if word in ("mean", "shuffled"):
        return word
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"value={word}: must be mean, shuffled or a number")
    return f"{number:g}"


def clampings(
    model: keras.Model, layer: str | None, gate: str | None, value: str | None, unit: int | None
) -> Iterator[Clamping]:
    """What of a model is to be clamped: where a layer, a gate or a value is not given, all that make sense.

    Gates that the layer does not have, or that have no value of their own, are left out.

    Raises:
        UserError: for a layer or a unit that the model does not have.
    """
    layers = {recurrent.name: recurrent for recurrent in recurrent_layers(model)}
    if layer not in (None, *layers):
        raise UserError(f"layer={layer}: must be one of {', '.join(layers)}")
    for name, recurrent in layers.items():
        if layer in (None, name):
            if unit is not None and unit >= recurrent.units:
                raise UserError(f"unit={unit}: must be from 0 to {recurrent.units - 1} in layer {name}")
            for quantity in clampable(recurrent.cell):
                if gate in (None, quantity):
                    for chosen in VALUES[quantity] if value is None else (value,):
                        yield Clamping(name, quantity, chosen, unit)


@dataclass(frozen=True)
class ScoredTrial:
    """A trained trial whose model is scored as trials are after training, with clamps or without.

    Args:
        trial: The trial.
    """

    trial: TrainedTrial

    @cached_property
    def score(self) -> float:
        """The score of the test part, without a clamp."""
        return self._score(self._model)

    def clamped(self, clamping: Clamping) -> float:
        """The score with a clamp, the worst possible one if it is no number."""
        value = clamping.value
        if value == "mean":
            chosen = self._means[clamping.layer][clamping.gate]
        else:
            chosen = value if value == "shuffled" else float(value)
        try:
            score = self._score(variants.clamped(self._model, clamping.layer, clamping.gate, chosen, clamping.unit))
        except ValueError as error:  # of a cell of the user's own
            raise UserError(f"{self.trial.run.name}: {clamping.text} cannot be clamped ({reason(error)})") from error
        worst = math.inf if self.trial.task.score.better == "lower" else -math.inf
        return score if math.isfinite(score) else worst

    @cached_property
    def _model(self) -> keras.Model:
        """The model; of a text one that carries states from batch to batch, as in training."""
        trial = self.trial
        if not isinstance(trial.task.train, Stream):
            return trial.model
        batch_size = trial.config.training.batch_size
        return models.with_weights_of(
            models.build(trial.task, trial.config.variant, trial.spec.model, batch_size), trial.model
        )

    def _score(self, model: keras.Model) -> float:
        task, training = self.trial.task, self.trial.config.training
        compile_model(model, task, replace(training, jit_compile=False))  # which takes longer than one pass
        return test_metrics(model, task, training.batch_size)[task.score.name]

    @cached_property
    def _means(self) -> dict[str, dict[str, Array]]:
        """The mean of each unit over the validation part."""
        part = self.trial.task.validation
        if isinstance(part, Stream):
            rows = min(self.trial.config.training.batch_size, len(part.tokens))
            share = len(part.tokens) // rows
            return mean_activations(self.trial.model, part.tokens[: rows * share].reshape(rows, share)[:, :STEPS])
        inputs = part.inputs if part.mask is None else {"inputs": part.inputs, "mask": part.mask}
        return mean_activations(self.trial.model, inputs)
