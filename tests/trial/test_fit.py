import dataclasses
import math

import keras
import numpy as np
import pytest

import variants
from experiments import tasks
from experiments.config.schema import Optimizer
from experiments.tasks import Metric
from experiments.trial import model, model_cache
from experiments.trial.fit import fit
from tests.conftest import spec_of

DATA = ("task.length=8", "task.train_size=64", "task.validation_size=20", "task.test_size=30")
TINY = (*DATA, "model.units=4", "tracking.gates=0")


def run(config, folder, **arguments):
    epochs = {}
    result = fit(spec_of(config), tasks.build(config.task), epochs.update, folder, **arguments)
    return result, epochs


@pytest.mark.parametrize("jit_compile", [pytest.param(True, marks=pytest.mark.slow), False])
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
    stacked = ("variant=peephole", "model.layers=2", "model.bidirectional=true", "training.jit_compile=false")
    config = make_config(*TINY, "training.epochs=2", *stacked)
    result, _ = run(config, tmp_path)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    task = tasks.build(config.task)
    predicted = loaded.predict(task.test.inputs, verbose=0)
    assert result.test["mse"] == pytest.approx(np.mean((predicted - task.test.targets) ** 2), rel=1e-4)
    assert result.parameters == loaded.count_params()
    assert result.loop == "fast"


def test_bits_per_character_are_those_of_reading_without_a_break(make_config, tmp_path):
    """Each of the four streams of the test part, read at once by the saved model, which carries no states."""
    text = tmp_path / "t.txt"
    text.write_text("the cat sat on the mat, and the dog barked. " * 60)
    settings = ("task.length=10", "training.epochs=2", "training.batch_size=4", "model.units=8", "model.layers=2")
    peephole = ("variant=peephole", "training.jit_compile=false")
    config = make_config("task=char_lm", f"task.path={text}", *settings, *peephole)
    result, _ = run(config, tmp_path)
    tokens = tasks.build(config.task).test.tokens
    share = -(-(len(tokens) - 1) // 4)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    surprise, correct = [], []
    for start in range(0, len(tokens) - 1, share):
        shown, asked = tokens[start : start + share], tokens[start + 1 : start + 1 + share]
        shown = shown[: len(asked)]
        logits = loaded.predict(shown[None], verbose=0)[0].astype("float64")
        log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        surprise += list(-log_p[np.arange(len(asked)), asked])
        correct += list(logits.argmax(axis=-1) == asked)
    assert len(surprise) == len(tokens) - 1
    assert result.test["bpc"] == pytest.approx(np.mean(surprise) / math.log(2), rel=1e-4)
    assert result.test["accuracy"] == pytest.approx(np.mean(correct), abs=1e-6)
    assert result.loop == "fast" and result.parameters == loaded.count_params()


@pytest.mark.slow
def test_every_pass_over_a_stream_begins_in_an_empty_state(make_config, tmp_path):
    """Validation scores do not depend on what was read before: those of the best epoch come again afterwards."""
    text = tmp_path / "t.txt"
    text.write_text("the cat sat on the mat, and the dog barked. " * 60)
    settings = ("task.length=10", "training.epochs=2", "training.jit_compile=false", "model.units=8")
    config = make_config("task=char_lm", f"task.path={text}", *settings)
    task = tasks.build(config.task)
    epochs = {}
    twice = dataclasses.replace(task, test=task.validation)
    result = fit(spec_of(config), twice, epochs.update, tmp_path)
    assert result.test["bpc"] == pytest.approx(epochs[result.best_epoch]["val/bpc"], rel=1e-6)


def test_what_a_task_measures_itself_is_in_the_result(make_config, tmp_path):
    config = make_config(*TINY, "training.epochs=1")
    task = tasks.build(config.task)
    worst = Metric("worst", "largest error")
    measured = dataclasses.replace(
        task,
        metrics=(worst, *task.metrics),
        monitor=task.score,
        measure=lambda predict: {"worst": float(np.abs(predict(task.test) - task.test.targets).max())},
    )
    result = fit(spec_of(config), measured, lambda _: None, tmp_path)
    predicted = keras.saving.load_model(tmp_path / "model.keras").predict(task.test.inputs, verbose=0)
    assert result.test["worst"] == pytest.approx(np.abs(predicted - task.test.targets).max(), rel=1e-5)
    assert list(result.test) == ["worst", "mse"]


def test_best_weights_are_kept_and_patience_stops(make_config, tmp_path):
    config = make_config(*TINY, "training.epochs=40", "training.learning_rate=0.5", "training.patience=2")
    result, curves = run(config, tmp_path)
    scores = {epoch: metrics["val/mse"] for epoch, metrics in curves.items()}
    assert result.best_epoch == min(scores, key=scores.get)
    assert result.epochs == len(scores) == min(result.best_epoch + 2, 40) < 40
    task = tasks.build(config.task)
    predicted = keras.saving.load_model(tmp_path / "model.keras").predict(task.validation.inputs, verbose=0)
    assert np.mean((predicted - task.validation.targets) ** 2) == pytest.approx(min(scores.values()), rel=1e-4)


@pytest.mark.slow
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
    model_cache.compile_model(built, tasks.build(config.task), config.training)
    assert built.optimizer.global_clipnorm == 0.25
    assert set(model_cache.OPTIMIZERS) == set(Optimizer)


def test_the_model_is_made_of_our_layers(make_config):
    config = make_config("variant=odyssey/coupled_gates", "model.layers=3", "model.units=5")
    built = model.build(tasks.build(config.task), config.variant, config.model)
    ours = [layer for layer in built.layers if isinstance(layer, variants.GatedLSTM)]
    assert [layer.return_sequences for layer in ours] == [True, True, False]
    assert {(layer.units, layer.forget_gate, layer.peephole) for layer in ours} == {(5, "coupled", "diagonal")}
