"""What a report takes from a store: which runs count, what they are compared with, and the numbers."""

import re

import numpy as np
import pytest
from experiments.report.runs import newest
from scipy import stats

from experiments.errors import UserError
from experiments.report.__main__ import main
from experiments.report.across import compare
from experiments.report.command import load, show
from experiments.report.findings import find
from experiments.report.notes import failures, notes
from experiments.report.terminal import published
from tests.report import made_studies
from tests.report.made_studies import TAGS, add, add_foreign, fill, found, new_store, studied

NAN = float("nan")


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path)


def draws(seed, *means):
    generator = np.random.default_rng(seed)
    easy = generator.normal(0, 0.1, 8)
    return [list(map(float, mean + easy + generator.normal(0, 0.03, 8))) for mean in means]


def test_estimates_and_comparisons_equal_direct_ones(store):
    standard, peephole, swapped = draws(0, 0.5, 0.52, 0.7)
    fill(store, {"adding": {"standard": standard, "peephole": peephole, "swapped": swapped}})
    study, task = found(store)
    by_row = {each.row: each for each in task.rows}
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
    _, task = found(store)
    comparison = task.rows[1].comparison
    assert comparison.difference.count == 1 and comparison.difference.value == pytest.approx(0.05)
    assert task.rows[1].mean.count == 2
    assert task.results.states.tolist() == [
        ["finished", "finished", "finished", "missing"],
        ["missing", "finished", "diverged", "finished"],
    ]


def test_ranks_and_the_scale_from_baseline_to_reference(store):
    fill(store, {task: {"standard": [0.5, 0.5], "peephole": [0.25, 0.25], "swapped": [0.75, 0.75]} for task in "ab"})
    study = studied(store)
    across = compare(study, [find(study, task) for task in study.tasks])
    assert across.rows == ("standard", "peephole", "swapped") and across.ranks.tolist() == [2, 1, 3]
    assert [each.value for each in across.scaled.aggregate] == pytest.approx([1, 1.5, 0.5])
    assert across.p == pytest.approx(stats.friedmanchisquare([2, 2], [1, 1], [3, 3]).pvalue)


@pytest.mark.parametrize("baseline", [NAN, float("inf"), 0.1])
def test_a_task_that_has_no_such_scale_is_named(store, baseline):
    fill(store, {task: {"standard": [0.5, 0.5], "peephole": [0.25, 0.25]} for task in "ab"}, baseline=baseline)
    study = studied(store)
    across = compare(study, [find(study, task) for task in study.tasks])
    reason = "standard is not better than the trivial baseline" if baseline == 0.1 else "has no score"
    assert across.scaled is None and set(across.unscaled) == {"a", "b"} and reason in across.unscaled["a"]


def test_swept_settings_make_rows_and_are_compared_in_the_same_settings(store):
    for variant in ("standard", "peephole"):
        for units in (8, 16):
            for seed in range(2):
                add(store, variant, seed, units + seed, settings=f"model.units={units} training.epochs=3")
    study = studied(store)
    assert study.rows == ("standard units=8", "standard units=16", "peephole units=8", "peephole units=16")
    assert study.compared == {
        "peephole units=8": "standard units=8",
        "peephole units=16": "standard units=16",
    }


def test_names_of_settings_that_end_alike_stay_whole(store):
    for units, size in ((8, 1), (16, 2)):
        add(store, "standard", 0, 0.5, settings=f"a.size={size} b.size={size} model.units={units}")
    assert studied(store).rows == ("standard a.size=1 b.size=1 units=8", "standard a.size=2 b.size=2 units=16")


def test_settings_of_one_variant_are_compared_with_the_first_of_them(store):
    for rate in ("0.01", "0.1", "0.001"):
        add(store, "standard", 0, 0.5, settings=f"training.learning_rate={rate}")
    study = studied(store)
    first = "standard learning_rate=0.001"
    assert study.rows[0] == study.reference == first
    assert study.compared == {"standard learning_rate=0.01": first, "standard learning_rate=0.1": first}


def test_a_setting_with_blanks_is_one_setting(store):
    for path in ("'a b.txt'", "c.txt"):
        add(store, "standard", 0, 0.5, settings=f"'task.path={path[1:-1]}'" if " " in path else f"task.path={path}")
    assert set(studied(store).rows) == {"standard path=a b.txt", "standard path=c.txt"}


def test_the_reference_can_be_chosen(store):
    fill(store, {"adding": {"standard": [0.5], "peephole": [0.4], "swapped": [0.3]}})
    assert studied(store, "swapped").compared == {"standard": "swapped", "peephole": "swapped"}
    with pytest.raises(UserError, match="reference=x: study s does not have it. Allowed: standard, peephole, swapped"):
        studied(store, "x")


