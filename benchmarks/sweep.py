"""Wall-clock of a sweep with our launcher, against the script that a user would write.

python -m benchmarks.sweep --help
"""

import argparse
import csv
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import numpy as np
import psutil
from mlflow import MlflowClient

from experiments import tasks
from experiments.config.compose import compose

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"XS": (16, 32), "S": (32, 64)}  # batch, units: those of benchmarks/layers.py
BATCHES = {"train": 40, "validation": 8, "test": 8}
LEARNING_RATE = 0.0003  # so low that no loss falls suddenly within 400 steps: when it does, rounding decides
CLIPNORM = 1.0
VARIANTS = {  # arguments of keras.layers.LSTM
    "standard": {},
    "swapped": {"activation": "sigmoid", "recurrent_activation": "tanh"},
    "one_switch/hard_sigmoid_gates": {"recurrent_activation": "hard_sigmoid"},
}
TASKS = {"adding": "test/mse", "temporal_order": "test/cross_entropy"}  # the score that is compared: the loss
CONTESTANTS = ("plain", "basic", "gatelab")
TOLERANCE = 0.01
SAMPLE_S = 0.2
SHARES = re.compile(r"^(?P<time>.+) on \d+ workers?: (?P<shares>training .+)$")
UNITS_S = {"h": 3600, "min": 60, "s": 1}

HELP = f"""
sizes: batch, units; the tasks have 100 time steps
  {", ".join(f"{size} {shape}" for size, shape in SIZES.items())}

contestants, each a process that begins with nothing in its store
  plain    a loop over keras.layers.LSTM models in one process: model.fit with Keras's default jit_compile and
           TensorFlow's default threads, mlflow.log_metric for every metric and epoch, model.keras as artifact
  basic    the same trials as a Hydra app, on Hydra's launcher and sweeper `basic`
  gatelab  python -m experiments.train -m
  Linux only, as they are held to the cores that they may use.

work
  {len(VARIANTS)} variants, which keras.layers.LSTM can represent: {", ".join(VARIANTS)}; 2 tasks: {", ".join(TASKS)}.
  The number of inputs is the task's: 2 for adding, 6 for temporal_order. An epoch has {BATCHES["train"]} training
  steps and {BATCHES["validation"]} batches of validation. First weights, batches and their order are the same.
  That all did the same work is checked: mean test losses over the seeds may differ by {TOLERANCE:.0%} at most, as sums
  are taken in another order. Else the exit status is 1. More epochs than 10 may let a loss fall suddenly, at a step
  that rounding decides.

columns
  seconds     from the start of the process to its end, imports included
  /gatelab    ratio to gatelab: above 1, gatelab takes less time
  peak GB     largest sum of the resident memory of the process and its children, looked at every {SAMPLE_S} s; pages
              that they share count for each
"""


@dataclass
class Measured:
    """How a process ran: its seconds, its output with the second of each line, its peak memory."""

    seconds: float
    lines: list[tuple[float, str]]
    gigabytes: float

    def second_of(self, pattern):
        """When the first line that has a pattern came, and the match; None if there is none."""
        matches = ((second, pattern.search(line)) for second, line in self.lines)
        return next(((second, match) for second, match in matches if match), None)


def overrides(size, epochs):
    """What every trial of a size has in common, as words of our command line."""
    batch, units = SIZES[size]
    sizes = [f"task.{part}_size={count * batch}" for part, count in BATCHES.items()]
    training = [f"epochs={epochs}", f"batch_size={batch}", f"learning_rate={LEARNING_RATE}", f"clipnorm={CLIPNORM}"]
    return ["task.length=100", *sizes, f"model.units={units}", *(f"training.{setting}" for setting in training)]


def plain_work(size, epochs, seeds, folder):
    """What `_plain_sweep.py` needs to know, with the data of the tasks in files."""
    batch, units = SIZES[size]
    training = {"batch_size": batch, "epochs": epochs, "learning_rate": LEARNING_RATE, "clipnorm": CLIPNORM}
    return {
        "store": f"sqlite:///{folder / 'mlflow.db'}",
        "folder": str(folder),
        "times": str(folder / "times.jsonl"),
        "variants": VARIANTS,
        "tasks": {name: plain_task(name, overrides(size, epochs), folder / f"{name}.npz") for name in TASKS},
        "seeds": list(seeds),
        "units": units,
        **training,
    }


def plain_task(name, words, file):
    config = compose([f"task={name}", *words])
    task = tasks.build(config.task, config.data_dir)
    parts = {part: getattr(task, part) for part in BATCHES}
    inputs = {f"{part}_x": split.inputs for part, split in parts.items()}
    np.savez(file, **inputs, **{f"{part}_y": split.targets for part, split in parts.items()})
    return {
        "data": str(file),
        "shape": list(task.train.inputs.shape[1:]),
        "vocabulary": task.vocabulary,
        "outputs": task.outputs,
        "loss": task.loss,
        "score": TASKS[name],
    }


