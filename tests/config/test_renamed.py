"""Old names are refused with the new ones."""

import importlib

import pytest

from experiments import PLACES
from experiments.config.compose import compose
from experiments.config.conf_files import choices
from experiments.config.renamed import VARIANTS, renamed_variants
from experiments.errors import UserError


def test_new_names_exist_and_old_ones_do_not():
    assert set(VARIANTS.values()) <= set(choices("variant"))
    assert not set(VARIANTS) & set(choices("variant"))


def test_every_old_name_of_a_sweep_is_named():
    words = ["variant=standard,no_input_gate,gates/binary", "task=adding", "seed=0"]
    assert renamed_variants(words).splitlines()[1:] == [
        "variant=no_input_gate is called variant=odyssey/no_input_gate now",
        "variant=gates/binary is called variant=one_switch/binary_gates now",
    ]
    assert renamed_variants(["variant=choice(standard, no_input_gate)"]).count("now") == 1
    assert renamed_variants(["variant=standard", "study=no_input_gate"]) == ""


def test_composing_an_old_name_says_the_new_one():
    with pytest.raises(UserError, match="variant=candidate/relu is called variant=one_switch/relu_candidate now"):
        compose(["variant=candidate/relu"])


@pytest.mark.parametrize("module", PLACES)
def test_an_old_module_says_where_it_is(module):
    with pytest.raises(ModuleNotFoundError, match=f"experiments.{module} is called experiments.{PLACES[module]} now"):
        importlib.import_module(f"experiments.{module}")
    importlib.import_module(f"experiments.{PLACES[module]}")


def test_a_command_line_with_an_old_name_ends_before_anything_else(train):
    done = train("-m", "variant=standard,coupled_gates")
    assert done.returncode == 2
    assert done.stderr == "error: variant=coupled_gates is called variant=odyssey/coupled_gates now\n"
