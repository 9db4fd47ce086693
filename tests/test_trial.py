import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import variants
from experiments import model, tasks, trial
from experiments.batches import evaluation_batches, training_batches
from experiments.schema import Optimizer
from experiments.tasks import Split

TINY = ("task.length=8", "task.train_size=64", "task.validation_size=20", "task.test_size=30", "model.units=4")


def split(count=10):
    return Split(np.arange(count, dtype="float32")[:, None, None], np.arange(count, dtype="float32")[:, None])


def order(batches):
    return np.concatenate([x.numpy().ravel() for x, _ in batches]).astype(int).tolist()


def test_training_order_is_decided_by_seed_and_epoch():
    epoch = tf.Variable(0, dtype="int32")
    batches = training_batches(split(), 2, 5, epoch)
    first, again = order(batches), order(batches)
    epoch.assign(1)
    second = order(batches)
    assert first == again and first != second and sorted(first) == sorted(second) == list(range(10))
    assert order(training_batches(split(), 2, 6, epoch)) != second
    assert order(training_batches(split(), 2, 5, tf.Variable(1, dtype="int32"))) == second


def test_training_batches_are_full():
    batches = list(training_batches(split(), 4, 0, tf.Variable(0, dtype="int32")))
    assert [len(x) for x, _ in batches] == [4, 4]
    assert all((x.numpy().ravel() == y.numpy().ravel()).all() for x, y in batches)


def test_evaluation_covers_every_sequence_once():
    batches = list(evaluation_batches(split(), 4, per_step=False))
    weights = np.concatenate([w for _, _, w in batches])
    inputs = np.concatenate([x for x, _, _ in batches]).ravel()
    assert weights.tolist() == [1] * 10 + [0] * 2 and inputs[:10].tolist() == list(range(10))


def run(config, folder, **arguments):
    epochs = {}
    result = trial.run(config, tasks.build(config.task), epochs.__setitem__, folder, **arguments)
    return result, epochs


@pytest.mark.parametrize("jit_compile", [True, False])
def test_the_same_settings_give_the_same_numbers(make_config, tmp_path, jit_compile):
    config = make_config(*TINY, "training.epochs=3", f"training.jit_compile={jit_compile}")
    (first, curves), (second, again) = run(config, tmp_path), run(config, tmp_path)
    assert first.test == second.test
    for epoch in (1, 2, 3):
        for name in ("train/loss", "train/mse", "val/mse"):
            assert curves[epoch][name] == again[epoch][name]
    other, _ = run(make_config(*TINY, "training.epochs=3", "seed=1"), tmp_path)
    assert other.test != first.test


def test_test_score_is_that_of_the_saved_model(make_config, tmp_path):
    config = make_config(*TINY, "training.epochs=2", "variant=peephole", "model.layers=2", "model.bidirectional=true")
    result, _ = run(config, tmp_path)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    task = tasks.build(config.task)
    predicted = loaded.predict(task.test.inputs, verbose=0)
    assert result.test["mse"] == pytest.approx(np.mean((predicted - task.test.targets) ** 2), rel=1e-4)
    assert result.parameters == loaded.count_params()
    assert result.loop == "fast"


def test_bits_per_character_are_those_of_the_saved_model(make_config, tmp_path):
    text = tmp_path / "t.txt"
    text.write_text("the cat sat on the mat. " * 60)
    config = make_config("task=char_lm", f"task.path={text}", "task.length=10", "training.epochs=2", "model.units=8")
    result, _ = run(config, tmp_path)
    task = tasks.build(config.task)
    logits = keras.saving.load_model(tmp_path / "model.keras").predict(task.test.inputs, verbose=0).astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    bits = -np.take_along_axis(log_p, task.test.targets[..., None], axis=-1).mean() / math.log(2)
    assert result.test["bpc"] == pytest.approx(bits, rel=1e-4)
    accuracy = (logits.argmax(axis=-1) == task.test.targets).mean()
    assert result.test["accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_best_weights_are_kept_and_patience_stops(make_config, tmp_path):
    config = make_config(*TINY, "training.epochs=40", "training.learning_rate=0.5", "training.patience=2")
    result, curves = run(config, tmp_path)
    scores = {epoch: metrics["val/mse"] for epoch, metrics in curves.items()}
    assert result.best_epoch == min(scores, key=scores.get)
    assert result.epochs == len(scores) == min(result.best_epoch + 2, 40) < 40
    task = tasks.build(config.task)
    predicted = keras.saving.load_model(tmp_path / "model.keras").predict(task.validation.inputs, verbose=0)
    assert np.mean((predicted - task.validation.targets) ** 2) == pytest.approx(min(scores.values()), rel=1e-4)


def test_a_loss_that_is_not_finite_ends_the_trial_as_diverged(make_config, tmp_path):
    config = make_config(
        *TINY,
        "variant.output_activation=linear",
        "variant.gate_activation=linear",
        "training.optimizer=sgd",
        "training.clipnorm=null",
        "training.learning_rate=1e6",
    )
    result, curves = run(config, tmp_path)
    assert result.diverged and math.isnan(result.test["mse"]) and result.best_epoch is None
    assert result.epochs == len(curves) < config.training.epochs


def test_gradients_are_clipped_by_their_whole_norm(make_config):
    config = make_config("training.clipnorm=0.25")
    built = model.build(tasks.build(config.task), config.variant, config.model)
    trial._compile(built, tasks.build(config.task), config.training)
    assert built.optimizer.global_clipnorm == 0.25
    assert set(trial.OPTIMIZERS) == set(Optimizer)


def test_the_model_is_made_of_our_layers(make_config):
    config = make_config("variant=coupled_gates", "model.layers=3", "model.units=5")
    built = model.build(tasks.build(config.task), config.variant, config.model)
    ours = [layer for layer in built.layers if isinstance(layer, variants.GatedLSTM)]
    assert [layer.return_sequences for layer in ours] == [True, True, False]
    assert {(layer.units, layer.forget_gate, layer.peephole) for layer in ours} == {(5, "coupled", "diagonal")}
