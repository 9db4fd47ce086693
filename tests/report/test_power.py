"""What a comparison can show, said before its trials: by the rows, families and tests of its report."""

import pytest

from experiments import analysis
from experiments.report.power import power
from tests.conftest import spec_of

SMALL = ("task.train_size=64", "task.validation_size=32", "task.test_size=32")


@pytest.fixture
def planned(make_config):
    """The trials of a sweep: every variant and setting with every seed."""

    def make(variants, seeds, *settings):
        return [
            spec_of(make_config(*SMALL, f"variant={variant}", f"seed={seed}", *words.split()))
            for variant in variants
            for seed in range(seeds)
            for words in settings or ("",)
        ]

    return make


def test_few_seeds_show_nothing_and_it_says_how_many_would(planned):
    assert str(power(planned(["standard", "peephole"], 3))) == (
        "3 seeds cannot show any difference: it takes 4, and 18 for 1 standard deviation"
    )


@pytest.mark.slow
def test_every_comparison_of_the_family_counts(planned):
    """peephole against standard with each of two sizes: two comparisons, as the report has them."""
    specs = planned(["standard", "peephole"], 5, "model.units=4", "model.units=5")
    shown = power(specs)
    assert (shown.family, shown.count) == (2, 5)
    assert shown.detectable == analysis.detectable(5, 2) > analysis.detectable(5)
    assert str(shown) == (
        "with 5 seeds differences from about 2.4 standard deviations on can be shown, with 22 those from 1 on"
    )
    assert str(power(specs, 22)).endswith("about 1.0 standard deviations on can be shown")


def test_what_is_compared_with_nothing_shows_nothing(planned):
    assert power(planned(["standard"], 5)) is None


def test_the_row_with_the_fewest_seeds_counts(planned):
    assert power([*planned(["standard"], 8), *planned(["peephole"], 4)]).count == 4


@pytest.mark.slow
def test_draws_of_a_search_are_counted_not_their_seeds(planned):
    drawn = "sweep.drawn=[training.learning_rate]"
    rates = [f"training.learning_rate={rate} {drawn}" for rate in (1e-3, 2e-3, 3e-3, 4e-3, 5e-3)]
    shown = power(planned(["standard", "peephole"], 2, *rates))
    assert (shown.family, shown.count) == (1, 5) and str(shown).startswith("with 5 draws ")
