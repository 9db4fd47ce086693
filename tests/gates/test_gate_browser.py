"""The gate browser on trained trials: its pages decode to the trace of the model, and mistakes are reported."""

import base64
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

import variants
from experiments import tasks
from experiments.errors import UserError
from experiments.gates import trained_trial
from experiments.gates.__main__ import main
from experiments.gates.page import render
from experiments.gates.sequence import sequence_of_task
from experiments.gates.trained_trial import activations
from experiments.gates.unit_scores import QUANTITIES
from experiments.tracking.metadata import Param, Tag
from tests.conftest import ROOT
from tests.gates.gate_trials import TEXT, TRIALS, configure, data, overrides, untrained


def run_of(store, name):
    return next(run for run in store.trials("s") if run.name == name)


def browse(place, *words, out="page.html"):
    main([*words, f"output_dir={place}/out", f"out={place / out}"])
    return (place / out).read_text()


def refused(place, *words):
    with pytest.raises(UserError) as caught:
        main([*words, f"output_dir={place}/out", f"out={place / 'refused.html'}"])
    assert not (place / "refused.html").exists()
    return str(caught.value)


def decoded(quantity, steps):
    codes = np.frombuffer(base64.b64decode(quantity["data"]), "<u2").reshape(-1, steps).astype("float64")
    shares = quantity["low"] + codes * (1 - quantity["low"]) / 65534
    return np.where(codes == 65535, np.nan, shares * np.array(quantity["sizes"])[:, None]).T


def load(store, name):
    with tempfile.TemporaryDirectory() as folder:
        file = store.artifacts.download(run_of(store, name).run_id, "model.keras", Path(folder))
        return keras.saving.load_model(file, compile=False)


def assert_decodes(panel, trace, mask):
    assert [layer["name"] for layer in panel["layers"]] == list(trace)
    for layer in panel["layers"]:
        assert set(layer["quantities"]) == set(QUANTITIES)
        for quantity, coded in layer["quantities"].items():
            expected = np.where(mask[:, None], trace[layer["name"]][quantity][0, : len(mask)], np.nan)
            values = decoded(coded, len(mask))
            assert np.array_equal(np.isnan(values), np.isnan(expected))
            error = np.nan_to_num(np.abs(values - expected)).max(axis=0)
            assert (error <= np.array(coded["sizes"]) / 65534 + 1e-6).all()


def test_the_values_of_a_text_are_those_of_the_trace(place, store):
    page = data(browse(place, "char_lm/standard/s0", "length=70"))
    task = tasks.build(configure(place, *overrides(place, "standard")).task)
    tokens = task.test.tokens[:70]
    assert page["input"]["tokens"] == [task.tokens[k] for k in tokens]
    trained = load(store, "char_lm/standard/s0")
    (panel,) = page["panels"]
    assert_decodes(panel, variants.trace(trained, tokens[None]), np.ones(70, bool))
    logits = np.asarray(trained(tokens[None]))[0, 9]
    assert panel["predictions"][9].startswith(repr(task.tokens[int(logits.argmax())]))
    assert panel["predictions"][9].split("right: ")[1].startswith(repr(task.tokens[task.test.tokens[10]]))


def test_the_values_of_ragged_sequences_in_both_directions(place, store):
    page = data(browse(place, "anbn/standard/s0", "sequence=1"))
    task = tasks.build(configure(place, *TRIALS["masked"]).task)
    inputs, mask = task.test.inputs[1], task.test.mask[1]
    assert page["input"]["mask"] == mask.astype(int).tolist() and not mask.all()
    (panel,) = page["panels"]
    trace = variants.trace(load(store, "anbn/standard/s0"), {"inputs": inputs[None], "mask": mask[None]})
    assert_decodes(panel, trace, mask)
    assert [layer["backwards"] for layer in panel["layers"]] == [False, True]
    assert all(mask[step] for unit in panel["topUnits"] for step in unit["steps"])


def test_the_values_of_a_series_of_ten_channels(place, store):
    page = data(browse(place, "forecast/peephole/s0", "split=validation", "sequence=2", "length=7"))
    part = tasks.build(configure(place, *overrides(place, "series")).task).validation
    channels = [channel["values"] for channel in page["input"]["channels"]]
    assert np.allclose(np.transpose(channels), part.inputs[2, :7], atol=1e-5)
    trace = variants.trace(load(store, "forecast/peephole/s0"), part.inputs[2:3])
    assert_decodes(page["panels"][0], trace, np.ones(7, bool))


