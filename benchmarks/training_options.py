"""Time of a training step by `training.jit_compile` and `training.steps_per_execution`, as ratios to one baseline.

python benchmarks/training_options.py --help
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from variants import StandardLSTM

SIZES = {"XS": (16, 100, 8, 32), "S": (32, 100, 32, 64), "M": (64, 100, 128, 256)}
OPTIONS = [(jit, steps) for jit in (False, True) for steps in (1, 8, 32)]


def model(jit_compile, steps_per_execution, time_steps, features, units):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((time_steps, features)), StandardLSTM(units), keras.layers.Dense(1)])
    optimizer = keras.optimizers.Adam(global_clipnorm=1.0)
    network.compile(optimizer, "mse", jit_compile=jit_compile, steps_per_execution=steps_per_execution)
    return network


def measure(size, batches, rounds):
    batch, time_steps, features, units = SIZES[size]
    x = np.random.default_rng(0).normal(size=(batch * batches, time_steps, features)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, x[:, -1, :1])).batch(batch, drop_remainder=True).cache().prefetch(2)
    without_autotune = tf.data.Options()
    without_autotune.autotune.enabled = False
    data = data.with_options(without_autotune)
    models = {options: model(*options, time_steps, features, units) for options in OPTIONS}
    first, steps = {}, {options: [] for options in OPTIONS}
    for options, network in models.items():
        began = time.perf_counter()
        network.fit(data, shuffle=False, verbose=0)
        first[options] = time.perf_counter() - began
    for _ in range(rounds):
        for options, network in models.items():
            began = time.perf_counter()
            network.fit(data, shuffle=False, verbose=0)
            steps[options].append((time.perf_counter() - began) / batches)
    return first, {options: statistics.median(times) for options, times in steps.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="batch, time, features, units")
    parser.add_argument("--batches", type=int, default=32, help="training steps per round")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds; medians are shown")
    arguments = parser.parse_args()
    print("StandardLSTM, ratio of the median step to graph mode with one step per execution (below 1 is faster)")
    print(f"{'size':<5}{'jit_compile':>12}{'steps_per_execution':>21}{'step ms':>9}{'ratio':>7}{'first epoch s':>15}")
    for size in arguments.sizes:
        first, medians = measure(size, arguments.batches, arguments.rounds)
        for jit, steps in OPTIONS:
            step = medians[jit, steps]
            ratio = step / medians[False, 1]
            print(
                f"{size:<5}{jit!s:>12}{steps:>21}{step * 1e3:>9.2f}{ratio:>7.2f}{first[jit, steps]:>15.1f}", flush=True
            )


if __name__ == "__main__":
    main()
