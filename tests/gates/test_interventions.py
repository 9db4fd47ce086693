"""Interventions in trained trials: scores against NumPy on what the clamped model puts out, and the command."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import variants
from experiments.errors import UserError
from experiments.gates import intervene
from experiments.gates.__main__ import main
from experiments.gates.interventions import Clamping, ScoredTrial, clampings
from experiments.gates.trained_trial import load_trial
from experiments.tasks import Metric
from experiments.tracking.interventions import Intervention, read
from experiments.tracking.lookup import find
from experiments.tracking.metadata import Param, Tag
from tests.cases import first_quick
from tests.conftest import ROOT

NAMES = {
    "standard": "char_lm/standard/s0",
    "series": "forecast/peephole/s0",
    "masked": "anbn/standard/s0",
    "matched": "adding/janet/s0",
}


def load(store, name):
    return load_trial(store, find(store, NAMES[name], "s"))


@pytest.mark.parametrize("name", first_quick(["masked", "standard", "matched"]))
def test_the_score_without_a_clamp_is_that_of_the_trial(store, name):
    """Of a text with carried states, of ragged sequences that the task measures itself, of matched units."""
    trial = load(store, name)
    assert ScoredTrial(trial).score == pytest.approx(trial.run.score, rel=1e-5)


def test_a_mean_is_that_of_the_validation_part_and_the_score_that_of_the_test_part(store):
    trial = load(store, "matched")
    score = ScoredTrial(trial).clamped(Clamping("lstm_1", "forget_gate", "mean", None))
    gates = variants.trace(trial.model, trial.task.validation.inputs)["lstm_1"]["forget_gate"]
    clamped = variants.clamped(trial.model, "lstm_1", "forget", gates.mean(axis=(0, 1)))
    outputs = np.array(clamped(trial.task.test.inputs))
    assert score == pytest.approx(float(np.mean((outputs - trial.task.test.targets.reshape(outputs.shape)) ** 2)))
    assert abs(score - trial.run.score) > 1e-7


def test_states_of_a_clamped_text_are_carried_from_batch_to_batch(store):
    """The rows of all batches are read at once by the model that carries none."""
    trial = load(store, "standard")
    score = ScoredTrial(trial).clamped(Clamping("lstm_2", "cell_state", "0.25", 2))
    tokens = trial.task.test.tokens
    predicted, rows = len(tokens) - 1, trial.config.training.batch_size
    share = -(-predicted // rows)
    clamped, losses = variants.clamped(trial.model, "lstm_2", "cell_state", 0.25, 2), []
    for row in range(rows):
        inputs, targets = tokens[:-1][row * share :][:share], tokens[1:][row * share :][:share]
        logits = np.array(clamped(inputs[None]))[0].astype("float64")
        losses += list(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets])
    assert len(losses) == predicted
    metric = trial.task.score
    assert score == pytest.approx(metric.value(float(np.mean(losses))), rel=1e-5)


def test_means_of_a_text_are_over_its_rows(store):
    trial = load(store, "standard")
    tokens, rows = trial.task.validation.tokens, trial.config.training.batch_size
    share = len(tokens) // rows
    inputs = tokens[: rows * share].reshape(rows, share)
    expected = variants.trace(trial.model, inputs)["lstm_2"]["output_gate"].mean(axis=(0, 1))
    np.testing.assert_allclose(ScoredTrial(trial)._means["lstm_2"]["output_gate"], expected, rtol=1e-5)


def test_all_that_makes_sense(store):
    """Each layer, also of both directions; gates that a variant has, with the values that gates have."""
    masked = list(clampings(load(store, "masked").model, None, None, None, None))
    assert {clamping.layer for clamping in masked} == {"forward_lstm_1", "backward_lstm_1"}
    assert len(masked) == 2 * (3 * 4 + 2 * 2)
    janet = load(store, "matched").model
    assert [clamping.text for clamping in clampings(janet, None, None, "0.5", 1)] == [
        f"lstm_1 {gate}=0.5 unit=1" for gate in ("input_gate", "forget_gate", "candidate", "cell_state")
    ]
    assert list(clampings(janet, "lstm_1", "output_gate", "0", None)) == []


def rows_of(file):
    with file.open() as opened:
        return list(csv.DictReader(opened))


def test_the_command_prints_and_writes_and_replaces(place, store, capsys):
    words = ["intervene", "adding/janet/s0", "study=s", f"output_dir={place}/out"]
    file = Path(f"{place}/out/s/interventions.csv")
    file.unlink(missing_ok=True)
    main([*words, "gate=forget", "value=1"])
    printed = capsys.readouterr().out
    assert "[1/1] adding/janet/s0\n    lstm_1 forget_gate=1: mean squared error" in printed
    assert "adding, janet: mean squared error, lower is better" in printed and f"All numbers: {file}" in printed
    run = find(store, "adding/janet/s0", "s")
    (row,) = rows_of(file)
    assert (row["run"], row["trial"], row["layer"]) == (run.run_id, "adding/janet/s0", "lstm_1")
    assert float(row["score"]) == pytest.approx(run.score, rel=1e-5) and float(row["clamped"]) > 0
    main([*words, "gate=forget_gate", "value=1.0"])
    assert rows_of(file) == [row]
    main(["intervene", "study=s", "task=adding", "variant=janet", "gate=candidate", "value=shuffled", words[-1]])
    assert [new["gate"] for new in rows_of(file)] == ["forget_gate", "candidate"]
    assert [entry.run for entry in read(file)] == [run.run_id] * 2


def test_the_table_is_over_the_trials():
    measured = [
        Intervention(str(seed), "", "lstm_1", "input_gate", value, "", 0.5, 0.5 - cost * (1 + seed / 10))
        for seed in range(6)
        for value, cost in (("0", 0.25), ("1", 0.0))
    ]
    table = intervene.table("x, y", intervene.Measured(Metric("accuracy", "accuracy", better="higher"), measured))
    assert table.title == "x, y: accuracy, higher is better"
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["clamped to"] == ["0", "1"] and columns["trials"] == ["6", "6"]
    assert columns["score"] == ["0.5", "0.5"] and columns["clamped"] == ["0.1875", "0.5000"]
    assert columns["loss"][0].startswith("0.312 [0.250, 0.375]") and columns["loss"][1] == "0.000 [0.000, 0.000]"


def refused(place, *words):
    with pytest.raises(UserError) as caught:
        main(["intervene", *words, f"output_dir={place}/out"])
    return str(caught.value)


def test_mistakes(place):
    janet = ("adding/janet/s0", "study=s")
    assert "no trial is named" in refused(place)
    assert "gate=inputs: must be one of input, forget, output, input_gate, " in refused(place, *janet, "gate=inputs")
    assert "value=median: must be mean, shuffled or a number" in refused(place, *janet, "value=median")
    assert "value=nan: must be mean, shuffled or a number" in refused(place, *janet, "value=nan")
    assert "layer=lstm_9: must be one of lstm_1" in refused(place, *janet, "layer=lstm_9")
    assert "unit=99: must be from 0 to" in refused(place, *janet, "unit=99")
    assert "unit=-1: must be at least 0" in refused(place, *janet, "unit=-1")
    assert "gate=output: none of these trials has such a gate" in refused(place, *janet, "gate=output")
    assert "do not go with names of trials" in refused(place, *janet, "variant=janet")
    assert "has no such trial" in refused(place, "adding/none/s0")
    assert "study=other: " in refused(place, "study=other")
    message = refused(place, "study=s", "variant=chrono", "task=adding")
    assert "study=s: it has no finished trial of task=adding variant=chrono. It has adding/janet, anbn/" in message
    assert "values=1: there is no such option here" in refused(place, *janet, "values=1")


def test_a_trial_without_a_score_is_refused(place, store):
    tags = {Tag.KIND: "trial", Tag.STUDY: "s", Tag.TRIAL_KEY: "unscored"}
    params = {Param.TASK: "adding", Param.VARIANT: "unscored", Param.SEED: 0}
    run = store.start(store.experiment("s/adding"), "adding/unscored/s0", params, tags, Path("no lock"))
    run.end("FAILED")
    assert "is FAILED and has no score to compare with" in refused(place, run.id)


def test_help_waits_for_neither_tensorflow_nor_mlflow():
    code = "import sys; from experiments.gates.__main__ import main; main(['intervene', '--help']); " + (
        "assert not {'tensorflow', 'keras', 'mlflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "gate=GATE" in done.stdout and "Clamp a gate of trained trials" in done.stdout