def test_a_sequence_further_on_in_a_stream(place):
    (first, second) = (data(browse(place, "char_lm/standard/s0", f"sequence={k}", "length=40")) for k in (0, 1))
    assert second["input"]["tokens"][:20] == first["input"]["tokens"][20:]


def test_a_text_of_ones_own_and_markup_in_it(place, capsys):
    text = '</script><b>&"\n'
    page = browse(place, "char_lm/swapped/s0", f"text={text}")
    assert "".join(data(page)["input"]["tokens"]) == text
    assert page.count("</script>") == 2 and "<b>&" not in page
    assert "gates" in page.lower() and "a text of your own" in page
    (place / "own.txt").write_text(text * 5)
    page = browse(place, "char_lm/swapped/s0", f"file={place / 'own.txt'}", "length=20")
    assert "".join(data(page)["input"]["tokens"]) == (text * 5)[:20]
    (panel,) = data(page)["panels"]
    assert panel["layers"][0]["quantities"]["forget_gate"]["low"] == -1, "gates of tanh"
    assert "switch" in panel["layers"][0]["scores"]
    assert panel["activation"] == "sigmoid"


def test_two_trials_side_by_side_and_the_artifact(place, store):
    page = data(browse(place, "char_lm/standard/s0", "char_lm/swapped/s0", "length=30", out="two.html"))
    assert [panel["name"] for panel in page["panels"]] == ["char_lm/standard/s0", "char_lm/swapped/s0"]
    for name in ("char_lm/standard/s0", "char_lm/swapped/s0"):
        assert "two.html" in list(store.artifacts.paths(run_of(store, name).run_id))
        assert run_of(store, name).status == "FINISHED"


def test_a_trial_by_run_and_by_key_and_where_the_page_is(place, store, capsys):
    run = run_of(store, "forecast/peephole/s0")
    key = run.tags[Tag.TRIAL_KEY]
    for word in (run.run_id, run.run_id[:12], key, key[:12]):
        assert data(browse(place, word))["panels"][0]["name"] == "forecast/peephole/s0"
    main([run.run_id, f"output_dir={place}/out"])
    assert list((place / "out/pages").glob("gates-forecast-peephole-s0-*.html"))


def test_mistakes_on_the_command_line(place, store):
    name = "char_lm/standard/s0"
    assert "no such trial" in refused(place, "nothing") and name in refused(place, "nothing")
    assert "no such trial" in refused(place, "it's")
    assert "study=other" in refused(place, name, "study=other")
    assert "2 trials are meant" in refused_ambiguous(place, store)
    assert "of two tasks, anbn and char_lm" in refused(place, name, "anbn/standard/s0")
    assert "sequence=99: the test part has" in refused(place, name, "sequence=99")
    assert "sequence=-1" in refused(place, name, "sequence=-1")
    assert "length=0" in refused(place, name, "length=0")
    assert "split=all" in refused(place, name, "split=all")
    assert "exclude each other" in refused(place, name, "text=a", "sequence=1")
    assert "does not read text" in refused(place, "forecast/peephole/s0", "text=a")
    known = repr("".join(sorted(set(TEXT))))
    assert refused(place, name, "text=a€b Z").endswith(f"a model of char_lm does not know '€', 'Z'. It knows {known}")
    assert "cannot be read" in refused(place, name, "file=nowhere.txt")
    assert "3 trials are named" in refused(place, name, name, name)
    assert "txt=a" in refused(place, name, "txt=a")
    with pytest.raises(UserError, match="there is no store"):
        main([name, f"output_dir={place}/nowhere"])


def refused_ambiguous(place, store):
    name = "forecast/twice/s0"
    for key in ("feed1", "feed2"):
        begin(store, name, key).end("FINISHED")
    message = refused(place, name)
    assert refused(place, "feed") == message.replace(name, "feed", 1)
    return message


