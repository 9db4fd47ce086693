"""Surveys of the hidden units of a study: which trials count, what is measured, what is written."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from experiments import tasks
from experiments.errors import UserError
from experiments.gates.probes import LAGS
from experiments.gates.survey import finished_trials, main, restore_initial_weights
from experiments.gates.trained_trial import load_trial
from experiments.tracking import StoredRun
from experiments.tracking.lookup import find
from experiments.tracking.metadata import Param, Tag
from experiments.trial.model_cache import compiled_model
from experiments.trial.spec import TrialSpec
from tests.conftest import ROOT
from tests.gates.gate_trials import configure, overrides


def survey(place, *words):
    """The rows of the file that a survey writes."""
    main(["study=s", f"output_dir={place}/out", f"out={place}/new/survey.csv", *words])
    with (place / "new/survey.csv").open() as opened:
        return list(csv.DictReader(opened))


GATES = ("input_gate", "forget_gate", "output_gate")
SATURATION = ("left_saturated", "right_saturated", "unsaturated", "mostly_shut", "mostly_open")
PROBES = ("unit", "probe", "control", "selectivity")


@pytest.mark.slow
def test_a_text_is_probed_before_and_after_training(place, capsys):
    """The whole test part, of each layer; the best unit, the probe and what inputs alone give."""
    rows = survey(place, "variant=standard")
    rows = [row for row in rows if row["task"] == "char_lm"]
    assert list(rows[0]) == ["task", "variant", "replicate", "model", "layer", "measure", "value"]
    values = {(row["model"], row["layer"], row["measure"]): float(row["value"]) for row in rows}
    targets = {f"{target}/{score}" for target in ("depth", "in_quotes", "column") for score in PROBES}
    lags = {f"forgets_and_writes {lag:+d}" for lag in LAGS}
    saturation = {f"{gate}/{share}" for gate in GATES for share in SATURATION}
    measured = {"switch", "toggle", "counter"} | targets | lags | saturation
    for model in ("trained", "untrained"):
        for layer in ("lstm_1", "lstm_2"):
            assert {measure for m, where, measure in values if (m, where) == (model, layer)} == measured
    assert {measure for m, where, measure in values if m == "inputs" and where == ""} == {
        measure for measure in targets if not measure.endswith("/unit")
    }
    assert all(-1 <= value <= 1 for value in values.values())
    assert values["trained", "lstm_2", "toggle"] != values["untrained", "lstm_2", "toggle"]
    assert values["trained", "lstm_1", "toggle"] != values["trained", "lstm_2", "toggle"]
    printed = capsys.readouterr().out
    assert "char_lm, standard, lstm_2 (1 seed)" in printed and "1 seed can show no difference" in printed
    assert "char_lm/standard/s0" in printed and f"All numbers: {place}/new/survey.csv" in printed


@pytest.mark.slow
def test_an_interrupted_survey_keeps_what_it_has_measured(place, monkeypatch):
    restored = []

    def interrupt_the_second(trial):
        restored.append(trial)
        if len(restored) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("experiments.gates.survey.restore_initial_weights", interrupt_the_second)
    with pytest.raises(KeyboardInterrupt):
        survey(place, "variant=standard", "steps=40")
    with (place / "new/survey.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert {row["model"] for row in rows} >= {"trained", "untrained"} and len({row["task"] for row in rows}) == 1


def test_a_trial_with_matched_units(place):
    """Its untrained model has the units that were recorded, not those of the configuration."""
    rows = survey(place, "variant=janet", "steps=20")
    assert {row["model"] for row in rows} == {"trained", "untrained"}
    assert {row["task"] for row in rows} == {"adding"}


def test_the_initial_weights_are_those_that_training_begins_with(place, store):
    trial = load_trial(store, find(store, "char_lm/standard/s0"))
    trained = [np.array(variable) for variable in trial.model.trainable_variables]
    restore_initial_weights(trial)
    config = configure(place, *overrides(place, "standard"))
    task = tasks.build(config.task)
    initial = compiled_model(TrialSpec.of(config, task), task).model.trainable_variables
    for variable, expected in zip(trial.model.trainable_variables, initial, strict=True):
        np.testing.assert_array_equal(np.array(variable), np.array(expected))
    assert not all(np.array_equal(np.array(v), w) for v, w in zip(initial, trained, strict=True))


def run(run_id, variant="standard", seed=0, status="FINISHED", drawn="", **fields):
    names = {name.replace("__", "."): str(value) for name, value in fields.items()}
    params = {Param.TASK: "adding", Param.VARIANT: variant, Param.SEED: str(seed), **names}
    tags = {Tag.TRIAL_KEY: run_id, Tag.DRAWN: drawn}
    return StoredRun(run_id, f"adding/{variant}/s{seed}", status, params, tags, {})


def test_trials_are_told_apart_by_the_settings_in_which_they_differ():
    runs = [
        run("a", model__units=8, training__epochs=3),
        run("b", model__units=16, training__epochs=3),
        run("c", model__units=16, training__epochs=3, seed=1, status="FAILED"),
        run("d", "peephole", model__units=8, training__epochs=9),
        run("older a", model__units=8, training__epochs=3),
    ]
    places = {place: run.run_id for place, run in finished_trials(runs).items()}
    assert places == {
        ("adding", "standard model.units=8", "seed=0"): "a",
        ("adding", "standard model.units=16", "seed=0"): "b",
        ("adding", "peephole", "seed=0"): "d",
    }


def test_what_a_search_drew_belongs_to_the_replicate():
    drawn = "training.learning_rate"
    runs = [run(f"{rate}", drawn=drawn, training__learning_rate=rate, model__units=8) for rate in (0.1, 0.2)]
    assert list(finished_trials(runs)) == [
        ("adding", "standard", "training.learning_rate=0.1 seed=0"),
        ("adding", "standard", "training.learning_rate=0.2 seed=0"),
    ]


def test_mistakes(place):
    with pytest.raises(UserError, match="study= is needed"):
        main(["steps=30"])
    with pytest.raises(UserError, match="steps=5: must be at least 20"):
        survey(place, "steps=5")
    with pytest.raises(UserError, match="study=other: .* has no trials of it. Studies: s"):
        survey(place, "study=other")
    with pytest.raises(UserError, match="study=s: it has no finished trial of variant chrono"):
        survey(place, "variant=chrono")


def test_help_waits_for_neither_tensorflow_nor_mlflow():
    code = "import sys; from experiments.gates.survey import main; main(['--help']); " + (
        "assert not {'tensorflow', 'keras', 'mlflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "steps=NUMBER" in done.stdout and "(all)" in done.stdout
