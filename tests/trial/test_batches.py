import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments.tasks import Split, Stream
from experiments.trial.batches import Order, evaluation_batches, stream_rows, training_batches


def split(count=10):
    return Split(np.arange(count, dtype="float32")[:, None, None], np.arange(count, dtype="float32")[:, None])


def order(batches):
    return np.concatenate([x.numpy().ravel() for x, _ in batches]).astype(int).tolist()


def test_training_order_is_decided_by_seed_and_epoch():
    rows = Order(10, 2, seed=5)
    batches = training_batches(split(), 2, rows)
    first, again = order(batches), order(batches)
    rows.on_epoch_begin(1)
    second = order(batches)
    assert first == again and first != second and sorted(first) == sorted(second) == list(range(10))
    later = Order(10, 2, seed=5)
    later.on_epoch_begin(1)
    assert order(training_batches(split(), 2, later)) == second
    assert order(training_batches(split(), 2, Order(10, 2, seed=6))) != first


@pytest.mark.parametrize("steps", [None, 3])
def test_each_epoch_of_a_trial_has_its_own_order(steps):
    """Keras begins a pass after `on_epoch_begin`, however often it makes an iterator."""
    seen = []
    model = keras.Sequential([keras.Input((1, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)

    def note(batch):
        seen.append(batch[0].numpy().ravel().astype(int).tolist())
        return {"loss": tf.constant(0.0)}

    model.train_step = note
    rows = Order(10, 3, seed=0)
    batches = training_batches(split(), 3, rows)
    model.fit(batches, steps_per_epoch=steps, epochs=3, callbacks=[rows], shuffle=False, verbose=0)
    expected = []
    for epoch in range(3):
        rows.on_epoch_begin(epoch)
        expected += rows.rows.numpy().tolist()
    assert seen == expected


def test_training_batches_are_full():
    batches = list(training_batches(split(), 4, Order(10, 4, seed=0)))
    assert [len(x) for x, _ in batches] == [4, 4]
    assert all((x.numpy().ravel() == y.numpy().ravel()).all() for x, y in batches)


def test_evaluation_covers_every_sequence_once():
    batches = list(evaluation_batches(split(), 4, per_step=False))
    weights = np.concatenate([w for _, _, w in batches])
    inputs = np.concatenate([x for x, _, _ in batches]).ravel()
    assert weights.tolist() == [1] * 10 + [0] * 2 and inputs[:10].tolist() == list(range(10))


RAGGED = np.arange(6) < np.array([6, 2, 4, 1, 5])[:, None]


@pytest.mark.parametrize(("targets", "weighted"), [((5, 6), True), ((5, 6, 3), True), ((5,), False), ((5, 1), False)])
def test_ragged_sequences_come_with_their_mask(targets, weighted):
    """It is the weight of targets at every step, and of no target at the last step."""
    ragged = Split(np.zeros((5, 6, 2), "float32"), np.zeros(targets, "float32"), RAGGED)
    first = next(iter(training_batches(ragged, 5, Order(5, 5, seed=0))))
    assert sorted(map(tuple, first[0]["mask"].numpy())) == sorted(map(tuple, RAGGED))
    assert len(first) == 2 + weighted
    if weighted:
        np.testing.assert_array_equal(first[2], tf.cast(first[0]["mask"], "float32"))
    inputs, _, weights = next(iter(evaluation_batches(ragged, 8, per_step=weighted)))
    assert inputs["mask"].shape == (8, 6) and not inputs["mask"][5:].numpy().any()
    expected = RAGGED.astype(float) if weighted else np.ones(5)
    np.testing.assert_array_equal(weights, np.concatenate([expected, np.zeros((3, *expected.shape[1:]))]))


def test_weights_of_a_split_count_in_training_and_evaluation():
    weights = np.random.default_rng(0).random((4, 6)).astype("float32")
    weighted = Split(np.zeros((4, 6, 1), "float32"), np.zeros((4, 6, 1), "float32"), weights=weights)
    _, _, trained = next(iter(training_batches(weighted, 4, Order(4, 4, seed=0))))
    _, _, evaluated = next(iter(evaluation_batches(weighted, 4, per_step=True)))
    assert sorted(map(tuple, trained.numpy())) == sorted(map(tuple, weights))
    np.testing.assert_array_equal(evaluated, weights)


@pytest.mark.parametrize("tokens", [101, 100, 61, 13, 12, 2])
def test_evaluation_of_a_stream_predicts_every_token_but_the_first_once(tokens):
    stream = Stream(np.arange(tokens, dtype="int32"), 5)
    inputs, targets, weights = stream_rows(stream, 4, complete=True)
    assert inputs.shape == targets.shape == weights.shape and inputs.shape[1:] == (4, 5)
    counted = weights > 0
    assert sorted(targets[counted]) == list(range(1, tokens))
    np.testing.assert_array_equal(inputs[counted] + 1, targets[counted])
    assert inputs.max() < tokens


def test_each_row_of_a_stream_goes_on_where_the_batch_before_ended():
    stream = Stream(np.arange(103, dtype="int32"), 5)
    batches = [inputs.numpy() for inputs, _ in training_batches(stream, 4, Order(len(stream), 4, seed=0))]
    assert len(batches) == len(stream) // 4 == 5
    rows = np.concatenate(batches, axis=1)
    assert (np.diff(rows, axis=1) == 1).all() and rows[:, 0].tolist() == [0, 25, 50, 75]
