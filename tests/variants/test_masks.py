"""Masks on the Keras to come, whose `RNN` and `Bidirectional` no longer pass them on (keras-team/keras#23235)."""

import keras
import numpy as np
import pytest

import variants
from tests.cases import first_quick
from tests.variants.test_contract import MAKERS
from variants.testing import CHECKS
from variants.testing.common import FEATURES, STEPS, array, equal, randomize, sequences

UNMASKED = 3


@pytest.fixture
def newer_keras(monkeypatch):
    for layer in (keras.layers.RNN, keras.layers.Bidirectional):
        monkeypatch.setattr(layer, "__init__", without_masking(layer.__init__))


def without_masking(init):
    def without(self, inner, **kwargs):
        init(self, inner, **kwargs)
        self.supports_masking = False

    return without


def masked_model(first, second):
    """Masks the steps after the third; the weights are random."""
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), keras.layers.Masking(), first, second])
    return randomize(model)


def padded():
    x = sequences().astype("float32")
    x[:, UNMASKED:] = 0
    return x


def short(model, x):
    """What the layers behind the mask compute from the steps that are not masked."""
    return model.layers[2](model.layers[1](x[:, :UNMASKED]))


@pytest.mark.parametrize("name", first_quick(MAKERS, 8))
def test_stacked_layers_keep_the_mask(name, newer_keras):
    CHECKS["mask passed on"](MAKERS[name])


def test_layers_of_keras_lose_it_there(newer_keras):
    with pytest.warns(UserWarning, match="does not support masking"):
        model = masked_model(keras.layers.LSTM(5, return_sequences=True), keras.layers.LSTM(5))
        lost = array(model(padded()))
    assert not np.allclose(lost, array(short(model, padded())), atol=1e-3)


def bidirectional():
    return keras.layers.Bidirectional(variants.PeepholeLSTM(5, return_sequences=True))


def test_bidirectional_reads_the_mask(newer_keras):
    """It does not pass it on there, and says so; a mask in front of it counts."""
    both = bidirectional()
    with pytest.warns(UserWarning, match="Downstream layers will not see the mask"):
        model = randomize(keras.Sequential([keras.Input((STEPS, FEATURES)), keras.layers.Masking(), both]))
        output = array(model(padded()))
    equal(output[:, :UNMASKED], both(padded()[:, :UNMASKED]), 1e-6)
    assert not output[:, UNMASKED:].any()


def test_bidirectional_passes_the_mask_on_when_told_to(newer_keras):
    both = bidirectional()
    both.supports_masking = True
    model = masked_model(both, variants.StandardLSTM(5))
    equal(model(padded()), short(model, padded()), 1e-6)
