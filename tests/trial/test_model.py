import keras
import numpy as np
import pytest

from experiments.config.schema import Model
from experiments.tasks import Metric, Split, Stream, Task
from experiments.trial import model
from tests.cases import first_quick

LENGTHS = np.array([7, 3, 5, 1])
MASK = np.arange(7) < LENGTHS[:, None]


def a_task(inputs, targets, per_step, mask=None, vocabulary=None):
    split = Split(inputs, targets, mask)
    metrics = (Metric("mse", "mean squared error", "", "mean_squared_error"),)
    return Task("", split, split, split, 2, per_step, "mean_squared_error", metrics, 0.0, "", vocabulary)


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("bidirectional", first_quick([True, False]))
def test_what_fills_a_sequence_up_changes_nothing(make_config, tokens, per_step, bidirectional):
    rng = np.random.default_rng(0)
    garbage = rng.integers(1, 9, (4, 7)) if tokens else 100 * rng.normal(size=(4, 7, 3)).astype("float32")
    clean = np.where(MASK if tokens else MASK[..., None], garbage, 0)
    task = a_task(clean, np.zeros((4, 7, 2) if per_step else (4, 2)), per_step, MASK, 9 if tokens else None)
    settings = Model(units=5, layers=2, bidirectional=bidirectional)
    built = model.build(task, make_config("variant=peephole").variant, settings)
    outputs = [np.asarray(built({"inputs": x, "mask": MASK})) for x in (clean, garbage)]
    if per_step:
        outputs = [output[MASK] for output in outputs]
    np.testing.assert_array_equal(*outputs)
    alone = built({"inputs": clean[1:2, :3], "mask": MASK[1:2, :3]})
    expected = outputs[0][7:10] if per_step else outputs[0][1]
    np.testing.assert_allclose(np.asarray(alone)[0], expected, rtol=1e-5, atol=1e-6)


def test_tokens_are_one_hot_without_an_embedding(make_config, tmp_path):
    tokens = np.array([[0, 2, 1], [3, 3, 0]], "int32")
    task = a_task(tokens, np.zeros((2, 2)), False, vocabulary=4)
    built = model.build(task, make_config().variant, Model(units=5, embedding=None))
    plain = a_task(np.eye(4, dtype="float32")[tokens], np.zeros((2, 2)), False)
    same = model.with_weights_of(model.build(plain, make_config().variant, Model(units=5)), built)
    np.testing.assert_allclose(built(tokens), same(np.eye(4)[tokens]), rtol=1e-6)
    built.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "m.keras")(tokens), built(tokens))


def test_dropout_follows_the_embedding_and_each_layer(make_config):
    task = a_task(np.zeros((2, 3), "int32"), np.zeros((2, 2)), False, vocabulary=4)
    built = model.build(task, make_config().variant, Model(units=5, layers=2, dropout=0.4))
    kinds = [type(layer).__name__ for layer in built.layers if "Dropout" in type(layer).__name__]
    assert kinds == ["SpatialDropout1D", "SpatialDropout1D", "Dropout"]


def test_a_model_for_a_stream_carries_its_states(make_config):
    stream = Stream(np.arange(50, dtype="int32") % 7, 5)
    task = Task("", stream, stream, stream, 7, True, "", (), 0.0, "", vocabulary=7)
    settings, variant = Model(units=4, layers=2), make_config("variant=peephole").variant
    carrying = model.build(task, variant, settings, batch_size=3)
    free = model.with_weights_of(model.build(task, variant, settings), carrying)
    tokens = np.random.default_rng(0).integers(7, size=(3, 10))
    parts = [carrying(tokens[:, :5]), carrying(tokens[:, 5:])]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), free(tokens), rtol=1e-5, atol=1e-6)
