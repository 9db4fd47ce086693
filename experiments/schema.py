"""Every field of the configuration: its type, its meaning and its range. Default values are in `conf/`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Annotated, Any, get_args, get_type_hints


@dataclass(frozen=True)
class Is:
    """What a field means and which numbers it may hold: `minimum` and `maximum` included, `above` excluded."""

    text: str
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None

    def problem(self, value: Any) -> str | None:
        """What is allowed instead of `value`, or None if it is allowed."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not math.isfinite(value):
            return "a finite number"
        if self.minimum is not None and value < self.minimum:
            return f"at least {self.minimum:g}"
        if self.above is not None and value <= self.above:
            return f"greater than {self.above:g}"
        if self.maximum is not None and value > self.maximum:
            return f"at most {self.maximum:g}"
        return None


class Gate(StrEnum):
    learned = "learned"
    open = "open"


class ForgetGate(StrEnum):
    learned = "learned"
    open = "open"
    coupled = "coupled"


class Peephole(StrEnum):
    none = "none"
    diagonal = "diagonal"
    full = "full"


class Match(StrEnum):
    units = "units"
    parameters = "parameters"


class Optimizer(StrEnum):
    adam = "adam"
    rmsprop = "rmsprop"
    sgd = "sgd"


@dataclass
class Variant:
    """An LSTM variant: the switches of `variants.GatedLSTM`."""

    name: Annotated[str, Is("name in runs and tables")] = "???"
    layer: Annotated[str, Is("layer class of the package `variants`")] = "GatedLSTM"
    input_gate: Annotated[Gate, Is("open: i = 1, no weights")] = Gate.learned
    forget_gate: Annotated[ForgetGate, Is("open: f = 1; coupled: f = 1 - i")] = ForgetGate.learned
    output_gate: Annotated[Gate, Is("open: o = 1, no weights")] = Gate.learned
    gate_activation: Annotated[Any, Is("Keras activation of the gates, or one per gate: {forget: hard_sigmoid}")] = (
        "sigmoid"
    )
    candidate_activation: Annotated[str, Is("Keras activation of the candidate")] = "tanh"
    output_activation: Annotated[str, Is("Keras activation of the cell state on its way out")] = "tanh"
    peephole: Annotated[Peephole, Is("the gates see the cell state through a vector or a full matrix")] = Peephole.none
    gate_recurrence: Annotated[bool, Is("previous gate activations feed the gates")] = False
    shared_kernel: Annotated[bool, Is("gates and candidate share their kernels, not their biases")] = False
    peephole_gradient: Annotated[bool, Is("false: no gradient through peepholes into the cell state")] = True
    chrono_time: Annotated[int | None, Is("longest dependency expected, sets the gates' first biases", minimum=3)] = (
        None
    )
    arguments: Annotated[dict[str, Any], Is("further arguments of the layer's cell")] = field(default_factory=dict)

    def switches(self) -> dict[str, Any]:
        """The arguments of the layer: what differs from the defaults, and the further arguments."""
        standard = Variant()
        chosen = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "layer", "arguments")}
        chosen = {name: value for name, value in chosen.items() if value != getattr(standard, name)}
        plain = {name: value.value if isinstance(value, StrEnum) else value for name, value in chosen.items()}
        return plain | dict(self.arguments)


@dataclass
class Model:
    """The model around the variant: token embedding if needed, recurrent layers, a dense head."""

    units: Annotated[int, Is("width of each recurrent layer", minimum=1)] = 64
    match: Annotated[
        Match, Is("parameters: other units, for as many parameters as the standard LSTM has with model.units")
    ] = Match.units
    layers: Annotated[int, Is("recurrent layers", minimum=1)] = 1
    bidirectional: Annotated[bool, Is("read each sequence in both directions")] = False
    embedding: Annotated[int | None, Is("width of the token embedding; null: one-hot vectors", minimum=1)] = 32
    dropout: Annotated[float, Is("share dropped after the embedding and each layer", minimum=0, maximum=0.9)] = 0.0


