"""What many workers make of one MLflow server: their waiting, its errors, values that are lost.

Each simulated worker does what a worker of a sweep does with its store, and sleeps where that one trains: it looks a
trial up, begins its run, tells of epochs as often as the rule of `experiments.trial.callbacks.Recorder` lets it,
records four files, and ends the run. At the end every value of every run is asked for.
"""

import argparse
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from experiments import tasks
from experiments.config.compose import compose
from experiments.errors import first_line
from experiments.tracking import Store, metadata
from experiments.trial.callbacks import FIRST_S, SHARE
from experiments.trial.model import make_layer
from experiments.trial.spec import TrialSpec

METRICS = (
    "train/loss",
    "train/mse",
    "val/loss",
    "val/mse",
    "time/epoch_s",
    "gates/input",
    "gates/forget",
    "gates/output",
)
FILES = {"config.yaml": 2_000, "layer.yaml": 1_000, "versions.yaml": 400, "trial.log": 6_000, "model.keras": 60_000}
PROCESSES = 8  # that the workers share

HELP = """
The server is started by hand, as docs/cluster.md says. It should have a machine of its own: on one machine the
workers take time from it.

  workers   processes of a sweep that train at the same time
  epoch     seconds that an epoch takes
  trial     seconds that a trial takes without the store

rows
  share of the store   of a worker's time; the rule for epochs allows 2 %, and begin and end of a trial are added
"""


@dataclass
class Measured:
    """What workers have seen: seconds of calls that told of epochs, shares of time, what went wrong, values."""

    calls: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    errors: Counter = field(default_factory=Counter)
    trials: int = 0
    written: int = 0
    lost: int = 0
    doubled: int = 0

    def add(self, other):
        self.calls += other.calls
        self.shares += other.shares
        self.errors += other.errors
        for name in ("trials", "written", "lost", "doubled"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Worker:
    """One of the workers."""

    def __init__(self, number, arguments, spec, task, layer):
        self.number, self.arguments = number, arguments
        self.spec, self.task, self.layer = spec, task, layer
        self.random = random.Random(number)
        self.measured, self.runs = Measured(), {}

    def work(self, until):
        """Do one trial after the other."""
        with tempfile.TemporaryDirectory() as folder:
            for name, size in FILES.items():
                Path(folder, name).write_bytes(bytes(size))
            time.sleep(self.random.uniform(0, self.arguments.trial))  # workers of a sweep are not in step
            store = Store(self.arguments.uri, folder, wait_s=60.0)
            while time.monotonic() < until:
                try:
                    self.trial(store, Path(folder))
                except Exception as error:  # whatever the server or its client says, the others go on
                    self.measured.errors[f"{type(error).__name__}: {first_line(error)}"[:100]] += 1
        return self

    def trial(self, store, folder):
        seed = 1_000_000 * self.number + self.measured.trials
        spec = replace(self.spec, key=f"{seed:016x}", config=replace(self.spec.config, seed=seed))
        began = time.perf_counter()
        experiment = store.experiment(spec.experiment)
        store.runs_of(experiment, spec.key)
        run = store.start(
            experiment, spec.name, metadata.params(spec, self.layer), metadata.tags(spec, self.task), folder
        )
        before, run.seconds = time.perf_counter() - began, 0.0
        told, cost, last, values = 0, FIRST_S, time.perf_counter(), {}
        epochs = max(1, round(self.arguments.trial / self.arguments.epoch))
        for epoch in range(1, epochs + 1):
            time.sleep(self.arguments.epoch * self.random.uniform(0.8, 1.2))
            values[epoch] = {name: self.random.random() for name in METRICS}
            if time.perf_counter() - last >= SHARE * cost or epoch == epochs:
                calling = time.perf_counter()
                run.log({step: metrics for step, metrics in values.items() if step > told})
                told, last = epoch, time.perf_counter()
                cost = last - calling
                self.measured.calls.append(cost)
        run.add_files(sorted(folder.glob("*.*")))
        run.end("FINISHED")
        self.runs[run.id] = values
        self.measured.shares.append((before + run.seconds) / (time.perf_counter() - began))
        self.measured.trials += 1
        self.measured.written += epochs * len(METRICS)

    def check(self):
        """Ask the server for every value that was written."""
        with tempfile.TemporaryDirectory() as folder:
            store = Store(self.arguments.uri, folder, wait_s=60.0)
            for run_id, values in self.runs.items():
                for name in METRICS:
                    points = store.client.get_metric_history(run_id, name)
                    stored = {point.step: point.value for point in points}
                    right = sum(stored.get(step) == metrics[name] for step, metrics in values.items())
                    self.measured.lost += len(values) - right
                    self.measured.doubled += len(points) - len(stored)
        return self.measured


def share_of(arguments, first):
    """The workers of one process, to the end."""
    config = compose(["task=adding", f"study={arguments.study}", "tracking.uri=" + arguments.uri])
    task = tasks.build(config.task, config.data_dir)
    layer = make_layer(config.variant, config.model.units).get_config()
    spec = TrialSpec.of(config, task)
    workers = [Worker(number, arguments, spec, task, layer) for number in range(first, arguments.workers, PROCESSES)]
    until, total = time.monotonic() + 60 * arguments.minutes, Measured()
    with ThreadPoolExecutor(len(workers)) as threads:
        for worker in threads.map(lambda worker: worker.work(until), workers):
            total.add(worker.check())
    return total


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uri", required=True, help="address of the server, such as http://127.0.0.1:5000")
    parser.add_argument("--study", default="load", help="name of the runs' study; default load")
    parser.add_argument("--workers", type=int, default=200, help="default 200")
    parser.add_argument("--minutes", type=float, default=5.0, help="default 5")
    parser.add_argument("--epoch", type=float, default=2.0, help="seconds of an epoch; default 2")
    parser.add_argument("--trial", type=float, default=60.0, help="seconds of a trial; default 60")
    return parser.parse_args()


def show(arguments, total, seconds):
    print(f"{arguments.workers} workers, epochs of {arguments.epoch:g} s, trials of {arguments.trial:g} s")
    print(f"trials                  {total.trials:>10,}")
    print(f"values                  {total.written:>10,}")
    print(f"calls of epochs         {len(total.calls):>10,}, {len(total.calls) / seconds:.0f} a second")
    calls, shares = sorted(total.calls), sorted(total.shares)
    print(f"  median, 99 %, longest {statistics.median(calls):>10.2f} s, {at(calls, 0.99):.2f} s, {calls[-1]:.2f} s")
    print(f"share of the store      {statistics.median(shares):>10.1%} (median trial), {at(shares, 0.95):.1%} (95 %)")
    print(f"lost values             {total.lost:>10,}")
    print(f"doubled values          {total.doubled:>10,}")
    print(f"errors                  {total.errors.total():>10,}")
    for error, count in total.errors.most_common(5):
        print(f"  {count:>6,} {error}")


def at(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def main():
    arguments = parse()
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with multiprocessing.get_context("spawn").Pool(min(PROCESSES, arguments.workers)) as pool:
        began = time.perf_counter()
        parts = pool.starmap(share_of, [(arguments, first) for first in range(min(PROCESSES, arguments.workers))])
    total = Measured()
    for part in parts:
        total.add(part)
    show(arguments, total, min(time.perf_counter() - began, 60 * arguments.minutes + arguments.trial))


if __name__ == "__main__":
    main()
