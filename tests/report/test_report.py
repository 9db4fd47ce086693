"""What a report takes from a store: which runs count, what they are compared with, and the numbers."""

import re

import numpy as np
import pytest
from scipy import stats

from experiments.errors import UserError
from experiments.report.__main__ import main
from experiments.report.across import compare
from experiments.report.command import report_study
from experiments.report.findings import find
from experiments.report.notes import failures, notes
from experiments.report.results import load
from experiments.report.search import search, sentences
from experiments.report.terminal import published
from tests.report import studies
from tests.report.studies import MemoryStore, add, add_foreign, fill, first_task, study_of
from tests.stores import new_store

NAN = float("nan")


@pytest.fixture
def store(tmp_path):
    return MemoryStore(tmp_path)


@pytest.fixture
def database(tmp_path):
    return new_store(tmp_path)


def draws(seed, *means):
    generator = np.random.default_rng(seed)
    easy = generator.normal(0, 0.1, 8)
    return [list(map(float, mean + easy + generator.normal(0, 0.03, 8))) for mean in means]


def test_estimates_and_comparisons_equal_direct_ones(store):
    standard, peephole, swapped = draws(0, 0.5, 0.52, 0.7)
    fill(store, {"adding": {"standard": standard, "peephole": peephole, "swapped": swapped}})
    study, task = first_task(store)
    by_row = {finding.row: finding for finding in task.rows}
    assert list(by_row) == ["standard", "peephole", "swapped"] and study.reference == "standard"
    assert by_row["standard"].comparison is None
    for row, scores in (("standard", standard), ("peephole", peephole), ("swapped", swapped)):
        mean = by_row[row].mean
        interval = stats.t.interval(0.95, 7, np.mean(scores), stats.sem(scores))
        assert (mean.value, mean.low, mean.high) == pytest.approx((np.mean(scores), *interval))
        assert by_row[row].deviation == pytest.approx(stats.tstd(scores))
        assert by_row[row].interquartile_mean.value == pytest.approx(stats.trim_mean(scores, 0.25))
    p_values = {}
    for row, scores in (("peephole", peephole), ("swapped", swapped)):
        comparison = by_row[row].comparison
        tested = stats.ttest_rel(scores, standard)
        interval = tested.confidence_interval()
        assert comparison.difference.value == pytest.approx(np.mean(scores) - np.mean(standard))
        assert (comparison.difference.low, comparison.difference.high) == pytest.approx((interval.low, interval.high))
        p_values[row] = stats.wilcoxon(scores, standard).pvalue
        assert comparison.p == pytest.approx(p_values[row])
        wins = np.mean(np.array(scores)[:, None] < np.array(standard))
        assert comparison.improvement.value == pytest.approx(wins)
    smaller, larger = sorted(p_values, key=p_values.get)
    assert by_row[smaller].comparison.adjusted == pytest.approx(2 * p_values[smaller])
    assert by_row[larger].comparison.adjusted == pytest.approx(max(2 * p_values[smaller], p_values[larger]))
    assert task.verdict("swapped") == "worse" and task.best == "standard"


def test_pairs_are_those_seeds_that_both_have(store):
    for seed, score in ((0, 0.5), (1, 0.4), (2, 0.3)):
        add(store, "standard", seed, score)
    for seed, score in ((1, 0.45), (2, NAN), (3, 0.9)):
        add(store, "peephole", seed, score, diverged=str(score != score).lower())
    _, task = first_task(store)
    comparison = task.rows[1].comparison
    assert comparison.difference.count == 1 and comparison.difference.value == pytest.approx(0.05)
    assert task.rows[1].mean.count == 2
    assert task.results.states.tolist() == [
        ["finished", "finished", "finished", "missing"],
        ["missing", "finished", "diverged", "finished"],
    ]


def test_ranks_and_the_scale_from_baseline_to_reference(store):
    fill(store, {task: {"standard": [0.5, 0.5], "peephole": [0.25, 0.25], "swapped": [0.75, 0.75]} for task in "ab"})
    study = study_of(store)
    across = compare(study, [find(study, task) for task in study.tasks])
    assert across.rows == ("standard", "peephole", "swapped") and across.ranks.tolist() == [2, 1, 3]
    assert [estimate.value for estimate in across.scaled.aggregate] == pytest.approx([1, 1.5, 0.5])
    assert across.p == pytest.approx(stats.friedmanchisquare([2, 2], [1, 1], [3, 3]).pvalue)


@pytest.mark.parametrize("baseline", [NAN, float("inf"), 0.1])
def test_a_task_that_has_no_such_scale_is_named(store, baseline):
    fill(store, {task: {"standard": [0.5, 0.5], "peephole": [0.25, 0.25]} for task in "ab"}, baseline=baseline)
    study = study_of(store)
    across = compare(study, [find(study, task) for task in study.tasks])
    reason = "standard is not better than the trivial baseline" if baseline == 0.1 else "has no score"
    assert across.scaled is None and set(across.unscaled) == {"a", "b"} and reason in across.unscaled["a"]