def command(name, size, arguments, cores, folder):
    """The command of a contestant."""
    seeds = range(arguments.seeds)
    swept = [f"variant={','.join(VARIANTS)}", f"task={','.join(TASKS)}", f"seed={','.join(map(str, seeds))}"]
    if name == "gatelab":
        ours = [f"output_dir={folder}", f"sweep.workers={workers(arguments)}"]
        return [sys.executable, "-m", "experiments.train", "-m", *swept, *ours, *overrides(size, arguments.epochs)]
    work = folder / "work.json"
    work.write_text(json.dumps(plain_work(size, arguments.epochs, seeds, folder)))
    if name == "plain":
        return [sys.executable, str(ROOT / "benchmarks" / "_plain_sweep.py"), str(work)]
    script = str(ROOT / "benchmarks" / "_hydra_sweep.py")
    return [sys.executable, script, "-m", f"work={work}", *swept, f"hydra.sweep.dir={folder}/hydra"]


def workers(arguments):
    return arguments.workers or len(cores_of(arguments))


def cores_of(arguments):
    """The cores that the contestants may use."""
    available = sorted(os.sched_getaffinity(0))
    return available[: arguments.cores or len(available)]


def measure(words, cores, folder, where):
    """Run a command on some cores until it ends; it must end well."""
    unset = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "KERAS_BACKEND")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "2"
    errors = folder / "errors.log"
    with errors.open("w") as opened:
        began = time.perf_counter()
        process = subprocess.Popen(
            words,
            cwd=where,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=opened,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        memory = PeakMemory(process.pid)
        lines = [(time.perf_counter() - began, line.rstrip()) for line in process.stdout]
        code = process.wait()
        seconds = time.perf_counter() - began
    (folder / "output.log").write_text("".join(f"{second:8.2f} {line}\n" for second, line in lines))
    if code:
        tail = "\n".join([*(line for _, line in lines[-20:]), *errors.read_text().splitlines()[-20:]])
        raise SystemExit(f"{' '.join(words)}\nended with {code}:\n{tail}")
    return Measured(seconds, lines, memory.stop())


class PeakMemory(Thread):
    """Looks at the resident memory of a process and all its children until it is stopped."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.root = psutil.Process(pid)
        self.peak, self.done = 0, Event()
        self.start()

    def run(self):
        while not self.done.wait(SAMPLE_S):
            try:
                processes = [self.root, *self.root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            self.peak = max(self.peak, sum(map(resident, processes)))

    def stop(self):
        """The peak in GB."""
        self.done.set()
        self.join()
        return self.peak / 1e9


def resident(process):
    try:
        return process.memory_info().rss
    except psutil.Error:  # it has ended
        return 0


def scores(folder):
    """Test losses of all finished trials of a store, by task and variant."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    losses = {(task, variant_name(variant)): [] for task in TASKS for variant in VARIANTS}
    for run in client.search_runs(experiments, "attributes.status = 'FINISHED'", max_results=10_000):
        if run.data.tags.get("kind") == "report":
            continue
        task, *folders, _ = run.info.run_name.split("/")
        losses[task, folders[-1]].append(run.data.metrics[TASKS[task]])
    return losses


def variant_name(file):
    """What runs call the variant of a file."""
    return file.rpartition("/")[2]


def compare(losses, seeds):
    """Print the mean scores of all contestants. Returns the largest relative difference of two of them."""
    print(f"  {'mean test loss':<36}" + "".join(f"{name:>12}" for name in losses) + f"{'difference':>12}")
    worst = 0.0
    for task, variant in next(iter(losses.values())):
        counts = {name: len(scores[task, variant]) for name, scores in losses.items()}
        if set(counts.values()) != {seeds}:
            raise SystemExit(f"{task}/{variant}: not every store has {seeds} runs: {counts}")
        means = [statistics.mean(scores[task, variant]) for scores in losses.values()]
        difference = (max(means) - min(means)) / min(means)
        print(f"  {task:<16}{variant:<20}" + "".join(f"{mean:>12.6f}" for mean in means) + f"{difference:>12.3%}")
        worst = max(worst, difference)
    print(f"  largest difference {worst:.3%}, allowed {TOLERANCE:.0%}", flush=True)
    return worst


def where_plain_time_goes(measured, began, folder):
    """Parts of the seconds of `_plain_sweep.py`, from the times that it wrote."""
    trials = [json.loads(line) for line in (folder / "times.jsonl").read_text().splitlines()]
    inside, before = sum(trial["ended"] - trial["began"] for trial in trials), trials[0]["began"] - began
    train, compiling, record = (sum(trial[name] for trial in trials) for name in ("train", "compile", "record"))
    parts = {
        "training": train,
        "compiling": compiling,
        "recording": record,
        "building and evaluating": inside - train - compiling - record,
        "before, between and after the trials": measured.seconds - inside,
    }
    shares = ", ".join(f"{name} {100 * seconds / measured.seconds:.0f} %" for name, seconds in parts.items())
    return f"before the first trial {before:.1f} s; {shares}"


def where_our_time_goes(measured):
    """Seconds before and after the time of the workers, and the shares of it, from the last line of the launcher.

    It gives that time in whole seconds, so that the seconds before it are no better known.
    """
    summary = measured.second_of(SHARES)
    if summary is None:
        return "the launcher did not print it"
    ended, match = summary
    workers_s = sum(int(count) * UNITS_S[unit] for count, unit in re.findall(r"(\d+) (h|min|s)\b", match["time"]))
    before, after = ended - workers_s, measured.seconds - ended
    return f"before the workers {before:.0f} s, after them {after:.1f} s, {workers_s} s with them: {match['shares']}"


def measure_size(size, arguments, output):
    """All contestants at one size, printed. Returns their rows and the largest difference of their scores."""
    batch, units = SIZES[size]
    cores, seeds = cores_of(arguments), arguments.seeds
    trials = len(VARIANTS) * len(TASKS) * seeds
    steps = arguments.epochs * BATCHES["train"]
    print(f"\n{size}: batch {batch}, {units} units; {trials} trials of {steps} steps", flush=True)
    rows, losses = [], {}
    for name in arguments.only:
        folder = output / size / name
        folder.mkdir(parents=True)
        words, where = command(name, size, arguments, cores, folder), ROOT if name == "gatelab" else folder
        began = time.time()
        measured = measure(words, cores, folder, where)
        shares = where_our_time_goes(measured) if name == "gatelab" else where_plain_time_goes(measured, began, folder)
        print(f"  {name}: {measured.seconds:.1f} s: {shares}", flush=True)
        rows.append({"size": size, "contestant": name, "seconds": measured.seconds, "peak GB": measured.gigabytes})
        rows[-1] |= {"trials/min": 60 * trials / measured.seconds, "cores": len(cores), "where": shares}
        losses[name] = scores(folder)
    show(rows)
    return rows, compare(losses, seeds)


def show(rows):
    ours = next((row["seconds"] for row in rows if row["contestant"] == "gatelab"), None)
    print(f"  {'':<9}{'seconds':>9}{'trials/min':>12}{'/gatelab':>10}{'peak GB':>9}")
    for row in rows:
        row["/gatelab"] = row["seconds"] / ours if ours else float("nan")
        numbers = f"{row['seconds']:>9.1f}{row['trials/min']:>12.1f}{row['/gatelab']:>10.2f}{row['peak GB']:>9.2f}"
        print(f"  {row['contestant']:<9}{numbers}")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="default all")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=CONTESTANTS, help="contestants; default all")
    parser.add_argument("--seeds", type=int, default=6, help="trials of each variant and task; default 6")
    parser.add_argument("--epochs", type=int, default=10, help=f"of {BATCHES['train']} steps; default 10")
    parser.add_argument("--workers", type=int, help="sweep.workers of our launcher; default: the number of cores")
    parser.add_argument("--cores", type=int, help="let all contestants use so many cores only; default: all")
    parser.add_argument("--output-dir", help="where stores and logs are kept; default: a temporary folder, removed")
    parser.add_argument("--csv", metavar="FILE", help="write all rows to a file too")
    return parser.parse_args()


def warm_up(cores):
    """Bring what all contestants import into the page cache."""
    words = [sys.executable, "-c", "import hydra, keras, mlflow, tensorflow, experiments.trial.fit"]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))


def main():
    arguments = parse()
    output = Path(arguments.output_dir or tempfile.mkdtemp(prefix="sweep-")).resolve()
    cores = cores_of(arguments)
    print(f"{len(cores)} cores, {workers(arguments)} workers", flush=True)
    warm_up(cores)
    try:
        measured = [measure_size(size, arguments, output) for size in arguments.sizes]
    finally:
        if not arguments.output_dir:
            shutil.rmtree(output, ignore_errors=True)
    if arguments.csv:
        rows = [row for rows, _ in measured for row in rows]
        with open(arguments.csv, "w", newline="") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    if max(difference for _, difference in measured) > TOLERANCE:
        raise SystemExit("the contestants did not do the same work: their scores differ by more than is allowed")


if __name__ == "__main__":
    main()
