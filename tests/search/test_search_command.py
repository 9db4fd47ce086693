"""Whole commands with the sweeper `search`."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from experiments.sweep import clean, status
from experiments.tracking import Store
from experiments.tracking.metadata import Tag
from experiments.tracking.transfer import histories
from tests.conftest import ROOT
from tests.stores import is_untouched, put_store

SMALL = ("task.train_size=64", "task.validation_size=32", "task.test_size=32", "tracking.gates=0")
QUICK = (*SMALL, "training.jit_compile=false", "sweep.workers=1", "study=s")
RATE = "training.learning_rate=tag(log, interval(1e-3, 1e-1))"
HALVED = (
    "-m",
    "hydra/sweeper=search",
    "search.trials=4",
    "search.halving={rungs: [1, 2], keep: 1/2}",
    "search.confirm=2",
    "variant=standard,swapped",
    RATE,
    "model.units=4",
    "training.epochs=4",
    *QUICK,
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model.units=4,8", "search.trials=0"), "search.trials=0: must be at least 1"),
        (("model.units=4,8", "search.sampler=best"), "expected one of [random, qmc, grid, tpe, cmaes]"),
        (("model.units=4",), "a search needs a field to draw"),
        (("variant=standard,peephole", "seed=0,1"), "a search needs a field to draw"),
        (("model.units=4,8", "search.grid=[seeds]"), "search.grid: seeds has no list of values to be crossed"),
        ((RATE, "search.grid=[training.learning_rate]"), "an interval has no list of values"),
        ((RATE, "search.trials=1,2"), "search.trials=1,2: a setting of the search cannot be swept"),
        ((RATE, "search.sampler=grid"), "training.learning_rate is an interval, which has no list of values"),
        (("model.units=tag(log,interval(0,1))",), "the bounds of a log-uniform interval must be greater than 0"),
        (("training.learning_rate=interval(0.2,0.1)",), "the lower bound must be less than the upper bound"),
        (("variant=glob(nothing*)", RATE), "variant=glob(nothing*): has no values"),
        ((RATE, "variant=standard,foo"), "Could not find 'variant/foo'"),
        (("training.rate=interval(0,1)",), "Key 'rate' not in 'Training'"),
        (("task.length=interval(1,2)",), "could not be converted to Integer"),
        ((RATE, "search.halving.rungs=[3,9]", "training.epochs=8"), "rungs=[3, 9]: adding/standard has training.epoch"),
        ((RATE, "search.halving={rungs: [3], keep: 2}"), "search.halving.keep=2: must be greater than 0 and less than"),
        ((RATE, "search.halving={rung: [3]}"), "Key 'rung' not in 'Halving'"),
        (("training.epochs=5,9", "search.halving.rungs=[3]"), "training.epochs is drawn: with search.halving"),
        ((RATE, "sweep.pause_after=3"), "sweep.pause_after: hydra/sweeper=search fills it in"),
        ((RATE, "rerun=true"), "rerun=true: would train each rung anew"),
        ((RATE, "hydra/sweeper=random"), "hydra/sweeper=random is hydra/sweeper=search now"),
        ((RATE, "hydra/sweeper=grid", "search.confirm=3"), "search.confirm: is for hydra/sweeper=search; add that"),
    ],
)
def test_mistakes_stop_a_search_before_the_first_trial(refusal, tmp_path, arguments, message):
    assert message in refusal("-m", "hydra/sweeper=search", *arguments, "sweep.workers=1")
    assert is_untouched(tmp_path / "out") and not list((tmp_path / "out").glob("*/plan.json"))


def runs(folder):
    return Store(None, str(folder)).trials("s")


def numbers(folder):
    """Every metric of every trial but times, and how it ended, by the key of the trial."""
    store = Store(None, str(folder))
    return {
        run.tags[Tag.TRIAL_KEY]: (
            run.status,
            _points(store, run),
            {k: v for k, v in run.tags.items() if "best_un" in k},
        )
        for run in store.trials("s")
        if run.status in ("FINISHED", "SCHEDULED")
    }


def _points(store, run):
    by_name = histories(store, run.run_id, [name for name in run.metrics if not name.startswith("time/")])
    return {name: [(step, repr(value)) for step, _, value in points] for name, points in by_name.items()}


@pytest.mark.slow
def test_a_search_pauses_goes_on_and_confirms_what_it_has_chosen(train_here, tmp_path, capsys):
    done = train_here(*HALVED)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "search: 4 draws (training.learning_rate; random, seed 0) for each of 2: adding/standard, adding/swapped",
        "confirmation: 2 seeds cannot show any difference: it takes 4, and 18 for 1 standard deviation",
        "search rung 1 of 3: 8 trials, 0 in the store already, 8 to train on 1 worker",
        "search rung 2 of 3: 4 trials, 0 in the store already",
        "search rung 3 of 3: 2 trials, 0 in the store already",
        "confirmation with 2 fresh seeds: 4 trials",
        "Each row has its own best setting of 4 draws, chosen on validation, and is compared with 2 seeds",
    ):
        assert line in " ".join(done.stdout.split()), done.stdout
    assert done.stdout.count("trivial baseline") == 1, "one table, at the end"
    ended = runs(tmp_path / "out")
    search = [run for run in ended if run.tags[Tag.PHASE] == "search"]
    assert sorted(run.status for run in search) == ["FINISHED"] * 2 + ["SCHEDULED"] * 6
    assert sorted(run.tags.get(Tag.PAUSED, "") for run in search) == ["", "", "1", "1", "1", "1", "2", "2"]
    confirmed = {(run.params["variant"], run.params["seed"]): run for run in ended if run.tags[Tag.PHASE] == "confirm"}
    assert set(confirmed) == {(variant, seed) for variant in ("standard", "swapped") for seed in "12"}
    for run in search:
        if run.status == "FINISHED":
            rate = run.params["training.learning_rate"]
            assert confirmed[run.params["variant"], "1"].params["training.learning_rate"] == rate

    before = numbers(tmp_path / "out")
    again = train_here(*HALVED)
    assert again.returncode == 0 and again.stdout.count("nothing to train") == 4
    assert numbers(tmp_path / "out") == before and len(runs(tmp_path / "out")) == len(ended)
    other = train_here(*HALVED, "search.seed=1")
    assert other.returncode == 2 and "search.seed: 0 then, 1 now" in other.stderr

    store = Store(None, f"{tmp_path}/out")
    assert status.show(store, "s", "study=s") == 0
    assert "6 trials paused: not among the best of a search" in capsys.readouterr().out
    left = clean.leftovers(store, "s")
    assert len(left.usable) == 6 and not left.useless
    alone = next(run for run in ended if run.status == "FINISHED").tags["mlflow.note.content"]
    assert "hydra.mode=RUN" in alone and "pause_after" not in alone


@pytest.mark.slow
def test_a_search_with_another_launcher_chooses_the_same(train, tmp_path):
    assert train(*HALVED).returncode == 0
    ours = numbers(tmp_path / "out")
    put_store(tmp_path / "basic")
    done = train(*HALVED, f"output_dir={tmp_path}/basic", "hydra/launcher=basic")
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(tmp_path / "out") == ours
    assert done.stdout.count("trivial baseline") == done.stdout.count("Report of ") == 1, "one table, at the end"


@pytest.mark.slow
def test_a_search_that_is_killed_again_and_again_ends_with_the_same_bits(train, tmp_path):
    """The whole process group, at random moments."""
    assert train(*HALVED).returncode == 0
    whole = numbers(tmp_path / "out")
    put_store(tmp_path / "killed")
    command = [sys.executable, "-m", "experiments.train", *HALVED, f"output_dir={tmp_path}/killed"]
    moments = random.Random(0)
    for _ in range(5):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
        time.sleep(moments.uniform(8, 25))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(tmp_path / "killed") == whole
