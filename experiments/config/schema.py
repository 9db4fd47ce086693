"""Every field of the configuration: its type, its meaning and its range. Default values are in `conf/`."""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Annotated, Any

from experiments.options import Field


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


class Recurrence(StrEnum):
    full = "full"
    diagonal = "diagonal"
    none = "none"


class Match(StrEnum):
    units = "units"
    parameters = "parameters"


class Sampler(StrEnum):
    random = "random"
    qmc = "qmc"
    grid = "grid"
    tpe = "tpe"
    cmaes = "cmaes"


class Phase(StrEnum):
    search = "search"
    confirm = "confirm"


class Until(StrEnum):
    decided = "decided"


class Optimizer(StrEnum):
    adam = "adam"
    rmsprop = "rmsprop"
    sgd = "sgd"


@dataclass
class Variant:
    """An LSTM variant: a layer of the package `variants` and its arguments.

    A field that is null is not set: the default of the layer holds. One that is set reaches the layer as it is, or the
    layer refuses it.
    """

    name: Annotated[str, Field("name in runs and tables")] = "???"
    base: Annotated[str | None, Field("the variant that it changes, with which reports compare it")] = None
    layer: Annotated[str, Field("layer class of the package `variants`")] = "GatedLSTM"
    input_gate: Annotated[Gate | None, Field("open: i = 1, no weights")] = None
    forget_gate: Annotated[ForgetGate | None, Field("open: f = 1; coupled: f = 1 - i")] = None
    output_gate: Annotated[Gate | None, Field("open: o = 1, no weights")] = None
    gate_activation: Annotated[Any, Field("Keras activation of the gates, or one per gate: {forget: hard_sigmoid}")] = (
        None
    )
    candidate_activation: Annotated[str | None, Field("Keras activation of the candidate")] = None
    output_activation: Annotated[str | None, Field("Keras activation of the cell state on its way out")] = None
    peephole: Annotated[Peephole | None, Field("the gates see the cell state through a vector or a full matrix")] = None
    peephole_initializer: Annotated[Any, Field("Keras initializer of the peepholes")] = None
    peephole_gradient: Annotated[bool | None, Field("false: no gradient through peepholes into the cell state")] = None
    recurrence: Annotated[
        Recurrence | None, Field("how gates and candidate see the hidden state: one weight per unit, or not at all")
    ] = None
    gate_recurrence: Annotated[bool | None, Field("previous gate activations feed the gates")] = None
    shared_kernel: Annotated[bool | None, Field("gates and candidate share their kernels, not their biases")] = None
    chrono_time: Annotated[
        int | None, Field("longest dependency expected: the gates' biases start from ChronoInitializer", minimum=3)
    ] = None
    arguments: Annotated[dict[str, Any], Field("further arguments of the layer's cell")] = field(default_factory=dict)

    def switches(self) -> dict[str, Any]:
        """The fields that are set, by the name of the layer's argument, beside `chrono_time` and `arguments`."""
        others = ("name", "base", "layer", "chrono_time", "arguments")
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in others}
        return {
            name: str(value) if isinstance(value, StrEnum) else value
            for name, value in values.items()
            if value is not None
        }


@dataclass
class Model:
    """The model around the variant: token embedding if needed, recurrent layers, a dense head."""

    units: Annotated[int, Field("width of each recurrent layer", minimum=1)] = 64
    match: Annotated[
        Match, Field("parameters: other units, for as many parameters as the standard LSTM has with model.units")
    ] = Match.units
    layers: Annotated[int, Field("recurrent layers", minimum=1)] = 1
    bidirectional: Annotated[bool, Field("read each sequence in both directions")] = False
    embedding: Annotated[int | None, Field("width of the token embedding; null: one-hot vectors", minimum=1)] = 32
    dropout: Annotated[float, Field("share dropped after the embedding and each layer", minimum=0, maximum=0.9)] = 0.0


@dataclass
class Training:
    """How a trial is trained."""

    epochs: Annotated[int, Field("passes over the training data, at most", minimum=1)] = 30
    batch_size: Annotated[int, Field("sequences per step", minimum=1)] = 32
    optimizer: Annotated[Optimizer, Field("optimizer, with Keras's defaults beside the learning rate")] = Optimizer.adam
    learning_rate: Annotated[float, Field("learning rate", above=0)] = 0.001
    clipnorm: Annotated[float | None, Field("largest norm of the whole gradient; null: no clipping", above=0)] = 1.0
    patience: Annotated[
        int | None, Field("stop after this many epochs without a better validation score; null: never", minimum=1)
    ] = None
    threads: Annotated[int, Field("compute threads of a trial; the last digits depend on it", minimum=1)] = 1
    jit_compile: Annotated[bool, Field("compile the training step with XLA")] = True
    steps_per_execution: Annotated[int, Field("training steps per call of the compiled function", minimum=1)] = 8


