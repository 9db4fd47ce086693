"""Which runs of a store count, by which settings they are told apart, and what rows are compared with."""

import pytest

from experiments.errors import UserError
from experiments.report.findings import find
from experiments.report.notes import notes
from experiments.report.results import load
from experiments.report.summary import summary, task_summary
from experiments.report.tables import details
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
    assert set(study_of(store).rows) == {"standard path=a b.txt", "standard path=c.txt"}


def test_settings_that_differ_only_in_the_file_of_a_study_make_rows(database):
    """No command line names them, as for two versions of a YAML file."""
    for units in (8, 16):
        add(database, "standard", 0, units, settings={"model.units": units}, trial_key=str(units))
    study = study_of(database)
    assert study.rows == ("standard units=8", "standard units=16") and study.runs.superseded == 0


def test_hundreds_of_overrides_lose_no_trial(database):
    arguments = {f"variant.arguments.number_{number}": number for number in range(300)}
    for rate in (0.1, 0.2):
        settings = {**arguments, "training.learning_rate": rate}
        assert sum(len(f"{name}={value} ") for name, value in settings.items()) > 6000
        add(database, "standard", 0, rate, settings=settings)
    study = study_of(database)
    assert study.rows == ("standard learning_rate=0.1", "standard learning_rate=0.2") and study.runs.foreign == 0


def test_where_a_field_differs_decides_which_rows_it_names(store):
    for units in (8, 16):
        add(store, "standard", 0, 0.5, settings={"model.units": units, "task.length": 10 * units})
    add(store, "standard", 0, 0.5, task="parity", settings={"model.units": 8, "task.length": 7})
    add(store, "standard", 0, 0.5, task="copy", settings={"training.epochs": 9, "model.units": 8})
    for time in (30, 100):
        add(store, "chrono", 0, 0.5, task="copy", settings={"variant.chrono_time": time, "model.units": 8})
    assert {task.task: task.rows for task in study_of(store).tasks} == {
        "adding": ("standard units=8 length=80 epochs=3", "standard units=16 length=160 epochs=3"),
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
    assert study.rows == ("standard", "standard length=50") and study.runs.superseded == 0


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
    assert find(study, study.tasks[0]).rows[2].comparison.difference.count == 3


@pytest.mark.parametrize("count", [12, 13])
def test_more_settings_than_a_table_has_rows_for_count_as_drawn(store, count):
    for number in range(count):
        add(store, "standard", 0, 0.5, settings={"training.learning_rate": f"0.{number + 1:03}"})
    study = study_of(store)
    assert (study.replicate, len(study.rows)) == (("seed", 12) if count == 12 else ("draw", 1))


def test_the_newest_finished_run_of_a_place_counts(store):
    add(store, "standard", 0, status="FAILED")
    add(store, "standard", 0, 0.5)
    add(store, "standard", 0, 0.25)
    add(store, "standard", 0, status="KILLED")
    study = study_of(store)
    assert study.tasks[0].scores.tolist() == [[0.25]] and study.runs.superseded == 0 and notes(study) == []
    add(store, "standard", 0, 0.125, trial_key="of other data")
    study = study_of(store)
    assert study.tasks[0].scores.tolist() == [[0.125]] and study.runs.superseded == 1
    assert notes(study)[0].startswith("1 older trial left out")


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
    assert legend(study).endswith("better, worse: than its base, p < 0.05 after Holm")
    assert notes(study) == [] and results.across.scaled.aggregate[0].value == pytest.approx(1)
    assert summary(study, results.findings) == ["No variant is shown to differ from its base on any of the 2 tasks."]
    assert "nothing is shown to differ from its base: no_input_gate (" in task_summary(study, results.findings[0])
    table = details(study, results.findings[0])
    place = table.head.index("compared\nwith")
    assert {row[0]: row[place] for row in table.rows} == {"standard": "", **study.compared}
    assert table.head[place + 1] == "minus its base\n[95 % interval]"


def test_a_variant_whose_base_is_not_there_is_compared_with_the_reference_and_the_report_says_so(store):
    bases(store, standard="", no_input_gate="peephole", no_output_gate="peephole", slstm="standard")
    study = study_of(store)
    assert study.compared == dict.fromkeys(("no_input_gate", "no_output_gate", "slstm"), "standard")
    assert legend(study).endswith("better, worse: than standard, p < 0.05 after Holm")
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
    assert legend(study).endswith("better, worse: than standard, p < 0.05 after Holm")


def test_rows_without_a_base_are_not_said_to_be_compared_with_it(store):
    bases(store, standard="", mine="", peephole="standard", no_input_gate="peephole")
    study = study_of(store)
    assert study.compared["mine"] == "standard"
    assert legend(study).endswith("better, worse: than its reference, p < 0.05 after Holm")


def test_two_variants_are_not_compared_both_ways(store):
    bases(store, a="b", b="")
    assert study_of(store).compared == {"a": "b"} and study_of(store).reference == "b"


def test_an_infinity_that_another_program_stored_counts_as_diverged(database):
    run = add(database, "standard", 0)
    database.client.log_metric(run, "test/mse", float("inf"))
    add(database, "peephole", 0, 1e200)
    assert study_of(database).tasks[0].states.tolist() == [["diverged"], ["diverged"]]


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
def test_a_run_that_cannot_be_read_as_a_trial_is_counted(database, name, params, tags):
    add(database, "standard", 0, 0.5)
    add_foreign(database, "s/adding", name, params, **tags)
    study = study_of(database)
    assert study.rows == ("standard",) and study.runs.foreign == 1
    (sentence,) = notes(study)
    assert sentence.startswith("1 run in the experiments of this study left out: not written by gatelab")
