"""From arrays to batches: training in an order that only seed and epoch decide, evaluation over every sequence."""

import numpy as np
import tensorflow as tf

from experiments.tasks import Split


def training_batches(split: Split, batch_size: int, seed: int, epoch: tf.Variable) -> tf.data.Dataset:
    """One pass over the sequences in a random order, as full batches; the rest is left out of this pass.

    The order is a function of `seed` and the value of `epoch` when the pass begins, so that training can be taken
    up at any epoch. Batches of one shape keep the compiled step from being compiled again.
    """
    count = len(split)
    inputs, targets = tf.constant(split.inputs), tf.constant(split.targets)

    def order(_: tf.Tensor) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(count), seed=[seed, epoch])
        return tf.data.Dataset.from_tensor_slices(shuffled)

    batches = (
        tf.data.Dataset.range(1)
        .flat_map(order)
        .batch(batch_size, drop_remainder=True)
        .map(lambda rows: (tf.gather(inputs, rows), tf.gather(targets, rows)))
        .apply(tf.data.experimental.assert_cardinality(count // batch_size))
    )
    return _ready(batches)


def evaluation_batches(split: Split, batch_size: int, per_step: bool) -> tf.data.Dataset:
    """Every sequence once, in order, with weights: the last batch is filled up with sequences of weight zero."""
    missing = -len(split) % batch_size
    weights = np.ones(split.targets.shape[: 2 if per_step else 1], "float32")
    arrays = [_padded(array, missing) for array in (split.inputs, split.targets, weights)]
    return _ready(tf.data.Dataset.from_tensor_slices(tuple(arrays)).batch(batch_size, drop_remainder=True).cache())


def _ready(batches: tf.data.Dataset) -> tf.data.Dataset:
    # The thread that tunes a pipeline can hold up its end, and so the next epoch, for more than two seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    return np.concatenate([array, np.zeros((rows, *array.shape[1:]), array.dtype)])
