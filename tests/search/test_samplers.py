"""Draws: they stay, more of them only add, and those that learn do so from what they are told."""

import math

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from experiments.config.schema import Sampler
from experiments.errors import UserError
from experiments.search.samplers import DRAWS, Proposals, count_of, draws

RATE = FloatDistribution(1e-4, 1e-1, log=True)
UNITS = CategoricalDistribution(("16", "32", "64"))
SPACE = {"training.learning_rate": RATE, "model.units": UNITS}
NUMBERS = {"x": FloatDistribution(-1, 1), "y": FloatDistribution(-1, 1)}
FIXED = (Sampler.random, Sampler.qmc, Sampler.grid)


def test_draws_do_not_change():
    """These values are in the stores of users: other values would train their searches again."""
    assert draws(Sampler.random, SPACE, 0, 2) == [
        {"model.units": "32", "training.learning_rate": "0.004311710058685493"},
        {"model.units": "32", "training.learning_rate": "0.04734989304499478"},
    ]


@pytest.mark.parametrize("sampler", [Sampler.random, Sampler.qmc])
def test_more_draws_only_add_and_another_seed_draws_others(sampler):
    few = draws(sampler, SPACE, 0, 5)
    assert draws(sampler, SPACE, 0, 40)[:5] == few
    assert draws(sampler, dict(reversed(SPACE.items())), 0, 5) == few, "the order of words makes no difference"
    assert draws(sampler, SPACE, 1, 5) != few
    assert len(draws(sampler, SPACE, 0, None)) == DRAWS


def test_a_grid_has_every_combination_once():
    space = {"a": UNITS, "b": IntDistribution(1, 7, step=3)}
    drawn = draws(Sampler.grid, space, 0, None)
    assert sorted((draw["a"], draw["b"]) for draw in drawn) == [(a, b) for a in ("16", "32", "64") for b in "147"]
    with pytest.raises(UserError, match="search.trials=5: the grid has 9 draws"):
        count_of(Sampler.grid, space, 5)
    with pytest.raises(UserError, match="training.learning_rate is an interval, which has no list of values"):
        draws(Sampler.grid, SPACE, 0, None)


def test_quasi_random_draws_fill_the_space_more_evenly():
    """Of 64 points of a Sobol sequence every eighth of the axis has 8; of random ones it has not."""
    counts = {}
    for sampler in (Sampler.qmc, Sampler.random):
        places = [math.floor((float(draw["x"]) + 1) * 4) for draw in draws(sampler, NUMBERS, 0, 65)[1:]]
        counts[sampler] = max(places.count(k) for k in range(8)) - min(places.count(k) for k in range(8))
    assert counts[Sampler.qmc] <= 2 < counts[Sampler.random]


def bowl(draw):
    return float(draw["x"]) ** 2 + float(draw["y"]) ** 2


def learned(sampler, better, count=12, size=4):
    sign = 1 if better == "lower" else -1
    proposals, drawn = Proposals(sampler, NUMBERS, 0, better), []
    for _ in range(count):
        drawn += proposals.ask(size)
        proposals.tell([sign * bowl(draw) for draw in drawn[-size:]])
    return drawn


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("sampler", [Sampler.tpe, Sampler.cmaes])
def test_samplers_that_learn_draw_better_in_time_and_the_same_again(sampler, better):
    if sampler is Sampler.cmaes:
        pytest.importorskip("cmaes")
    drawn = learned(sampler, better)
    last, random = ([bowl(draw) for draw in group] for group in (drawn[-16:], draws(Sampler.random, NUMBERS, 0, 16)))
    assert sorted(last)[8] < 0.5 * sorted(random)[8]
    assert learned(sampler, better) == drawn


@pytest.mark.parametrize("sampler", [Sampler.tpe, Sampler.cmaes])
def test_divergence_is_the_worst_score_and_a_failure_says_nothing(sampler):
    if sampler is Sampler.cmaes:
        pytest.importorskip("cmaes")
    proposals, drawn = Proposals(sampler, NUMBERS, 0), []
    for _ in range(15):
        drawn = proposals.ask(4)
        proposals.tell(
            [None if number == 0 else math.nan if float(draw["x"]) > 0 else 1.0 for number, draw in enumerate(drawn)]
        )
    late = proposals.ask(12)
    assert sum(float(draw["x"]) > 0 for draw in late) <= 4, "half of random draws"


def test_cmaes_needs_numbers():
    pytest.importorskip("cmaes")
    with pytest.raises(
        UserError, match="search.sampler=cmaes: needs two keys with numbers, and has training.learning_rate"
    ):
        Proposals(Sampler.cmaes, SPACE, 0)
