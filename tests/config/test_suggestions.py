"""What a word of a command line can be, and which one a misspelt word means."""

import pytest

from experiments.config.compose import compose
from experiments.config.suggestions import completions, field_kinds, suggestions
from experiments.errors import UserError


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("model.unit=3", "model.units"),
        ("+trainig.epochs=3", "training.epochs"),
        ("task.horizont=3", "task.horizon"),
        ("variant.peephol=full", "variant.peephole"),
        ("sede=1", "seed"),
        ("variant=pephole", "peephole"),
        ("variant=standard,no_input_gat", "odyssey/no_input_gate"),
        ("task=forcast", "forecast"),
        ("experiment=quikstart", "quickstart"),
        ("variant.peephole=diagnal", "diagonal"),
        ("training.optimizer=adm", "adam"),
    ],
)
def test_a_misspelt_field_or_value_gets_the_right_one(word, expected):
    assert suggestions([word]) == f"\n{word}: Did you mean {expected}?"


@pytest.mark.parametrize(
    "word",
    ["model.units=3", "variant=standard,peephole", "variant.arguments.first=1", "hydra.mode=RUN", "-m", "seed=1,2"],
)
def test_what_is_right_gets_no_suggestion(word):
    assert suggestions([word]) == ""


def test_a_refused_configuration_says_what_was_probably_meant():
    with pytest.raises(UserError, match=r"model.unit=3: Did you mean model.units\?"):
        compose(["model.unit=3"])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("variant=odyssey/no_input_g", ["variant=odyssey/no_input_gate"]),
        ("variant=standard,peep", ["variant=standard,peephole"]),
        ("variant.peephole=d", ["variant.peephole=diagonal"]),
        ("training.jit_compile=", ["training.jit_compile=true", "training.jit_compile=false"]),
        ("model.units=", []),
    ],
)
def test_values_are_completed(word, expected):
    assert completions(word) == expected


def test_fields_are_those_of_variants_tasks_and_training():
    assert {"variant.peephole", "task.horizon", "task.length", "training.clipnorm", "seed"} <= field_kinds().keys()