def test_without_standard_the_peephole_or_the_first_variant_is_the_reference(store):
    fill(store, {"adding": {"janet": [0.5], "swapped": [0.3]}})
    assert studied(store).reference == "janet"
    add(store, "peephole", 0, 0.4)
    assert studied(store).reference == "peephole"


def test_what_a_search_drew_are_replicates(store):
    for variant in ("standard", "peephole"):
        for rate in (0.1, 0.2, 0.3):
            for layers in (1, 2):
                settings = f"model.layers={layers} training.learning_rate={rate}"
                add(store, variant, 0, rate, settings=settings, drawn="training.learning_rate")
    study = studied(store)
    assert study.replicate == "draw"
    assert study.rows == ("standard layers=1", "standard layers=2", "peephole layers=1", "peephole layers=2")
    assert study.tasks[0].replicates == tuple(f"training.learning_rate={rate} seed=0" for rate in (0.1, 0.2, 0.3))
    assert find(study, study.tasks[0]).rows[2].comparison.difference.count == 3


@pytest.mark.parametrize("count", [12, 13])
def test_more_settings_than_a_table_has_rows_for_count_as_drawn(store, count):
    for number in range(count):
        add(store, "standard", 0, 0.5, settings=f"training.learning_rate=0.{number + 1:03}")
    study = studied(store)
    assert (study.replicate, len(study.rows)) == (("seed", 12) if count == 12 else ("draw", 1))


def test_the_newest_finished_run_of_a_place_counts(store):
    add(store, "standard", 0, status="FAILED")
    add(store, "standard", 0, 0.5)
    add(store, "standard", 0, 0.25)
    add(store, "standard", 0, status="KILLED")
    study = studied(store)
    assert study.tasks[0].scores.tolist() == [[0.25]] and study.runs.superseded == 0 and notes(study) == []
    add(store, "standard", 0, 0.125, trial_key="of other data")
    study = studied(store)
    assert study.tasks[0].scores.tolist() == [[0.125]] and study.runs.superseded == 1
    assert notes(study)[0].startswith("1 older trial left out")


def test_runs_that_died_before_they_had_parameters_are_counted(store):
    for units in (8, 16):
        add(store, "standard", 0, 0.5, settings=f"model.units={units} training.epochs=3")
    store.client.create_run(store.experiment("s/adding"), run_name="adding/standard/s7", tags=TAGS)
    study = studied(store)
    assert study.rows == ("standard units=8", "standard units=16", "standard settings=unknown")
    assert study.reference == "standard units=8"
    assert notes(study) == [
        "adding, standard units=8: 1 of 2 missing; without a score.",
        "adding, standard units=16: 1 of 2 missing; without a score.",
        "adding, standard settings=unknown: 1 of 2 running, 1 of 2 missing; without a score.",
    ]
    assert "7" in [trial.params["seed"] for trial in newest(store.trials("s"))]


@pytest.mark.parametrize("names", [("my_study", "myxstudy"), ("a", "ab"), ("a%", "a1")])
def test_studies_with_names_alike_are_not_mixed(store, names):
    for number, name in enumerate(names):
        add(store, "standard", 0, float(number), study=name)
    for number, name in enumerate(names):
        assert studied(store, study=name).tasks[0].scores.tolist() == [[number]]


def test_the_keys_of_a_sweep_choose_trials(store):
    fill(store, {"adding": {"standard": [0.5], "peephole": [0.4]}})
    assert load(store, "s", keys={"adding standard 0 "}).rows == ("standard",)


def test_what_has_no_score_is_named_with_its_reason(store):
    fill(store, {"adding": {"standard": [0.5] * 4}, "copying": {"standard": [0.5]}})
    add(store, "peephole", 0, NAN, diverged="true")
    add(store, "peephole", 1, status="FAILED", error="ValueError: no")
    add(store, "peephole", 2, status="KILLED")
    add(store, "peephole", 3, status="RUNNING")
    study = studied(store)
    assert notes(study) == [
        "copying: no trials of peephole.",
        "adding, peephole: 1 of 4 diverged, 1 of 4 failed, 1 of 4 killed, 1 of 4 running; without a score.",
    ]
    assert failures(study) == [
        ("adding/peephole/s0", "diverged", "the loss stopped being finite"),
        ("adding/peephole/s1", "failed", "ValueError: no"),
        ("adding/peephole/s2", "killed", ""),
    ]


