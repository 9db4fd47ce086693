"""Successive halving against the full random search: what it finds, what it costs, and what is left after kills.

python -m benchmarks.search --help
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import numpy as np
import psutil

from experiments.tracking import Store, StoredRun
from experiments.tracking.metadata import Metric, Param, Tag, recorded_number
from experiments.tracking.transfer import histories

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = ("standard", "peephole", "swapped")
RATE = "training.learning_rate=tag(log, interval(1e-4, 1e-1))"
UNITS = "model.units=32"
STUDY = "benchmark"
MANY = 27  # draws
SIZES = {
    "adding": ("task.length=30", "task.train_size=1024", "task.validation_size=256", "task.test_size=256"),
    "mackey_glass": ("task.train_steps=1500",),
}
SEEDS = 5  # of the best setting, for the spread that luck alone gives
SLACK = 0.01  # of the score
FINISHED = re.compile(r"^\[ *\d+/\d+\]")
SMALL = ("task.train_size=128", "task.validation_size=64", "task.test_size=64", "tracking.gates=0")
STORED = 500

HELP = f"""
halving    on each task {", ".join(VARIANTS)}, with the same draws of the
           learning rate. The full search trains all of them to their last epoch; halving pauses at ninths, thirds and
           two thirds of the epochs and keeps a half, of more than {MANY} draws at 2/27, 2/9 and 2/3 and keeps a third.
           Printed: the share of the epochs, and for each variant the validation score of the setting that was chosen,
           the mean of {SEEDS} seeds that neither search has used, as the best of many scores is a lucky one. Halving
           passes if its setting is within {SLACK:.0%} of that of the full search, or within their standard deviation
           over seeds. In brackets the scores by which they were chosen. Sequences of adding have 30 steps, and
           mackey_glass has half of its training part.
kills      a small search with halving and confirmation, run once to its end, and once with kill -9 of its whole
           process group at --kills random moments; every metric and every choice must be equal to the last bit.
overhead   a TPE search in a store that has {STORED} trials of the study: seconds between the last trial of a batch and
           the first of the next, spent neither in a trial nor in waiting for one, and the memory of the parent.
