"""Models that reach their layers through a function that TensorFlow has compiled."""

import keras
import numpy as np
import pytest

import variants

if keras.backend.backend() != "tensorflow":
    pytest.skip("tf.function is TensorFlow's", allow_module_level=True)
import tensorflow as tf

X, Y = np.ones((2, 4, 3), "float32"), np.ones((2, 1), "float32")


class Inside(keras.Model):
    """A model whose layers are called by Python, or by a compiled function."""

    def __init__(self, wrap):
        super().__init__()
        self.recurrent = variants.StandardLSTM(5, name="recurrent")
        self.dense = keras.layers.Dense(1)
        self.function = wrap(lambda x: self.dense(self.recurrent(x)))

    def call(self, x, training=False):
        return self.function(x)


def make(wrap):
    keras.utils.set_random_seed(0)
    model = Inside(wrap)
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("called", [False, True])
def test_tools_see_into_compiled_functions(called):
    model, plain = make(tf.function), make(lambda function: function)
    if called:  # so that the function has been compiled
        model(X)
    names = ("input_gate", "cell_state")
    traced, expected = variants.trace(model, X), variants.trace(plain, X)
    for name in names:
        np.testing.assert_allclose(traced["recurrent"][name], expected["recurrent"][name], atol=1e-6)
    gradients = [variants.state_gradients(m, X, Y)["recurrent"]["cell_state"] for m in (model, plain)]
    np.testing.assert_allclose(*gradients, atol=1e-6)
    assert list(variants.Tracer(model)(X, Y)) == ["recurrent"]


def test_a_clamp_does_not_stay_in_a_compiled_function():
    model, plain = make(tf.function), make(lambda function: function)
    for part in (model, plain):
        part.recurrent.build(X.shape), part.dense.build((2, 5))
    shut = variants.clamped(model, "recurrent", "output_gate", 0)(X)
    np.testing.assert_allclose(shut, np.broadcast_to(model.dense.bias.numpy(), (2, 1)), atol=1e-6)
    np.testing.assert_allclose(model(X), plain(X), atol=1e-6)
    assert np.abs(np.asarray(model(X)) - np.asarray(shut)).max() > 1e-3
