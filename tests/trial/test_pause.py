"""A trial that is paused at rungs ends with the bits of one that was never paused."""

import keras
import pytest

from experiments import tasks
from experiments.trial import model_cache
from experiments.trial.fit import Pause, TrialResult, fit
from tests.conftest import spec_of
from tests.trial.test_resume import CASES, numbers


def train(config, folder, told):
    folder.mkdir(exist_ok=True)
    model_cache._cache.clear()  # as in a fresh process
    return fit(spec_of(config), tasks.build(config.task), told.update, folder, owner="me")


def weights(folder):
    return [weight.tobytes() for weight in keras.saving.load_model(folder / "model.keras").get_weights()]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_after_two_rungs(make_config, tmp_path, case):
    words = (*CASES[case], "sweep.checkpoint_s=null", "tracking.gates=2")
    whole, told = {}, {}
    result = train(make_config(*words), tmp_path / "whole", whole)
    score = tasks.build(make_config(*words).task).chooses
    choose = min if score.better == "lower" else max
    for rung in (1, 3):
        pause = train(make_config(*words, f"sweep.pause_after={rung}"), tmp_path / "parts", told)
        assert isinstance(pause, Pause) and pause.epoch == rung == len(told)
        assert pause.best_validation == choose(told[epoch][f"val/{score.name}"] for epoch in told)
        assert not (tmp_path / "parts/model.keras").exists(), "it is not evaluated"
    again = train(make_config(*words), tmp_path / "parts", told)
    assert isinstance(again, TrialResult)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert (again.test, again.best_epoch, again.best_validation) == (
        result.test,
        result.best_epoch,
        result.best_validation,
    )
    assert numbers(told) == numbers(whole), "the gates are looked at after the same epochs"


def test_what_ends_before_its_pause_has_ended(make_config, tmp_path):
    """By patience; and a pause after the last epoch is none."""
    early = train(make_config(*CASES["patience"], "sweep.pause_after=25"), tmp_path / "early", {})
    assert isinstance(early, TrialResult) and early.epochs < 25
    last = train(make_config(*CASES["standard"], "sweep.pause_after=6"), tmp_path / "last", {})
    assert isinstance(last, TrialResult) and last.epochs == 6


@pytest.mark.slow
def test_a_checkpoint_beyond_the_pause_counts_up_to_it(make_config, tmp_path):
    """That of another study with the same trial, which has gone on further."""
    told = {}
    train(make_config(*CASES["standard"], "sweep.pause_after=4"), tmp_path / "a", told)
    early = train(make_config(*CASES["standard"], "sweep.pause_after=2"), tmp_path / "a", {})
    assert isinstance(early, Pause)
    assert early.best_validation == min(told[epoch]["val/mse"] for epoch in (1, 2))
