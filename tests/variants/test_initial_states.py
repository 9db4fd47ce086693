"""Initial states in every form in which `keras.layers.LSTM` takes them, with its results."""

from collections import namedtuple

import keras
import numpy as np
import pytest
from keras import ops

from tests.cases import first_quick
from variants import StandardLSTM

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
STATES = np.random.default_rng(1).normal(size=(2, 2, 5)).astype("float32")
States = namedtuple("States", "h c")
FORMS = {
    "arrays": lambda h, c: (h, c),
    "tensors": lambda h, c: tuple(map(ops.convert_to_tensor, (h, c))),
    "variables": lambda h, c: [keras.Variable(h), keras.Variable(c)],
    "named": lambda h, c: States(h, c),
    "float64": lambda h, c: [h.astype("float64"), c.astype("float64")],
}


def run(layer_class, states, training):
    keras.utils.set_random_seed(0)
    return ops.convert_to_numpy(layer_class(5)(X, initial_state=states, training=training))


@pytest.mark.parametrize("training", first_quick([True, False]))
@pytest.mark.parametrize("form", FORMS)
def test_forms(form, training):
    states = FORMS[form](*STATES)
    expected = run(keras.layers.LSTM, states, training)
    np.testing.assert_allclose(run(StandardLSTM, states, training), expected, atol=1e-6)


@pytest.mark.parametrize("form", [tuple, list])
def test_symbolic_states(form, tmp_path):
    sequences, *states = keras.Input((4, 3)), keras.Input((5,)), keras.Input((5,))
    model = keras.Model([sequences, *states], StandardLSTM(5)(sequences, initial_state=form(states)))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again([X, *STATES]), model([X, *STATES]))


def test_states_of_both_directions():
    layer = keras.layers.Bidirectional(StandardLSTM(5))
    expected = ops.convert_to_numpy(layer(X, initial_state=[*STATES, *STATES]))
    np.testing.assert_array_equal(layer(X, initial_state=(*STATES, *STATES)), expected)


class TrainedStart(keras.Model):
    """A model that learns the initial states of its layer."""

    def __init__(self, layer_class):
        super().__init__()
        self.layer = layer_class(5)
        self.start = [self.add_weight(shape=(2, 5), initializer="zeros", name=name) for name in "hc"]

    def call(self, x, training=False):
        return self.layer(x, initial_state=tuple(self.start), training=training)


def trained_start(layer_class, eager):
    keras.utils.set_random_seed(0)
    model = TrainedStart(layer_class)
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=eager)
    model.fit(X, STATES[0], batch_size=2, epochs=2, verbose=0)
    return [ops.convert_to_numpy(state) for state in model.start]


@pytest.mark.parametrize("eager", [True, False])
def test_variables_as_states_are_trained(eager):
    ours, expected = trained_start(StandardLSTM, eager), trained_start(keras.layers.LSTM, eager)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(ours, expected, atol=1e-6)
