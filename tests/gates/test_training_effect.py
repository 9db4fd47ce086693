"""What a survey says that training has changed, and what it may not say."""

import io

import numpy as np
import pandas as pd
import pytest

from experiments import analysis
from experiments.gates.training_effect import caution, training_effects


def survey(replicates, gain=0.5):
    """A survey of one layer: a probe that training raises, a control that it leaves, and what inputs give."""
    random, rows = np.random.default_rng(0), []
    for replicate in range(replicates):
        for model in ("inputs", "trained", "untrained"):
            layer = "" if model == "inputs" else "lstm_1"
            probe = 0.25 if model == "inputs" else 0.2 + gain * (model == "trained") + 0.01 * random.normal()
            for measure, value in (("depth/probe", probe), ("depth/control", 0.01 * random.normal())):
                rows.append(("char_lm", "standard", f"seed={replicate}", model, layer, measure, value))
    return pd.DataFrame(rows, columns=["task", "variant", "replicate", "model", "layer", "measure", "value"])


def test_effects_of_ten_seeds():
    frame = survey(10)
    probe, control = training_effects(frame)
    assert (probe.task, probe.variant, probe.layer, probe.measure) == ("char_lm", "standard", "lstm_1", "depth/probe")
    values = [
        frame[(frame.measure == "depth/probe") & (frame.model == model)].value.to_numpy()
        for model in ("trained", "untrained", "inputs")
    ]
    assert list(probe.means.values()) == [analysis.mean(scores) for scores in values]
    comparison = analysis.compare(*values[:2], "higher", resampled=True)
    assert comparison.paired and probe.difference == comparison.difference
    assert probe.difference.low < 0.5 < probe.difference.high
    assert probe.p == pytest.approx(2 * comparison.p) and probe.word == "higher"  # of two measures
    assert control.word == "undecided"
    assert caution([probe, control]) == ""


def test_what_training_lowers():
    assert training_effects(survey(10, gain=-0.5))[0].word == "lower"


@pytest.mark.parametrize("seeds", [1, 3])
def test_few_seeds_show_nothing_and_say_so(seeds):
    effects = training_effects(survey(seeds))
    assert [effect.word for effect in effects] == ["undecided"] * 2
    assert f"{seeds} seed" in caution(effects) and "can show no difference among 2 measures" in caution(effects)
    assert "that takes 5. Undecided does not mean equal" in caution(effects)


def test_a_survey_from_a_file_is_the_same():
    """Where the layer of the inputs is empty, and a trial has a measure that another one lacks."""
    frame = survey(6).drop(index=3)
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert training_effects(again) == training_effects(frame)
    assert training_effects(frame)[0].means["trained"].count in (5, 6)
