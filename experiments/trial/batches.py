"""From arrays to batches: training in an order that only seed and epoch decide, evaluation over everything once."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from experiments.tasks import Split, Stream


class Order(keras.callbacks.Callback):
    """The order of the training sequences: a permutation that depends on seed and epoch only.

    So training can be taken up at any epoch. Sequences that fill no batch are left out of the epoch.

    Attributes:
        rows: `(batches, batch_size)`, rows of the training part in the order of this epoch.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        super().__init__()
        self.count = count
        self.seed = seed
        self.rows = tf.Variable(tf.zeros((count // batch_size, batch_size), "int32"), trainable=False)
        self.on_epoch_begin(0)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(self.count), seed=[self.seed, epoch])
        self.rows.assign(tf.reshape(shuffled[: tf.size(self.rows)], self.rows.shape))


def training_batches(part: Split | Stream, batch_size: int, order: Order) -> tf.data.Dataset:
    """One pass over the training part in full batches, so that the compiled step need not be compiled again.

    Sequences come in the order that `order` holds when they are read. A stream comes from its beginning to its end,
    without the rest that fills no batch.
    """
    if isinstance(part, Stream):
        inputs, targets, _ = stream_rows(part, batch_size, complete=False)
        return _ready(tf.data.Dataset.from_tensor_slices((inputs, targets)))
    arrays = tf.nest.map_structure(tf.constant, _with_inputs(part, [part.targets, *_step_weights(part)]))

    def batch(number: tf.Tensor) -> Any:
        rows = tf.gather(order.rows, number)
        return tf.nest.map_structure(lambda array: tf.gather(array, rows), arrays)

    # One function and no more: each costs a millisecond whenever a pass begins.
    return _ready(tf.data.Dataset.range(len(part) // batch_size).map(batch))


def evaluation_batches(part: Split | Stream, batch_size: int, per_step: bool) -> tf.data.Dataset:
    """Every sequence once, in order, with weights: the last batch is padded with sequences of weight zero.

    A stream is read as in training, all of it, with weight zero after its end.
    """
    if isinstance(part, Stream):
        return _ready(tf.data.Dataset.from_tensor_slices(stream_rows(part, batch_size, complete=True)).cache())
    weights = _step_weights(part) or [np.ones(part.targets.shape[: 2 if per_step else 1], "float32")]
    missing = -len(part) % batch_size
    arrays = tf.nest.map_structure(lambda array: _padded(array, missing), _with_inputs(part, [part.targets, *weights]))
    return _ready(tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size, drop_remainder=True).cache())


def stream_rows(stream: Stream, batch_size: int, complete: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets and weights of a stream, each `(batches, batch_size, length)`.

    Row `b` of all batches together is a contiguous part of the text, from the token where row `b - 1` ends.

    Args:
        stream: The text.
        batch_size: Number of parts read side by side.
        complete: Predict every token but the first, with weight zero after the end of a part; else leave out what
            does not fill the last batch.
    """
    predicted = len(stream.tokens) - 1
    share = -(-predicted // batch_size) if complete else len(stream) // batch_size * stream.length
    batches = -(-share // stream.length)
    steps = np.arange(batches * stream.length)
    rows = np.arange(batch_size)[:, None] * share + steps
    counts = (steps < share) & (rows < predicted)
    rows = np.minimum(rows, predicted - 1)

    def cut(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array.reshape(batch_size, batches, stream.length).swapaxes(0, 1))

    return cut(stream.tokens[rows]), cut(stream.tokens[rows + 1]), cut(counts.astype("float32"))


def _with_inputs(split: Split, others: list[np.ndarray]) -> tuple[Any, ...]:
    inputs = split.inputs if split.mask is None else {"inputs": split.inputs, "mask": split.mask}
    return (inputs, *others)


def _step_weights(split: Split) -> list[np.ndarray]:
    """Weights of the targets at every step, if they are not all 1."""
    if split.weights is not None:
        return [split.weights]
    if split.mask is not None and split.targets.shape[1:2] == split.mask.shape[1:] and split.targets.ndim > 1:
        return [split.mask.astype("float32")]
    return []


def _ready(batches: tf.data.Dataset) -> tf.data.Dataset:
    # The thread that tunes a pipeline can hold up its end, and so the next epoch, for more than two seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    return np.concatenate([array, np.zeros((rows, *array.shape[1:]), array.dtype)])
