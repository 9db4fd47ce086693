"""What a study compares, for a reader who did not make it."""

import pytest

from experiments.report import introduction
from experiments.report.study import read
from experiments.tracking.metadata import Tag, task_title
from tests.report.studies import add
from tests.stores import new_store

NOTE = (
    "**peephole** on **adding** (add the two marked numbers among 50), seed 3.\n\nMean squared error on the test part"
)
PEEPHOLE = {"variant.peephole": "diagonal", "variant.forget_gate": "learned", "variant.input_gate": "learned"}


@pytest.fixture
def study(tmp_path):
    store = new_store(tmp_path)
    changed = {
        "peephole": {},
        "coupled_gates": {"variant.forget_gate": "coupled"},
        "bare": {"variant.peephole": "none", "variant.input_gate": "open", "variant.chrono_time": "9"},
        "twin": {},
    }
    for variant, settings in changed.items():
        tags = {Tag.NOTE: NOTE, Tag.BASE: "" if variant == "peephole" else "peephole"}
        add(store, variant, 0, 0.5, settings=PEEPHOLE | settings, **tags)
    return read("s", "", store.runs("s"))


def test_tasks_say_what_they_ask(study):
    assert introduction.tasks(study) == [
        ("adding", "Add the two marked numbers among 50. Mean squared error, lower is better.")
    ]


def test_variants_say_what_they_change(study):
    assert dict(introduction.variants(study)) == {
        "peephole": "What others are compared with.",
        "coupled_gates": "As peephole, with forget_gate=coupled instead of learned.",
        "bare": "As peephole, with peephole=none instead of diagonal; input_gate=open instead of learned; "
        "chrono_time=9 instead of its default.",
        "twin": "The variant of peephole, with other settings.",
    }


def test_a_row_that_is_alone_is_compared_with_no_other(tmp_path):
    store = new_store(tmp_path)
    add(store, "standard", 0, 0.5)
    assert introduction.variants(read("s", "", store.runs("s"))) == [("standard", "Compared with no other.")]


@pytest.mark.parametrize(
    ("note", "title"),
    [
        (NOTE, "add the two marked numbers among 50"),
        ("**a (b)** on **c** (forecast x (in m) of f), seed 12.", "forecast x (in m) of f"),
        ("edited by hand", ""),
        ("", ""),
    ],
)
def test_the_title_of_a_task_is_read_from_a_description(note, title):
    assert task_title(note) == title
