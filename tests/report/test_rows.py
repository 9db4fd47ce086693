"""Which runs of a store count, by which settings they are told apart, and what rows are compared with."""

import math
import re

import pytest
from scipy import stats

from experiments.errors import UserError
from experiments.report.findings import find
from experiments.report.notes import notes
from experiments.report.results import load
from experiments.report.rows import REPEATED, SUPERSEDED
from experiments.report.summary import summary
from experiments.report.tables import details, left_out, overview
from experiments.report.terminal import legend
from experiments.tracking.lookup import newest
from experiments.tracking.metadata import Param, Tag
from tests.report.studies import (
    TAGS,
    MemoryStore,
    add,
    add_0_1,
    add_foreign,
    analysed,
    fill,
    published,
    study_of,
)
from tests.stores import new_store


@pytest.fixture
def store(tmp_path):
    return MemoryStore(tmp_path)


@pytest.fixture
def database(tmp_path):
    return new_store(tmp_path)


def test_swept_settings_make_rows_and_are_compared_in_the_same_settings(store):
    for variant in ("standard", "peephole"):
        for units in (8, 16):
            for seed in range(2):
                add(store, variant, seed, units + seed, settings={"model.units": units})
    study = study_of(store)
    assert study.rows == ("standard units=8", "standard units=16", "peephole units=8", "peephole units=16")
    assert study.compared == {
        "peephole units=8": "standard units=8",
        "peephole units=16": "standard units=16",
    }


def test_names_of_settings_that_end_alike_stay_whole(store):
    for units, size in ((8, 1), (16, 2)):
        add(store, "standard", 0, 0.5, settings={"a.size": size, "b.size": size, "model.units": units})
    assert study_of(store).rows == ("standard a.size=1 b.size=1 units=8", "standard a.size=2 b.size=2 units=16")


def test_settings_of_one_variant_are_compared_with_the_first_of_them(store):
    for rate in ("0.01", "0.1", "0.001"):
        add(store, "standard", 0, 0.5, settings={"training.learning_rate": rate})
    study = study_of(store)
    first = "standard learning_rate=0.001"
    assert study.rows[0] == study.reference == first
    assert study.compared == {"standard learning_rate=0.01": first, "standard learning_rate=0.1": first}


def test_a_setting_with_blanks_is_one_setting(store):
    for path in ("a b.txt", "c.txt"):
        add(store, "standard", 0, 0.5, settings={"task.path": path})
    assert [task.task for task in study_of(store).tasks] == ["adding path=a b.txt", "adding path=c.txt"]


def test_settings_that_differ_only_in_the_file_of_a_study_make_rows(database):
    """No command line names them, as for two versions of a YAML file."""
    for units in (8, 16):
        add(database, "standard", 0, units, settings={"model.units": units}, trial_key=str(units))
    study = study_of(database)
    assert study.rows == ("standard units=8", "standard units=16") and study.runs.left_out == ()


def test_hundreds_of_overrides_lose_no_trial(database):
    arguments = {f"variant.arguments.number_{number}": number for number in range(300)}
    for rate in (0.1, 0.2):
        settings = {**arguments, "training.learning_rate": rate}
        assert sum(len(f"{name}={value} ") for name, value in settings.items()) > 6000
        add(database, "standard", 0, rate, settings=settings)
    study = study_of(database)
    assert study.rows == ("standard learning_rate=0.1", "standard learning_rate=0.2") and study.runs.left_out == ()


def test_where_a_field_differs_decides_which_rows_it_names(store):
    for units in (8, 16):
        add(store, "standard", 0, 0.5, settings={"model.units": units, "task.length": 10 * units})
    add(store, "standard", 0, 0.5, task="parity", settings={"model.units": 8, "task.length": 7})
    add(store, "standard", 0, 0.5, task="copy", settings={"training.epochs": 9, "model.units": 8})
    for time in (30, 100):
        add(store, "chrono", 0, 0.5, task="copy", settings={"variant.chrono_time": time, "model.units": 8})
    assert {task.task: task.rows for task in study_of(store).tasks} == {
        "adding length=80": ("standard units=8 epochs=3",),
        "adding length=160": ("standard units=16 epochs=3",),
        "copy": (
            "standard units=8 epochs=9",
            "chrono chrono_time=30 units=8 epochs=3",
            "chrono chrono_time=100 units=8 epochs=3",
        ),
        "parity": ("standard units=8 epochs=3",),
    }


