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

from experiments import tasks
from experiments.config.compose import compose
from experiments.config.conf_files import choices
from experiments.errors import UserError
from experiments.tasks import Stream
from experiments.trial import model as models
from experiments.trial.batches import Order, evaluation_batches, training_batches
from experiments.trial.model_cache import compile_model

EPOCHS = 4


def measure(config, task, batches, rounds):
    """Median seconds of an epoch, training and validation: with the input of a trial, and with input kept in memory."""
    keras.backend.clear_session()
    size = config.training.batch_size
    data = training_batches(task.train, size, Order(len(task.train), size, seed=0)).take(batches)
    validation = evaluation_batches(task.validation, size, task.per_step).take(batches)
    model = models.build(task, config.variant, config.model, size if isinstance(task.train, Stream) else None)
    compile_model(model, task, config.training)
    times = {True: [], False: []}
    pipelines = {True: data, False: in_memory(data)}
    fit = partial(model.fit, steps_per_epoch=len(data), validation_data=validation, shuffle=False, verbose=0)
    for pipeline in pipelines.values():  # the first calls compile
        fit(pipeline)
    for _ in range(rounds):
        for kind, pipeline in pipelines.items():
            clock = Clock()
            fit(pipeline, epochs=EPOCHS, callbacks=[clock])
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
    parser.add_argument("--tasks", nargs="+", default=choices("task"), help="files of conf/task; default: all")
    parser.add_argument("--batches", type=int, default=200, help="batches of training and of validation, at most")
    parser.add_argument("--rounds", type=int, default=5, help="of 4 epochs; the median epoch but the first is shown")
    parser.add_argument("--data-dir", help="folder of fetched files; default: the user's cache folder")
    arguments = parser.parse_args()
    print(f"{'task':<22}{'epoch ms':>10}{'in memory':>11}{'share':>9}")
    for name in arguments.tasks:
        config = compose([f"task={name}"])
        try:
            task = tasks.build(config.task, arguments.data_dir)
        except UserError as error:
            print(f"{name:<22}left out: {str(error).splitlines()[0]}", flush=True)
            continue
        pipeline_s, memory_s = measure(config, task, arguments.batches, arguments.rounds)
        share = (pipeline_s - memory_s) / pipeline_s
        print(f"{name:<22}{1000 * pipeline_s:>10.1f}{1000 * memory_s:>11.1f}{share:>9.1%}", flush=True)


if __name__ == "__main__":
    main()
