"""The cost of tracing the gates while training: trials with and without it, alternately.

python -m benchmarks.gates --help
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["OMP_NUM_THREADS"] = "1"  # as in a trial
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
os.environ["TF_NUM_INTEROP_THREADS"] = "1"

from experiments import tasks
from experiments.config.compose import compose
from experiments.sweep.run_trial import run_trial
from experiments.trial import model_cache
from experiments.trial.spec import TrialSpec

HELP = """
Each trial is a whole one, recorded in a store. The first pair of a task compiles and is left out: a worker of a sweep
does so once for each model. Pairs differ by their seed.

columns
  train s     seconds of training and validation, median of the trials without traces
  cost ms     milliseconds of tracing (statistics, records and pictures in the store), with traces less without,
              median of the pairs; training itself is left out, whose time varies by more than this
  share       the cost in percent of the seconds of training
  compile s   seconds of compiling the tracer, once for each model of a worker
"""


def parts(task, folder, seed, gates, overrides):
    """Seconds of the parts of a trial, as a sweep adds them up."""
    words = [f"task={task}", f"seed={seed}", f"tracking.gates={gates}", f"output_dir={folder}", "rerun=true"]
    config = compose([*words, *overrides])
    outcome = run_trial(TrialSpec.of(config, tasks.build(config.task, config.data_dir)), verbose=0)
    if outcome.status not in ("finished", "diverged"):
        raise SystemExit(f"{task}: {outcome.status} ({outcome.error})")
    return outcome.parts


def measure(task, pairs, rate, overrides):
    """For each pair of trials the parts of the one with traces and of the one without; seconds of compiling."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        model_cache._cache.clear()
        for seed in range(pairs + 1):
            order = (rate, 0) if seed % 2 == 0 else (0, rate)
            pair = {gates: parts(task, Path(folder), seed, gates, overrides) for gates in order}
            seconds.append((pair[rate], pair[0]))
    return seconds[1:], sum(compiled.tracer.compile_s for compiled in model_cache._cache.values())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", default=["adding", "char_lm", "sunspots"], help="files of conf/task")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of trials after the first, which compiles")
    parser.add_argument("--rate", default="null", help="tracking.gates of the trials with traces")
    parser.add_argument("overrides", nargs="*", help="further settings of all trials, such as training.epochs=30")
    arguments = parser.parse_args()
    print(f"{'task':<22}{'train s':>9}{'cost ms':>10}{'share':>9}{'compile s':>11}", flush=True)
    for task in arguments.tasks:
        seconds, compiling = measure(task, arguments.pairs, arguments.rate, arguments.overrides)
        train = statistics.median(without["train"] for _, without in seconds)
        cost = statistics.median(traced["record"] - without["record"] for traced, without in seconds)
        print(f"{task:<22}{train:>9.2f}{1000 * cost:>10.0f}{cost / train:>9.1%}{compiling:>11.2f}", flush=True)


if __name__ == "__main__":
    main()