def test_values_of_a_field_that_is_not_recorded_make_no_difference(store):
    add_0_1(store, "standard", 0, 0.5)
    add(store, "standard", 2, 0.5, settings={"task.length": 50, "variant.input_gate": "learned"})
    add(store, "standard", 3, 0.5, params={Param.UNITS: 8})
    assert study_of(store).rows == ("standard",)


def test_among_runs_of_0_1_what_a_command_line_set_is_another_row_than_what_it_left_open(store):
    for seed in (0, 1):
        add_0_1(store, "standard", seed, 0.5)
        add_0_1(store, "standard", seed, 0.5, "task.length=50 training.learning_rate=1e-3")
    study = study_of(store)
    assert [task.task for task in study.tasks] == ["adding", "adding length=50"]
    assert study.rows == ("standard",) and study.runs.left_out == ()


def test_studies_of_0_1_have_the_rows_that_their_command_lines_made(database):
    for variant in ("standard", "peephole"):
        for units, activation in ((8, "tanh"), (16, "{forget: hard_sigmoid}")):
            words = f"model.units={units} 'variant.gate_activation={activation}' model.layers=2"
            add_0_1(database, variant, 0, 0.5, words)
    study = study_of(database)
    assert study.rows == (
        "standard gate_activation=tanh units=8",
        "standard gate_activation={forget: hard_sigmoid} units=16",
        "peephole gate_activation=tanh units=8",
        "peephole gate_activation={forget: hard_sigmoid} units=16",
    )
    assert study.compared == {row.replace("standard", "peephole"): row for row in study.rows[:2]}


def test_what_a_search_drew_are_replicates(store):
    for variant in ("standard", "peephole"):
        for rate in (0.1, 0.2, 0.3):
            for layers in (1, 2):
                settings = {"model.layers": layers, "training.learning_rate": rate}
                add(store, variant, 0, rate, settings=settings, drawn="training.learning_rate")
    study = study_of(store)
    assert study.replicate == "draw"
    assert study.rows == ("standard layers=1", "standard layers=2", "peephole layers=1", "peephole layers=2")
    assert study.tasks[0].replicates == tuple(f"training.learning_rate={rate} seed=0" for rate in (0.1, 0.2, 0.3))
    assert find(study)[0].rows[2].comparison.test.difference.count == 3


@pytest.mark.parametrize("count", [12, 13])
def test_more_settings_than_a_table_has_rows_for_count_as_drawn(store, count):
    for number in range(count):
        add(store, "standard", 0, 0.5, settings={"training.learning_rate": f"0.{number + 1:03}"})
    study = study_of(store)
    assert (study.replicate, len(study.rows)) == (("seed", 12) if count == 12 else ("draw", 1))


def test_the_newest_finished_run_of_a_place_counts(store):
    runs = [
        add(store, "standard", 0, status="FAILED"),
        add(store, "standard", 0, 0.5),
        add(store, "standard", 0, 0.25),
        add(store, "standard", 0, status="KILLED"),
    ]
    study = study_of(store)
    assert study.tasks[0].scores.tolist() == [[0.25]] and notes(study) == [f"3 runs left out: {REPEATED}."]
    assert {one.run.run_id for one in study.runs.left_out} == {runs[0], runs[1], runs[3]}
    add(store, "standard", 0, 0.125, trial_key="of other data")
    study = study_of(store)
    assert study.tasks[0].scores.tolist() == [[0.125]] and notes(study) == [f"4 runs left out: {SUPERSEDED}."]
    assert {one.run.run_id for one in study.runs.left_out} == set(runs)


def test_runs_that_died_before_they_had_parameters_are_counted(database):
    for units in (8, 16):
        add(database, "standard", 0, 0.5, settings={"model.units": units})
    database.client.create_run(database.experiment("s/adding"), run_name="adding/standard/s7", tags=TAGS)
    study = study_of(database)
    assert study.rows == ("standard units=8", "standard units=16", "standard settings=unknown")
    assert study.reference == "standard units=8"
    assert notes(study) == [
        "adding, standard units=8: 1 of 2 missing; without a score.",
        "adding, standard units=16: 1 of 2 missing; without a score.",
        "adding, standard settings=unknown: 1 of 2 running, 1 of 2 missing; without a score.",
    ]
    assert "7" in [trial.params["seed"] for trial in newest(database.trials("s"))]