@dataclass
class Tracking:
    """Where runs are recorded."""

    uri: Annotated[
        str | None, Field("MLflow store; null: MLFLOW_TRACKING_URI, else sqlite file mlflow.db in output_dir")
    ] = None
    wait_s: Annotated[float, Field("seconds that a trial waits for a store that does not answer", minimum=0)] = 900.0
    gates: Annotated[
        int | None,
        Field("look at the gates every so many epochs; 0: never; null: after epochs 1, 2, 4, 8, ..., last", minimum=0),
    ] = None
    log_model: Annotated[
        bool, Field("each trained model is a logged model of MLflow too, to be registered, loaded and served")
    ] = True
    system_metrics: Annotated[
        bool, Field("record processor, memory, disk and network of the machine every ten seconds, too")
    ] = False


@dataclass
class Sweep:
    """How the trials of a sweep (-m) are run."""

    workers: Annotated[int | None, Field("worker processes; null: as many as the cores allow", minimum=1)] = None
    retries: Annotated[int, Field("more tries for a trial that failed", minimum=0)] = 1
    timeout_s: Annotated[float | None, Field("seconds after which a try is ended; null: never", above=0)] = None
    checkpoint_s: Annotated[
        float | None, Field("seconds between checkpoints; 0: each epoch; null: 2 % of the time", minimum=0)
    ] = None
    stop_after_same_error: Annotated[
        int | None, Field("give up when so many trials fail alike and none succeeds; null: never", minimum=1)
    ] = 3
    worker_memory_gb: Annotated[
        float | None,
        Field("a larger worker is replaced after its trial; null: a share of the memory", above=0),
    ] = None
    notify: Annotated[
        str | None, Field("web address (gets a POST) or command (as its input) that is told the end, in JSON")
    ] = None
    pause_after: Annotated[
        int | None, Field("pause after this epoch, with a checkpoint to go on from; null: never", minimum=1)
    ] = None
    drawn: Annotated[list[str], Field("fields that a search drew, which hydra/sweeper=search fills in")] = field(
        default_factory=list
    )
    phase: Annotated[Phase | None, Field("of a search that this trial belongs to, which it fills in too")] = None
    registered: Annotated[str | None, Field("hash of the plan that this trial is for, which it fills in too")] = None


@dataclass
class Halving:
    """Successive halving: draws are trained to a rung, the best of them to the next one."""

    rungs: Annotated[list[int], Field("epochs after which draws pause, such as [3,9,27]; []: none pauses")] = field(
        default_factory=list
    )
    keep: Annotated[Any, Field("share of the draws of a variant that go on from a rung, the best ones")] = "1/3"
    brackets: Annotated[int, Field("of Hyperband: as many groups of draws, each begins at a later rung", minimum=1)] = 1


@dataclass
class Search:
    """A search for settings, with -m hydra/sweeper=search."""

    sampler: Annotated[Sampler, Field("how settings are drawn; tpe and cmaes learn from scores")] = Sampler.random
    trials: Annotated[int | None, Field("draws for each variant and task; null: 20, of a grid all", minimum=1)] = None
    seed: Annotated[int, Field("seed of the draws", minimum=0, maximum=2**31 - 1)] = 0
    grid: Annotated[
        list[str], Field("swept fields that are crossed with every draw, as variant, task and seed always are")
    ] = field(default_factory=list)
    batch: Annotated[
        int | None, Field("draws that tpe and cmaes ask for at a time; null: enough for all workers", minimum=1)
    ] = None
    halving: Halving = field(default_factory=Halving)
    confirm: Annotated[
        int, Field("fresh seeds with which the best setting of each variant is trained; 0: none", minimum=0)
    ] = 0
    until: Annotated[Until | None, Field("decided: add seeds until each comparison is; null: no more")] = None
    group: Annotated[int, Field("seeds that it adds at a time", minimum=1)] = 3
    max_seeds: Annotated[int, Field("seeds of each variant at most", minimum=1)] = 20
    margin: Annotated[
        Any, Field("smallest difference of the score that matters, or 5% of it; null: that of each task")
    ] = None


@dataclass
class Config:
    """One trial, with everything that its numbers depend on."""

    study: Annotated[str, Field("name under which trials are compared")] = "default"
    seed: Annotated[int, Field("seed of initial weights, data order and dropout", minimum=0, maximum=2**31 - 1)] = 0
    rerun: Annotated[bool, Field("train again even if the trial is in the store")] = False
    data_dir: Annotated[str | None, Field("folder of fetched data files; null: the user's cache folder")] = None
    output_dir: Annotated[str, Field("folder of everything that is written")] = "outputs"
    variant: Variant = field(default_factory=Variant)
    task: Any = None
    model: Model = field(default_factory=Model)
    training: Training = field(default_factory=Training)
    tracking: Tracking = field(default_factory=Tracking)
    sweep: Sweep = field(default_factory=Sweep)
    search: Search = field(default_factory=Search)