"""


def command(folder: Path, *words: str) -> list[str]:
    search = ("-m", "hydra/sweeper=search", f"study={STUDY}", f"output_dir={folder}")
    return [sys.executable, "-m", "experiments.train", *search, *words]


def run(folder: Path, *words: str) -> None:
    done = subprocess.run(command(folder, *words), cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}\n{done.stderr}")


def trials(folder: Path, phase: str) -> list[StoredRun]:
    return [trial for trial in Store(None, str(folder)).trials(STUDY) if trial.tags.get(Tag.PHASE) == phase]


def epochs(runs: list[StoredRun]) -> int:
    return int(sum(run.metrics.get(Metric.EPOCHS, recorded_number(run.tags.get(Tag.PAUSED))) for run in runs))


def best(runs: list[StoredRun], variant: str) -> StoredRun:
    ended = [run for run in runs if run.status == "FINISHED" and run.params[Param.VARIANT] == variant]
    return min((run for run in ended if np.isfinite(run.validation)), key=lambda run: run.validation)


def halving(task: str, draws: int, arguments: argparse.Namespace, folder: Path) -> None:
    """Print a line for each variant. The full search of more draws goes on with that of fewer."""
    shares, keep = ((2 / 27, 2 / 9, 2 / 3), "1/3") if draws > MANY else ((1 / 9, 1 / 3, 2 / 3), "1/2")
    rungs = ",".join(map(str, sorted({max(1, round(arguments.epochs * share)) for share in shares})))
    words = (f"task={task}", f"variant={','.join(VARIANTS)}", RATE, UNITS, f"training.epochs={arguments.epochs}")
    words = (*words, *SIZES.get(task, ()), f"search.trials={draws}", f"search.seed={arguments.seed}")
    words = (*words, f"search.confirm={SEEDS}", "tracking.gates=0")
    run(folder / "full", *words)
    run(folder / f"halving{draws}", *words, f"search.halving={{rungs: [{rungs}], keep: {keep}}}")
    full, halved = trials(folder / "full", "search"), trials(folder / f"halving{draws}", "search")
    share = epochs(halved) / epochs(full)
    print(f"{task}, {draws} draws, rungs {rungs}, {keep}: {epochs(halved)} of {epochs(full)} epochs, {share:.1%}")
    for variant in VARIANTS:
        reference, chosen = best(full, variant), best(halved, variant)
        fresh, ours = fresh_scores(folder / "full", reference), fresh_scores(folder / f"halving{draws}", chosen)
        allowed = max(SLACK * abs(np.mean(fresh)), float(np.std(fresh, ddof=1)), float(np.std(ours, ddof=1)))
        verdict = "passes" if np.mean(ours) - np.mean(fresh) <= allowed else "FAILS"
        numbers = f"{np.mean(ours):.5g} against {np.mean(fresh):.5g}, allowed +{allowed:.2g}"
        chosen_by = f"({chosen.validation:.5g} against {reference.validation:.5g})"
        print(f"  {variant:<10} {numbers} {chosen_by}: {verdict}", flush=True)


def fresh_scores(folder: Path, chosen: StoredRun) -> list[float]:
    """Validation scores of a setting with the seeds of the confirmation."""
    return [run.validation for run in trials(folder, "confirm") if setting(run) == setting(chosen)]


def setting(run: StoredRun) -> tuple[str, str]:
    return run.params[Param.VARIANT], run.params["training.learning_rate"]


def numbers(folder: Path) -> dict[str, object]:
    """All that a search has recorded but times, by the key of the trial."""
    store = Store(None, str(folder))
    recorded = {}
    for trial in store.trials(STUDY):
        if trial.status in ("FINISHED", "SCHEDULED"):
            names = [name for name in trial.metrics if not name.startswith("time/")]
            points = histories(store, trial.run_id, names)
            values = {name: [(step, repr(value)) for step, _, value in history] for name, history in points.items()}
            rungs = {name: text for name, text in trial.tags.items() if name.startswith("best_until")}
            recorded[trial.tags[Tag.TRIAL_KEY]] = (trial.status, values, rungs)
    return recorded


def kills(count: int, folder: Path) -> None:
    """Print whether a search that was killed again and again ends as one that was not."""
    words = ("task=adding", "variant=standard,swapped", RATE, "model.units=8", "training.epochs=9", *SMALL)
    words = (*words, "search.trials=9", "search.halving.rungs=[1,3]", "search.confirm=3")
    began = time.perf_counter()
    run(folder / "whole", *words)
    longest = time.perf_counter() - began
    moments = random.Random(1)
    for _ in range(count):
        process = subprocess.Popen(
            command(folder / "killed", *words), cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moments.uniform(0.1, 0.6) * longest)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    run(folder / "killed", *words)
    whole, killed = numbers(folder / "whole"), numbers(folder / "killed")
    verdict = "equal to the last bit" if whole == killed else "DIFFERENT"
    print(f"kills: {count}, then {len(killed)} trials of {len(whole)}: {verdict}", flush=True)


def overhead(folder: Path) -> None:
    """Print how long the sweeper and the launcher take between two batches, and how much memory."""
    small = ("task=adding", "model.units=4", "training.epochs=1", "training.jit_compile=false", *SMALL, RATE)
    words = (*small, "search.sampler=tpe", "search.batch=1", "sweep.workers=1", "search.trials=12")
    run(folder, *words)
    _fill(folder, STORED)
    process = subprocess.Popen(
        command(folder, *(word.replace("trials=12", "trials=18") for word in words)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    gaps, ended, memory = [], 0.0, 0.0
    for line in process.stdout:
        now = time.perf_counter()
        if "1 to train" in line and ended:
            gaps.append(now - ended)
        if FINISHED.match(line):
            ended = now
        if process.poll() is None:
            memory = max(memory, psutil.Process(process.pid).memory_info().rss / 1e9)
    process.wait()
    print(
        f"overhead: {STORED} trials in the store, between two batches {np.median(gaps):.2f} s (median), "
        f"{max(gaps):.2f} s (longest); parent {memory:.2f} GB",
        flush=True,
    )


def _fill(folder: Path, count: int) -> None:
    """Finished runs of other trials of the study."""
    store = Store(None, str(folder))
    example, experiment = store.trials(STUDY)[0], store.experiment(f"{STUDY}/adding")
    for number in range(count):
        tags = {**example.tags, Tag.TRIAL_KEY: f"{number:016x}"}
        recorded = store.start(experiment, example.name, {**example.params, "seed": number + 9}, tags, folder / "lock")
        recorded.keep({0: {"test/mse": 1.0, "best/mse": 1.0}})
        recorded.end("FINISHED")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--what", nargs="+", choices=("halving", "kills", "overhead"), default=["halving", "kills", "overhead"]
    )
    parser.add_argument("--tasks", nargs="+", default=["adding", "mackey_glass"])
    parser.add_argument("--draws", type=int, nargs="+", default=[27, 81])
    parser.add_argument("--epochs", type=int, default=27)
    parser.add_argument("--seed", type=int, default=1, help="of the draws")
    parser.add_argument("--kills", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for task in arguments.tasks if "halving" in arguments.what else ():
            for draws in sorted(arguments.draws):
                halving(task, draws, arguments, Path(folder) / task)
        if "kills" in arguments.what:
            kills(arguments.kills, Path(folder) / "kills")
        if "overhead" in arguments.what:
            overhead(Path(folder) / "overhead")


if __name__ == "__main__":
    main()
