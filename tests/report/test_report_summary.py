"""The sentences and numbers of a report."""

import re

import numpy as np
import pytest

from experiments.analysis import Estimate
from experiments.analysis.format import chance, column, counted, interval, listed, number, p_value, sizes
from experiments.report.method import facts, method, settings
from experiments.report.summary import across_tasks, answer, summary, task_summary
from experiments.report.terminal import legend
from experiments.tracking.metadata import Metric
from tests.report.studies import FIELDS, MemoryStore, add, analysed, fill, near, study_of

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def store(tmp_path):
    return MemoryStore(tmp_path)


def plain(store):
    """The first answer about the first task."""
    results = analysed(store)
    return answer(results.study, results.findings)[0]


def figures(store):
    """The figures behind it."""
    results = analysed(store)
    return task_summary(results.study, results.findings[0])


@pytest.mark.parametrize(
    "value, text",
    [
        (0.123456, "0.1235"),
        (1234567, "1.235e+06"),
        (1e-12, "1e-12"),
        (0, "0"),
        (NAN, "-"),
        (INF, "∞"),
        (-INF, "-∞"),
    ],
)
def test_a_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    "value, low, high, text",
    [
        (0.12345, 0.08123, 0.16567, "0.123 [0.081, 0.166]"),
        (0.5, 0.0, 1.0, "0.50 [0.00, 1.00]"),
        (-3.14159, -3.2, -3.1, "-3.142 [-3.200, -3.100]"),
        (12345.678, 12000, 12700, "12,346 [12,000, 12,700]"),
        (1.5e9, 1.4e9, 1.6e9, "1.50e+09 [1.40e+09, 1.60e+09]"),
        (2e-12, 1e-12, 3e-12, "2.0e-12 [1.0e-12, 3.0e-12]"),
        (0.5, 0.4999998, 0.5000002, "0.50000000 [0.49999980, 0.50000020]"),
        (1.0, 1 - 1e-14, 1 + 1e-14, "1 [1, 1]"),
        (0.5, 0.5, 0.5, "0.5 [0.5, 0.5]"),
        (0, 0, 0, "0 [0, 0]"),
        (0.123456, NAN, NAN, "0.1235"),
        (NAN, NAN, NAN, "-"),
        (0.02, -0.01, INF, "0.02 [-0.01, ∞]"),
        (0.02, -INF, INF, "0.02"),
    ],
)
def test_an_interval_shows_two_digits_of_its_half_width(value, low, high, text):
    assert interval(Estimate(value, low, high, 5)) == text


def test_the_last_digit_shown_is_a_hundredth_to_a_tenth_of_half_the_interval():
    generator = np.random.default_rng(0)
    for _ in range(500):
        half = 10 ** generator.uniform(-4, 4)
        value = half * generator.normal(0, 20)
        text = interval(Estimate(value, value - half, value + half, 5)).split()[0].replace(",", "")
        decimals = len(text.partition(".")[2]) if "e" not in text else None
        if decimals is not None:
            assert abs(float(text) - value) <= 0.5 * 10**-decimals * (1 + 1e-9)
            assert decimals == 0 or half / 100 <= 10**-decimals * 1.0000001 <= half / 10 * 1.0000001


