"""The gate browser on trained trials: its pages decode to the trace of the model, and mistakes are told."""

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
from experiments.gates.__main__ import main
from experiments.gates.page import render
from experiments.gates.sequence import Wanted, sequence
from experiments.gates.source import trace
from experiments.gates.units import QUANTITIES
from experiments.sweep import run_trial as record
from experiments.tracking import Store
from experiments.tracking.transfer import artifacts, download
from tests.conftest import ROOT
from tests.gates.gate_trials import OF_TEXT, TEXT, TRIALS, data, overrides, settings, untrained, write_files


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store with a trained trial of each of `TRIALS`."""
    folder = tmp_path_factory.mktemp("gates")
    write_files(folder)
    for name in TRIALS:
        settled = overrides(folder, name)
        assert record.find_or_train(settings(folder, *settled), tuple(settled), verbose=0).score is not None
    return folder


@pytest.fixture(scope="module")
def store(place):
    return Store(None, f"{place}/out")


def trial(store, name):
    return next(each for each in store.trials("s") if each.name == name)


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
        file = download(store, trial(store, name).run_id, "model.keras", Path(folder))
        return keras.saving.load_model(file, compile=False)


def assert_decodes(panel, traced, mask):
    assert [layer["name"] for layer in panel["layers"]] == list(traced)
    for layer in panel["layers"]:
        assert set(layer["quantities"]) == set(QUANTITIES)
        for quantity, coded in layer["quantities"].items():
            expected = np.where(mask[:, None], traced[layer["name"]][quantity][0, : len(mask)], np.nan)
            found = decoded(coded, len(mask))
            assert np.array_equal(np.isnan(found), np.isnan(expected))
            error = np.nan_to_num(np.abs(found - expected)).max(axis=0)
            assert (error <= np.array(coded["sizes"]) / 65534 + 1e-6).all()


def test_the_values_of_a_text_are_those_of_the_trace(place, store):
    page = data(browse(place, "char_lm/standard/s0", "length=70"))
    task = tasks.build(settings(place, *OF_TEXT, f"task.path={place / 'text.txt'}").task)
    tokens = task.test.tokens[:70]
    assert page["input"]["tokens"] == [task.tokens[k] for k in tokens]
    trained = load(store, "char_lm/standard/s0")
    (panel,) = page["panels"]
    assert_decodes(panel, variants.trace(trained, tokens[None]), np.ones(70, bool))
    logits = np.asarray(trained(tokens[None]))[0, 9]
    assert panel["answers"][9].startswith(repr(task.tokens[int(logits.argmax())]))
    assert panel["answers"][9].split("right: ")[1].startswith(repr(task.tokens[task.test.tokens[10]]))


def test_the_values_of_ragged_sequences_in_both_directions(place, store):
    page = data(browse(place, "anbn/standard/s0", "sequence=1"))
    task = tasks.build(settings(place, *TRIALS["masked"]).task)
    inputs, mask = task.test.inputs[1], task.test.mask[1]
    assert page["input"]["mask"] == mask.astype(int).tolist() and not mask.all()
    (panel,) = page["panels"]
    traced = variants.trace(load(store, "anbn/standard/s0"), {"inputs": inputs[None], "mask": mask[None]})
    assert_decodes(panel, traced, mask)
    assert [layer["backwards"] for layer in panel["layers"]] == [False, True]
    assert all(mask[step] for found in panel["worth"] for step in found["steps"])


def test_the_values_of_a_series_of_ten_channels(place, store):
    page = data(browse(place, "forecast/peephole/s0", "split=validation", "sequence=2", "length=7"))
    path = f"task.path={place / 'series.csv'}"
    part = tasks.build(settings(place, *TRIALS["series"], path).task).validation
    channels = [channel["values"] for channel in page["input"]["channels"]]
    assert np.allclose(np.transpose(channels), part.inputs[2, :7], atol=1e-5)
    traced = variants.trace(load(store, "forecast/peephole/s0"), part.inputs[2:3])
    assert_decodes(page["panels"][0], traced, np.ones(7, bool))


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


def test_two_trials_side_by_side_and_the_artifact(place, store):
    page = data(browse(place, "char_lm/standard/s0", "char_lm/swapped/s0", "length=30", out="two.html"))
    assert [panel["name"] for panel in page["panels"]] == ["char_lm/standard/s0", "char_lm/swapped/s0"]
    for name in ("char_lm/standard/s0", "char_lm/swapped/s0"):
        assert "two.html" in list(artifacts(store, trial(store, name).run_id))
        assert trial(store, name).status == "FINISHED"


def test_a_trial_by_run_and_by_key_and_where_the_page_is(place, store, capsys):
    found = trial(store, "forecast/peephole/s0")
    for word in (found.run_id, found.run_id[:12], found.tags["trial_key"], found.tags["trial_key"][:12]):
        assert data(browse(place, word))["panels"][0]["name"] == "forecast/peephole/s0"
    main([found.run_id, f"output_dir={place}/out"])
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
    told = refused(place, name)
    assert refused(place, "feed") == told.replace(name, "feed", 1)
    return told


def begin(store, name, key, **tags):
    task, variant, seed = name.split("/")
    params = {"task": task, "variant": variant, "seed": seed[1:]}
    described = {"kind": "trial", "study": "s", "trial_key": key, **tags}
    return store.start(store.experiment(f"s/{task}"), name, params, described, Path("no lock"))


@pytest.mark.parametrize("end", ["FAILED", "KILLED", None])
def test_a_trial_without_a_model(place, store, end):
    run = begin(store, f"char_lm/without_{end}/s0", f"key{end}")
    if end:
        run.end(end)
    told = refused(place, run.id)
    assert f"is {end or 'RUNNING'} and has no artifact" in told


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


def with_model(store, folder, name, **tags):
    """A finished run with the configuration of the trial of a series and another model."""
    source = trial(store, "forecast/peephole/s0")
    run = begin(store, f"forecast/{name}", name, **{"data_sha256": source.tags["data_sha256"], **tags})
    run.add_files([download(store, source.run_id, "config.yaml", folder), folder / "model.keras"])
    run.end("FINISHED")
    return run.id


def test_data_that_have_changed(place, store, tmp_path):
    download(store, trial(store, "forecast/peephole/s0").run_id, "model.keras", tmp_path)
    run = with_model(store, tmp_path, "changed/s0", data_sha256="of other rows")
    assert "are not those that it was trained on" in refused(place, run)


def test_help_waits_for_neither_tensorflow_nor_mlflow():
    code = "import sys; from experiments.gates.__main__ import main; main(['--help']); " + (
        "assert not {'tensorflow', 'keras', 'mlflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "python -m experiments.gates char_lm/standard/s0" in done.stdout


def test_predictions_of_numbers_at_every_step_are_drawn(place):
    source = untrained(place, "task=spike_delay", "task.train_size=4", "model.units=3")
    read = sequence(source.task, "spike_delay", Wanted(length=50))
    traced = trace(source, read)
    (panel,) = data(render(read, [traced]))["panels"]
    outputs = np.asarray(source.model(read.inputs[None]))
    assert np.allclose([line["values"] for line in panel["predicted"]], outputs[0, :50].T, atol=1e-5)


def test_a_page_that_would_be_too_large(place, monkeypatch):
    from experiments.gates import source

    monkeypatch.setattr(source, "MOST_VALUES", 600)
    told = refused(place, "char_lm/standard/s0", "length=30")
    assert "length=30" in told and "Use length=10 or less" in told
