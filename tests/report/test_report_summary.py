"""The sentences and numbers of a report."""

import numpy as np
import pytest

from experiments.analysis import Estimate
from experiments.analysis.format import chance, counted, interval, listed, number, rounded, sizes
from experiments.report.method import facts, method
from experiments.report.summary import across_tasks, summary, task_summary
from tests.report.studies import MemoryStore, add, analysed, fill, study_of

NAN = float("nan")


@pytest.fixture
def store(tmp_path):
    return MemoryStore(tmp_path)


def answer(store):
    """The sentences about the first task."""
    results = analysed(store)
    return task_summary(results.study, results.findings[0])


def near(mean, count=8, spread=0.01):
    return [mean + spread * np.sin(seed) for seed in range(count)]


@pytest.mark.parametrize(
    "value, text", [(0.123456, "0.1235"), (1234567, "1.235e+06"), (1e-12, "1e-12"), (0, "0"), (NAN, "-"), (1e999, "-")]
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
    ],
)
def test_an_interval_shows_two_digits_of_its_half_width(value, low, high, text):
    assert interval(Estimate(value, low, high, 5)) == text


def test_the_last_digit_shown_is_a_hundredth_to_a_tenth_of_half_the_interval():
    generator = np.random.default_rng(0)
    for _ in range(500):
        half = 10 ** generator.uniform(-4, 4)
        value = half * generator.normal(0, 20)
        text = rounded(value, value - half, value + half)[0].replace(",", "")
        decimals = len(text.partition(".")[2]) if "e" not in text else None
        if decimals is not None:
            assert abs(float(text) - value) <= 0.5 * 10**-decimals * (1 + 1e-9)
            assert decimals == 0 or half / 100 <= 10**-decimals * 1.0000001 <= half / 10 * 1.0000001


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
def test_a_shown_difference_has_direction_size_interval_unit_and_p(store, better, verdict):
    scores = {"standard": near(2.0), "peephole": [score + 0.5 + 0.01 * k for k, score in enumerate(near(2.0))]}
    fill(store, {"adding": scores}, score_better=better, score_title="cross-entropy", score_unit="bits")
    assert answer(store) == (
        f"On adding (cross-entropy, bits, 8 seeds), peephole is {verdict} than standard by 0.535 [0.515, 0.555] bits, "
        "p = 0.0078 after Holm."
    )


def test_many_shown_differences_are_named(store):
    names = ("a", "b", "c", "d", "e", "f")
    scores = {"standard": near(1.0)}
    for row, name in enumerate(names):
        scores[name] = [score + (row + 1) * (0.1 + 0.001 * k) for k, score in enumerate(near(1.0))]
    fill(store, {"adding": scores})
    text = answer(store)
    assert text.startswith("On adding (mean squared error, 8 seeds), f is worse than standard by ")
    assert text.endswith("also worse: b and a.") and text.count("after Holm") == 1


def test_nothing_shown_with_the_seeds_that_would_do(store):
    standard = [0.5, 0.52, 0.47, 0.51, 0.49, 0.5, 0.53, 0.48]
    peephole = [0.51, 0.50, 0.49, 0.52, 0.5, 0.47, 0.55, 0.5]
    fill(store, {"adding": {"standard": standard, "peephole": peephole}})
    text = answer(store)
    assert text.startswith(
        "On adding (mean squared error, 8 seeds), nothing is shown to differ from standard: peephole (+0.005 [-0.0"
    )
    assert "seeds would show a difference as large as that of peephole." in text and "cannot" not in text


def test_one_shown_and_one_not(store):
    base = near(0.5)
    worse = [score + 0.2 + 0.01 * k for k, score in enumerate(base)]
    other = [score + (-1) ** k * 0.01 * (k + 1) for k, score in enumerate(base)]
    fill(store, {"adding": {"standard": base, "peephole": other, "swapped": worse}})
    assert "Not shown to differ: peephole (" in answer(store) and "swapped is worse than standard" in answer(store)


def test_too_few_seeds_to_conclude(store):
    fill(store, {"adding": {"standard": near(0.5, 4), "peephole": near(0.9, 4, 0.02)}})
    assert "4 seeds cannot show any difference, however large: the test needs 6 or more." in answer(store)


def test_one_seed(store):
    fill(store, {"adding": {"standard": [0.5], "peephole": [0.75]}})
    assert answer(store) == (
        "On adding (mean squared error, 1 seed), nothing is shown to differ from standard: peephole (+0.25). "
        "1 seed cannot show any difference, however large: the test needs 6 or more."
    )


def test_one_variant(store):
    fill(store, {"adding": {"standard": [0.5, 0.7]}})
    assert answer(store) == (
        "On adding standard reaches 0.6 [-0.7, 1.9] (mean squared error, lower is better; 2 seeds). "
        "The trivial baseline has 1."
    )


@pytest.mark.parametrize("status, score", [("FINISHED", NAN), ("FAILED", None), ("RUNNING", None)])
def test_no_scores_at_all(store, status, score):
    for variant in ("standard", "peephole"):
        add(store, variant, 0, score, status)
    assert answer(store) == "On adding no trial has a score."


def test_a_variant_without_pairs(store):
    fill(store, {"adding": {"standard": [0.5, 0.6]}})
    add(store, "peephole", 0, NAN)
    add(store, "swapped", 5, 0.5)
    assert answer(store) == (
        "On adding, not comparable with standard, as no seed has a score of both: peephole and swapped."
    )


def test_a_summary_of_several_tasks(store):
    base = near(0.5)
    worse = [score + 0.2 + 0.01 * k for k, score in enumerate(base)]
    fill(store, {"a": {"standard": base, "peephole": worse}, "b": {"standard": worse, "peephole": base}})
    fill(store, {"c": {"standard": base, "peephole": base}})
    results = analysed(store)
    assert summary(results.study, results.findings) == [
        "Compared with standard, peephole is better on b, worse on a. Nothing else is shown to differ."
    ]
    (ranks, scale) = across_tasks(results.study, results.across)
    assert ranks == (
        "Mean rank over 3 tasks, 1 the best: standard 1.50, peephole 1.50. Two rows are too few for Friedman's test."
    )
    assert scale.startswith("On a scale with 0 for the trivial baseline and 1 for the mean of standard")


def test_a_summary_where_nothing_is_shown(store):
    fill(store, {task: {"standard": [0.5], "peephole": [0.4]} for task in "ab"}, baseline=NAN)
    results = analysed(store)
    assert summary(results.study, results.findings) == [
        "No variant is shown to differ from standard on any of the 2 tasks."
    ]
    assert across_tasks(results.study, results.across)[1:] == [
        "Not on a scale from the trivial baseline to standard: a and b, as the trivial baseline or standard has no "
        "score."
    ]


def test_sizes_and_settings_of_a_study(store):
    fill(store, {"adding": {"standard": [0.5, 0.6]}}, git_commit="abc", code="def")
    study = study_of(store)
    assert facts(study).startswith("1 task, 1 variant, 2 seeds, 2 trials. Written 2")
    parts = dict(method(study))
    assert parts["Settings"].startswith("layers 1; epochs 3; learning_rate 0.001 (")
    assert parts["Code"].startswith("Commit abc; digest of what trains def")
