"""What a task is, and the tasks that there are: every function marked `@task` in a module of this package."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from dataclasses import field as dataclass_field
from typing import Annotated, Any

import numpy as np

from experiments.errors import UserError
from experiments.schema import Is, problems


@dataclass(frozen=True)
class Split:
    """Arrays of one part of the data: `inputs` `(sequences, time, features)`, or `(sequences, time)` for tokens."""

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Metric:
    """A number by which trials are compared: a Keras metric, made readable.

    Attributes:
        name: Short name, as in `test/<name>`.
        title: What it is called in a table.
        unit: Unit of the value, "" if it has none.
        keras: Name of the Keras metric of the model's output that it is computed from.
        scale: Factor from that metric to this one, applied after the root.
        root: Take the square root first.
        better: `"lower"` or `"higher"`.
    """

    name: str
    title: str
    unit: str
    keras: str
    scale: float = 1.0
    root: bool = False
    better: str = "lower"

    def value(self, quantity: float) -> float:
        """Compute this metric from the value of the Keras metric."""
        return float((quantity**0.5 if self.root else quantity) * self.scale)


@dataclass(frozen=True)
class Task:
    """Data, head, loss and score of a task. Numbers only: nothing here knows of Keras or MLflow.

    Attributes:
        title: One line that says what is asked.
        train, validation, test: The three parts; they share no sequence's target and no random stream.
        outputs: Units of the dense head. Classification heads give logits.
        per_step: Whether there is a target at every step, else at the last one.
        loss: Name of a Keras loss.
        metrics: The first one is the score.
        baseline: The score of the trivial predictor on the test part, computed.
        baseline_title: What the trivial predictor does.
        vocabulary: Number of different tokens; None if the inputs are features.
        solved: Score that counts as solved, where the literature has one.
        digest: SHA-256 of the data that was read; "" for generated data.
    """

    title: str
    train: Split
    validation: Split
    test: Split
    outputs: int
    per_step: bool
    loss: str
    metrics: tuple[Metric, ...]
    baseline: float
    baseline_title: str
    vocabulary: int | None = None
    solved: float | None = None
    digest: str = ""

    @property
    def score(self) -> Metric:
        return self.metrics[0]


TaskFunction = Callable[..., Task]
_FUNCTIONS: dict[str, TaskFunction] = {}


def task(function: TaskFunction) -> TaskFunction:
    """Make a function available as a task. Its annotated parameters become the fields `task.<parameter>`."""
    _FUNCTIONS[function.__name__] = function
    return function


def functions() -> dict[str, TaskFunction]:
    """All task functions by name."""
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_FUNCTIONS.items()))


@functools.cache
def schema(function: TaskFunction) -> type:
    """Dataclass of a task's configuration: its name, its function and the parameters of that function."""
    namespace = {"__reduce__": lambda settings: (_restored, (function.__name__, vars(settings)))}
    own = [
        ("name", Annotated[str, Is("name in runs and tables")], dataclass_field(default=function.__name__)),
        ("function", Annotated[str, Is("task function that prepares the data")], function.__name__),
    ]
    parameters = [
        (name, parameter.annotation, _default(parameter.default))
        for name, parameter in inspect.signature(function).parameters.items()
    ]
    return make_dataclass(function.__name__, [*own, *parameters], namespace=namespace)


def _restored(function: str, values: dict[str, Any]) -> Any:
    """Settings from another process: their class is made in each process anew, so pickle cannot name it."""
    return schema(functions()[function])(**values)


def _default(value: Any) -> Any:
    return dataclass_field(default_factory=lambda: list(value)) if isinstance(value, list) else value


def build(settings: Any) -> Task:
    """The task of a validated `task` configuration; kept in memory for the next trial of this process.

    Raises:
        UserError: if the data cannot be used, with the file, line or parameter that is at fault.
    """
    parameters = {name: value for name, value in vars(settings).items() if name not in ("name", "function")}
    frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}
    wrong = list(problems(settings, "task."))
    if wrong:
        raise UserError("\n  ".join(["the task cannot be prepared:", *wrong]))
    return _build(settings.function, tuple(frozen.items()))


@functools.lru_cache(maxsize=8)
def _build(function: str, parameters: tuple[tuple[str, Any], ...]) -> Task:
    return functions()[function](**dict(parameters))
