"""The script that a user would write for a sweep: a loop over `keras.layers.LSTM` models, recorded in MLflow.

python benchmarks/_plain_sweep.py work.json, a file that `benchmarks/sweep.py` writes.
"""

import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import keras
import mlflow
import numpy as np
import tensorflow as tf


def build(work, variant, task):
    """The model of a trial, compiled with Keras's default for `jit_compile`."""
    settings = work["tasks"][task]
    shape, vocabulary = settings["shape"], settings["vocabulary"]
    inputs = keras.Input(shape, dtype="int32" if vocabulary else "float32")
    vectors = keras.ops.one_hot(inputs, vocabulary) if vocabulary else inputs
    hidden = keras.layers.LSTM(work["units"], **work["variants"][variant])(vectors)
    model = keras.Model(inputs, keras.layers.Dense(settings["outputs"])(hidden))
    classes = settings["loss"] == "sparse_categorical_crossentropy"
    model.compile(
        keras.optimizers.Adam(work["learning_rate"], global_clipnorm=work["clipnorm"]),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True) if classes else settings["loss"],
        metrics=["accuracy"] if classes else [],
    )
    return model


def training_batches(x, y, batch_size, epochs, seed):
    """All epochs one after another, each in the order that our trials have: only seed and epoch decide it."""
    x, y = tf.constant(x), tf.constant(y)

    def order(epoch):
        rows = tf.random.experimental.stateless_shuffle(tf.range(len(x)), seed=[tf.constant(seed, "int64"), epoch])
        return tf.data.Dataset.from_tensor_slices(tf.reshape(rows, (-1, batch_size)))

    rows = tf.data.Dataset.range(epochs).flat_map(order)
    return rows.map(lambda rows: (tf.gather(x, rows), tf.gather(y, rows))).prefetch(tf.data.AUTOTUNE)


def fit(work, variant, task, seed, callbacks=()):
    """Train a model and keep its best epoch. Returns it and its metrics on the test part."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = build(work, variant, task)
    data = np.load(work["tasks"][task]["data"])
    size, epochs = work["batch_size"], work["epochs"]
    best = keras.callbacks.EarlyStopping(monitor="val_loss", mode="min", patience=epochs, restore_best_weights=True)
    model.fit(
        training_batches(data["train_x"], data["train_y"], size, epochs, seed),
        steps_per_epoch=len(data["train_x"]) // size,
        epochs=epochs,
        validation_data=(data["validation_x"], data["validation_y"]),
        validation_batch_size=size,
        callbacks=[best, *callbacks],
        shuffle=False,  # they come shuffled
        verbose=2,
    )
    return model, model.evaluate(data["test_x"], data["test_y"], batch_size=size, return_dict=True, verbose=0)


class Recorder(keras.callbacks.Callback):
    """Records every metric of every epoch; keeps apart the seconds of compiling, training and recording."""

    def __init__(self):
        super().__init__()
        self.seconds = {"compile": 0.0, "train": 0.0, "record": 0.0}
        self.compiled = set()

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        self._before("train")

    def on_train_batch_end(self, batch, logs=None):
        self._after("train")

    def on_test_batch_begin(self, batch, logs=None):
        self._before("test")

    def on_test_batch_end(self, batch, logs=None):
        self._after("test")

    def _before(self, step):
        if step not in self.compiled:
            self.first_began = time.perf_counter()

    def _after(self, step):
        if step not in self.compiled:
            self.compiled.add(step)
            first = time.perf_counter() - self.first_began
            self.seconds["compile"] += first
            self.began += first

    def on_epoch_end(self, epoch, logs=None):
        self.seconds["train"] += time.perf_counter() - self.began
        with self.recording():
            for name, value in logs.items():
                mlflow.log_metric(name, value, step=epoch)

    @contextmanager
    def recording(self):
        """Count the time of what is done inside as recording."""
        began = time.perf_counter()
        yield
        self.seconds["record"] += time.perf_counter() - began


def trial(work, variant, task, seed):
    """Train one model and record it, as one run; append where the time went to `work["times"]`."""
    began, recorder, file = time.time(), Recorder(), Path(work["folder"]) / "model.keras"
    with recorder.recording():
        mlflow.set_tracking_uri(work["store"])
        mlflow.set_experiment(task)
        mlflow.start_run(run_name=f"{task}/{variant}/s{seed}")
        mlflow.log_params({"variant": variant, "task": task, "seed": seed, "units": work["units"]})
    model, test = fit(work, variant, task, seed, [recorder])
    model.save(file)
    with recorder.recording():
        mlflow.log_metric(work["tasks"][task]["score"], test["loss"])
        mlflow.log_artifact(str(file))
        mlflow.end_run()
    times = {"began": began, "ended": time.time(), **recorder.seconds}
    with open(work["times"], "a") as opened:
        print(json.dumps(times), file=opened)
    return test["loss"]


def main():
    work = json.loads(Path(sys.argv[1]).read_text())
    for variant in work["variants"]:
        for task in work["tasks"]:
            for seed in work["seeds"]:
                trial(work, variant, task, seed)


if __name__ == "__main__":
    main()