def test_mixed_versions_of_code_and_data_are_named(store):
    add(store, "standard", 0, 0.5, code="a" * 64, data_sha256="c" * 64)
    add(store, "standard", 1, 0.5, code="b" * 64, data_sha256="c" * 64)
    add(store, "peephole", 0, 0.5, code="b" * 64, data_sha256="d" * 64)
    add(store, "peephole", 1, status="FAILED", code="e" * 64, data_sha256="e" * 64)
    told = notes(studied(store))
    assert told[0].startswith(
        "The scores come from 2 versions of the code that trains: bbbbbbbb (2 trials), aaaaaaaa (1 trial)."
    )
    assert told[1].startswith("The scores come from 2 versions of the data of adding: cccccccc (2 trials), dddddddd")


def test_trials_with_another_score_are_named_and_in_no_mean(store):
    fill(store, {"adding": {"standard": [0.5, 0.6]}})
    for seed in range(2):
        add(store, "peephole", seed, 99.0, score_metric="test/accuracy", score_better="higher")
    study, task = found(store)
    assert task.results.score.metric == "test/mse" and np.isnan(task.results.scores[1]).all()
    assert notes(study) == [
        "adding: 2 trials measured another score than test/mse.",
        "adding, peephole: 2 of 2 unmeasured; without a score.",
    ]
    assert failures(study)[0] == ("adding/peephole/s0", "unmeasured", "it has no test/mse")


def test_an_infinity_that_another_program_stored_counts_as_diverged(store):
    run = add(store, "standard", 0)
    store.client.log_metric(run, "test/mse", float("inf"))
    add(store, "peephole", 0, 1e200)
    assert studied(store).tasks[0].states.tolist() == [["diverged"], ["diverged"]]


BROKEN = {
    "no params and another name": ("renamed", {}, TAGS),
    "no task": ("adding/x/s0", {"learning_rate": 0.1}, TAGS),
    "a seed in words": ("adding/x/s0", {"task": "adding", "variant": "x", "seed": "one"}, TAGS),
    "a quote": ("adding/x/s0", {"task": "adding", "variant": "x", "seed": "1", "settings": "a='b"}, TAGS),
    "units in words": ("adding/x/s0", {"task": "adding", "variant": "x", "seed": "1", "units": "many"}, TAGS),
    "infinite units": ("adding/x/s0", {"task": "adding", "variant": "x", "seed": "1", "units": "inf"}, TAGS),
    "a baseline in words": ("adding/x/s0", {}, TAGS | {"baseline": "high"}),
    "a solved score in words": ("adding/x/s0", {}, TAGS | {"score_solved": "yes"}),
    "a direction": ("adding/x/s0", {}, TAGS | {"score_better": "sideways"}),
    "references": ("adding/x/s0", {}, TAGS | {"references": "{"}),
    "no tags": ("adding/x/s0", {}, {}),
    "another kind": ("adding/x/s0", {}, TAGS | {"kind": "report"}),
}


@pytest.mark.parametrize("name, params, tags", BROKEN.values(), ids=BROKEN)
def test_a_run_that_cannot_be_read_as_a_trial_is_counted(store, name, params, tags):
    add(store, "standard", 0, 0.5)
    add_foreign(store, "s/adding", name, params, **tags)
    study = studied(store)
    assert study.rows == ("standard",) and study.runs.foreign == 1
    (told,) = notes(study)
    assert told.startswith("1 run in the experiments of this study left out: not written by gatelab")


def test_a_store_that_someone_else_wrote(store):
    for experiment in ("s/adding", "s/one/two", "other"):
        add_foreign(store, experiment)
    with pytest.raises(UserError, match="study=s: none of its 2 runs in the store .* was written by gatelab"):
        load(store, "s")


def test_an_unknown_study_names_those_that_exist(store):
    add(store, "standard", 0, 0.1)
    with pytest.raises(UserError, match="study=x: the store .* has no trials of it. Studies: s"):
        load(store, "x")


@pytest.mark.parametrize("arguments", [[], ["stduy=s"], ["study="], ["study=s", "reference"]])
def test_command_line_mistakes(arguments):
    with pytest.raises(UserError, match="study=NAME|which study"):
        main(arguments)


def test_the_terminal_shows_scores_answer_notes_and_links(store, capsys):
    better = dict(zip(("standard", "peephole"), draws(1, 0.5, 0.3), strict=True))
    fill(store, {"adding": better}, references=made_studies.published(0.25))
    add(store, "peephole", 8, status="FAILED")
    show(store, "s")
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
    show(store, "s")
    out = capsys.readouterr().out
    assert all(f"│ {name} " in out for name in names) and "a[red]" in out


def test_published_scores_without_all_their_parts(store):
    add(store, "standard", 0, 0.1, references='[{"score": 1}]')
    assert published(studied(store)) == ["Published for adding, by models of other sizes: - 1 - (-)"]