@pytest.mark.parametrize(
    "cells, texts",
    [
        (  # a cell without an interval, such as a baseline, has the decimals of the others, words stay
            [Estimate(0.12345, 0.08, 0.17, 5), Estimate(1.2, 1.1001, 1.3, 5), 3.0, "no trials"],
            ["0.123 [0.080, 0.170]", "1.200 [1.100, 1.300]", "3.000", "no trials"],
        ),
        (  # one interval of rounding errors does not lengthen all the others
            [Estimate(0.5, 0.4999998, 0.5000002, 5), Estimate(0.5, 0.4, 0.6, 5), Estimate(0.3, 0.2, 0.4, 5)],
            ["0.5000 [0.5000, 0.5000]", "0.5000 [0.4000, 0.6000]", "0.3000 [0.2000, 0.4000]"],
        ),
        (  # small numbers are all powers of ten, or none
            [Estimate(1.8e-5, 1.7e-5, 3.9e-5, 5), Estimate(2.26e-4, 1.92e-4, 3.16e-4, 5)],
            ["1.80e-05 [1.70e-05, 3.90e-05]", "2.26e-04 [1.92e-04, 3.16e-04]"],
        ),
        ([Estimate(1e-5, 0, 2e-5, 5), 0.167], ["0.000010 [0.000000, 0.000020]", "0.167000"]),
        ([0.0002418, 0.000458, 0.1639], ["0.000242", "0.000458", "0.163900"]),
        ([1.903, 1.882, 4.6], ["1.903", "1.882", "4.600"]),
        ([0.01, 0.001, NAN], ["0.010", "0.001", "-"]),
        ([3.2, 12.34567, INF], ["3.20", "12.35", "∞"]),
        ([Estimate(0.2, 0.1, INF, 5), Estimate(0.25, 0.2, 0.3, 5)], ["0.200 [0.100, ∞]", "0.250 [0.200, 0.300]"]),
        (["", "-"], ["", "-"]),
        ([], []),
    ],
)
def test_a_column_has_one_format(cells, texts):
    assert column(cells) == texts


@pytest.mark.parametrize(
    "p, text", [(0.0312, "0.031"), (0.2, "0.200"), (0.0004, "< 0.001"), (1.0, "1.000"), (NAN, "-")]
)
def test_p_values_of_a_column_have_three_decimals(p, text):
    assert p_value(p) == text


@pytest.mark.parametrize(
    "p, text",
    [(0.0312, "p = 0.031"), (0.2, "p = 0.2"), (0.0004, "p < 0.001"), (0.999, "p = 1"), (1.0, "p = 1"), (NAN, "-")],
)
def test_a_p_value(p, text):
    assert chance(p) == text


def test_counts_and_lists():
    assert (sizes(None), sizes((8, 8)), sizes((8, 1200))) == ("-", "8", "8 to 1,200")
    assert (counted(1, "seed"), counted(1200, "seed")) == ("1 seed", "1,200 seeds")
    assert (listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])) == ("a", "a and b", "a, b and c")


@pytest.mark.parametrize("better, verdict", [("lower", "worse"), ("higher", "better")])
def test_a_verdict_has_direction_size_interval_unit_and_p(store, better, verdict):
    scores = {"standard": near(2.0), "peephole": [score + 0.5 + 0.01 * k for k, score in enumerate(near(2.0))]}
    fill(store, {"adding": scores}, score_better=better, score_title="cross-entropy", score_unit="bits")
    size = "1.3 times the cross-entropy" if better == "lower" else "by 0.5319 bits"
    assert plain(store) == f"adding: peephole is {verdict} than standard ({size})."
    ratio = ", 1.2659 times [1.2592, 1.2763]" if better == "lower" else ""
    (sentence,) = figures(store)
    assert sentence.startswith("adding: peephole minus standard +0.532 [0.520, 0.551] bits")
    assert sentence.endswith(f"8 seeds, p < 0.001: {verdict}.") and ratio in sentence


def test_many_verdicts_are_counted(store):
    scores = {"standard": near(1.0)}
    for row, name in enumerate("abcdef"):
        scores[name] = [score + (row + 1) * (0.1 + 0.001 * k) for k, score in enumerate(near(1.0))]
    fill(store, {"adding": scores})
    assert plain(store).endswith("; 2 more in the table.") and plain(store).count("is worse than standard") == 4
    assert len(figures(store)) == 4


