"""A sweep that is killed again and again, at random moments, ends as one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import mlflow
import pytest

import variants  # noqa: F401  (registers the layers of the saved models)
from experiments.sweep import __main__ as manage
from experiments.tracking import Store, is_held
from tests.conftest import ROOT
from tests.stores import new_store

SWEEP = (
    "-m variant=standard,zoneout seed=0,1 task=adding task.length=10 task.train_size=512 task.validation_size=64 "
    "task.test_size=64 model.units=8 sweep.workers=2 sweep.checkpoint_s=0 sweep.retries=1000 "
    "sweep.stop_after_same_error=null training.jit_compile=false"
).split()


def begin(folder, epochs, *words):
    words = (*SWEEP, f"training.epochs={epochs}", *words, f"output_dir={folder}")
    command = [sys.executable, "-m", "experiments.train", *words]
    with open(folder.with_suffix(".log"), "a") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def workers(parent):
    """The processes that train for a sweep."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


def kill_something(process, chance):
    """A worker, the sweep, or all of it; at once or politely."""
    how = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    whom = chance.choice(["worker", "worker", "parent", "group"])
    try:
        if whom == "group":
            os.killpg(process.pid, how)
        elif whom == "parent":
            os.kill(process.pid, how)
        else:
            os.kill(chance.choice(workers(process.pid)), signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError, IndexError):
        return ""
    return f"{whom} {how.name}"


def kill_again_and_again(folder, epochs, times, pause, chance):
    """Run the sweep until it has survived so many kills, or is done; whenever it is gone, it is begun again."""
    killed, process = [], begin(folder, epochs)
    try:
        while len(killed) < times:
            time.sleep(chance.uniform(*pause))
            if process.poll() is None:
                what = kill_something(process, chance)
                killed += [what] if what else []
            elif process.returncode == 0:
                break
            else:
                process = begin(folder, epochs)
        process.wait(600)
        for _ in range(3):  # one that was killed at its end, and one that waits for trials of a dying one
            process = begin(folder, epochs)
            if process.wait(600) == 0:
                return killed
        raise AssertionError(folder.with_suffix(".log").read_text()[-3000:])
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def what_a_store_holds(folder):
    """Of each trial: status, metrics by step without times, and the weights of its model."""
    store = Store(None, str(folder))
    client = mlflow.MlflowClient(store.uri)
    content = {}
    for trial in store.trials("default"):
        assert trial.status == "FINISHED", trial
        assert trial.name not in content, "a trial has two finished runs"
        histories = {name: client.get_metric_history(trial.run_id, name) for name in trial.metrics}
        last = len(histories["train/loss"])
        for name, points in histories.items():
            steps = [point.step for point in points]
            assert steps == sorted(set(steps)), f"{trial.name} has steps of {name} twice: {steps}"
            if name.startswith("gates/"):
                assert steps == sorted({*(2**k for k in range(10) if 2**k <= last), last}), f"{name}: {steps}"
            elif not name.startswith(("test/", "best/", "epochs/", "time/compile", "time/train")):
                assert steps == list(range(1, last + 1)), f"{name}: {steps}"
        values = {n: [p.value for p in points] for n, points in histories.items() if not n.startswith("time/")}
        file = folder / "artifacts" / "default" / "adding" / trial.run_id / "artifacts" / "model.keras"
        weights = [weight.tobytes() for weight in keras.saving.load_model(file).get_weights()]
        content[trial.name] = (values, weights)
    return content


def compare(whole, killed, log):
    assert what_a_store_holds(killed) == what_a_store_holds(whole)
    assert manage.main(["clean", "study=default", "yes=true", f"output_dir={killed}"]) == 0
    assert not any(path.is_dir() for path in (killed / "running").iterdir()), "no checkpoint is left"
    assert "database is locked" not in log.read_text()


def wait_until(condition):
    for _ in range(240):
        if condition():
            return
        time.sleep(0.5)
    raise AssertionError("it does not happen")


def test_a_killed_worker_costs_its_own_trial_and_all_ends_as_if_nothing_was_killed(train_here, tmp_path):
    """A worker is killed, then the whole sweep, in the midst of both trials; this process goes on with them."""
    epochs, words = 30, ("variant=zoneout", "task.train_size=1024", "sweep.retries=0")
    killed, log = tmp_path / "killed", tmp_path / "killed.log"
    store = new_store(killed)

    def training():
        return {trial.run_id: trial for trial in store.trials("default") if "val/mse" in trial.metrics}

    process = begin(killed, epochs, *words)
    try:
        wait_until(training)
        (first,) = training()
        pid = int(training()[first].tags["pid"])
        os.kill(pid, signal.SIGSTOP)  # the first of the workers is seconds ahead
        wait_until(lambda: len(training()) == 2)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: training()[first].status != "RUNNING")
        assert training()[first].status == "FAILED" and "died (exit code -9)" in training()[first].tags["error"]
        assert {trial.status for run, trial in training().items() if run != first} == {"RUNNING"}
        assert "its worker process died" in log.read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    wait_until(lambda: not any(is_held(lock) for lock in (killed / "running").glob("*.lock")))
    for folder in (killed, tmp_path / "out"):
        done = train_here(*SWEEP, f"training.epochs={epochs}", *words, folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    compare(tmp_path / "out", killed, log)
    assert training()[first].tags["attempts"] == "2"


@pytest.mark.slow
def test_a_sweep_that_is_killed_thirty_times_ends_like_one_that_was_not(tmp_path):
    assert begin(tmp_path / "whole", 400).wait(600) == 0
    killed = kill_again_and_again(tmp_path / "killed", 400, 30, (1.0, 10.0), random.Random(1))
    compare(tmp_path / "whole", tmp_path / "killed", tmp_path / "killed.log")
    assert len(what_a_store_holds(tmp_path / "killed")) == 4
    assert len(killed) >= 30 and {kill.split()[0] for kill in killed} == {"worker", "parent", "group"}
