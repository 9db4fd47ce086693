"""What a report takes from a store: which runs count, what they are compared with, and the numbers."""

import re

import numpy as np
import pytest
from scipy import stats

from experiments import analysis
from experiments.analysis import Margin, Verdict, parse_margin
from experiments.errors import UserError
from experiments.report.__main__ import main
from experiments.report.across import compare
from experiments.report.command import report_study
from experiments.report.findings import Family, Share, find, parse_family
from experiments.report.notes import failures, notes
from experiments.report.results import analyse, load
from experiments.report.search import search, sentences
from experiments.report.tables import verdict
from experiments.report.terminal import published
from experiments.tracking.metadata import Metric
from tests.report import studies
from tests.report.studies import MemoryStore, add, add_foreign, fill, first_task, near, study_of
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
        assert by_row[row].median.value == pytest.approx(np.median(scores))
        assert by_row[row].mean == pytest.approx(np.mean(scores))
        assert by_row[row].deviation == pytest.approx(stats.tstd(scores))
    tests = {}
    for row, scores in (("peephole", peephole), ("swapped", swapped)):
        tests[row] = analysis.compare(np.array(scores), np.array(standard), "lower", comparisons=2)
        assert by_row[row].comparison.test == tests[row]
    smaller, larger = sorted(tests, key=lambda row: tests[row].p)
    assert by_row[smaller].comparison.adjusted == pytest.approx(2 * tests[smaller].p)
    assert by_row[larger].comparison.adjusted == pytest.approx(max(2 * tests[smaller].p, tests[larger].p))
    assert task.verdict("swapped") is Verdict.WORSE and task.best == "standard"


def test_a_diverged_trial_is_the_worst_and_a_missing_one_is_none(store):
    for seed, score in ((0, 0.5), (1, 0.4), (2, 0.3)):
        add(store, "standard", seed, score)
    for seed, score in ((1, 0.45), (2, NAN), (3, 0.9)):
        add(store, "peephole", seed, score, diverged=str(score != score).lower())
    _, task = first_task(store)
    comparison = task.rows[1].comparison
    assert comparison.test.improvement.value == pytest.approx(1 / 9) and not comparison.test.paired
    assert task.rows[1].median.value == 0.9 and task.rows[1].mean == pytest.approx(0.675)
    assert task.results.states.tolist() == [
        ["finished", "finished", "finished", "missing"],
        ["missing", "finished", "diverged", "finished"],
    ]


def test_seeds_of_one_draw_are_no_replicates_of_a_search(store):
    for variant in ("standard", "peephole"):
        for number, rate in enumerate((0.1, 0.2, 0.3, 0.4)):
            for seed in range(2):
                score = NAN if (variant, rate, seed) == ("peephole", 0.4, 1) else number + seed / 10
                settings = {"training.learning_rate": rate}
                add(store, variant, seed, score, settings=settings, drawn="training.learning_rate")
    _, task = first_task(store)
    assert task.results.by_draw(task.results.ranked()).tolist() == [
        pytest.approx([0.05, 1.05, 2.05, 3.05]),
        pytest.approx([0.05, 1.05, 2.05, np.inf]),
    ]
    assert task.rows[1].comparison.test.difference.count == 4


def verdicts(store, **choices):
    """The verdicts of the first task by row."""
    results = analyse(study_of(store), **choices)
    return {row: results.findings[0].verdict(row) for row, _ in results.findings[0].comparisons}


def test_equivalent_needs_a_margin_and_an_interval_within_it(store):
    base = near(0.5)
    rows = {"standard": base, "peephole": [score + 0.001 for score in base[::-1]], "swapped": near(0.56)}
    fill(store, {"adding": rows})
    assert verdicts(store) == {"peephole": Verdict.UNDECIDED, "swapped": Verdict.WORSE}
    assert verdicts(store, margin=Margin(0.05)) == {"peephole": Verdict.EQUIVALENT, "swapped": Verdict.WORSE}
    assert verdicts(store, margin=parse_margin("20%"))["swapped"] is Verdict.EQUIVALENT
    assert verdicts(store, margin=parse_margin("1e-4"))["peephole"] is Verdict.UNDECIDED


def test_a_task_may_say_which_difference_matters(store):
    fill(store, {"adding": {"standard": near(0.5), "peephole": near(0.501)}}, margin=0.05)
    assert verdicts(store) == {"peephole": Verdict.EQUIVALENT}


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "nan", "5%%", "inf"])
def test_a_margin_that_is_none(text):
    with pytest.raises(UserError, match=f"margin={text}: must be"):
        parse_margin(text)


