"""What all converters need: the weights of a layer by block, and what another library cannot represent."""

from collections.abc import Iterable, Mapping, Sequence
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
"""By attribute of a layer, the values that a target knows, and the reason why it knows no other."""

PLAIN_GATES: Limits = {  # of Keras and PyTorch
    **{f"{gate}_gate": (("learned",), "its three gates are learned") for gate in GATES},
    "peephole": (("none",), "it has no peepholes"),
    "gate_recurrence": ((False,), "it feeds no gate back"),
    "recurrence": (("full",), "its gates see the hidden state through matrices, which training would fill"),
    "shared_kernel": ((False,), "its blocks have kernels of their own, which training would move apart"),
}
_CONFIGURATION = ("__init__", "get_config", "from_config")


def split_weights(layer: GatedLSTM) -> dict[str, dict[str, Array]]:
    """Split the weights of a layer into one matrix for each of its blocks: input, forget, candidate, output.

    Returns:
        By name and block: kernel `(features, units)` and recurrent_kernel `(units, units)`, zeros beside the diagonal
        for a diagonal recurrence and everywhere without one, the same for all blocks of a layer with `shared_kernel`;
        bias `(units,)`, zeros for a layer without biases; and by gate peephole, `(units,)` or `(units, units)`, empty
        for a layer without peepholes.

    Raises:
        ValueError: if the layer has not been built.
    """
    if not layer.built:
        raise ValueError(
            f"The layer {layer.name!r} has no weights yet. Build it, with `build((None, None, features))` or in a "
            "model, before it is converted."
        )
    blocks = layer.cell.blocks
    weights = dict(zip([weight.name for weight in layer.weights], layer.get_weights(), strict=True))
    copies = len(blocks) if layer.shared_kernel else 1
    recurrent = weights.get("recurrent_kernel", np.zeros(len(blocks) * layer.units // copies, "float32"))

    def by_block(columns: Array) -> dict[str, Array]:
        """Split the columns of a weight by block."""
        return dict(zip(blocks, np.split(columns, len(blocks), axis=-1), strict=True))

    return {
        "kernel": by_block(np.tile(weights["kernel"], copies)),
        "recurrent_kernel": {block: _matrix(u, layer) for block, u in by_block(np.tile(recurrent, copies)).items()},
        "bias": by_block(weights.get("bias", np.zeros(len(blocks) * layer.units, "float32"))),
        "peephole": {gate: weights[f"{gate}_peephole"] for gate in layer.cell.peepholes},
    }


def _matrix(recurrent: Array, layer: GatedLSTM) -> Array:
    """The matrix that does what the recurrent weights of a block do: on its diagonal they see one unit each."""
    return recurrent if layer.recurrence == "full" else np.diag(recurrent)


def stack_rows(columns: Mapping[str, Array], order: Sequence[str]) -> Array:
    """Stack blocks, transposed, in the order of another library; zeros for those that are missing."""
    missing = np.zeros_like(columns["candidate"])
    return np.concatenate([columns.get(block, missing).T for block in order])


def shared_activation(cell: GatedLSTMCell) -> Activation | None:
    """Find the activation that all learned gates share (the sigmoid if none is learned); None if they differ."""
    first, *others = list(cell.gate_activations.values()) or [keras.activations.sigmoid]
    return first if all(other == first for other in others) else None


def refuse(layer: Any, target: str, *reasons: str) -> None:
    """Raise a `ValueError` that names the target, the layer and the reasons, if there are any."""
    if reasons:
        different = "; ".join(dict.fromkeys(reasons))
        raise ValueError(f"{target} cannot represent the layer {layer.name!r}: {different}")


def refuse_beyond(layer: GatedLSTM, target: str, limits: Limits, further: Iterable[str] = ()) -> None:
    """Refuse a layer whose equation is not that of `GatedLSTMCell`, or that has values beyond the limits of a target.

    Args:
        layer: The layer.
        target: The name of the target.
        limits: What the target knows.
        further: Reasons against this layer that are no limits.
    """
    # First, since switches need not have a meaning in another equation.
    refuse(layer, target, *own_equation(layer, GatedLSTM), *own_equation(layer.cell, GatedLSTMCell))
    values = {name: getattr(layer, name) for name in limits}
    beyond = [f"{name}={values[name]!r} ({why})" for name, (known, why) in limits.items() if values[name] not in known]
    refuse(layer, target, *beyond, *further)


def own_equation(subject: Any, base: type) -> list[str]:
    """Give the reason against every target if a layer or cell computes something else than its base class."""
    names = overridden(type(subject), base)
    reason = f"{type(subject).__name__} has an equation of its own (it overrides {', '.join(names)})"
    return [reason] if names else []


def settings(layer: GatedLSTM, *names: str) -> str:
    """Write arguments of a layer as its config has them: `name=value, name=value`."""
    config = layer.get_config()
    return ", ".join(f"{name}={config[name]!r}" for name in names)


def overridden(subclass: type, base: type) -> list[str]:
    """List the methods and properties of `base` that a subclass redefines, apart from those of its configuration."""
    between = subclass.__mro__[: subclass.__mro__.index(base)]
    kinds = FunctionType | property | classmethod | staticmethod
    methods = {name for cls in between for name, value in vars(cls).items() if isinstance(value, kinds)}
    return sorted(name for name in methods if name not in _CONFIGURATION and hasattr(base, name))
