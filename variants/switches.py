"""What may be chosen in the LSTM equation, and which choices exclude each other."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from variants.activations import Activation, get_activation, get_gate_activations, serialize_activation

GATES = ("input", "forget", "output")
BLOCKS = ("input", "forget", "candidate", "output")

CHOICES = {
    "input_gate": ("learned", "open"),
    "forget_gate": ("learned", "open", "coupled"),
    "output_gate": ("learned", "open"),
    "peephole": ("none", "diagonal", "full"),
    "recurrence": ("full", "diagonal", "none"),
}
FLAGS = ("gate_recurrence", "shared_kernel", "peephole_gradient")
RENAMED = {
    "activation": "`candidate_activation` and `output_activation`",
    "recurrent_activation": "`gate_activation`",
}


@dataclass(frozen=True, kw_only=True)
class Switches:
    """The switches of `GatedLSTMCell`, whose docstring says what each of them does.

    Activations may be names, serialized forms or functions; the candidate's and the output's become functions.

    Raises:
        ValueError: for an unknown value, or switches that exclude each other; names the switch, the value received
            and what is allowed.
    """

    input_gate: str = "learned"
    forget_gate: str = "learned"
    output_gate: str = "learned"
    gate_activation: Any = "sigmoid"
    candidate_activation: Any = "tanh"
    output_activation: Any = "tanh"
    peephole: str = "none"
    recurrence: str = "full"
    gate_recurrence: bool = False
    shared_kernel: bool = False
    peephole_gradient: bool = True

    def __post_init__(self) -> None:
        self._check_values()
        self._check_pairs()
        get_gate_activations(self.gate_activation, self.learned_gates)
        for name in ("candidate_activation", "output_activation"):
            object.__setattr__(self, name, get_activation(name, getattr(self, name)))

    def _check_values(self) -> None:
        for name, choices in CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                allowed = f"`{name}` must be one of {', '.join(choices)}"
                raise ValueError(f"{allowed}. Received: {name}={value!r}{_as_choice(name, value)}")
        for name in FLAGS:
            if not isinstance(flag := getattr(self, name), bool):
                raise ValueError(f"`{name}` must be True or False. Received: {name}={flag!r}")

    def _check_pairs(self) -> None:
        if self.input_gate == "open" and self.forget_gate == "coupled":
            raise ValueError(
                "`forget_gate='coupled'` means f = 1 - i, which needs a learned input gate (with i = 1 the cell would "
                "forget everything at every step). Received: input_gate='open', forget_gate='coupled'"
            )
        if not self.peephole_gradient and self.peephole == "none":
            raise ValueError(
                "`peephole_gradient=False` stops the gradient through peepholes, and there are none. "
                "Allowed with: peephole='diagonal' or peephole='full'. Received: peephole='none'"
            )
        for name, neutral in {"peephole": "none", "gate_recurrence": False, "shared_kernel": False}.items():
            if not self.learned_gates and (value := getattr(self, name)) != neutral:
                raise ValueError(
                    f"`{name}` needs at least one learned gate, and all three gates are open. "
                    f"Received: {name}={value!r}"
                )

    @property
    def learned_gates(self) -> tuple[str, ...]:
        """The gates that have weights of their own, in the order of the kernel's columns."""
        return tuple(gate for gate in GATES if getattr(self, f"{gate}_gate") == "learned")

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks of columns of the kernel: the learned gates and the candidate."""
        return tuple(block for block in BLOCKS if block == "candidate" or block in self.learned_gates)

    @property
    def gate_activations(self) -> dict[str, Activation]:
        """The activation function of each learned gate."""
        return get_gate_activations(self.gate_activation, self.learned_gates)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same switches again, in a form that a file can hold."""
        config = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: serialize_activation(value) if name.endswith("_activation") else value
            for name, value in config.items()
        }


NAMES = tuple(field.name for field in fields(Switches))


def _as_choice(name: str, value: Any) -> str:
    """What a value that stands for yes or no is called."""
    if value is not None and not isinstance(value, bool):
        return ""
    yes, no = {"peephole": ("diagonal", "none"), "recurrence": ("full", "none")}.get(name, ("learned", "open"))
    return f"; write {name}={yes if value else no!r}"


def pop_switches(arguments: dict[str, Any], fixed: Mapping[str, Any], owner: str) -> Switches:
    """Take the switches out of the arguments of a cell.

    Args:
        arguments: The keyword arguments of the cell.
        fixed: The switches to which the equation of the cell leaves one value only, and this value.
        owner: The name of the cell's equation.

    Raises:
        ValueError: as `Switches`, for another value of a fixed switch, and for the two arguments of
            `keras.layers.LSTM` that have other names here.
    """
    for name, ours in RENAMED.items():
        if name in arguments:
            raise ValueError(f"Use {ours} instead of `{name}`. Received: {name}={arguments[name]!r}")
    switches = {name: arguments.pop(name) for name in NAMES if name in arguments}
    for name, value in fixed.items():
        if switches.get(name, value) != value:
            raise ValueError(f"`{name}` of {owner} can only be {value!r}. Received: {name}={switches[name]!r}")
    return Switches(**{**switches, **fixed})