@pytest.mark.parametrize("names", [("my_study", "myxstudy"), ("a", "ab"), ("a%", "a1")])
def test_studies_with_names_alike_are_not_mixed(database, names):
    for number, name in enumerate(names):
        add(database, "standard", 0, float(number), study=name)
    for number, name in enumerate(names):
        assert study_of(database, study=name).tasks[0].scores.tolist() == [[number]]


def test_the_keys_of_a_sweep_choose_trials(store):
    fill(store, {"adding": {"standard": [0.5], "peephole": [0.4]}})
    assert load(store, "s", keys={"adding standard 0 "}).rows == ("standard",)


def test_the_reference_can_be_chosen(store):
    fill(store, {"adding": {"standard": [0.5], "peephole": [0.4], "swapped": [0.3]}})
    assert study_of(store, "swapped").compared == {"standard": "swapped", "peephole": "swapped"}
    with pytest.raises(UserError, match="reference=x: study s does not have it. Allowed: standard, peephole, swapped"):
        study_of(store, "x")


def test_without_standard_the_peephole_or_the_first_variant_is_the_reference(store):
    fill(store, {"adding": {"janet": [0.5], "swapped": [0.3]}})
    assert study_of(store).reference == "janet"
    add(store, "peephole", 0, 0.4)
    assert study_of(store).reference == "peephole"


def bases(store, **by_variant):
    """Runs with a base for each variant, two seeds on two tasks."""
    for task in ("adding", "parity"):
        for number, (variant, base) in enumerate(by_variant.items()):
            for seed in range(2):
                add(store, variant, seed, 0.5 + 0.1 * number + 0.01 * seed, task=task, **{Tag.BASE: base})


def test_a_variant_is_compared_with_its_base(store):
    bases(store, standard="", peephole="standard", no_input_gate="peephole")
    results = analysed(store)
    study = results.study
    assert study.compared == {"peephole": "standard", "no_input_gate": "peephole"} and study.reference == "standard"
    assert "better, worse: than its base, p < 0.05 after Holm" in legend(study, results.findings)
    assert notes(study) == [] and results.across.scaled.aggregate[0].value == pytest.approx(1)
    assert summary(study, results.findings) == []
    assert dict(results.findings[0].comparisons)["no_input_gate"].reference == "peephole"
    table = details(study, results.findings[0])
    place = table.head.index("compared\nwith")
    assert {row[0]: row[place] for row in table.rows} == {"standard": "", **study.compared}
    assert table.head[place + 1] == "minus its base\n[95 % interval]"


def test_a_variant_whose_base_is_not_there_is_compared_with_the_reference_and_the_report_says_so(store):
    bases(store, standard="", no_input_gate="peephole", no_output_gate="peephole", slstm="standard")
    study = study_of(store)
    assert study.compared == dict.fromkeys(("no_input_gate", "no_output_gate", "slstm"), "standard")
    assert "better, worse: than standard, p < 0.05 after Holm" in legend(study, [])
    assert notes(study) == [
        "no_input_gate and no_output_gate change peephole, of which there are no trials to compare with. Compared with "
        "standard, they differ by more than that change: also by what peephole has apart from standard."
    ]


def test_a_base_in_other_settings_is_not_there(store):
    add(store, "standard", 0, 0.5, settings={"model.units": 8})
    add(store, "standard", 0, 0.5, settings={"model.units": 16})
    add(store, "peephole", 0, 0.5, settings={"model.units": 8}, base="standard")
    add(store, "no_input_gate", 0, 0.5, settings={"model.units": 16}, base="peephole")
    study = study_of(store)
    assert study.compared == {"peephole units=8": "standard units=8", "no_input_gate units=16": "standard units=16"}
    assert notes(study)[0].startswith("no_input_gate units=16 changes peephole, of which there are no trials")


