"""One recurrent layer as the operands and attributes of one ONNX `LSTM` node, in NumPy.

Source: the operator's text, https://onnx.ai/onnx/operators/onnx__LSTM.html; the order of blocks in it is i, o, f, z,
and that of the peepholes i, o, f. What the text leaves open is as ONNX Runtime does it: `input_forget` means f = 1 - i.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from variants.activations import Activation
from variants.convert.blocks import Array, Blocks, Limits, beyond, own_equation, refuse, single_gate_activation
from variants.layers import GatedLSTM


class Function(NamedTuple):
    """An activation in ONNX: its operator, the attributes that the operator needs, and where it is 1."""

    operator: str
    alpha: float | None = None
    beta: float | None = None
    one_at: float = 1.0

    @property
    def parameters(self) -> dict[str, Any]:
        """The attributes `alpha` and `beta`, as far as the operator has them."""
        return {name: value for name in ("alpha", "beta") if (value := getattr(self, name)) is not None}


FUNCTIONS: dict[Activation, Function] = {
    keras.activations.sigmoid: Function("Sigmoid", one_at=1e4),
    keras.activations.tanh: Function("Tanh", one_at=1e4),
    keras.activations.linear: Function("Affine", alpha=1.0, beta=0.0),
    keras.activations.relu: Function("Relu"),
    keras.activations.leaky_relu: Function("LeakyRelu", alpha=0.2),
    keras.activations.elu: Function("Elu", alpha=1.0),
    keras.activations.hard_sigmoid: Function("HardSigmoid", alpha=1 / 6, beta=0.5, one_at=1e4),
    keras.activations.softsign: Function("Softsign", one_at=1e10),
    keras.activations.softplus: Function("Softplus", one_at=math.log(math.e - 1)),
}

_ORDER = ("input", "output", "forget", "candidate")
_GATES = ("input", "output", "forget")
_LIMITS_OF_CELL: Limits = {
    "gate_recurrence": ((False,), "it feeds no gate back"),
    "peephole": (("none", "diagonal"), "its peepholes are one weight per unit"),
}
_LIMITS_OF_LAYER: Limits = {
    "stateful": ((False,), "a graph keeps no states between calls"),
    "return_state": ((False,), "the model must have one output"),
}


class Operands(NamedTuple):
    """What a node `LSTM` has besides its input."""

    weights: dict[str, Array]
    """W `(directions, 4 * units, features)`, R `(directions, 4 * units, units)`, B `(directions, 8 * units)` and,
    with peepholes, P `(directions, 3 * units)`; float32."""
    attributes: dict[str, Any]


def operands(layers: Sequence[GatedLSTM]) -> Operands:
    """The operands of the node for one layer, or for the forward and the backward layer of a `Bidirectional`.

    An open gate has weights of zero and a bias at which its activation is 1; a shared kernel is repeated.

    Raises:
        ValueError: for a layer that is not built or that the operator does not have, with the reasons.
    """
    for layer in layers:
        refuse(layer, "ONNX", own_equation(layer))
        refuse(layer, "ONNX", _beyond(layer))
    if len(layers) == 2:
        _check_pair(*layers)
    weights = {"W": _stack(layers, _input_rows), "R": _stack(layers, _recurrent_rows), "B": _stack(layers, _biases)}
    if any(layer.peephole == "diagonal" for layer in layers):
        weights["P"] = _stack(layers, _peepholes)
    return Operands(weights, {**_attributes(layers), **_activation_attributes(layers)})


def _beyond(layer: GatedLSTM) -> Iterator[str]:
    yield from beyond(layer, _LIMITS_OF_LAYER)
    yield from beyond(layer.cell, _LIMITS_OF_CELL)
    config = layer.get_config()
    if single_gate_activation(layer.cell) is None:
        yield f"gate_activation={config['gate_activation']!r} (its gates share one activation)"
    named = zip(("gate_activation", "candidate_activation", "output_activation"), _functions(layer), strict=True)
    for name, activation in named:
        if activation not in FUNCTIONS:
            known = ", ".join(sorted(function.__name__ for function in FUNCTIONS))
            yield f"{name}={config[name]!r} (it knows {known})"


def _functions(layer: GatedLSTM) -> list[Activation]:
    gate = single_gate_activation(layer.cell) or keras.activations.sigmoid
    return [gate, layer.candidate_activation, layer.output_activation]


def _check_pair(forward: GatedLSTM, backward: GatedLSTM) -> None:
    reasons = []
    if forward.go_backwards:
        reasons.append("go_backwards=True (its first direction reads forwards)")
    if forward.units != backward.units:
        reasons.append(f"units={forward.units!r} and {backward.units!r} backwards (its directions share one size)")
    if (forward.forget_gate == "coupled") != (backward.forget_gate == "coupled"):
        both = f"{forward.forget_gate!r} and {backward.forget_gate!r} backwards"
        reasons.append(f"forget_gate={both} (it couples the gates of both directions or of none)")
    refuse(forward, "ONNX", reasons)


def _attributes(layers: Sequence[GatedLSTM]) -> dict[str, Any]:
    one_direction = "reverse" if layers[0].go_backwards else "forward"
    return {
        "hidden_size": layers[0].units,
        "direction": one_direction if len(layers) == 1 else "bidirectional",
        "input_forget": int(layers[0].forget_gate == "coupled"),
    }


def _activation_attributes(layers: Sequence[GatedLSTM]) -> dict[str, Any]:
    """Alphas and betas stand in the order of the activations that have one, without gaps for those that have none."""
    functions = [FUNCTIONS[activation] for layer in layers for activation in _functions(layer)]
    attributes: dict[str, Any] = {"activations": [function.operator for function in functions]}
    for function in functions:
        for name, value in function.parameters.items():
            attributes.setdefault(f"activation_{name}", []).append(value)
    return attributes


def _stack(layers: Sequence[GatedLSTM], rows: Callable[[GatedLSTM], list[Array]]) -> Array:
    return np.stack([np.concatenate(rows(layer)) for layer in layers]).astype("float32")


def _input_rows(layer: GatedLSTM) -> list[Array]:
    return _rows(Blocks.of(layer).kernel)


def _recurrent_rows(layer: GatedLSTM) -> list[Array]:
    return _rows(Blocks.of(layer).recurrent_kernel)


def _rows(columns: dict[str, Array]) -> list[Array]:
    none = np.zeros_like(columns["candidate"])
    return [columns.get(block, none).T for block in _ORDER]


def _biases(layer: GatedLSTM) -> list[Array]:
    bias = Blocks.of(layer).bias
    opening = FUNCTIONS[_functions(layer)[0]].one_at
    missing = {gate: opening if getattr(layer, f"{gate}_gate") == "open" else 0.0 for gate in _GATES}
    biases = [bias[block] if block in bias else np.full(layer.units, missing[block]) for block in _ORDER]
    return [*biases, np.zeros(4 * layer.units)]  # the second half belongs to the recurrent kernel


def _peepholes(layer: GatedLSTM) -> list[Array]:
    peepholes = Blocks.of(layer).peephole
    return [peepholes.get(gate, np.zeros(layer.units)) for gate in _GATES]