def test_what_has_no_score_is_named_with_its_reason(store):
    fill(store, {"adding": {"standard": [0.5] * 4}, "copying": {"standard": [0.5]}})
    ended = [
        add(store, "peephole", 0, NAN, diverged="true"),
        add(store, "peephole", 1, status="FAILED", error="ValueError: no"),
        add(store, "peephole", 2, status="KILLED"),
    ]
    add(store, "peephole", 3, status="RUNNING")
    study = study_of(store)
    assert notes(study) == [
        "copying: no trials of peephole.",
        "adding, peephole: 1 of 4 diverged, 1 of 4 failed, 1 of 4 killed, 1 of 4 running; without a score.",
    ]
    assert failures(study.tasks[0]) == [
        ("adding/peephole/s0", ended[0], "diverged", "the loss stopped being finite"),
        ("adding/peephole/s1", ended[1], "failed", "ValueError: no"),
        ("adding/peephole/s2", ended[2], "killed", ""),
    ]


def test_mixed_versions_of_code_and_data_are_named(store):
    add(store, "standard", 0, 0.5, code="a" * 64, data_sha256="c" * 64)
    add(store, "standard", 1, 0.5, code="b" * 64, data_sha256="c" * 64)
    add(store, "peephole", 0, 0.5, code="b" * 64, data_sha256="d" * 64)
    add(store, "peephole", 1, status="FAILED", code="e" * 64, data_sha256="e" * 64)
    code, data = notes(study_of(store))[:2]
    assert code.startswith(
        "The scores come from 2 versions of the code that trains: bbbbbbbb (2 trials), aaaaaaaa (1 trial)."
    )
    assert data.startswith("The scores come from 2 versions of the data of adding: cccccccc (2 trials), dddddddd")


def test_trials_with_another_score_are_named_and_in_no_mean(store):
    fill(store, {"adding": {"standard": [0.5, 0.6]}})
    for seed in range(2):
        add(store, "peephole", seed, 99.0, score_metric="test/accuracy", score_better="higher")
    study, task = first_task(store)
    assert task.results.score.metric == "test/mse" and np.isnan(task.results.scores[1]).all()
    assert notes(study) == [
        "adding: 2 trials measured another score than test/mse.",
        "adding, peephole: 2 of 2 unmeasured; without a score.",
    ]
    name, _, end, reason = failures(study.tasks[0])[0]
    assert (name, end, reason) == ("adding/peephole/s0", "unmeasured", "it has no test/mse")


def test_a_store_that_someone_else_wrote(database):
    for experiment in ("s/adding", "s/one/two", "other"):
        add_foreign(database, experiment)
    with pytest.raises(UserError, match="none of its 2 runs .* a run .*: not written by gatelab, or changed"):
        load(database, "s")


def test_an_unknown_study_names_those_that_exist(database):
    add(database, "standard", 0, 0.1)
    with pytest.raises(UserError, match="study=x: the store .* has no trials of it. Studies: s"):
        load(database, "x")


@pytest.mark.parametrize("arguments", [[], ["stduy=s"], ["study="], ["study=s", "reference"]])
def test_command_line_mistakes(arguments):
    with pytest.raises(UserError, match="study= is needed|there is no such option"):
        main(arguments)


def test_the_terminal_shows_scores_answer_notes_and_links(database, capsys):
    better = dict(zip(("standard", "peephole"), draws(1, 0.5, 0.3), strict=True))
    fill(database, {"adding": better}, references=studies.published(0.25))
    add(database, "peephole", 8, status="FAILED")
    report_study(database, "s", page=False)
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("│ peephole"))
    assert re.search(r"0\.\d+ \[0\.\d+, 0\.\d+\] \* better", row)
    flat = " ".join(out.split())
    assert "On adding (mean squared error, 8 seeds), peephole is better than standard by" in flat
    assert "adding, peephole: 1 of 9 failed; without a score." in flat
    assert "mse 0.25 LSTM (a paper)" in flat
    assert "/#/experiments/1/runs?workflowType=machine_learning&compareRunsMode=CHART" in out and "make ui" in out


def test_the_terminal_prints_names_as_they_are(store, capsys):
    names = ("[bold]standard[/bold]", "[/x]", "columns=[a,b]")
    fill(store, {"a[red]": {name: [0.5, 0.6] for name in names}})
    report_study(store, "s", page=False)
    out = capsys.readouterr().out
    assert all(f"│ {name} " in out for name in names) and "a[red]" in out


def test_published_scores_without_all_their_parts(store):
    add(store, "standard", 0, 0.1, references='[{"score": 1}]')
    assert published(study_of(store)) == ["Published for adding, by models of other sizes: - 1 - (-)"]


def test_the_best_draws_of_a_search_are_chosen_by_validation_and_shown_with_their_settings(store):
    for variant in ("standard", "peephole"):
        for number in range(20):
            settings = {"training.learning_rate": (number + 1) / 100, "model.units": 8 + number % 3}
            add(
                store,
                variant,
                0,
                number / 20,
                settings=settings,
                curve={1: {"best/mse": (number - 7.1) ** 2}},
                drawn="training.learning_rate,model.units",
                chosen_metric="best/mse",
                chosen_better="lower",
            )
    study = study_of(store)
    results = search(study, study.tasks[0])
    best = results.best[0]
    assert (best.draws, best.chosen, best.score) == (20, 2, 7 / 20)
    assert best.settings == "model.units=9 training.learning_rate=0.08"
    assert best.mean.value == pytest.approx((7 + 8) / 40) and results.best[1].p == 1
    assert results.forests["standard"].settings == ["model.units", "training.learning_rate"]
    assert sentences(results)[0].startswith(
        "On adding, the setting that explains most of the variance of the score is,"
    )
