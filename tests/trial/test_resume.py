"""An interrupted trial goes on from its checkpoint and ends with the bits of one that was never interrupted."""

import os
from types import SimpleNamespace

import keras
import pytest

from experiments import tasks
from experiments.trial import callbacks, model_cache
from experiments.trial.fit import fit
from tests.conftest import spec_of

TINY = ("task=adding", "task.length=8", "task.train_size=64", "task.validation_size=20", "task.test_size=30")
SMALL = (*TINY, "model.units=4", "training.epochs=6", "sweep.checkpoint_s=0", "tracking.gates=0")
CASES = {
    "standard": SMALL,
    "random": (*SMALL, "variant=zoneout", "model.dropout=0.3", "model.layers=2", "training.jit_compile=false"),
    "patience": (*SMALL, "training.epochs=30", "training.learning_rate=0.3", "training.patience=4"),
    "momentum": (*SMALL, "training.optimizer=rmsprop", "model.bidirectional=true", "training.steps_per_execution=1"),
    "stream": ("task=char_lm", "task.limit=3000", "task.length=10", "training.epochs=4", "sweep.checkpoint_s=0"),
}
QUICK = "random"


def train(config, folder, listener=lambda epochs: None):
    folder.mkdir(exist_ok=True)
    result = fit(spec_of(config), tasks.build(config.task), listener, folder, owner="me")
    return result, [weight.tobytes() for weight in keras.saving.load_model(folder / "model.keras").get_weights()]


def numbers(epochs):
    return {e: {name: value for name, value in metrics.items() if name[:4] != "time"} for e, metrics in epochs.items()}


class Stop(BaseException):
    """What may end a process at any moment."""


def stopping_after(count, told):
    def listener(epochs):
        told.update(epochs)
        if len(told) == count + 1:  # the checkpoint of `count` is written, that of the next epoch is not
            raise Stop

    return listener


@pytest.mark.parametrize("case", [pytest.param(c, marks=[] if c == QUICK else pytest.mark.slow) for c in CASES])
def test_the_same_bits_after_interruptions(make_config, tmp_path, case):
    config = make_config(*CASES[case], "model.units=4")
    whole = {}
    result, weights = train(config, tmp_path / "whole", whole.update)
    assert len(whole) == result.epochs
    told = {}
    for count in (1, 2, result.epochs - 1):
        with pytest.raises(Stop):
            train(config, tmp_path / "parts", stopping_after(count, told))
        model_cache._cache.clear()  # as in a fresh process
    again, again_weights = train(config, tmp_path / "parts", told.update)
    assert again_weights == weights
    assert again.test == result.test
    assert (again.epochs, again.best_epoch) == (result.epochs, result.best_epoch)
    assert numbers(told) == numbers(whole)
    seconds = [told[epoch]["time/epoch_s"] for epoch in sorted(told)]
    assert again.train_s == pytest.approx(sum(seconds)) and again.trained_now_s == pytest.approx(seconds[-1])
    assert 0 < again.compiled_now_s < again.compile_s


@pytest.mark.slow
def test_a_trial_that_was_stopped_by_patience_is_not_trained_further(make_config, tmp_path):
    config = make_config(*CASES["patience"])
    result, weights = train(config, tmp_path)
    assert result.epochs < 30
    again, again_weights = train(config, tmp_path)
    assert (again.epochs, again.best_epoch, again_weights) == (result.epochs, result.best_epoch, weights)


@pytest.mark.slow
def test_a_diverged_trial_stays_diverged(make_config, tmp_path):
    settings = ("training.optimizer=sgd", "training.clipnorm=null", "training.learning_rate=1e6")
    linear = ("variant.output_activation=linear", "variant.gate_activation=linear")
    config = make_config(*SMALL, *settings, *linear)
    first, _ = train(config, tmp_path)
    assert first.diverged
    again, _ = train(config, tmp_path)
    assert again.diverged and again.epochs == first.epochs


def test_a_torn_checkpoint_costs_time_and_nothing_else(make_config, tmp_path, capsys):
    config = make_config(*SMALL)
    _, weights = train(config, tmp_path / "whole")
    with pytest.raises(Stop):
        train(config, tmp_path / "parts", stopping_after(3, {}))
    file = tmp_path / "parts" / "checkpoint.npz"
    os.truncate(file, file.stat().st_size // 2)
    _, again = train(config, tmp_path / "parts")
    assert again == weights
    assert "cannot be read" in capsys.readouterr().out


def test_training_goes_on_where_no_checkpoint_can_be_written(make_config, tmp_path, capsys):
    config = make_config(*SMALL)
    (tmp_path / "checkpoint.partial").mkdir()
    result, _ = train(config, tmp_path)
    assert result.epochs == 6
    assert "no checkpoint of epoch 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("every_s", "written"), [(None, [3, 7, 11, 15, 19]), (0.0, list(range(1, 21))), (6.0, [6, 12, 18])]
)
def test_checkpoints_take_two_percent_of_the_time_unless_told_otherwise(monkeypatch, every_s, written):
    """An epoch takes a second, telling and writing a sixteenth: the next time is due after 3.125 seconds."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: clock.now)
    told, progress = [], callbacks.Progress()

    def listen(epochs):
        told.append(list(epochs))
        clock.now += 0.0625

    recorder = callbacks.Recorder(None, "", progress, None, listen, every_s)
    recorder.set_model(SimpleNamespace(stop_training=False))
    recorder.on_train_begin()
    for epoch in range(20):
        clock.now += 1.0
        progress.epochs[epoch + 1] = {}
        recorder.on_epoch_end(epoch)
    assert [epochs[-1] for epochs in told] == written
    assert [epoch for epochs in told for epoch in epochs] == list(range(1, written[-1] + 1))