@dataclass
class Training:
    """How a trial is trained."""

    epochs: Annotated[int, Is("passes over the training data, at most", minimum=1)] = 30
    batch_size: Annotated[int, Is("sequences per step", minimum=1)] = 32
    optimizer: Annotated[Optimizer, Is("optimizer, with Keras's defaults beside the learning rate")] = Optimizer.adam
    learning_rate: Annotated[float, Is("learning rate", above=0)] = 0.001
    clipnorm: Annotated[float | None, Is("largest norm of the whole gradient; null: no clipping", above=0)] = 1.0
    patience: Annotated[
        int | None, Is("stop after this many epochs without a better validation score; null: never", minimum=1)
    ] = None
    threads: Annotated[int, Is("compute threads of a trial; the last digits depend on it", minimum=1)] = 1
    jit_compile: Annotated[bool, Is("compile the training step with XLA")] = True
    steps_per_execution: Annotated[int, Is("training steps per call of the compiled function", minimum=1)] = 8


@dataclass
class Tracking:
    """Where runs are recorded."""

    uri: Annotated[str | None, Is("MLflow store; null: sqlite file mlflow.db in output_dir")] = None
    wait_s: Annotated[float, Is("seconds that a trial waits for a store that does not answer", minimum=0)] = 900.0
    gates: Annotated[
        int | None,
        Is("look at the gates every so many epochs; 0: never; null: after epochs 1, 2, 4, 8, ..., last", minimum=0),
    ] = None


@dataclass
class Sweep:
    """How the trials of a sweep (-m) are run."""

    workers: Annotated[int | None, Is("worker processes; null: as many as the cores allow", minimum=1)] = None
    retries: Annotated[int, Is("more tries for a trial that failed", minimum=0)] = 1
    timeout_s: Annotated[float | None, Is("seconds after which a try is ended; null: never", above=0)] = None
    checkpoint_s: Annotated[
        float | None, Is("seconds between checkpoints; 0: each epoch; null: 2 % of the time", minimum=0)
    ] = None
    stop_after_same_error: Annotated[
        int | None, Is("give up when so many trials fail alike and none succeeds; null: never", minimum=1)
    ] = 3
    worker_memory_gb: Annotated[
        float | None, Is("a worker that holds more is replaced after its trial; null: a share of the memory", above=0)
    ] = None
    drawn: Annotated[list[str], Is("fields that a random search drew, which hydra/sweeper=random fills in")] = field(
        default_factory=list
    )


@dataclass
class Config:
    """One trial, with everything that its numbers depend on."""

    study: Annotated[str, Is("name under which trials are compared")] = "default"
    seed: Annotated[int, Is("seed of initial weights, data order and dropout", minimum=0, maximum=2**31 - 1)] = 0
    rerun: Annotated[bool, Is("train again even if the trial is in the store")] = False
    data_dir: Annotated[str | None, Is("folder of fetched data files; null: the user's cache folder")] = None
    output_dir: Annotated[str, Is("folder of everything that is written")] = "outputs"
    variant: Variant = field(default_factory=Variant)
    task: Any = None
    model: Model = field(default_factory=Model)
    training: Training = field(default_factory=Training)
    tracking: Tracking = field(default_factory=Tracking)
    sweep: Sweep = field(default_factory=Sweep)


def described(schema: type, prefix: str = "") -> Iterator[tuple[str, Any, Is]]:
    """Dotted name, type and description of every field of a schema, the nested ones included."""
    for name, hint in get_type_hints(schema, include_extras=True).items():
        if hasattr(hint, "__metadata__"):
            kind, text = get_args(hint)
            yield prefix + name, kind, text
        elif isinstance(hint, type):
            yield from described(hint, f"{prefix}{name}.")


def problems(settings: Any, prefix: str = "") -> Iterator[str]:
    """One line for each number that is out of its range: name, value received, what is allowed."""
    for name, _, rule in described(type(settings)):
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        allowed = rule.problem(value)
        if allowed:
            yield f"{prefix}{name}={value!r}: must be {allowed} ({rule.text})"