def test_settings_of_a_variant_alone_are_compared_with_its_base(store):
    add(store, "standard", 0, 0.5)
    for time in (30, 100):
        add(store, "chrono", 0, 0.5, settings={"variant.chrono_time": time}, base="standard")
    assert study_of(store).compared == {"chrono chrono_time=30": "standard", "chrono chrono_time=100": "standard"}


def test_a_reference_that_is_named_wins_over_bases(store):
    bases(store, standard="", peephole="standard", no_input_gate="peephole")
    study = study_of(store, "standard")
    assert study.compared == {"peephole": "standard", "no_input_gate": "standard"} and notes(study) == []
    assert "better, worse: than standard, p < 0.05 after Holm" in legend(study, [])


def test_rows_without_a_base_are_not_said_to_be_compared_with_it(store):
    bases(store, standard="", mine="", peephole="standard", no_input_gate="peephole")
    study = study_of(store)
    assert study.compared["mine"] == "standard"
    assert "better, worse: than its reference, p < 0.05 after Holm" in legend(study, [])


def test_two_variants_are_not_compared_both_ways(store):
    bases(store, a="b", b="")
    assert study_of(store).compared == {"a": "b"} and study_of(store).reference == "b"


def test_an_infinity_that_another_program_stored_counts_as_diverged(database):
    run = add(database, "standard", 0)
    database.client.log_metric(run, "test/mse", float("inf"))
    add(database, "peephole", 0, 1e200)
    assert study_of(database).tasks[0].states.tolist() == [["diverged"], ["diverged"]]


LABELS = {"task": "adding", "variant": "x", "seed": "1"}
BROKEN = {
    "no params and another name": ("renamed", {}, TAGS, "it has no parameters, and its name is not TASK/VARIANT/sSEED"),
    "no task": ("adding/x/s0", {"learning_rate": 0.1}, TAGS, "it has no parameter task, variant, seed"),
    "no seed": ("adding/x/s0", {"task": "adding", "variant": "x"}, TAGS, "it has no parameter seed"),
    "a seed in words": ("adding/x/s0", LABELS | {"seed": "one"}, TAGS, "its parameter seed is one, no whole number"),
    "a quote": ("adding/x/s0", LABELS | {"settings": "a='b"}, TAGS, "its settings cannot be read"),
    "units in words": ("adding/x/s0", LABELS | {"units": "many"}, TAGS, "its parameter units is many, no number"),
    "infinite units": ("adding/x/s0", LABELS | {"units": "inf"}, TAGS, "its parameter units is inf, no number"),
    "a baseline in words": ("adding/x/s0", {}, TAGS | {"baseline": "high"}, "its tag baseline is high, no number"),
    "a solved score": ("adding/x/s0", {}, TAGS | {"score_solved": "yes"}, "its tag score_solved is yes, no number"),
    "a direction": (
        "adding/x/s0",
        {},
        TAGS | {"score_better": "sideways"},
        "its tag score_better is sideways, neither lower nor higher",
    ),
    "references": ("adding/x/s0", {}, TAGS | {"references": "{"}, "its tag references cannot be read"),
    "references of words": ("adding/x/s0", {}, TAGS | {"references": '["a"]'}, "its tag references cannot be read"),
    "no tags": (
        "adding/x/s0",
        {},
        {},
        "not written by gatelab, or changed since: it has no tag trial_key, score_metric, score_title, score_better, "
        "baseline",
    ),
    "another kind": ("adding/x/s0", {}, TAGS | {"kind": "report"}, "its tag kind is report, not trial"),
}


@pytest.mark.parametrize("name, params, tags, reason", BROKEN.values(), ids=BROKEN)
def test_a_run_that_cannot_be_read_as_a_trial_is_named_with_the_reason(database, name, params, tags, reason):
    add(database, "standard", 0, 0.5)
    add_foreign(database, "s/adding", name, params, **tags)
    study = study_of(database)
    assert study.rows == ("standard",) and notes(study) == [f"1 run left out: {reason}."]
    (run,) = (run for run in database.runs("s") if run.run_id not in {trial.run_id for trial in study.trials})
    assert left_out(study).rows == [(name, run.run_id, reason)]


