"""One recurrent layer as the operands and attributes of one ONNX `LSTM` node, in NumPy.

Source: the operator's text, https://onnx.ai/onnx/operators/onnx__LSTM.html; the order of blocks in it is i, o, f, z,
and that of the peepholes i, o, f. What the text leaves open is as ONNX Runtime does it: `input_forget` means f = 1 - i.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from variants.activations import Activation
from variants.convert.blocks import Array, refuse, refuse_beyond, settings, shared_activation, split_weights, stack_rows
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
_LIMITS = {
    "stateful": ((False,), "a graph keeps no states between calls"),
    "return_state": ((False,), "the model must have one output"),
    "gate_recurrence": ((False,), "it feeds no gate back"),
    "peephole": (("none", "diagonal"), "its peepholes are one weight per unit"),
}


def operands(layers: Sequence[GatedLSTM]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The operands of the node for one layer, or for the forward and the backward layer of a `Bidirectional`.

    An open gate has weights of zero and a bias at which its activation is 1; a shared kernel is repeated.

    Returns:
        Weights by name: W `(directions, 4 * units, features)`, R `(directions, 4 * units, units)`, B `(directions,
        8 * units)` and, with peepholes, P `(directions, 3 * units)`; float32. And the attributes.

    Raises:
        ValueError: for a layer that is not built or that the operator does not have, with the reasons.
    """
    for layer in layers:
        refuse_beyond(layer, "ONNX", _LIMITS, _unknown_activations(layer))
    if len(layers) == 2:
        _check_pair(*layers)
    directions = [_weights(layer) for layer in layers]
    weights = {name: np.stack([w[name] for w in directions]).astype("float32") for name in directions[0]}
    if all(layer.peephole == "none" for layer in layers):
        del weights["P"]
    return weights, _attributes(layers)


def _unknown_activations(layer: GatedLSTM) -> Iterator[str]:
    if shared_activation(layer.cell) is None:
        yield f"{settings(layer, 'gate_activation')} (its gates share one activation)"
    named = zip(("gate_activation", "candidate_activation", "output_activation"), _functions(layer), strict=True)
    for name, activation in named:
        if activation not in FUNCTIONS:
            known = ", ".join(sorted(function.__name__ for function in FUNCTIONS))
            yield f"{settings(layer, name)} (it knows {known})"


def _functions(layer: GatedLSTM) -> list[Activation]:
    gate = shared_activation(layer.cell) or keras.activations.sigmoid
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
    refuse(forward, "ONNX", *reasons)


def _attributes(layers: Sequence[GatedLSTM]) -> dict[str, Any]:
    one_direction = "reverse" if layers[0].go_backwards else "forward"
    functions = [FUNCTIONS[activation] for layer in layers for activation in _functions(layer)]
    attributes: dict[str, Any] = {
        "hidden_size": layers[0].units,
        "direction": one_direction if len(layers) == 1 else "bidirectional",
        "input_forget": int(layers[0].forget_gate == "coupled"),
        "activations": [function.operator for function in functions],
    }
    # Alphas and betas stand in the order of the activations that have one, without gaps for those that have none.
    for function in functions:
        for name, value in function.parameters.items():
            attributes.setdefault(f"activation_{name}", []).append(value)
    return attributes


def _weights(layer: GatedLSTM) -> dict[str, Array]:
    weights = split_weights(layer)
    opening = np.full(layer.units, FUNCTIONS[_functions(layer)[0]].one_at)
    biases = {gate: opening for gate in _GATES if getattr(layer, f"{gate}_gate") == "open"} | weights["bias"]
    no_peephole = np.zeros(layer.units)
    return {
        "W": stack_rows(weights["kernel"], _ORDER),
        "R": stack_rows(weights["recurrent_kernel"], _ORDER),
        # The second half belongs to the recurrent kernel.
        "B": np.concatenate([stack_rows(biases, _ORDER), np.zeros(4 * layer.units)]),
        "P": np.concatenate([weights["peephole"].get(gate, no_peephole) for gate in _GATES]),
    }
