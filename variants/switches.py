"""What may be chosen in the LSTM equation, and which choices exclude each other."""

from collections.abc import Mapping
from typing import Any

GATES = ("input", "forget", "output")

CHOICES = {
    "input_gate": ("learned", "open"),
    "forget_gate": ("learned", "open", "coupled"),
    "output_gate": ("learned", "open"),
    "peephole": ("none", "diagonal", "full"),
}


def check_switches(
    *,
    input_gate: str,
    forget_gate: str,
    output_gate: str,
    peephole: str,
    gate_recurrence: bool,
    shared_kernel: bool,
    peephole_gradient: bool = True,
    chrono_time: int | None = None,
) -> None:
    """Refuse a value or a combination that the equation does not have.

    Raises:
        ValueError: names the argument, the value received and what is allowed.
    """
    received = {
        "input_gate": input_gate,
        "forget_gate": forget_gate,
        "output_gate": output_gate,
        "peephole": peephole,
    }
    for name, value in received.items():
        if value not in CHOICES[name]:
            raise ValueError(f"`{name}` must be one of {', '.join(CHOICES[name])}. Received: {name}={value!r}")
    flags = {
        "gate_recurrence": gate_recurrence,
        "shared_kernel": shared_kernel,
        "peephole_gradient": peephole_gradient,
    }
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"`{name}` must be True or False. Received: {name}={flag!r}")
    if input_gate == "open" and forget_gate == "coupled":
        raise ValueError(
            "`forget_gate='coupled'` means f = 1 - i, which needs a learned input gate (with i = 1 the cell would "
            "forget everything at every step). Received: input_gate='open', forget_gate='coupled'"
        )
    if not peephole_gradient and peephole == "none":
        raise ValueError(
            "`peephole_gradient=False` stops the gradient through peepholes, and there are none. "
            "Allowed with: peephole='diagonal' or peephole='full'. Received: peephole='none'"
        )
    _check_chrono_time(chrono_time, input_gate, forget_gate)
    needs_a_gate = {
        "peephole": peephole != "none",
        "gate_recurrence": gate_recurrence,
        "shared_kernel": shared_kernel,
    }
    if not learned_gates(input_gate, forget_gate, output_gate):
        for name, chosen in needs_a_gate.items():
            if chosen:
                raise ValueError(
                    f"`{name}` needs at least one learned gate, and all three gates are open. "
                    f"Received: {name}={peephole if name == 'peephole' else True!r}"
                )


def _check_chrono_time(chrono_time: Any, input_gate: str, forget_gate: str) -> None:
    if chrono_time is None:
        return
    if isinstance(chrono_time, bool) or not isinstance(chrono_time, int) or chrono_time < 3:
        raise ValueError(f"`chrono_time` must be None or an integer of at least 3. Received: {chrono_time!r}")
    if input_gate == "open" and forget_gate == "open":
        raise ValueError(
            f"`chrono_time` sets the biases of the input and the forget gate, and neither has one here. "
            f"Received: chrono_time={chrono_time}, input_gate='open', forget_gate='open'"
        )


def learned_gates(input_gate: str, forget_gate: str, output_gate: str) -> tuple[str, ...]:
    """The gates that have weights of their own, in the order of the kernel's columns."""
    settings = dict(zip(GATES, (input_gate, forget_gate, output_gate), strict=True))
    return tuple(gate for gate in GATES if settings[gate] == "learned")


def without_keras_activations(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Refuse the two arguments of `keras.layers.LSTM` that have other names here."""
    for name, ours in {
        "activation": "`candidate_activation` and `output_activation`",
        "recurrent_activation": "`gate_activation`",
    }.items():
        if name in kwargs:
            raise ValueError(f"Use {ours} instead of `{name}`. Received: {name}={kwargs[name]!r}")
    return kwargs


def with_fixed(fixed: Mapping[str, Any], arguments: dict[str, Any], owner: str) -> dict[str, Any]:
    """The arguments of a cell whose equation leaves some of them no choice, those included.

    Raises:
        ValueError: if one of them is given another value.
    """
    for name, value in fixed.items():
        if arguments.get(name, value) != value:
            raise ValueError(f"`{name}` of {owner} can only be {value!r}. Received: {name}={arguments[name]!r}")
    return {**arguments, **fixed}