def begin(store, name, key, tags=None):
    task, variant, seed = name.split("/")
    params = {Param.TASK: task, Param.VARIANT: variant, Param.SEED: seed[1:]}
    tags = {Tag.KIND: "trial", Tag.STUDY: "s", Tag.TRIAL_KEY: key, **(tags or {})}
    return store.start(store.experiment(f"s/{task}"), name, params, tags, Path("no lock"))


@pytest.mark.parametrize("end", ["FAILED", "KILLED", None])
def test_a_trial_without_a_model(place, store, end):
    run = begin(store, f"char_lm/without_{end}/s0", f"key{end}")
    if end:
        run.end(end)
    assert f"is {end or 'RUNNING'} and has no artifact" in refused(place, run.id)


@keras.saving.register_keras_serializable(package="tests")
class OwnCallCell(variants.GatedLSTMCell):
    def call(self, inputs, states, training=False):
        return super().call(inputs, states, training)


@keras.saving.register_keras_serializable(package="tests")
class OwnCall(variants.GatedLSTM):
    cell_class = OwnCallCell


@pytest.mark.parametrize(
    "layer, reason", [(keras.layers.LSTM, "calls no layer"), (OwnCall, "a `call` of its own")], ids=["keras", "call"]
)
def test_a_model_that_cannot_be_looked_into(place, store, tmp_path, layer, reason):
    replaced = keras.Sequential([keras.Input((12, 10)), layer(3), keras.layers.Dense(10)])
    replaced.save(tmp_path / "model.keras")
    assert reason in refused(place, with_model(store, tmp_path, f"{layer.__name__}/s0"))


def test_a_model_that_is_not_one_or_is_not_finite(place, store, tmp_path):
    (tmp_path / "model.keras").write_text("torn")
    assert "cannot be loaded" in refused(place, with_model(store, tmp_path, "torn/s0"))
    trained = load(store, "forecast/peephole/s0")
    trained.set_weights([np.full_like(weight, np.nan) for weight in trained.get_weights()])
    trained.save(tmp_path / "model.keras")
    assert "not finite" in refused(place, with_model(store, tmp_path, "diverged/s0"))


def with_model(store, folder, name, tags=None):
    """A finished run with the configuration of the trial of a series and another model."""
    trained = run_of(store, "forecast/peephole/s0")
    run = begin(store, f"forecast/{name}", name, {Tag.DATA: trained.tags[Tag.DATA], **(tags or {})})
    run.add_files([store.artifacts.download(trained.run_id, "config.yaml", folder), folder / "model.keras"])
    run.end("FINISHED")
    return run.id


def test_data_that_have_changed(place, store, tmp_path):
    store.artifacts.download(run_of(store, "forecast/peephole/s0").run_id, "model.keras", tmp_path)
    run = with_model(store, tmp_path, "changed/s0", {Tag.DATA: "of other rows"})
    assert "are not those that it was trained on" in refused(place, run)


def test_help_waits_for_neither_tensorflow_nor_mlflow():
    code = "import sys; from experiments.gates.__main__ import main; main(['--help']); " + (
        "assert not {'tensorflow', 'keras', 'mlflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "python -m experiments.gates char_lm/standard/s0" in done.stdout


@pytest.mark.slow
def test_predictions_of_numbers_at_every_step_are_drawn(place):
    trial = untrained(place, "task=spike_delay", "task.train_size=4", "model.units=3")
    sequence = sequence_of_task(trial.task, "test", 0, 50)
    (panel,) = data(render(sequence, [activations(trial, sequence)]))["panels"]
    outputs = np.asarray(trial.model(sequence.inputs[None]))
    assert np.allclose([line["values"] for line in panel["predictedSeries"]], outputs[0, :50].T, atol=1e-5)


def test_a_page_that_would_be_too_large(place, monkeypatch):
    monkeypatch.setattr(trained_trial, "MOST_VALUES", 600)
    message = refused(place, "char_lm/standard/s0", "length=30")
    assert "length=30" in message and "Use length=10 or less" in message


def test_the_size_is_that_of_the_model(place, store):
    """Where as many parameters as the standard LSTM has are asked for, not that of the configuration."""
    run = run_of(store, "adding/janet/s0")
    assert run.params["model.units"] != run.params[Param.UNITS]
    assert f"1 x {run.params[Param.UNITS]} units" in browse(place, "adding/janet/s0")
