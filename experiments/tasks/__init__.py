"""The registry of tasks: every function marked `@task` in a module of this package."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import field as dataclass_field
from dataclasses import make_dataclass
from typing import Annotated, Any

from experiments.errors import UserError, did_you_mean
from experiments.options import Field, problems
from experiments.tasks._own_code import imported_function
from experiments.tasks._task import Metric, Predict, Split, Stream, Task

__all__ = [
    "Metric",
    "Predict",
    "Split",
    "Stream",
    "Task",
    "build",
    "function",
    "functions",
    "published",
    "schema",
    "task",
]

LABELS = ("name", "function", "reference", "margin")  # fields that do not change the data

REFERENCE = ("metric", "score", "model", "source")

TaskFunction = Callable[..., Task]
_FUNCTIONS: dict[str, TaskFunction] = {}


def task(function: TaskFunction) -> TaskFunction:
    """Register a function as a task.

    Its annotated parameters become the fields `task.<parameter>`; a keyword-only parameter `data_dir` receives the
    folder of fetched files.
    """
    _FUNCTIONS[_name(function)] = function
    return function


def _name(function: TaskFunction) -> str:
    """What configurations call a function: those of the user by their dotted path."""
    is_ours = function.__module__.startswith(f"{__name__}.")
    return function.__name__ if is_ours else f"{function.__module__}.{function.__name__}"


def functions() -> dict[str, TaskFunction]:
    """All task functions by name."""
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_FUNCTIONS.items()))


def function(name: str) -> TaskFunction:
    """The task function of this name, or of the user's own by its dotted path.

    Raises:
        UserError: if there is none.
    """
    known = functions()
    if name in known:
        return known[name]
    own = imported_function(name) if "." in name else None
    if own is None or _FUNCTIONS.get(name) is not own:
        names = ", ".join(known)
        raise UserError(
            f"task.function={name}: is no function marked @task. One of your own is module.function. Allowed: {names}."
            f"{did_you_mean(name, known)}"
        )
    return own


@functools.cache
def schema(function: TaskFunction) -> type:
    """Dataclass of a task's configuration: its name, its function and the parameters of that function."""
    namespace = {"__reduce__": lambda settings: (_restored, (_name(function), vars(settings)))}
    own = [
        ("name", Annotated[str, Field("name in runs and tables")], dataclass_field(default=function.__name__)),
        ("function", Annotated[str, Field("task function that prepares the data")], _name(function)),
        (
            "reference",
            Annotated[
                list[Any],
                Field("published scores: metric, score, model, source, and settings that they hold for"),
            ],
            dataclass_field(default_factory=list),
        ),
        (
            "margin",
            Annotated[
                float | None, Field("smaller differences of the score make no difference; null: unknown", above=0)
            ],
            None,
        ),
    ]
    parameters = [
        (name, parameter.annotation, _default(parameter.default))
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not parameter.KEYWORD_ONLY
    ]
    return make_dataclass(function.__name__, [*own, *parameters], namespace=namespace)


def _restored(name: str, values: dict[str, Any]) -> Any:
    """Settings from another process: their class is made in each process anew, so pickle cannot name it."""
    return schema(function(name))(**values)


def _default(value: Any) -> Any:
    return dataclass_field(default_factory=lambda: list(value)) if isinstance(value, list) else value


def build(settings: Any, data_dir: str | None = None) -> Task:
    """The task of a validated `task` configuration; kept in memory for the next trial of this process.

    Args:
        settings: The `task` part of a configuration.
        data_dir: Folder of fetched files; None: the user's cache folder.

    Raises:
        UserError: if the data cannot be used, with the file, line or parameter that is at fault.
    """
    parameters = {name: value for name, value in vars(settings).items() if name not in LABELS}
    frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}
    wrong = [*problems(settings, "task."), *_reference_problems(settings)]
    if wrong:
        raise UserError("\n  ".join(["the task cannot be prepared:", *wrong]))
    for name, value in frozen.items():
        if isinstance(value, dict) or (isinstance(value, tuple) and any(isinstance(v, list | dict) for v in value)):
            raise UserError(f"task.{name}={parameters[name]}: must be a value, or a list of values")
    return _build(settings.function, tuple(frozen.items()), data_dir)


def published(settings: Any) -> list[dict[str, Any]]:
    """The published scores that hold for the settings of a task: `metric`, `score`, `model` and `source` of each.

    A score of 24 steps ahead, say, says nothing about 720.

    Args:
        settings: The `task` part of a configuration.
    """
    return [
        {name: reference[name] for name in REFERENCE}
        for reference in settings.reference
        if all(getattr(settings, name) == value for name, value in reference.get("settings", {}).items())
    ]


def _reference_problems(settings: Any) -> list[str]:
    wrong = []
    for reference in settings.reference:
        if not isinstance(reference, dict) or {*reference, "settings"} != {*REFERENCE, "settings"}:
            wrong.append(f"task.reference: {reference!r} must have the fields {', '.join(REFERENCE)}")
            continue
        held = reference.get("settings", {})
        unknown = [name for name in held if not hasattr(settings, name)] if isinstance(held, dict) else [held]
        if unknown:
            wrong.append(f"task.reference: {unknown[0]!r} in settings of {reference!r} is no field of this task")
    return wrong


@functools.lru_cache(maxsize=8)
def _build(name: str, parameters: tuple[tuple[str, Any], ...], data_dir: str | None) -> Task:
    prepare = function(name)
    fetched = {"data_dir": data_dir} if "data_dir" in inspect.signature(prepare).parameters else {}
    return prepare(**dict(parameters), **fetched)
