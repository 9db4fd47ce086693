"""Who goes on: counted by hand, and against the rungs of Jamieson and Talwalkar."""

import math

import pytest

from experiments.config.schema import Halving
from experiments.errors import UserError
from experiments.search.halving import brackets, check, promoted, share, stages

NAN = math.nan


def test_the_best_third_goes_on_and_of_equal_ones_the_first():
    scores = {0: 0.5, 1: 0.1, 2: 0.3, 3: 0.3, 4: 0.9, 5: 0.3, 6: 0.8, 7: 0.7, 8: 0.6}
    assert promoted(scores, "1/3", "lower") == [1, 2, 3]
    assert promoted(scores, "1/3", "higher") == [4, 6, 7]
    assert promoted(scores, 0.5, "lower") == [1, 2, 3, 5], "of nine half is four"


def test_what_diverged_or_failed_does_not_go_on_but_counts_as_a_draw():
    scores = {0: NAN, 1: None, 2: 0.4, 3: 0.2, 4: NAN, 5: math.inf}
    assert promoted(scores, "2/3", "lower") == [2, 3]
    assert promoted(scores, "1/6", "lower") == [3]
    assert promoted({0: NAN, 1: None}, "1/2", "lower") == []


@pytest.mark.parametrize("count", [1, 2, 8])
def test_one_goes_on_at_least(count):
    assert len(promoted(dict.fromkeys(range(count), 1.0), "1/9", "lower")) == 1


def test_27_draws_become_9_and_3():
    scores = {number: float(number) for number in range(27)}
    first = promoted(scores, "1/3", "lower")
    assert (len(first), len(promoted({n: scores[n] for n in first}, "1/3", "lower"))) == (9, 3)


def test_the_last_rung_is_the_end():
    halving = Halving(rungs=[3, 9, 27])
    assert stages(halving, 27, "a") == [3, 9, None]
    assert stages(halving, 40, "a") == [3, 9, 27, None]
    assert stages(Halving(), 40, "a") == [None]
    with pytest.raises(UserError, match=r"rungs=\[3, 9, 27\]: a has training.epochs=26, and no rung may be beyond it"):
        stages(halving, 26, "a")


def test_brackets_cost_about_the_same():
    halving = Halving(rungs=[3, 9, 27], brackets=3)
    begins = brackets(halving, 81)
    counts = [begins.count(bracket) for bracket in range(3)]
    assert begins == sorted(begins) and sum(counts) == 81 and brackets(Halving(rungs=[3]), 4) == [0] * 4
    # By hand, with a third going on: 3 + 6/3 + 18/9 = 7 epochs a draw from the first rung, 9 + 18/3 = 15, and 27.
    costs = [count * cost for count, cost in zip(counts, (7, 15, 27), strict=True)]
    assert max(costs) - min(costs) <= 27


@pytest.mark.parametrize(
    ("halving", "message"),
    [
        (Halving(rungs=[9, 3]), r"search.halving.rungs=\[9, 3\]: must be epochs that rise, from 1 on"),
        (Halving(rungs=[3, 3]), r"must be epochs that rise"),
        (Halving(rungs=[0, 3]), r"must be epochs that rise"),
        (Halving(rungs=[3], brackets=2), r"search.halving.brackets=2: there are 1 rungs to begin at"),
        (Halving(rungs=[3], keep="3/2"), r"search.halving.keep=3/2: must be greater than 0 and less than 1"),
        (Halving(rungs=[3], keep="1/0"), r"search.halving.keep=1/0: must be greater"),
        (Halving(rungs=[3], keep="a third"), r"search.halving.keep=a third: must be"),
        (Halving(rungs=[3], keep=None), r"search.halving.keep=None: must be"),
    ],
)
def test_what_is_no_halving(halving, message):
    with pytest.raises(UserError, match=message):
        check(halving)


def test_a_share_is_exact():
    assert share("1/3") * 27 == 9 and share(0.1) * 30 == 3
