"""Gates traced in training: when, what is recorded, and that training does not notice."""

import math

import keras
import mlflow
import numpy as np
import pytest
from PIL import Image

import variants
from experiments import tasks
from experiments.config.identity import trial_key
from experiments.config.schema import Training
from experiments.sweep.run_trial import run_trial
from experiments.tracking import Store
from experiments.trial import gate_pictures, model_cache
from experiments.trial.batches import evaluation_batches
from experiments.trial.callbacks import Progress
from experiments.trial.fit import fit
from experiments.trial.gate_callback import GateCallback, gate_batch
from experiments.trial.spec import TrialSpec
from variants.trace import Tracer

PLAIN = ("model.units=4", "training.jit_compile=false")  # compiled sooner
TINY = ("task.train_size=64", "task.validation_size=20", "task.test_size=30", *PLAIN)
ADDING = ("task=adding", "task.length=8", *TINY)
STREAM = ("task=char_lm", "task.limit=3000", "task.length=10", *PLAIN, "training.batch_size=4")
CASES = {
    "standard": (*ADDING, "training.jit_compile=true"),
    "random": (*ADDING, "variant=zoneout", "model.dropout=0.3", "model.layers=2", "model.bidirectional=true"),
    "masked": ("task=anbn", "task.train_size=64", *PLAIN),
    "stream": (*STREAM, "model.dropout=0.2"),
}
GATE_METRICS = {
    *(f"{gate}_gate/{what}" for gate in ("input", "forget", "output") for what in ("mean", "left_saturated")),
    *(f"{gate}_gate/right_saturated" for gate in ("input", "forget", "output")),
    *("time_scale", "cell_state/mean", "cell_state/largest", "gradient_first_to_last"),
}


def spec_of(config):
    return TrialSpec.of(config, tasks.build(config.task))


def train(config, folder):
    """The result of training, and the metrics by epoch."""
    folder.mkdir(exist_ok=True)
    epochs = {}
    result = fit(spec_of(config), tasks.build(config.task), epochs.update, folder)
    return result, epochs


def traced(epochs):
    return [epoch for epoch, metrics in epochs.items() if any(name.startswith("gates/") for name in metrics)]


def without(epochs, *prefixes):
    return {
        epoch: {name: value for name, value in metrics.items() if not name.startswith(prefixes)}
        for epoch, metrics in epochs.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_training_does_not_notice(make_config, tmp_path, case):
    """All weights, curves and scores have the same bits with gates traced at every epoch and at none."""
    outcomes = []
    for every in (1, 0):
        model_cache._cache.clear()
        config = make_config(*CASES[case], "training.epochs=3", f"tracking.gates={every}")
        result, epochs = train(config, tmp_path / str(every))
        (compiled,) = model_cache._cache.values()
        state = [np.array(variable).tobytes() for variable in model_cache.state(compiled.model)]
        saved = keras.saving.load_model(tmp_path / str(every) / "model.keras").get_weights()
        weights = [weight.tobytes() for weight in saved]
        outcomes.append([state, weights, result.test, without(epochs, "gates/", "time/")])
        assert traced(epochs) == ([1, 2, 3] if every else [])
        assert (result.gates_s > 0) == bool(every)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("every", "expected"), [("null", [1, 2, 4, 7]), pytest.param(3, [3, 6, 7], marks=pytest.mark.slow), (0, [])]
)
def test_which_epochs(make_config, tmp_path, every, expected):
    _, epochs = train(make_config(*ADDING, "training.epochs=7", f"tracking.gates={every}"), tmp_path)
    assert traced(epochs) == expected
    for epoch in expected:
        names = {name for name in epochs[epoch] if name.startswith("gates/")}
        assert names == {f"gates/lstm_1/{name}" for name in GATE_METRICS}


def test_the_last_epoch_is_traced_when_patience_ends_training(make_config, tmp_path):
    settings = ("training.epochs=40", "training.learning_rate=0.5", "training.patience=2")
    result, epochs = train(make_config(*ADDING, *settings), tmp_path)
    assert result.epochs < 40 and traced(epochs)[-1] == result.epochs