def test_a_family_is_the_comparisons_of_a_task_or_of_the_study(store):
    fill(store, {task: {"standard": near(0.5, 5), "peephole": near(0.7, 5)} for task in "abcdefg"})
    assert verdicts(store) == {"peephole": Verdict.WORSE}
    assert verdicts(store, family=Family.study) == {"peephole": Verdict.UNDECIDED}  # 7 comparisons of 5 seeds
    with pytest.raises(UserError, match="family=x: must be one of task, study"):
        parse_family("x")


@pytest.mark.parametrize(("best", "trained", "early"), [(10, 10, True), (9, 10, False), (8, 9, False)])
def test_trials_that_were_still_improving_are_counted(store, best, trained, early):
    """The last of ten epochs was the best, one before it, or patience had ended training."""
    for variant, mean in (("standard", 0.5), ("peephole", 0.7)):
        for seed, score in enumerate(near(mean)):
            curve = {1: {Metric.BEST_EPOCH: best if seed < 3 else 5, Metric.EPOCHS: trained}}
            add(store, variant, seed, score, curve=curve, settings={"training.epochs": 10})
    _, task = first_task(store)
    assert task.rows[1].improving == Share(3 if early else 0, 8) and task.is_early("peephole") == early
    assert task.verdict("peephole") is Verdict.WORSE and (verdict(task, "peephole") == "worse so far") == early


def test_data_that_follow_the_seed_are_no_setting_and_make_pairs(store):
    for seed, score in enumerate(near(0.5)):
        for variant, more in (("standard", 0), ("peephole", 0.01 * (seed - 3))):
            add(store, variant, seed, score + more, settings={"task.data_seed": seed})
    study, task = first_task(store)
    assert study.rows == ("standard", "peephole") and [task.results.task for task in [task]] == ["adding"]
    assert task.results.resampled and task.rows[1].comparison.test.paired


def test_ranks_and_the_scale_from_baseline_to_reference(store):
    fill(store, {task: {"standard": [0.5, 0.5], "peephole": [0.25, 0.25], "swapped": [0.75, 0.75]} for task in "ab"})
    study = study_of(store)
    across = compare(study, find(study))
    assert across.rows == ("standard", "peephole", "swapped") and across.ranks.tolist() == [2, 1, 3]
    assert [estimate.value for estimate in across.scaled.aggregate] == pytest.approx([1, 1.5, 0.5])
    assert across.p == across.least == pytest.approx(1 / 6)


@pytest.mark.parametrize("baseline", [NAN, float("inf"), 0.1])
def test_a_task_that_has_no_such_scale_is_named(store, baseline):
    fill(store, {task: {"standard": [0.5, 0.5], "peephole": [0.25, 0.25]} for task in "ab"}, baseline=baseline)
    study = study_of(store)
    across = compare(study, find(study))
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
    with pytest.raises(UserError, match="study=NAME, of a store, or file=|there is no such option"):
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
    assert "adding: peephole is better than standard (0.63 times the mean squared error)." in flat
    assert "adding: peephole minus standard -0." in flat and "p = 0.0078: better." in flat
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
    assert best.median.value == pytest.approx((7 + 8) / 40) and results.best[1].p == 1
    assert results.forests["standard"].settings == ["model.units", "training.learning_rate"]
    assert sentences(results)[0].startswith(
        "On adding, the setting that explains most of the variance of the score is,"
    )


def test_names_of_a_shared_store_lead_nowhere_else(tmp_path, capsys):
    """The parameter of a run says its task, and the metrics its layers, whoever wrote them."""
    folder = tmp_path / "a" / "b" / "out"
    database = new_store(folder)
    curve = {1: {"val/mse": 1.0, "gates/.. ../forget_gate/mean": 0.5, "gates/.. ../forget_gate/left_saturated": 0.1}}
    for seed in range(2):
        add(database, "../../v", seed, 0.5 + seed, curve=curve, params={**studies.FIELDS, "task": "../../../../x"})
    before = set(database.experiments())
    main(["study=s", f"output_dir={folder}"])
    assert set(database.experiments()) - before == {"s/report"}
    figures = {file.name for file in (folder / "s/report/figures").iterdir()}
    assert {"x-scores.svg", "x-gates-unnamed.svg"} <= figures, figures
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"] and list(tmp_path.iterdir()) == [tmp_path / "a"]
    assert "../../../../x" in capsys.readouterr().out


@pytest.mark.parametrize("study", ["..", "running", ".x"])
def test_a_study_of_a_shared_store_whose_name_leads_elsewhere_is_reported_on_in_a_folder_of_choice(tmp_path, study):
    database = new_store(tmp_path / "a" / "out")
    add(database, "standard", 0, 0.5, study=study)
    words = [f"study={study}", f"output_dir={tmp_path}/a/out"]
    with pytest.raises(UserError, match=f"study={study}: must "):
        main(words)
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["out"]
    main([*words, f"folder={tmp_path}/chosen"])
    assert (tmp_path / "chosen" / "report.html").is_file()