def test_undecided_says_what_would_decide(store):
    standard = [0.5, 0.52, 0.47, 0.51, 0.49, 0.5, 0.53, 0.48]
    peephole = [0.51, 0.50, 0.49, 0.52, 0.5, 0.47, 0.55, 0.5]
    fill(store, {"adding": {"standard": standard, "peephole": peephole}})
    assert plain(store) == "adding: Undecided: peephole."
    assert figures(store)[0].endswith("8 seeds, by seed, p = 0.59: undecided.")
    assert figures(store)[1].startswith("adding: 8 seeds show differences from about 0.0")
    fill(store, {"adding": {"standard": standard, "peephole": peephole}}, margin=0.01)
    assert re.search(r"about \d+ seeds of each would show a difference of 0.01, the margin", figures(store)[1])


def test_one_decided_and_one_not(store):
    base = near(0.5)
    worse = [score + 0.2 + 0.01 * k for k, score in enumerate(base)]
    other = [score + (-1) ** k * 0.01 * (k + 1) for k, score in enumerate(base)]
    fill(store, {"adding": {"standard": base, "peephole": other, "swapped": worse}})
    assert plain(store) == (
        "adding: swapped is worse than standard (1.5 times the mean squared error). Undecided: peephole."
    )


def test_equivalent_names_its_margin(store):
    fill(store, {"adding": {"standard": near(0.5), "peephole": near(0.501)}}, margin=0.05, score_unit="bits")
    assert plain(store) == "adding: peephole is equivalent to standard (within 0.05 bits)."


def test_a_verdict_that_more_epochs_may_change_says_so(store):
    for variant, mean in (("standard", 0.5), ("peephole", 0.7)):
        for seed, score in enumerate(near(mean)):
            best = 10 if variant == "peephole" else 5
            curve = {1: {Metric.BEST_EPOCH: best, Metric.EPOCHS: 10}}
            add(store, variant, seed, score, curve=curve, settings={"training.epochs": 10})
    words = "after 10 epochs, still improving in 8 of 8 trials of peephole"
    assert plain(store) == f"adding: peephole is worse than standard (1.4 times the mean squared error) {words}."
    assert figures(store)[0].endswith(f"worse {words}.")
    results = analysed(store)
    assert "so far: many trials were still improving" in legend(results.study, results.findings)


def test_shares_of_solved_and_diverged_trials_are_compared(store):
    fill(store, {"adding": {"standard": near(0.5), "peephole": near(0.9)}}, score_solved=0.6)
    assert "adding: trials that solved: 0 of 8 of peephole and 8 of 8 of standard (p < 0.001, Fisher)." in figures(
        store
    )


def test_where_most_trials_have_one_score_the_size_is_how_many_solved(store):
    fill(store, {"adding": {"standard": [1e-4] * 13 + [0.2] * 7, "peephole": [1e-4] * 20}}, score_solved=0.01)
    assert "peephole is better than standard (solved 20 of 20 against 13 of 20)" in plain(store)


def test_too_few_seeds_to_conclude(store):
    fill(store, {"adding": {"standard": near(0.5, 3), "peephole": near(0.9, 3, 0.02)}})
    words = "3 seeds cannot show any difference: it takes 4, such as seed=range(4)."
    assert plain(store) == f"adding: Undecided: peephole. {words}" and figures(store) == [f"adding: {words}"]


def test_one_seed(store):
    fill(store, {"adding": {"standard": [0.5], "peephole": [0.75]}})
    assert figures(store) == ["adding: 1 seed cannot show any difference: it takes 4, such as seed=range(4)."]


def test_one_variant(store):
    fill(store, {"adding": {"standard": [0.5, 0.7]}})
    assert plain(store) == (
        "adding: standard reaches 0.6 (mean squared error, lower is better; 2 seeds). The trivial baseline has 1."
    )


@pytest.mark.parametrize("status, score", [("FAILED", None), ("RUNNING", None)])
def test_no_scores_at_all(store, status, score):
    for variant in ("standard", "peephole"):
        add(store, variant, 0, score, status)
    assert plain(store) == "adding: No trial has a score."
    assert figures(store) == ["adding: No trial has a score."]


