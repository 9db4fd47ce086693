"""What all converters need: the weights of a layer by block, and what another library cannot represent."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import keras
import numpy as np

from variants.activations import Activation
from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM
from variants.switches import GATES

Array = np.ndarray
Limits = Mapping[str, tuple[tuple[Any, ...], str]]

_PLAIN_GATES: Limits = {
    **{f"{gate}_gate": (("learned",), "its three gates are learned") for gate in GATES},
    "peephole": (("none",), "it has no peepholes"),
    "gate_recurrence": ((False,), "it feeds no gate back"),
    "shared_kernel": ((False,), "its blocks have kernels of their own, which training would move apart"),
}
_CONFIGURATION = ("__init__", "get_config", "from_config")


@dataclass(frozen=True)
class Blocks:
    """The weights of a layer, one matrix for each block: input, forget, candidate, output, as far as it has them."""

    kernel: dict[str, Array]
    """`(features, units)` each; the same one for all blocks of a layer with `shared_kernel`."""
    recurrent_kernel: dict[str, Array]
    """`(units, units)` each."""
    bias: dict[str, Array]
    """`(units,)` each; zeros for a layer without biases."""
    peephole: dict[str, Array]
    """By gate, `(units,)` or `(units, units)` each; empty for a layer without peepholes."""

    @classmethod
    def of(cls, layer: GatedLSTM) -> "Blocks":
        """Split the weights of a layer.

        Raises:
            ValueError: if the layer has not been built.
        """
        if not layer.built:
            raise ValueError(
                f"The layer {layer.name!r} has no weights yet. Build it, with `build((None, None, features))` or in a "
                "model, before it is converted."
            )
        cell = layer.cell
        bias = np.zeros(len(cell.blocks) * cell.units, "float32") if cell.bias is None else _array(cell.bias)
        return cls(
            kernel=_split(cell, _array(cell.kernel), cell.shared_kernel),
            recurrent_kernel=_split(cell, _array(cell.recurrent_kernel), cell.shared_kernel),
            bias=_split(cell, bias, False),
            peephole={gate: _array(weight) for gate, weight in cell.peepholes.items()},
        )


def _array(variable: Any) -> Array:
    return keras.ops.convert_to_numpy(variable)


def _split(cell: GatedLSTMCell, columns: Array, shared: bool) -> dict[str, Array]:
    if shared:
        return dict.fromkeys(cell.blocks, columns)
    return dict(zip(cell.blocks, np.split(columns, len(cell.blocks), axis=-1), strict=True))


def single_gate_activation(cell: GatedLSTMCell) -> Activation | None:
    """Find the activation that all learned gates share (the sigmoid if none is learned); None if they differ."""
    first, *others = list(cell.gate_activations.values()) or [keras.activations.sigmoid]
    return first if all(other == first for other in others) else None


def refuse(layer: Any, target: str, reasons: Iterable[str]) -> None:
    """Raise a `ValueError` that names the target, the layer and the reasons, if there are any."""
    different = list(dict.fromkeys(reasons))
    if different:
        raise ValueError(f"{target} cannot represent the layer {layer.name!r}: {'; '.join(different)}")


def beyond(subject: Any, limits: Limits) -> Iterator[str]:
    """Yield the attributes of a layer or cell whose value a target does not know, each with the reason.

    Args:
        subject: A layer or a cell.
        limits: By attribute, the values that the target knows, and the reason why it knows no other.
    """
    for name, (known, reason) in limits.items():
        value = getattr(subject, name)
        if value not in known:
            yield f"{name}={value!r} ({reason})"


def beyond_plain_gates(layer: GatedLSTM) -> Iterator[str]:
    """Yield the switches by which the gates of a layer are not those of the plain LSTM of Keras and PyTorch."""
    return beyond(layer.cell, _PLAIN_GATES)


def own_equation(layer: GatedLSTM) -> Iterator[str]:
    """Yield the reason against every target if the layer or its cell computes something else than `GatedLSTMCell`.

    Its switches need not have a meaning then, so that this is checked before them.
    """
    for subject, base in ((layer, GatedLSTM), (layer.cell, GatedLSTMCell)):
        names = overridden(type(subject), base)
        if names:
            yield f"{type(subject).__name__} has an equation of its own (it overrides {', '.join(names)})"


def overridden(subclass: type, base: type) -> list[str]:
    """List the methods and properties of `base` that a subclass redefines, apart from those of its configuration."""
    between = subclass.__mro__[: subclass.__mro__.index(base)]
    methods = {name for cls in between for name, value in vars(cls).items() if _is_method(value)}
    return sorted(name for name in methods if name not in _CONFIGURATION and hasattr(base, name))


def _is_method(value: Any) -> bool:
    return isinstance(value, FunctionType | property | classmethod | staticmethod)