def test_the_metrics_are_those_of_the_trained_model_on_the_first_validation_sequences(make_config, tmp_path):
    """The best epoch is the last one here, so the saved model has the weights of the last trace."""
    config = make_config(*ADDING, "training.epochs=4", "training.learning_rate=0.003")
    result, epochs = train(config, tmp_path)
    assert result.best_epoch == 4
    shown = tasks.build(config.task).validation.inputs[:16]
    arrays = variants.trace(keras.saving.load_model(tmp_path / "model.keras"), shown)["lstm_1"]
    metrics = epochs[4]
    assert metrics["gates/lstm_1/forget_gate/mean"] == pytest.approx(arrays["forget_gate"].mean(), rel=1e-5)
    assert metrics["gates/lstm_1/cell_state/largest"] == pytest.approx(abs(arrays["cell_state"]).max(), rel=1e-5)


@pytest.mark.parametrize("name", ["adding", "anbn", "copy_memory", "sunspots", "digits"])
def test_the_sequences_are_the_first_of_validation(make_config, name):
    task = tasks.build(make_config(f"task={name}").task)
    evaluated = next(iter(evaluation_batches(task.validation, 32, task.per_step)))
    batch = gate_batch(task, batch_size=32)
    keras.tree.assert_same_structure(batch, evaluated)
    for array, expected in zip(keras.tree.flatten(batch), keras.tree.flatten(evaluated), strict=True):
        assert len(array) == min(16, len(task.validation))
        np.testing.assert_array_equal(array, expected[: len(array)])
        assert array.dtype == expected.numpy().dtype


def test_of_a_stream_the_beginning_of_each_row_is_traced(make_config):
    stream = tasks.build(make_config(*STREAM).task)
    inputs, targets, _ = gate_batch(stream, batch_size=4)
    np.testing.assert_array_equal(inputs[0], stream.validation.tokens[:10])
    np.testing.assert_array_equal(targets[0], stream.validation.tokens[1:11])
    assert inputs.shape == (4, 10)


@pytest.mark.slow
def test_a_second_seed_compiles_nothing_and_is_traced_alike(make_config, tmp_path):
    model_cache._cache.clear()
    train(make_config(*ADDING, "training.epochs=2"), tmp_path / "a")
    (compiled,) = model_cache._cache.values()
    seconds = compiled.tracer.compile_s
    _, epochs = train(make_config(*ADDING, "training.epochs=2", "seed=1"), tmp_path / "b")
    assert compiled.tracer.compile_s == seconds > 0
    model_cache._cache.clear()
    _, fresh = train(make_config(*ADDING, "training.epochs=2", "seed=1"), tmp_path / "c")
    assert without(epochs, "time/") == without(fresh, "time/")


def test_a_diverged_trial_ends_as_it_would(make_config, tmp_path):
    linear = ("variant.output_activation=linear", "variant.gate_activation=linear", "training.optimizer=sgd")
    settings = (*linear, "training.clipnorm=null", "training.learning_rate=1e6", "tracking.gates=1")
    result, epochs = train(make_config(*ADDING, *settings), tmp_path)
    assert result.diverged and math.isnan(result.test["mse"])
    assert traced(epochs) == [epoch for epoch in epochs if epoch < result.epochs]
    assert all(
        math.isfinite(v) for metrics in epochs.values() for name, v in metrics.items() if name.startswith("gates/")
    )


def test_a_layer_that_cannot_be_traced_is_trained_all_the_same(tmp_path, capsys, make_config):
    class OwnCall(variants.GatedLSTM):
        class cell_class(variants.GatedLSTMCell):  # noqa: N801
            def call(self, inputs, states, training=False):
                return super().call(inputs, states, training)

    task = tasks.build(make_config(*ADDING).task)
    model = keras.Sequential([keras.Input((8, 2)), OwnCall(3, name="own"), keras.layers.Dense(1)])
    model.compile("adam", "mean_squared_error")
    progress = Progress(epochs={1: {}, 2: {}})
    callback = GateCallback(task, Training(epochs=2), progress, 1, tmp_path / "gates", Tracer(model))
    model.fit(task.train.inputs, task.train.targets, epochs=2, verbose=0, callbacks=[callback])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["the gates cannot be traced: cell_class of layer 'own' has a `call` of its own"]
    assert progress.epochs == {1: {}, 2: {}}


