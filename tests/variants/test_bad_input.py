"""Bad input: the message names the argument, what was received and what is allowed."""

import keras
import numpy as np
import pytest

from variants import GatedLSTM, PeepholeLSTM, StandardLSTM

X = np.ones((2, 4, 3), "float32")


def state(*shape):
    return np.zeros(shape, "float32")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: StandardLSTM(5)(X[0]), r"`sequences` must have the shape \(batch, time, features\).*\(4, 3\)"),
        (lambda: StandardLSTM(5)(X[None]), r"`sequences` must have the shape .* Received: shape \(1, 2, 4, 3\)"),
        (
            lambda: StandardLSTM(5)(keras.Input((4, None))),
            r"`sequences` must have a known number of features.* Received: shape \(None, 4, None\)",
        ),
        (
            lambda: keras.Sequential([keras.Input((4, 3)), StandardLSTM(5, stateful=True)]),
            r"`stateful=True` needs a known batch size, as from `keras.Input\(batch_shape=.* shape \(None, 4, 3\)",
        ),
        (lambda: StandardLSTM(0), "`units` must be a positive integer. Received: units=0"),
        (lambda: StandardLSTM(2.5), "`units` must be a positive integer. Received: units=2.5"),
        (lambda: StandardLSTM("5"), "`units` must be a positive integer. Received: units='5'"),
        (lambda: StandardLSTM(5, dropout=1.5), "`dropout` must be a number between 0 and 1. Received: dropout=1.5"),
        (lambda: StandardLSTM(5, fast_loop="no"), "`fast_loop` must be True or False. Received: fast_loop='no'"),
    ],
)
def test_refused_when_built(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("states", "received"),
    [
        ([state(2, 5)], r"\(2, 5\)"),
        ([state(2, 5)] * 3, r"\(2, 5\), \(2, 5\), \(2, 5\)"),
        ([state(2, 4)] * 2, r"\(2, 4\), \(2, 4\)"),
        ([state(3, 5)] * 2, r"\(3, 5\), \(3, 5\)"),
        (state(2, 5), r"no list but one tensor, \(2, 5\)"),
        ([state(2, 5).tolist()] * 2, "a list, which is no tensor, a list, which is no tensor"),
        ({"h": state(2, 5), "c": state(2, 5)}, "no list but a dict, which is no tensor"),
        ([], "none"),
    ],
    ids=["too few", "too many", "units", "batch", "no list", "Python lists", "dict", "empty"],
)
@pytest.mark.parametrize("built", [False, True])
def test_refused_initial_states(states, received, built):
    layer = StandardLSTM(5)
    if built:
        layer.build((None, None, 3))
    allowed = r"`initial_state` must be a list of 2 tensors of the shapes \(2, 5\), \(2, 5\)"
    with pytest.raises(ValueError, match=f"{allowed}. Received: {received}(\x1b|$)"):
        layer(X, initial_state=states)


@pytest.mark.parametrize("built", [False, True])
def test_refused_initial_states_of_a_functional_model(built):
    layer = GatedLSTM(5, gate_recurrence=True)
    if built:
        layer.build((None, None, 3))
    allowed = r"a list of 3 tensors of the shapes \(batch, 5\), \(batch, 5\), \(batch, 15\)"
    with pytest.raises(ValueError, match=allowed):
        layer(keras.Input((4, 3)), initial_state=[keras.Input((5,))] * 2)


@pytest.mark.parametrize("shape", [(2, 3), (2,), (2, 4, 3)])
def test_refused_masks(shape):
    with pytest.raises(ValueError, match=r"`mask` must have the shape \(batch, time\), here \(2, 4\). Received: shape"):
        StandardLSTM(5)(X, mask=np.ones(shape, bool))


def test_a_mask_may_have_an_axis_of_one():
    layer, mask = StandardLSTM(5), np.array([[1, 0, 1, 1], [1, 1, 0, 0]], bool)
    np.testing.assert_array_equal(layer(X, mask=mask[..., None]), layer(X, mask=mask))


def test_refused_features_of_a_built_layer():
    layer = StandardLSTM(5)
    layer(X)
    with pytest.raises(ValueError, match=r"expected axis -1 of input shape to have value 3, .* shape \(2, 4, 7\)"):
        layer(np.ones((2, 4, 7), "float32"))


def test_refused_weights_of_another_variant():
    layer, other = StandardLSTM(5), PeepholeLSTM(5)
    layer.build((None, None, 3)), other.build((None, None, 3))
    with pytest.raises(
        ValueError, match=r"must be kernel \(3, 20\), recurrent_kernel \(5, 20\), bias \(20,\). Received"
    ):
        layer.set_weights(other.get_weights())
    with pytest.raises(ValueError, match=r"_peephole \(5,\). Received: the shapes \[\(3, 20\), \(5, 20\), \(20,\)\]"):
        other.set_weights(layer.get_weights())
