"""Weights from and to `torch.nn.LSTM`, as NumPy arrays: PyTorch itself is not needed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from variants.convert.blocks import PLAIN_GATES, Array, refuse, refuse_beyond, settings, split_weights, stack_rows
from variants.convert.keras import from_keras
from variants.layers import GatedLSTM, StandardLSTM

_NAME = re.compile(r"(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(\d+)(_reverse)?")
_ORDER = ("input", "forget", "candidate", "output")
_ACTIVATIONS = {"gate_activation": "sigmoid", "candidate_activation": "tanh", "output_activation": "tanh"}


def from_torch(source: Any, *, prefix: str = "", return_sequences: bool = True, **arguments: Any) -> Any:
    """Make layers that compute what a `torch.nn.LSTM` computes, from its weights.

    The layers read `(batch, time, features)`, whatever `batch_first` was. PyTorch adds two biases, which become
    one. Dropout between the layers of a stack is no weight and not part of a state dict.

    Args:
        source: A `torch.nn.LSTM`, or its state dict: a mapping from the names `weight_ih_l0` `(4 * units, features)`,
            `weight_hh_l0` `(4 * units, units)`, `bias_ih_l0` and `bias_hh_l0` `(4 * units,)`, then `_l1` and so on,
            with `_reverse` for the backward direction, to tensors or arrays; rows in the order i, f, z, o.
        prefix: What the names begin with in the state dict of a larger module, such as `"encoder.lstm."`; all other
            names are ignored. Default `""`.
        return_sequences: If True (default, as in PyTorch), the last layer returns h of every step, else of the last
            one alone. The layers before it always return every step.
        **arguments: Further arguments of each `StandardLSTM`, such as `dtype`, except `units` and `use_bias`.

    Returns:
        A built `StandardLSTM`, or `keras.layers.Bidirectional` around it for `bidirectional=True`; for
        `num_layers` above 1 a list of them, the first layer first.

    Raises:
        TypeError: if `source` is neither a module nor a mapping.
        ValueError: for projections (`proj_size`), which no layer here has, for missing or unknown names and for
            wrong shapes.
    """
    weights = _read(source, prefix)
    _check(weights)
    *first, last = _places(weights)
    stack = [_layer(weights, places, return_sequences=True, **arguments) for places in first]
    stack.append(_layer(weights, last, return_sequences=return_sequences, **arguments))
    return stack[0] if len(stack) == 1 else stack


def _read(source: Any, prefix: str) -> dict[str, Array]:
    state = source.state_dict() if hasattr(source, "state_dict") else source
    if not isinstance(state, Mapping):
        raise TypeError(f"`source` must be a torch.nn.LSTM or a mapping from names to arrays. Received: {source!r}")
    named = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    unknown = [name for name in named if not _NAME.fullmatch(name)]
    if unknown or "weight_ih_l0" not in named or "weight_hh_l0" not in named:
        raise ValueError(
            "`source` must have the weights of a torch.nn.LSTM (weight_ih_l0, weight_hh_l0, ...) and no others; "
            f"`prefix` chooses them in the state dict of a larger module. Received: prefix={prefix!r} and the names "
            f"{', '.join(map(str, state)) or 'none'}"
        )
    return {name: _array(value) for name, value in named.items()}


def _array(value: Any) -> Array:
    return np.asarray(value.detach().cpu().double() if hasattr(value, "detach") else value)  # NumPy has no bfloat16


def _check(weights: Mapping[str, Array]) -> None:
    projections = [name for name in weights if name.startswith("weight_hr")]
    if projections:
        raise ValueError(
            f"A torch.nn.LSTM with proj_size projects its hidden state ({', '.join(projections)}), which no layer of "
            "this library does."
        )
    expected, received = _shapes(weights), {name: weight.shape for name, weight in weights.items()}
    for name in sorted(expected.keys() | received.keys()):
        if expected.get(name) != received.get(name):
            raise ValueError(
                "The weights do not fit together as those of one torch.nn.LSTM: expected "
                f"{name} {expected.get(name, 'not to be there')}. Received: {received.get(name, 'nothing')}"
            )


def _shapes(weights: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    features, units = (np.atleast_1d(weights[name]).shape[-1] for name in ("weight_ih_l0", "weight_hh_l0"))
    shapes: dict[str, tuple[int, ...]] = {}
    for places in _places(weights):
        for place in places:
            shapes[f"weight_ih_{place}"] = (4 * units, features)
            shapes[f"weight_hh_{place}"] = (4 * units, units)
            if "bias_ih_l0" in weights:
                shapes |= {f"{bias}_{place}": (4 * units,) for bias in ("bias_ih", "bias_hh")}
        features = units * len(places)  # of the layer above
    return shapes


def _places(weights: Mapping[str, Array]) -> list[list[str]]:
    """What the names of the weights end with, by layer and direction: l0, l0_reverse."""
    last = max(int(match[2]) for name in weights if (match := _NAME.fullmatch(name)))
    suffixes = ("", "_reverse") if "weight_ih_l0_reverse" in weights else ("",)
    return [[f"l{number}{suffix}" for suffix in suffixes] for number in range(last + 1)]


def _layer(weights: Mapping[str, Array], places: list[str], **arguments: Any) -> Any:
    rows, features = weights[f"weight_ih_{places[0]}"].shape
    layer = StandardLSTM(rows // 4, use_bias="bias_ih_l0" in weights, **arguments)
    if len(places) == 2:
        layer = keras.layers.Bidirectional(layer, dtype=layer.dtype_policy)
    layer.build((None, None, features))
    layer.set_weights([weight for place in places for weight in _columns(weights, place)])
    return layer


def _columns(weights: Mapping[str, Array], place: str) -> list[Array]:
    kernels = [weights[f"weight_ih_{place}"].T, weights[f"weight_hh_{place}"].T]
    if f"bias_ih_{place}" not in weights:
        return kernels
    return [*kernels, weights[f"bias_ih_{place}"] + weights[f"bias_hh_{place}"]]


def to_torch(layer: Any) -> dict[str, Array]:
    """Make the state dict of the `torch.nn.LSTM` that computes what a layer computes: the reverse of `from_torch`.

    For `module.load_state_dict({name: torch.from_numpy(array) for name, array in to_torch(layer).items()})` with
    `module = torch.nn.LSTM(features, units, batch_first=True)`, and `num_layers`, `bidirectional` and `bias` to match.
    What is no weight, such as dropout or `return_sequences`, is not part of it.

    Args:
        layer: A built `GatedLSTM` or `keras.layers.LSTM`, a `keras.layers.Bidirectional` around one, or for a stack
            a list of them, the first layer first.

    Returns:
        NumPy arrays by PyTorch's names, as in `from_torch`, rows in the order i, f, z, o; `bias_hh` is zero.

    Raises:
        TypeError: for a layer of another kind.
        ValueError: for a layer that is not built or that PyTorch does not have (anything but three learned sigmoid
            gates and tanh, no peepholes, gate recurrence or shared kernel, `go_backwards` outside of
            `Bidirectional`, another `merge_mode` than `"concat"`), and for a stack whose layers differ in units,
            biases or directions.
    """
    stack = layer if isinstance(layer, Sequence) else [layer]
    if not stack:
        raise ValueError("`layer` must be a layer or a list of at least one. Received: an empty list")
    weights: dict[str, Array] = {}
    for number, one in enumerate(stack):
        for suffix, direction in _directions(one):
            weights |= _rows(direction, f"l{number}{suffix}")
    _check(weights)
    return weights


def _directions(layer: Any) -> list[tuple[str, GatedLSTM]]:
    if not isinstance(layer, keras.layers.Bidirectional):
        return [("", _forwards(layer, False))]
    if layer.merge_mode != "concat":
        refuse(layer, "torch.nn.LSTM", f"merge_mode={layer.merge_mode!r} (it concatenates the directions)")
    return [("", _forwards(layer.forward_layer, False)), ("_reverse", _forwards(layer.backward_layer, True))]


def _forwards(layer: Any, go_backwards: bool) -> GatedLSTM:
    if isinstance(layer, keras.layers.LSTM):
        layer = from_keras(layer)
    if not isinstance(layer, GatedLSTM):
        raise TypeError(f"`layer` must be a GatedLSTM, a keras.layers.LSTM or a Bidirectional. Received: {layer!r}")
    direction = {"go_backwards": ((go_backwards,), "its one or first direction reads forwards")}
    refuse_beyond(layer, "torch.nn.LSTM", {**PLAIN_GATES, **direction}, _other_activations(layer))
    return layer


def _other_activations(layer: GatedLSTM) -> Iterator[str]:
    functions = {
        "gate_activation": layer.cell.gate_activations.values(),
        "candidate_activation": [layer.candidate_activation],
        "output_activation": [layer.output_activation],
    }
    for name, activations in functions.items():
        if any(activation != keras.activations.get(_ACTIVATIONS[name]) for activation in activations):
            yield f"{settings(layer, name)} (it is {_ACTIVATIONS[name]} there)"


def _rows(layer: GatedLSTM, place: str) -> dict[str, Array]:
    weights = split_weights(layer)
    rows = {
        f"weight_ih_{place}": stack_rows(weights["kernel"], _ORDER),
        f"weight_hh_{place}": stack_rows(weights["recurrent_kernel"], _ORDER),
    }
    if layer.use_bias:
        bias = stack_rows(weights["bias"], _ORDER)
        rows |= {f"bias_ih_{place}": bias, f"bias_hh_{place}": np.zeros_like(bias)}
    return rows