def test_rows_that_cannot_be_compared(store):
    fill(store, {"adding": {"standard": [0.5, 0.6]}})
    add(store, "peephole", 0, status="FAILED")
    assert plain(store) == "adding: Not comparable: peephole, as one of the two has no score."


def test_a_row_of_which_all_diverged_is_compared(store):
    fill(store, {"adding": {"standard": near(0.5), "peephole": [NAN] * 8}})
    assert plain(store) == "adding: peephole is worse than standard (so many of its trials diverge)."


def test_a_summary_of_several_tasks(store):
    base = near(0.5)
    worse = [score + 0.2 + 0.01 * k for k, score in enumerate(base)]
    fill(store, {"a": {"standard": base, "peephole": worse}, "b": {"standard": worse, "peephole": base}})
    fill(store, {"c": {"standard": base, "peephole": base}})
    results = analysed(store)
    assert summary(results.study, results.findings) == [], "the answers of few tasks say it"
    fill(store, {"d": {"standard": base, "peephole": base}})
    results = analysed(store)
    assert summary(results.study, results.findings) == [
        "Compared with standard, peephole is better on b, worse on a. All else is undecided."
    ]
    (ranks, tests, scale) = across_tasks(results.study, results.across)
    assert ranks == (
        "Mean rank over 4 tasks, 1 the best: standard 1.50, peephole 1.50. Two rows are too few for Friedman's test."
    )
    assert tests == "4 tasks cannot show that one is better in general: it takes 6."
    assert scale.startswith("On a scale with 0 for the trivial baseline and 1 for the mean of standard")


def test_six_tasks_can_show_what_is_better_in_general(store):
    fill(store, {task: {"standard": near(0.5), "peephole": near(0.4)} for task in "abcdef"})
    (_, tests, _) = across_tasks(*(lambda results: (results.study, results.across))(analysed(store)))
    assert tests.startswith(
        "Probability that a run is better than one of what it is compared with, over tasks: peephole 1"
    )


def test_a_summary_where_nothing_is_decided(store):
    fill(store, {task: {"standard": [0.5], "peephole": [0.4]} for task in "ab"}, baseline=NAN)
    results = analysed(store)
    assert summary(results.study, results.findings) == []
    assert answer(results.study, results.findings) == [
        "a and b: Undecided: peephole. 1 seed cannot show any difference: it takes 4, such as seed=range(4)."
    ]
    assert across_tasks(results.study, results.across)[2:] == [
        "Not on a scale from the trivial baseline to standard: a and b, as the trivial baseline or standard has no "
        "score."
    ]


def test_what_was_trained_is_said_by_task(store):
    plain = {"training.optimizer": "adam", "training.batch_size": 32, "task.length": 100, "task.limit": "null"}
    for seed in range(2):
        for variant in ("standard", "peephole"):
            add(store, variant, seed, 0.5, settings=plain, data_sha256="a" * 64)
            rate = {"training.learning_rate": 0.01 if variant == "standard" else 0.1}
            add(store, variant, seed, 0.5, task="digits", params=FIELDS | plain | rate)
    texts = dict(settings(study_of(store)))
    assert texts["adding"] == (
        "Data: length 100; SHA-256 of what was read aaaaaaaaaaaa. Model: layers 1, units 8; the same units for all "
        "rows, unless a variant sets its own. Training: batch_size 32, epochs 3, learning_rate 0.001, optimizer adam; "
        "tuned for no row: all share one learning rate. Trials: 2 rows with 2 seeds at most."
    )
    others = [text for task, text in texts.items() if task.startswith("digits")]
    assert others and all("optimizer adam; tuned by no search." in text for text in others)


def test_sizes_and_code_of_a_study(store):
    fill(store, {"adding": {"standard": [0.5, 0.6]}}, git_commit="abc", code="def")
    study = study_of(store)
    assert facts(study).startswith("1 task, 1 variant, 2 seeds, 2 trials. Written 2")
    parts = dict(method(study))
    assert "Settings" not in parts
    assert parts["Code"].startswith("Commit abc; digest of what trains def")