def test_of_many_runs_that_are_left_out_ten_are_named_for_each_reason(store):
    add(store, "standard", 0, 0.5)
    for number in range(25):
        add(store, "standard", 0, 0.5, baseline="high" if number % 2 else "low")
    study = study_of(store)
    assert notes(study) == [
        "13 runs left out: its tag baseline is low, no number.",
        "12 runs left out: its tag baseline is high, no number.",
    ]
    rows = left_out(study).rows
    assert [row[0] for row in rows] == [
        *["adding/standard/s0"] * 10,
        "and 3 more",
        *["adding/standard/s0"] * 10,
        "and 2 more",
    ]
    named = {run for _, run, _ in rows if run}
    assert len(named) == 20 and named <= {one.run.run_id for one in study.runs.left_out}


def test_no_run_of_a_study_vanishes(database):
    for seed in range(3):
        add(database, "standard", seed, 0.5)
        add(database, "standard", seed, status="FAILED")
        add(database, "standard", seed, 0.5, settings={"task.length": 10}, trial_key="another")
    add_foreign(database, "s/adding")
    runs = study_of(database).runs
    accounted = [run.run_id for run in runs.placed.values()] + [one.run.run_id for one in runs.left_out]
    assert sorted(accounted) == sorted(run.run_id for run in database.runs("s")) and len(accounted) == 10


def test_a_run_that_died_before_it_named_its_setting_of_the_task_is_on_none_of_them(database):
    for length in (10, 20):
        add(database, "standard", 0, 0.5, settings={"task.length": length})
    database.client.create_run(database.experiment("s/adding"), run_name="adding/standard/s7", tags=TAGS)
    study = study_of(database)
    assert [task.task for task in study.tasks] == ["adding length=10", "adding length=20"]
    assert notes(study) == ["1 run left out: it ended before it had recorded its length."]


LAYER = {"variant.layer": "GatedLSTM", "variant.peephole": "none"}


def add_layer(store, variant, seed, score, time, **more):
    """A run with all that its layer depends on."""
    settings = LAYER | {"variant.chrono_time": time}
    return add(store, variant, seed, score, settings=settings, **more)


def test_equal_configurations_are_one_row(store):
    for seed in range(3):
        for variant, base in (("chrono", "standard"), ("standard", "")):
            add_layer(store, variant, seed, 0.5 + seed, 5, base=base)
        add(
            store,
            "peephole",
            seed,
            0.4,
            settings=LAYER | {"variant.peephole": "full", "variant.chrono_time": 5},
            base="chrono",
        )
    study = study_of(store)
    assert study.rows == ("standard", "peephole") and study.compared == {"peephole": "standard"}
    assert {trial.params["variant"] for trial in study.trials} == {"standard", "peephole"} and study.lacking == {}
    assert notes(study) == [
        "standard and chrono are the same configuration here: one row, standard.",
        "3 runs left out: chrono is the same configuration as standard here, whose run counts.",
    ]
    assert study_of(store, "chrono").compared == {"peephole": "standard"}


def test_seeds_of_equal_configurations_add_up(store):
    add_layer(store, "chrono", 0, 0.5, 5, base="standard")
    add_layer(store, "standard", 0, status="FAILED", score=None, time=5)
    add_layer(store, "chrono", 1, 0.6, 5, base="standard")
    add_layer(store, "standard", 2, 0.7, 5)
    study = study_of(store)
    assert study.rows == ("standard",) and study.tasks[0].scores.tolist() == [[0.5, 0.6, 0.7]]


def test_variants_of_which_not_all_is_recorded_are_never_one_row(store):
    for variant in ("standard", "mine"):
        add_0_1(store, variant, 0, 0.5, "variant.chrono_time=5")
        add(store, variant, 1, 0.5)
    assert study_of(store).rows == ("standard", "mine")


def test_what_is_set_and_what_is_not_are_two_rows(store):
    for seed in range(2):
        for time in ("null", 5):
            add_layer(store, "standard", seed, 0.5, time)
        add_layer(store, "chrono", seed, 0.5, 5, base="standard")
        add_layer(store, "chrono", seed, 0.5, 100, base="standard")
        add(store, "peephole", seed, 0.5, settings=LAYER | {"variant.peephole": "full"}, base="standard")
    study = study_of(store)
    plain = "standard chrono_time=null"
    assert set(study.rows) == {plain, "standard chrono_time=5", "chrono", "peephole"}
    assert study.compared == dict.fromkeys(("standard chrono_time=5", "chrono", "peephole"), plain)


