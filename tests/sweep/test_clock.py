"""The clock is set back or forward: nothing is ended early, and the newest run is the one that was begun last."""

import os
import signal
import subprocess
import sys
import time

import pytest

from experiments.sweep import __main__ as manage
from experiments.sweep import status
from experiments.sweep.run_trial import run_trial
from experiments.tracking import Store
from tests.conftest import ROOT, spec_of
from tests.stores import new_store, put_store
from tests.sweep.test_commands import KEYS, add
from tests.sweep.test_run import QUICK, trials, wait_for_epoch

TWO_HOURS = 7200.0


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path / "out")


@pytest.fixture
def set_clock(monkeypatch):
    """Set the clock of this process, as everything in it reads it, by so many seconds."""
    right = time.time
    return lambda seconds: monkeypatch.setattr("time.time", lambda: right() + seconds)


def test_a_rerun_after_the_clock_was_set_back_is_the_newest_run(make_config, store, set_clock):
    first = run_trial(spec_of(make_config(*QUICK)), 0)
    set_clock(-TWO_HOURS)
    second = run_trial(spec_of(make_config(*QUICK, "rerun=true")), 0)
    assert second.run_id != first.run_id
    assert [runs[0].run_id for runs in store.ended(store.experiment("default/adding")).values()] == [second.run_id]
    assert [run.run_id for run in store.trials("default")] == [second.run_id, first.run_id]


def test_an_export_of_a_run_that_ends_before_it_begins_comes_in(store, tmp_path, set_clock):
    run = add(store, KEYS[0], "adding/standard/s0", None)
    run.log({1: {"val/mse": 1.0}})
    set_clock(-TWO_HOURS)
    run.log({2: {"val/mse": 0.5}, 0: {"test/mse": 0.25}})
    run.client.log_text(run.id, "text", "trial.log")
    run.end("FINISHED")
    file, other = tmp_path / "s.zip", tmp_path / "other"
    put_store(other)
    assert manage.main(["export", "study=s", f"file={file}", f"output_dir={store.folder}"]) == 0
    assert manage.main(["import", f"file={file}", f"output_dir={other}"]) == 0
    (copy,) = Store(None, str(other)).trials("s")
    assert copy.status == "FINISHED" and copy.score == 0.25
    assert Store(None, str(other)).history(copy.run_id, "val/mse") == {1: 1.0, 2: 0.5}


def test_a_sign_of_life_in_the_future_is_said_to_be_one(store):
    add(store, KEYS[0], "adding/standard/s0", None)
    (run,) = store.trials("s")
    run.tags.update(heartbeat=str(time.time() + TWO_HOURS), host="elsewhere")
    assert "2 h 0 min in the future: its clock or that of this machine is wrong" in status.sign_of_life(run)
    assert status.state_of(run) == "running"


SHIFTED = """
import os, time
right = time.time
def shifted():
    with open(os.environ["CLOCK"]) as file:
        return right() + float(file.read() or 0)
time.time = shifted
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [TWO_HOURS, -TWO_HOURS])
def test_a_sweep_during_which_the_clock_is_set_goes_on(tmp_path, seconds):
    """In all of its processes, by a module that Python imports at its start."""
    put_store(tmp_path / "out")
    (tmp_path / "sitecustomize.py").write_text(SHIFTED)
    clock = tmp_path / "clock"
    clock.write_text("0")
    long = ("task.train_size=512", "task.length=10", "model.units=4", "training.epochs=100", "sweep.checkpoint_s=0")
    command = [sys.executable, "-m", "experiments.train", "-m", "seed=0,1", *long, "training.jit_compile=false"]
    words = ("tracking.gates=0", "sweep.timeout_s=1000", "sweep.workers=1", f"output_dir={tmp_path}/out")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "CLOCK": str(clock)}
    process = subprocess.Popen([*command, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        wait_for_epoch(tmp_path)
        clock.write_text(str(seconds))
        out, _ = process.communicate(timeout=500)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert process.returncode == 0, out
    assert "took longer" not in out and "KILLED" not in out
    runs = trials(tmp_path)
    assert [run.status for run in runs] == ["FINISHED"] * 2 and {run.tags["attempts"] for run in runs} == {"1"}
    for run in runs:
        assert sorted(Store(None, str(tmp_path / "out")).history(run.run_id, "val/mse")) == list(range(1, 101))
