"""What variants of version 0.1.0 are called now. For one release their old names are refused with the new ones."""

import re
from collections.abc import Iterable

ODYSSEY = (
    "coupled_gates",
    "gate_recurrence",
    "no_forget_gate",
    "no_input_activation",
    "no_input_gate",
    "no_output_activation",
    "no_output_gate",
    "no_peepholes",
)
ACTIVATIONS = ("centered_sigmoid", "linear", "relu", "sigmoid", "softsign")
VARIANTS = {
    **{name: f"odyssey/{name}" for name in ODYSSEY},
    **{f"candidate/{name}": f"one_switch/{name}_candidate" for name in ACTIVATIONS},
    **{f"output/{name}": f"one_switch/{name}_output" for name in ACTIVATIONS[1:]},
    **{f"gates/{name}": f"one_switch/{name}_gates" for name in ("binary", "hard_sigmoid", "tanh")},
    "input_gate/coupled": "one_switch/coupled_forget_gate",
    "input_gate/open": "one_switch/open_input_gate",
    "binary_gates": "one_switch/binary_gates",
    "hard_forget_gate": "one_switch/hard_forget_gate",
}


def renamed_variants(words: Iterable[str]) -> str:
    """A sentence for each old name of a variant in the words of a command line; "" if there is none."""
    values = [word.partition("=")[2] for word in words if word.startswith("variant=")]
    names = [name for value in values for name in re.split(r"[,\s()]+", value) if name in VARIANTS]
    return "".join(f"\nvariant={name} is called variant={VARIANTS[name]} now" for name in dict.fromkeys(names))