def test_settings_of_a_task_are_tasks_with_what_is_theirs(store):
    """Each with baseline, solved score and published scores of its own."""
    for horizon, baseline in ((1, 0.9), (12, 2.0)):
        for variant, score in (("standard", 0.5), ("peephole", 0.25)):
            for seed in range(2):
                tags = {
                    Tag.BASELINE: baseline,
                    Tag.SCORE_SOLVED: baseline / 10,
                    Tag.BASELINE_TITLE: f"the value {horizon} steps ago",
                    Tag.REFERENCES: published(baseline / 20),
                }
                settings = {"task.horizon": horizon, "task.path": "a/b.txt"}
                add(store, variant, seed, score, task="forecast", settings=settings, **tags)
    results = analysed(store)
    first, second = results.study.tasks
    assert (first.task, second.task) == ("forecast horizon=1", "forecast horizon=12")
    assert (first.baseline, second.baseline) == (0.9, 2.0) and (first.solved, second.solved) == (0.09, 0.2)
    assert [task.baseline_title for task in (first, second)] == ["the value 1 steps ago", "the value 12 steps ago"]
    assert [task.references[0]["score"] for task in (first, second)] == [0.045, 0.1]
    assert results.study.rows == ("standard", "peephole") and notes(results.study) == []
    expected = [(0.9 - 0.25) / (0.9 - 0.5), (2 - 0.25) / (2 - 0.5)]
    runs = [value for value in expected for _ in range(2)]
    assert results.across.scaled.aggregate[1].value == pytest.approx(stats.trim_mean(runs, 0.25))
    assert results.across.ranks.tolist() == [2, 1]


def test_a_setting_with_several_baselines_is_named(store):
    for seed, baseline in enumerate(("0.5", "0.5000000001", "0.75")):
        add(store, "standard", seed, 0.1, baseline=baseline)
    study = study_of(store)
    assert study.tasks[0].baselines == ((0.5, 2), (0.75, 1)) and study.tasks[0].baseline == 0.5
    assert notes(study) == [
        "The trials of adding recorded 2 trivial baselines, 0.5 (2 trials), 0.75 (1 trial), so that their data differ. "
        "The tables have the first."
    ]


def test_a_search_over_fields_of_a_task_keeps_its_draws(store):
    for task in ("adding", "parity"):
        for variant in ("standard", "peephole"):
            for length in (10, 20, 30):
                settings = {"task.length": length}
                tags = {Tag.DRAWN: "task.length", Tag.BASELINE: length / 10, Tag.DATA: str(length)}
                add(store, variant, 0, 0.5, task=task, settings=settings, **tags)
    results = analysed(store)
    task = results.study.tasks[0]
    assert task.task == "adding" and task.replicates == tuple(f"task.length={n} seed=0" for n in (10, 20, 30))
    assert math.isnan(task.baseline) and task.baseline_text == "1 to 3" and notes(results.study) == []
    assert results.across.unscaled == dict.fromkeys(("adding", "parity"), "each draw has a trivial baseline of its own")
    assert overview(results.study, results.findings).rows[-1] == ["trivial baseline", "1 to 3", "1 to 3"]


@pytest.mark.parametrize("count", [12, 13])
def test_many_settings_of_a_task_count_as_drawn(store, count):
    for number in range(count):
        add(store, "standard", 0, 0.5, settings={"task.length": number + 1})
    assert len(study_of(store).tasks) == (12 if count == 12 else 1)


def test_files_of_tasks_have_names_of_their_own_that_any_disk_takes(store):
    paths = ("a/b", "a b", "A:b", "x" * 200, "../..")
    for path in paths:
        add(store, "standard", 0, 0.5, settings={"task.path": path})
    files = [task.file for task in study_of(store).tasks]
    assert len({file.casefold() for file in files}) == len(paths)
    assert all(re.fullmatch(r"[\w.=+-]{1,90}", file) for file in files)
