"""How long the report of a large study takes, and how much memory: made-up scores in a real store.

python -m benchmarks.report                          # 9 variants x 9 tasks x 67 seeds, about 5,400 trials
python -m benchmarks.report --tasks 3 --seeds 200
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from experiments.tracking import Store
from experiments.tracking.metadata import Param, Tag

STUDY = "made_up"
VARIANTS = (
    "standard",
    "peephole",
    "no_input_gate",
    "no_forget_gate",
    "no_output_gate",
    "no_input_activation",
    "no_output_activation",
    "coupled_gates",
    "gate_recurrence",
)
TASKS = ("adding", "anbn", "char_lm", "copy_memory", "digits", "dyck1", "mackey_glass", "parity", "sunspots")


def fill(store: Store, variants: int, tasks: int, seeds: int, epochs: int) -> None:
    """Write finished runs with scores that are random, but for a share that variant, task and seed decide."""
    generator = np.random.default_rng(0)
    effects = generator.normal(0, 0.05, (variants, tasks))
    for number, task in enumerate(TASKS[:tasks]):
        experiment = store.experiment(f"{STUDY}/{task}")
        easy = generator.normal(0, 0.03, seeds)
        for row, variant in enumerate(VARIANTS[:variants]):
            for seed in range(seeds):
                score = float(0.5 + effects[row, number] + easy[seed] + generator.normal(0, 0.04))
                add(store, experiment, task, variant, seed, score, epochs)


def add(store: Store, experiment: str, task: str, variant: str, seed: int, score: float, epochs: int) -> None:
    """Write one run as a trial would."""
    name = f"{task}/{variant}/s{seed}"
    labels = {Param.VARIANT: variant, Param.TASK: task, Param.SEED: seed, Param.UNITS: 64}
    fields = {f"training.field_{number}": number for number in range(40)}  # as many as a configuration has
    tags = {
        Tag.KIND: "trial",
        Tag.STUDY: STUDY,
        Tag.TRIAL_KEY: name,
        Tag.DIVERGED: "false",
        Tag.SCORE_METRIC: "test/mse",
        Tag.SCORE_TITLE: "mean squared error",
        Tag.SCORE_UNIT: "",
        Tag.SCORE_BETTER: "lower",
        Tag.BASELINE: 1.0,
        Tag.BASELINE_TITLE: "the mean of the training part",
        Tag.REFERENCES: "[]",
    }
    run = store.start(experiment, name, labels | fields | {"training.epochs": epochs}, tags, Path("none"))
    curve = {epoch: {"val/mse": score * (1 + 3 / epoch), "time/step_ms": 5.0} for epoch in range(1, epochs + 1)}
    run.keep(curve | {0: {"test/mse": score}})
    run.describe({Param.PARAMETERS: 20_000 + 997 * VARIANTS.index(variant)})
    run.end("FINISHED")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", type=int, default=9, choices=range(1, len(VARIANTS) + 1), metavar="1-9")
    parser.add_argument("--tasks", type=int, default=9, choices=range(1, len(TASKS) + 1), metavar="1-9")
    parser.add_argument("--seeds", type=int, default=67)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="keep the store there; one that is there already is used again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        store = Store(None, str(folder))
        if STUDY not in store.studies():
            began = time.perf_counter()
            fill(store, options.variants, options.tasks, options.seeds, options.epochs)
            print(f"store written in {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        command = [sys.executable, "-m", "experiments.report", f"study={STUDY}", f"output_dir={folder}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        size = (folder / STUDY / "report" / "report.html").stat().st_size / 2**20
        trials = len(store.trials(STUDY))
        print(f"report of {trials:,} trials: {seconds:.1f} s, at most {memory:.2f} GB, page of {size:.1f} MB")


if __name__ == "__main__":
    main()
