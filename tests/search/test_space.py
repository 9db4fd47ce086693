"""What Hydra's overrides say about the values of a key, against distributions of SciPy."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from scipy import stats

from experiments.config.schema import Sampler
from experiments.errors import UserError
from experiments.search.samplers import draws
from experiments.search.space import MOST_VALUES, distribution, values

MANY = 2000


def override(text):
    (parsed,) = OverridesParser.create().parse_overrides([f"x={text}"])
    return parsed


def drawn(text, count=MANY):
    return [draw["x"] for draw in draws(Sampler.random, {"x": distribution(override(text))}, 0, count)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("interval(-2, 3)", stats.uniform(-2, 5)),
        ("interval(0.5, 0.5001)", stats.uniform(0.5, 0.0001)),
        ("tag(log, interval(1e-4, 1e-1))", stats.loguniform(1e-4, 1e-1)),
        ("tag(log, interval(3, 3000))", stats.loguniform(3, 3000)),
    ],
)
def test_intervals_have_the_distribution_that_they_name(text, expected):
    numbers = np.array([float(value) for value in drawn(text)])
    low, high = expected.support()
    assert low <= numbers.min() and numbers.max() <= high
    assert stats.kstest(numbers, expected.cdf).pvalue > 0.01


@pytest.mark.parametrize("text", ["int(interval(3, 6))", "tag(int, interval(3, 6))", "3,4,5,6", "range(3, 7)"])
def test_integers_and_choices_are_equally_likely(text):
    counts = Counter(drawn(text))
    assert set(counts) == {"3", "4", "5", "6"}
    assert stats.chisquare(list(counts.values())).pvalue > 0.01


def test_steps_of_a_range():
    assert set(drawn("range(16, 65, 16)", 100)) == {"16", "32", "48", "64"}


@pytest.mark.parametrize("text", ["int(tag(log, interval(1, 8)))", "tag(log, int, interval(1, 8))"])
def test_log_uniform_integers(text):
    """k has the probability of k - 1/2 to k + 1/2 under the log-uniform distribution from 1/2 to 8 1/2."""
    counts = Counter(int(value) for value in drawn(text))
    share = [math.log((k + 0.5) / (k - 0.5)) / math.log(17) for k in range(1, 9)]
    assert set(counts) == set(range(1, 9))
    assert stats.chisquare([counts[k] for k in range(1, 9)], MANY * np.array(share)).pvalue > 0.01


@pytest.mark.parametrize("text", ["tag(log, interval(1e-300, 1e300))", "interval(-1e-7, 1e-7)", "interval(1, 2)"])
def test_hydra_reads_the_drawn_float_with_the_same_bits(text):
    texts = drawn(text, 200)
    overrides = OverridesParser.create().parse_overrides([f"x={value}" for value in texts])
    assert [repr(override.value()) for override in overrides] == texts
    assert all(type(override.value()) is float for override in overrides)


def test_hydra_reads_every_value_of_a_choice_as_it_was_written():
    words = values(override("""'a b',"it's",null,true,1e-05,[1,x],{a: 'b,c'},a\\,b"""))
    read = [one.value() for one in OverridesParser.create().parse_overrides([f"x={word}" for word in words])]
    assert read == ["a b", "it's", None, True, 1e-05, [1, "x"], {"a": "b,c"}, "a,b"]


def test_sorted_lists_are_lists_and_repeated_values_count_once():
    assert values(override("sort(3, 1, 2)")) == ["1", "2", "3"]
    assert values(override("0,1,0")) == ["0", "1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interval(2, 1)", "x=interval(2, 1): the lower bound must be less than the upper bound"),
        ("interval(1, 1)", "the lower bound must be less than the upper bound"),
        ("interval(1, inf)", "the bounds must be finite numbers"),
        ("interval(nan, 1)", "the bounds must be finite numbers"),
        ("tag(log, interval(0, 1))", "the bounds of a log-uniform interval must be greater than 0"),
        ("tag(log, interval(-1, 1))", "the bounds of a log-uniform interval must be greater than 0"),
        ("tag(int, interval(0.5, 3))", "the bounds of an interval of integers must be integers"),
        ("tag(foo, interval(0, 1))", "the tag foo means nothing here. Tags: log and int, of intervals"),
        ("tag(log, choice(1, 2))", "the tag log means nothing here. Tags: log and int, of intervals"),
        ("range(3, 3)", "has no values"),
        ("range(0, 3, 0)", "arg 3 must not be zero"),
        ("range(0, 3, 0.0)", "Invalid range values"),
        ("range(0.0, inf)", f"has more than {MOST_VALUES} values; use int(interval(a, b))"),
        ("shuffle(1, 2)", "shuffle would change the values from run to run"),
        ("shuffle(range(3))", "shuffle would change the values from run to run"),
        ("1,interval(0, 1)", "a value of a choice cannot be a choice, range, interval or glob itself"),
    ],
)
def test_what_cannot_be_drawn_from(text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        distribution(override(text))
