"""Signatures of classes whose constructors hand keyword arguments on, for `help` and completion; and attributes."""

import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

import keras

from variants.switches import RENAMED

Parameter = inspect.Parameter
HIDDEN = ("self", "cell", *RENAMED)  # arguments of Keras's constructors that ours do not have


def show_arguments(cls: type, inserted: Iterable[Parameter], after: type) -> None:
    """Give a class a signature that names what its `**kwargs` take.

    Args:
        cls: The class, a Keras layer.
        inserted: The arguments that the constructor of `after`, a base of the class, takes out of them itself.
        after: That base. What is left goes to the constructors of the bases further up.
    """
    parameters: dict[str, Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        own = _own_parameters(base.__init__)  # type: ignore[misc]
        for parameter in (*own, *(inserted if base is after else ())):
            if parameter.name not in HIDDEN and parameter.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL):
                kind = parameter.kind if parameter.name == "units" else Parameter.KEYWORD_ONLY
                parameters.setdefault(parameter.name, parameter.replace(kind=kind))
        if base is keras.layers.Layer or all(parameter.kind is not Parameter.VAR_KEYWORD for parameter in own):
            break
    signature = inspect.Signature(sorted(parameters.values(), key=lambda parameter: parameter.kind))
    cls.__signature__ = signature  # type: ignore[attr-defined]
    if "__init__" in vars(cls):
        init: Any = cls.__init__  # type: ignore[misc]
        init.own_parameters = _own_parameters(init)
        this = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
        init.__signature__ = signature.replace(parameters=[this, *signature.parameters.values()])


def _own_parameters(init: Callable[..., Any]) -> Collection[Parameter]:
    """The parameters of a constructor as it is written, whatever signature it shows."""
    return getattr(init, "own_parameters", None) or tuple(inspect.signature(init).parameters.values())


def check_positional(cls: type, arguments: Collection[Any]) -> None:
    """Refuse more positional arguments than the number of units.

    Raises:
        TypeError: names the arguments that stand in the second place of `keras.layers.LSTM`.
    """
    parameters = inspect.signature(cls).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is not Parameter.KEYWORD_ONLY]
    if len(arguments) > len(names):
        raise TypeError(
            f"`{cls.__name__}` takes one positional argument, `units`, and all others by name. The second of "
            f"`keras.layers.LSTM`, `activation`, is {RENAMED['activation']} here, its third, `recurrent_activation`, "
            f"is {RENAMED['recurrent_activation']}. Received: {', '.join(map(repr, arguments))}"
        )


def inherited_attribute(parent: Any, name: str) -> Any:
    """What `super().__getattr__(name)` gives, which PyTorch's modules have, or the error of an object that has none."""
    inherited = getattr(parent, "__getattr__", None)
    if inherited is None:
        raise AttributeError(f"{type(parent.__self__).__name__!r} object has no attribute {name!r}")
    return inherited(name)
