"""The LSTM equations once more, in float64 NumPy and gate by gate: what the layers are tested against."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray

ACTIVATIONS = {
    "sigmoid": lambda a: np.where(a >= 0, 1 / (1 + np.exp(-np.abs(a))), np.exp(-np.abs(a)) / (1 + np.exp(-np.abs(a)))),
    "tanh": np.tanh,
    "linear": lambda a: a,
    "relu": lambda a: np.maximum(a, 0),
    "hard_sigmoid": lambda a: np.clip(a / 6 + 0.5, 0, 1),
    "softsign": lambda a: a / (1 + np.abs(a)),
    "centered_sigmoid": lambda a: np.tanh(a / 2) / 2,
    "bipolar_sigmoid": lambda a: np.tanh(a / 2),
    "shifted_tanh": lambda a: np.tanh(a) + 0.5,
    "binary": lambda a: (a > 0).astype("float64"),
}

RECURRENCES = {"full": lambda h, u: h @ u, "diagonal": lambda h, u: h * u, "none": lambda h, u: 0.0}
TRACES = ("input_gate", "forget_gate", "output_gate", "candidate", "cell_state", "hidden_state")


def reference(
    config: Mapping[str, Any],
    weights: Sequence[Array],
    inputs: Array,
    initial_state: Sequence[Array] | None = None,
    mask: Array | None = None,
) -> dict[str, Array]:
    """Run an LSTM over a batch of sequences, one gate and one step at a time.

    Args:
        config: `get_config()` of a `GatedLSTM` or `GatedLSTMCell`; activations by name.
        weights: Its `get_weights()`.
        inputs: `(batch, time, features)`.
        initial_state: h and c `(batch, units)`, and with gate recurrence the gates `(batch, n * units)`.
            Zeros by default.
        mask: `(batch, time)`; where False the states stay and the output repeats (zeros before the first step).

    Returns:
        float64 arrays by name: input_gate, forget_gate, output_gate, candidate, cell_state, hidden_state and
        output, each `(batch, time, units)`. Dropout is not applied.
    """
    x = np.asarray(inputs, "float64")
    batch, steps, _ = x.shape
    units = config["units"]
    w = unpack(config, weights)
    act = _activations(config)
    learned = _learned_gates(config)
    recurrent = RECURRENCES[config["recurrence"]]
    zeros, one = np.zeros((batch, units)), np.ones((batch, units))
    h, c, *gates = [np.asarray(state, "float64") for state in initial_state or (zeros, zeros)]
    recurrent_gates = dict.fromkeys(learned, zeros)
    if gates:
        recurrent_gates = dict(zip(learned, np.split(gates[0], len(learned), axis=1), strict=True))
    steps_mask = np.ones((batch, steps), bool) if mask is None else np.asarray(mask, bool)
    out = zeros
    rows = []

    for t in reversed(range(steps)) if config.get("go_backwards") else range(steps):

        def sums(block: str) -> Array:
            """What a gate or the candidate adds up, without a peephole."""
            total = x[:, t] @ w["W"][block] + recurrent(h, w["U"].get(block)) + w["b"][block]
            if config["gate_recurrence"] and block != "candidate":
                total = total + sum(recurrent_gates[source] @ w["R"][source, block] for source in learned)
            return total

        def gate(name: str, cell: Array) -> Array:
            """A learned gate, with its peephole if it has one."""
            p = w["p"].get(name)
            peep = 0.0 if p is None else (p * cell if p.ndim == 1 else cell @ p)
            return act[name](sums(name) + peep)

        i = gate("input", c) if "input" in learned else one
        f = gate("forget", c) if "forget" in learned else (1 - i if config["forget_gate"] == "coupled" else one)
        z = act["candidate"](sums("candidate"))
        c_new = f * c + i * z
        o = gate("output", c_new) if "output" in learned else one
        h_new = o * act["cell"](c_new)

        valid = steps_mask[:, t, None]
        now = {"input": i, "forget": f, "output": o}
        recurrent_gates = {g: np.where(valid, now[g], recurrent_gates[g]) for g in learned}
        c, h, out = np.where(valid, c_new, c), np.where(valid, h_new, h), np.where(valid, h_new, out)
        rows.append((i, f, o, z, c, h, out))
    return {name: np.stack(v, axis=1) for name, v in zip((*TRACES, "output"), zip(*rows, strict=True), strict=True)}


def _learned_gates(config: Mapping[str, Any]) -> list[str]:
    return [gate for gate in ("input", "forget", "output") if config[f"{gate}_gate"] == "learned"]


def unpack(config: Mapping[str, Any], weights: Sequence[Array]) -> dict[str, dict[Any, Array]]:
    """The weights of a layer as one matrix per block: W, U, b by block, p by gate, R by (source, target) gate."""
    units = config["units"]
    remaining = [np.asarray(weight, "float64") for weight in weights]
    learned = _learned_gates(config)
    blocks = [b for b in ("input", "forget", "candidate", "output") if b in learned or b == "candidate"]

    def columns(matrix: Array, shared: bool) -> dict[Any, Array]:
        """The columns of each block."""
        return {b: matrix if shared else matrix[..., k * units : (k + 1) * units] for k, b in enumerate(blocks)}

    unpacked = {
        "W": columns(remaining.pop(0), config["shared_kernel"]),
        "U": {} if config["recurrence"] == "none" else columns(remaining.pop(0), config["shared_kernel"]),
        "b": columns(remaining.pop(0), False) if config["use_bias"] else dict.fromkeys(blocks, np.zeros(units)),
        "p": {},
        "R": {},
    }
    if config["peephole"] != "none":
        unpacked["p"] = {gate: remaining.pop(0) for gate in learned}
    if config["gate_recurrence"]:
        r = remaining.pop(0).reshape(len(learned), units, len(learned), units)
        unpacked["R"] = {(a, b): r[j, :, k] for j, a in enumerate(learned) for k, b in enumerate(learned)}
    if remaining:
        raise ValueError(f"{len(remaining)} more weights than this configuration has: {[r.shape for r in remaining]}")
    return unpacked


def _activations(config: Mapping[str, Any]) -> dict[str, Any]:
    per_gate = config["gate_activation"]
    names = {
        gate: per_gate.get(gate, "sigmoid") if isinstance(per_gate, Mapping) else per_gate
        for gate in ("input", "forget", "output")
    }
    names |= {"candidate": config["candidate_activation"], "cell": config["output_activation"]}
    unknown = sorted(set(names.values()) - set(ACTIVATIONS))
    if unknown:
        raise ValueError(
            f"The reference knows the activations {', '.join(ACTIVATIONS)}. Received: {', '.join(unknown)}"
        )
    return {block: ACTIVATIONS[name] for block, name in names.items()}
