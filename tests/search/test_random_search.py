"""Random search: what is drawn, that it stays, and whole commands with the sweeper `random`."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from scipy import stats

from experiments.config import compose as config
from experiments.errors import UserError
from experiments.search.random_search import Choice, Interval, search
from experiments.tracking import Store
from hydra_plugins.gatelab.random_search import MOST_VALUES, distribution
from tests.stores import is_untouched

RATE = Interval(1e-4, 1e-1, log=True)
UNITS = Choice(("16", "32", "64"))
MANY = 4000
SMALL = ("task.train_size=64", "task.validation_size=32", "task.test_size=32", "training.epochs=1")
QUICK = ("tracking.gates=0", "training.jit_compile=false", "sweep.workers=1")


def parsed(text):
    (override,) = OverridesParser.create().parse_overrides([f"x={text}"])
    return distribution(override)


def drawn(distribution, count=MANY, seed=0):
    return [row["x"] for row in search({"x": distribution, "n": Interval(0, 1)}, [], count, seed).draws]


def numbers(text):
    return np.array([float(value) for value in drawn(parsed(text))])


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
    values = numbers(text)
    low, high = expected.support()
    assert low <= values.min() and values.max() < high
    assert stats.kstest(values, expected.cdf).pvalue > 0.01


@pytest.mark.parametrize("text", ["int(interval(3, 6))", "tag(int, interval(3, 6))", "3,4,5,6", "range(3, 7)"])
def test_integers_and_choices_are_equally_likely(text):
    counts = Counter(drawn(parsed(text)))
    assert set(counts) == {"3", "4", "5", "6"}
    assert stats.chisquare(list(counts.values())).pvalue > 0.01


@pytest.mark.parametrize("text", ["int(tag(log, interval(1, 8)))", "tag(log, int, interval(1, 8))"])
def test_log_uniform_integers(text):
    """k has the probability of k - 1/2 to k + 1/2 under the log-uniform distribution from 1/2 to 8 1/2."""
    counts = Counter(int(value) for value in drawn(parsed(text)))
    share = [math.log((k + 0.5) / (k - 0.5)) / math.log(17) for k in range(1, 9)]
    assert set(counts) == set(range(1, 9))
    assert stats.chisquare([counts[k] for k in range(1, 9)], MANY * np.array(share)).pvalue > 0.01


def test_keys_and_draws_are_independent():
    rows = search({"a": Interval(0, 1), "b": Interval(0, 1)}, [], MANY, 0).draws
    a, b = (np.array([float(row[key]) for row in rows]) for key in "ab")
    for one, other in ((a, b), (a[1:], a[:-1])):
        assert stats.spearmanr(one, other).pvalue > 0.01


@pytest.mark.parametrize("interval", [Interval(1.0, math.nextafter(1.0, 2.0)), Interval(0.1, 0.3, log=True)])
@pytest.mark.parametrize("fraction", [0.0, 1 - 2**-53])
def test_the_ends_of_an_interval(interval, fraction):
    assert interval.low <= float(interval.value(fraction)) < interval.high


@pytest.mark.parametrize("text", ["tag(log, interval(1e-300, 1e300))", "interval(-1e-7, 1e-7)", "interval(1, 2)"])
def test_hydra_reads_the_drawn_float_with_the_same_bits(text):
    values = drawn(parsed(text), 200)
    overrides = OverridesParser.create().parse_overrides([f"x={value}" for value in values])
    assert [repr(override.value()) for override in overrides] == values
    assert all(type(override.value()) is float for override in overrides)


def test_hydra_reads_every_value_of_a_choice_as_it_was_written():
    text = """'a b',"it's",null,true,1e-05,[1,x],{a: 'b,c'},a\\,b"""
    choice = parsed(text)
    parser = OverridesParser.create()
    found = [override.value() for override in parser.parse_overrides([f"x={value}" for value in choice.values])]
    assert found == ["a b", "it's", None, True, 1e-05, [1, "x"], {"a": "b,c"}, "a,b"]


def test_draws_do_not_change():
    """These values are in the stores of users: other values would train their searches again."""
    found = search({"training.learning_rate": RATE, "model.units": UNITS}, [], 3, 0)
    assert found.draws == [
        {"training.learning_rate": "0.00547432232252523", "model.units": "32"},
        {"training.learning_rate": "0.008906422805786808", "model.units": "64"},
        {"training.learning_rate": "0.00038783442160943436", "model.units": "64"},
    ]


def test_more_draws_only_add_and_one_more_key_changes_no_other():
    few = search({"rate": RATE, "units": UNITS}, [], 5, 0).draws
    assert search({"rate": RATE, "units": UNITS}, [], 50, 0).draws[:5] == few
    assert search({"units": UNITS, "rate": RATE}, [], 5, 0).draws == few
    more = search({"new": Interval(0, 1), "rate": RATE, "units": UNITS}, [], 5, 0).draws
    assert [{key: row[key] for key in ("rate", "units")} for row in more] == few
    assert search({"rate": RATE, "units": UNITS}, [], 5, 1).draws != few


def test_the_grid_is_combined_with_every_draw():
    keys = {"variant": Choice(("standard", "peephole")), "rate": RATE, "seed": Choice(("0", "1"))}
    found = search(keys, ["variant", "seed"], 3, 0)
    rates = [row["rate"] for row in search({"rate": RATE}, [], 3, 0).draws]
    assert [(row["rate"], row["variant"], row["seed"]) for row in found.trials] == [
        (rate, variant, seed) for rate in rates for variant in ("standard", "peephole") for seed in "01"
    ]
    assert str(found) == "random search: 3 draws (rate) x 4 grid cells (variant, seed) = 12 trials"


def test_repeated_draws_are_trained_once():
    found = search({"units": UNITS, "seed": Choice(("0", "0"))}, ["seed"], 50, 0)
    assert sorted(row["units"] for row in found.trials) == ["16", "32", "64"]
    assert str(found).splitlines() == [
        "random search: 3 draws (units) x 1 grid cell (seed) = 3 trials",
        "random search: 47 more draws repeat an earlier one and are left out",
    ]
    assert search({"units": UNITS}, [], 80, 0).draws == search({"units": UNITS}, [], 50, 0).draws


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interval(2, 1)", "x=interval(2, 1): the lower bound must be less than the upper bound"),
        ("interval(1, inf)", "the bounds must be finite numbers"),
        ("interval(nan, 1)", "the bounds must be finite numbers"),
        ("tag(log, interval(0, 1))", "the bounds of a log-uniform interval must be greater than 0"),
        ("tag(int, interval(0.5, 3))", "the bounds of an interval of integers must be integers"),
        ("tag(foo, interval(0, 1))", "the tag foo means nothing here. Tags: log and int, of intervals"),
        ("tag(log, choice(1, 2))", "the tag log means nothing here. Tags: log and int, of intervals"),
        ("range(3, 3)", "has no values"),
        ("range(0, 3, 0)", "arg 3 must not be zero"),
        ("range(0, 3, 0.0)", "Invalid range values"),
        ("range(0.0, inf)", f"has more than {MOST_VALUES} values; use int(interval(a, b))"),
        ("shuffle(1, 2)", "shuffle would change the draws from run to run"),
        ("shuffle(range(3))", "shuffle would change the draws from run to run"),
        ("1,interval(0, 1)", "a value of a choice cannot be a choice, range, interval or glob itself"),
    ],
)
def test_what_cannot_be_drawn_from(text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        parsed(text)


def test_sorted_lists_are_lists():
    assert parsed("sort(3, 1, 2)").values == ("1", "2", "3")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model.units=4,8", "hydra.sweeper.n_trials=0"), "hydra.sweeper.n_trials=0: must be at least 1"),
        (("model.units=4",), "a random search needs a key to draw"),
        (("seed=0,1", "hydra.sweeper.grid=[seed]"), "a random search needs a key to draw"),
        (
            ("model.units=4,8", "hydra.sweeper.grid=[seeds]"),
            "hydra.sweeper.grid: seeds is not swept, give it a list of values. Swept: model.units",
        ),
        (
            (
                "model.units=4,8",
                "training.learning_rate=interval(0.1,1)",
                "hydra.sweeper.grid=[training.learning_rate]",
            ),
            "hydra.sweeper.grid: training.learning_rate is an interval; allowed in the grid: a,b,c, choice, ran",
        ),
        (("model.units=tag(log,interval(0,1))",), "model.units=tag(log,interval(0,1)): the bounds of a log-uniform"),
        (("variant=glob(nothing*)",), "variant=glob(nothing*): has no values"),
        (("+hydra.sweeper.params={model.units: 'interval(1)'}",), "Error parsing override 'model.units=interval(1)'"),
        (
            ("task.length=1,2,10", "hydra.sweeper.grid=[task.length]", "model.units=4,8"),
            "task.length=1: must be at lea",
        ),
    ],
)
def test_mistakes_stop_a_search_before_the_first_trial(train, tmp_path, arguments, message):
    done = train("-m", "hydra/sweeper=random", *arguments)
    assert done.returncode == 2 and message in done.stderr, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert is_untouched(tmp_path / "out")


def test_hydra_refuses_an_interval_for_a_field_of_integers(train, tmp_path):
    done = train("-m", "hydra/sweeper=random", "model.units=interval(4, 8)")
    assert done.returncode == 2 and "could not be converted to Integer" in done.stderr
    assert is_untouched(tmp_path / "out")


def test_the_study_crosses_its_variants_with_every_draw():
    with initialize_config_dir(str(config.CONF), version_base="1.3"):
        sweeper = compose("config", ["experiment=random_search"], return_hydra_config=True).hydra.sweeper
    assert sweeper._target_.endswith("random_search.RandomSweeper")
    assert set(sweeper.grid) < set(sweeper.params)


@pytest.mark.slow
def test_a_search_from_start_to_table_again_from_the_store_and_extended(train, tmp_path):
    command = (
        "-m",
        "hydra/sweeper=random",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.grid=[variant]",
        "variant=glob([standard,swapped])",
        "training.learning_rate=tag(log, interval(1e-3, 1e-1))",
        "model.units=int(interval(3, 6))",
        "study=search",
        *SMALL,
        *QUICK,
    )
    first = train(*command)
    assert first.returncode == 0, first.stdout + first.stderr
    keys = "training.learning_rate, model.units"
    assert f"random search: 2 draws ({keys}) x 2 grid cells (variant) = 4 trials" in first.stdout
    assert (tmp_path / "out" / "search" / "multirun.yaml").exists()

    trials = Store(None, f"{tmp_path}/out").trials("search")
    pairs = {(trial.params["training.learning_rate"], trial.params["units"]) for trial in trials}
    assert {t.params["variant"] for t in trials} == {"standard", "swapped"} and len(trials) == 4
    expected = search({"training.learning_rate": Interval(1e-3, 1e-1, log=True)}, [], 2, 0).draws
    assert {rate for rate, _ in pairs} == {row["training.learning_rate"] for row in expected}, "paired, to the last bit"

    second = train(*command)
    assert "search: 4 trials, 4 in the store already, nothing to train" in second.stdout
    tables = [out[out.index("test score") : out.index("Curves and runs")] for out in (first.stdout, second.stdout)]
    assert tables[0] == tables[1]

    extended = train(*command, "hydra.sweeper.n_trials=3")
    assert "search: 6 trials, 4 in the store already, 2 to train" in extended.stdout, extended.stderr
