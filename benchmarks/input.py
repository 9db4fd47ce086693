"""Share of an epoch that preparing its input takes, for every task at its default size.

python -m benchmarks.input --help

An epoch, training and validation, is run with the input pipeline of a trial and with the same batches kept in memory,
interleaved. The share is the difference: what preparing the input costs an epoch, waiting included.
"""

import argparse
import os
import statistics
import time
from functools import partial

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["OMP_NUM_THREADS"] = "1"  # as in a trial
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
os.environ["TF_NUM_INTEROP_THREADS"] = "1"

import keras
import tensorflow as tf
from hydra import compose, initialize_config_dir

from experiments import tasks
from experiments.config import compose as config
from experiments.errors import UserError
from experiments.tasks import Stream
from experiments.trial import model
from experiments.trial import model_cache as compiled
from experiments.trial.batches import Order, evaluation_batches, training_batches

EPOCHS = 4


def settings(name, data_dir):
    with initialize_config_dir(str(config.CONF), version_base="1.3"):
        return config.load(compose("config", overrides=[f"task={name}", f"data_dir={data_dir or 'null'}"]))


def measure(chosen, task, batches, rounds):
    """Median seconds of an epoch, training and validation: with the input of a trial, and with input kept in memory."""
    keras.backend.clear_session()
    size = chosen.training.batch_size
    data = training_batches(task.train, size, Order(len(task.train), size, seed=0)).take(batches)
    validation = evaluation_batches(task.validation, size, task.per_step).take(batches)
    built = model.build(task, chosen.variant, chosen.model, size if isinstance(task.train, Stream) else None)
    compiled.compile_model(built, task, chosen.training)
    times = {True: [], False: []}
    prepared = {True: data, False: in_memory(data)}
    fit = partial(built.fit, steps_per_epoch=len(data), validation_data=validation, shuffle=False, verbose=0)
    for each in prepared.values():  # the first calls compile
        fit(each)
    for _ in range(rounds):
        for kind, each in prepared.items():
            clock = Clock()
            fit(each, epochs=EPOCHS, callbacks=[clock])
            times[kind] += clock.seconds
    return [statistics.median(seconds) for seconds in times.values()]


class Clock(keras.callbacks.Callback):
    """Seconds from the end of an epoch to that of the next, as what starts an epoch belongs to it."""

    def on_train_begin(self, logs=None):
        self.seconds, self.began = [], None

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        if self.began is not None:
            self.seconds.append(now - self.began)
        self.began = now


def in_memory(data):
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.cache().with_options(options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=config.options("task"), help="files of conf/task; default: all")
    parser.add_argument("--batches", type=int, default=200, help="batches of training and of validation, at most")
    parser.add_argument("--rounds", type=int, default=5, help="of 4 epochs; the median epoch but the first is shown")
    parser.add_argument("--data-dir", help="folder of fetched files; default: the user's cache folder")
    arguments = parser.parse_args()
    config.register()
    print(f"{'task':<22}{'epoch ms':>10}{'in memory':>11}{'share':>9}")
    for name in arguments.tasks:
        chosen = settings(name, arguments.data_dir)
        try:
            task = tasks.build(chosen.task, chosen.data_dir)
        except UserError as error:
            print(f"{name:<22}left out: {str(error).splitlines()[0]}", flush=True)
            continue
        prepared, kept = measure(chosen, task, arguments.batches, arguments.rounds)
        share = (prepared - kept) / prepared
        print(f"{name:<22}{1000 * prepared:>10.1f}{1000 * kept:>11.1f}{share:>9.1%}", flush=True)


if __name__ == "__main__":
    main()