def images(store, run_id):
    """Step of each image of a key, and the files."""
    client = mlflow.MlflowClient(store.uri)
    files = [item.path for item in client.list_artifacts(run_id, "images") if item.path.endswith(".png")]
    steps_by_key = {}
    for file in files:
        key, _, step, *_ = file.removeprefix("images/").split("+")
        steps_by_key.setdefault(key, []).append(int(step))
    return {key: sorted(steps) for key, steps in steps_by_key.items()}, files


def test_the_store_has_curves_by_epoch_and_pictures_with_steps(make_config, tmp_path):
    config = make_config(*ADDING, "training.epochs=9", "model.layers=2", "study=gates")
    outcome = run_trial(spec_of(config), verbose=0)
    store = Store(None, config.output_dir)
    client = mlflow.MlflowClient(store.uri)
    for layer in ("lstm_1", "lstm_2"):
        for name in GATE_METRICS:
            points = client.get_metric_history(outcome.run_id, f"gates/{layer}/{name}")
            assert [point.step for point in points] == [1, 2, 4, 8, 9]
    steps, files = images(store, outcome.run_id)
    assert steps == {"gates~lstm_1": [0, 2, 9], "gates~lstm_2": [0, 2, 9]}
    assert client.get_run(outcome.run_id).data.tags["mlflow.loggedImages"] == "True"
    picture = client.download_artifacts(outcome.run_id, files[0], str(tmp_path))
    with Image.open(picture) as image:
        assert image.size == (800, 450) and len(set(image.convert("RGB").getdata())) > 10


def test_a_trial_that_goes_on_has_each_step_and_each_picture_once(make_config, tmp_path, monkeypatch):
    config = make_config(*ADDING, "training.epochs=4", "sweep.checkpoint_s=0", "tracking.gates=1", "study=gates")
    save, saved = gate_pictures.save, []

    def killed_once(folder, epoch, layers):
        save(folder, epoch, layers)
        saved.append(epoch)
        if saved == [0, 1, 2, 3]:
            raise KeyboardInterrupt

    monkeypatch.setattr(gate_pictures, "save", killed_once)
    with pytest.raises(KeyboardInterrupt):
        run_trial(spec_of(config), verbose=0)
    outcome = run_trial(spec_of(config), verbose=0)
    assert outcome.status == "finished" and saved == [0, 1, 2, 3, 3, 4]
    store = Store(None, config.output_dir)
    history = mlflow.MlflowClient(store.uri).get_metric_history(outcome.run_id, "gates/lstm_1/time_scale")
    assert [point.step for point in history] == [1, 2, 3, 4]
    assert images(store, outcome.run_id)[0] == {"gates~lstm_1": [0, 1, 2, 3, 4]}


def test_what_an_earlier_try_left_without_a_checkpoint_is_not_shown(make_config, tmp_path):
    left = tmp_path / "gates"
    left.mkdir()
    (left / "64.json").write_text('{"lstm_1": {"gates": {}, "gradient": [1.0]}}')
    train(make_config(*ADDING, "training.epochs=1"), tmp_path)
    assert [(key, epoch) for key, epoch, _ in gate_pictures.pictures(left, "standard")] == [
        ("gates/lstm_1", 0),
        ("gates/lstm_1", 1),
    ]


def test_pictures_of_gates_without_a_range_and_of_no_gradient(tmp_path):
    (tmp_path / "2.json").write_text('{"lstm:2": {"gates": {}, "gradient": [null, 0.0, null]}}')
    ((key, epoch, image),) = gate_pictures.pictures(tmp_path, "sLSTM")
    assert (key, epoch, image.size) == ("gates/lstm.2", 2, (800, 450))


def test_the_pictures_that_are_drawn_are_spread_over_the_epochs(tmp_path):
    for epoch in (1, 2, 4, 8, 16, 32, 40):
        (tmp_path / f"{epoch}.json").write_text('{"lstm_1": {"gates": {}, "gradient": [1.0]}}')
    assert [epoch for _, epoch, _ in gate_pictures.pictures(tmp_path, "t", 4)] == [1, 4, 16, 40]
    assert [epoch for _, epoch, _ in gate_pictures.pictures(tmp_path, "t")] == [1, 2, 4, 8, 16, 32, 40]


def test_tracing_is_no_part_of_the_trial_key(make_config):
    keys = {trial_key(make_config(*ADDING, f"tracking.gates={every}"), "") for every in ("null", 0, 5)}
    assert len(keys) == 1
