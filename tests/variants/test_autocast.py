"""Policies that differ between a layer and its cell, with the results of `keras.layers.LSTM`."""

import keras
import numpy as np
import pytest

import variants
from variants import LayerNormLSTM, StandardLSTM

X = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
Y = X[:, 0, :1]
POLICIES = [
    ("float32", "layer", "mixed_bfloat16"),
    pytest.param("float32", "cell", "mixed_bfloat16", marks=pytest.mark.slow),
    pytest.param("float32", "layer", "float64", marks=pytest.mark.slow),
    pytest.param("float32", "both", "float64", marks=pytest.mark.slow),
    pytest.param("mixed_bfloat16", "layer", "float32", marks=pytest.mark.slow),
    pytest.param("mixed_bfloat16", "layer", "bfloat16", marks=pytest.mark.slow),
    pytest.param("mixed_bfloat16", "layer", "mixed_float16", marks=pytest.mark.slow),
    ("mixed_bfloat16", "cell", "float32"),
]


def trained(layer):
    """A model with the layer, trained, and its last loss."""
    model = keras.Sequential([keras.Input((5, 3)), layer, keras.layers.Dense(1)], name="model")
    model.compile("sgd", "mse")
    return model, model.fit(X, Y, epochs=2, batch_size=4, verbose=0).history["loss"][-1]


def make(layer_class, policy, where="", later=None):
    keras.utils.set_random_seed(0)
    layer = layer_class(4, dtype=policy, name="lstm")
    layer.build((None, 5, 3))
    if where in ("layer", "both"):
        layer.dtype_policy = later
    if where in ("cell", "both"):
        layer.cell.dtype_policy = later
    return layer


@pytest.mark.parametrize(("policy", "where", "later"), POLICIES)
def test_policies_set_after_construction(policy, where, later):
    _, expected = trained(make(keras.layers.LSTM, policy, where, later))
    model, loss = trained(make(StandardLSTM, policy, where, later))
    assert loss == pytest.approx(expected, abs=1e-5)
    assert model.layers[0].loop == ("fast" if keras.backend.backend() == "tensorflow" else model.layers[0].loop)
    assert trained(make(LayerNormLSTM, policy, where, later))[1] > 0


@pytest.mark.parametrize(
    "key", ["model/lstm", *(pytest.param(k, marks=pytest.mark.slow) for k in ("model/lstm/.*", "lstm"))]
)
def test_policy_map(key):
    def policy_map():
        policies = keras.dtype_policies.DTypePolicyMap(default_policy="float32")
        policies[key] = keras.DTypePolicy("mixed_bfloat16")
        return policies

    _, expected = trained(make(keras.layers.LSTM, policy_map()))
    assert trained(make(StandardLSTM, policy_map()))[1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("where", "later"), [("layer", "mixed_bfloat16"), ("cell", "float64")])
def test_tools_see_what_the_layer_computes(where, later):
    model, _ = trained(make(StandardLSTM, "float32", where, later))
    np.testing.assert_allclose(
        variants.trace(model, X)["lstm"]["hidden_state"][:, -1], model.layers[0](X).numpy().astype("float32"), atol=1e-2
    )
    assert variants.state_gradients(model, X, Y)["lstm"]["cell_state"].min() > 0
    fixed = variants.clamped(model, "lstm", "output", "shuffled")
    assert np.isfinite(fixed.predict(X, verbose=0)).all()
