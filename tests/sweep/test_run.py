"""Whole commands in processes of their own, on small tasks and a real store."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import mlflow
import pytest
import yaml

import variants  # noqa: F401  (registers the layers of the saved models)
from experiments.tracking import Store
from experiments.tracking.code_version import git_commit
from tests.conftest import ROOT, spec_of
from tests.stores import put_store

SMALL = ("task.train_size=64", "task.validation_size=32", "task.test_size=32", "model.units=4", "training.epochs=2")
QUICK = (*SMALL, "tracking.gates=0", "training.jit_compile=false")  # to train, not to compile
WIDE = (*QUICK, "model.units=128", "training.jit_compile=true")  # so that threads would share out a product


def trials(tmp_path, study="default"):
    return Store(None, f"{tmp_path}/out").trials(study)


def artifacts(tmp_path, trial):
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/out/mlflow.db")
    return client, {artifact.path for artifact in client.list_artifacts(trial.run_id)}


def table_of(output):
    return output[output.index("┏") : output.index("Curves and runs")]


def test_a_sweep_from_start_to_table_and_again_from_the_store(train, train_here, tmp_path):
    told = tmp_path / "told.json"
    sweep = ("-m", "variant=standard,swapped", "seed=0,1", "sweep.workers=2", f"sweep.notify='cat > {told}'", *QUICK)
    first = train(*sweep)
    assert first.returncode == 0, first.stdout + first.stderr
    assert (
        "2 variants x 1 task x 2 seeds = 4 trials, how long they take is known after the first; "
        "2 seeds cannot show any difference: it takes 4, and 18 for 1 standard deviation\n"
        "default: 4 trials, 0 in the store already, 4 to train on 2 workers\n"
    ) in first.stdout
    lines = re.findall(r"^\[(\d)/4\] adding/(\w+)/s(\d) +mse [\d.e-]+ .*s   (.*)$", first.stdout, re.M)
    assert [line[0] for line in lines] == ["1", "2", "3", "4"]
    assert {line[1:3] for line in lines} == {(v, s) for v in ("standard", "swapped") for s in "01"}
    assert lines[0][3].startswith("3 left, about") and lines[3][3] == "all done"
    page = tmp_path / "out" / "default" / "report" / "report.html"
    assert f"Report of 4 trials of the study: {page}" in first.stdout and page.is_file()

    told = json.loads(told.read_text())
    assert (told["end"], told["trials"], told["done"], told["report"]) == ("finished", 4, 4, str(page))

    second = train_here(*sweep)
    assert "4 in the store already, nothing to train" in second.stdout
    assert table_of(second.stdout) == table_of(first.stdout)
    assert "Report of" not in second.stdout, "the page is as it was"
    assert [trial.status for trial in trials(tmp_path)] == ["FINISHED"] * 4


@pytest.mark.slow
def test_the_same_bits_alone_and_in_a_sweep(train, tmp_path):
    assert train("-m", "seed=0,1", "sweep.workers=2", *WIDE).returncode == 0
    assert train("seed=1", *WIDE, "rerun=true").returncode == 0
    scores = {}
    for trial in trials(tmp_path):
        scores.setdefault(trial.name, []).append(trial.score)
    ((sweep, alone),) = [pair for pair in scores.values() if len(pair) > 1]
    assert sweep == alone


def test_what_a_run_holds(train_here, tmp_path):
    words = ("variant=peephole", "variant.gate_activation={forget: hard_sigmoid}", *SMALL, "study=one")
    done = train_here(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    (trial,) = trials(tmp_path, "one")
    assert trial.name == "adding/peephole/s0" and trial.status == "FINISHED"
    assert {"variant": "peephole", "task": "adding", "seed": "0", "units": "4"}.items() <= trial.params.items()
    assert {word.partition("=")[0]: word.partition("=")[2] for word in SMALL}.items() <= trial.params.items()
    assert trial.params["variant.peephole"] == "diagonal" and trial.params["variant.input_gate"] == "learned"
    assert trial.params["variant.gate_activation"] == "{forget:hard_sigmoid}"
    assert {"kind": "trial", "study": "one", "diverged": "false"}.items() <= trial.tags.items()
    scores = {
        "train/loss",
        "train/mse",
        "val/mse",
        "best/mse",
        "test/mse",
        "test/baseline",
        "epochs/trained",
        "epochs/best",
    }
    times = {"time/epoch_s", "time/step_ms", "time/compile_s", "time/train_s"}
    assert {name for name in trial.metrics if not name.startswith("gates/")} == scores | times
    assert "gates/lstm_1/forget_gate/mean" in trial.metrics
    client, files = artifacts(tmp_path, trial)
    diff = {"uncommitted.diff"} if trial.tags["git_dirty"] == "true" else set()
    assert files == {"config.yaml", "layer.yaml", "versions.yaml", "model.keras", "images"} | diff
    assert trial.tags["git_commit"] == git_commit()
    for metric in ("train/loss", "val/mse", "time/epoch_s"):
        assert [point.step for point in client.get_metric_history(trial.run_id, metric)] == [1, 2]
    assert [point.step for point in client.get_metric_history(trial.run_id, "test/mse")] == [0]
    model = keras.saving.load_model(client.download_artifacts(trial.run_id, "model.keras", str(tmp_path)))
    assert model.count_params() == int(trial.params["parameters"])
    layer = yaml.safe_load(Path(client.download_artifacts(trial.run_id, "layer.yaml", str(tmp_path))).read_text())
    assert layer["gate_activation"] == {"forget": "hard_sigmoid"} and layer["peephole"] == "diagonal"
    assert trial.tags["loop"] == "fast"
    assert not any(Path(f"{tmp_path}/out/running").glob("*/")), "files of a finished trial are in its run only"
    note = trial.tags["mlflow.note.content"]
    assert "**peephole** on **adding**" in note
    command = re.search(r"Train it again: `python -m experiments.train (.*)`", note)[1]  # can be pasted into a shell
    assert shlex.split(command) == [*words, f"output_dir={tmp_path}/out", "rerun=true"]


@pytest.mark.slow
def test_a_trial_that_fails_does_not_take_the_others_along(train, tmp_path):
    done = train("-m", "seed=0,1", *QUICK, "training.epochs=100000", "sweep.timeout_s=0.01", "sweep.retries=0")
    assert done.returncode == 1
    assert "2 of 2 trials have no score" in done.stdout and "took longer than sweep.timeout_s=0.01" in done.stdout
    assert all(trial.status != "RUNNING" for trial in trials(tmp_path))
    assert train("-m", "seed=0,1", *QUICK, "sweep.workers=1").returncode == 0


def test_an_exception_is_recorded_with_its_traceback(make_config, tmp_path, monkeypatch):
    from experiments.sweep.run_trial import run_trial
    from experiments.trial import fit

    def explode(*_, **__):
        raise MemoryError("the tensor is too large")

    monkeypatch.setattr(fit, "fit", explode)
    outcome = run_trial(spec_of(make_config()), verbose=0)
    assert (outcome.status, outcome.score, outcome.error) == ("failed", None, "MemoryError: the tensor is too large")
    (run,) = trials(tmp_path)
    client, files = artifacts(tmp_path, run)
    assert run.status == "FAILED" and "traceback.txt" in files
    text = Path(client.download_artifacts(run.run_id, "traceback.txt", str(tmp_path))).read_text()
    assert "in explode" in text


def test_a_diverged_trial_is_a_result_and_the_sweep_goes_on(train_here, tmp_path):
    sgd = ("-m", "training.learning_rate=1e6,1e-3", "training.optimizer=sgd", "training.clipnorm=null")
    sgd = (*sgd, "sweep.workers=1")
    done = train_here(*sgd, *QUICK, "training.epochs=8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "diverged" in done.stdout and "1 of 1 diverged" in done.stdout
    assert sorted(trial.tags["diverged"] for trial in trials(tmp_path)) == ["false", "true"]
    assert "2 in the store already" in train_here(*sgd, *QUICK, "training.epochs=8").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("seed=range(0,0)",), "the sweep has no trials"),
        (("+nonsense=1,2",), "nonsense: there is no such field"),
        (("variant=standard,foo",), "Could not find 'variant/foo'"),
        (("model.units=interval(3,5)",), "an interval is for hydra/sweeper=search"),
    ],
)
def test_mistakes_anywhere_in_a_sweep_stop_it_before_the_first_trial(train_here, tmp_path, arguments, message):
    done = train_here("-m", *arguments, "sweep.workers=1")
    assert done.returncode == 2 and message in done.stderr, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert trials(tmp_path) == []


def test_a_folder_of_the_study_that_cannot_be_written_is_named(train_here, tmp_path):
    """As where another user has made it; root may write anything but a file where a folder is."""
    (tmp_path / "out/s/multirun.yaml").mkdir(parents=True)
    done = train_here("-m", "seed=0", *QUICK, "study=s")
    assert done.returncode == 2 and "multirun.yaml cannot be written" in done.stderr, done.stderr


def begin(tmp_path, *arguments, epochs=1000):
    put_store(tmp_path / "out")
    command = [
        sys.executable,
        "-m",
        "experiments.train",
        *arguments,
        f"training.epochs={epochs}",
        "training.jit_compile=false",
        "tracking.gates=0",
        f"output_dir={tmp_path}/out",
    ]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=interruptible
    )


def interruptible():
    """A process that a shell starts in the background ignores SIGINT, and so do those that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_for_epoch(tmp_path, count=1):
    store = Store(None, f"{tmp_path}/out")
    for _ in range(240):
        time.sleep(0.5)
        running = [t for t in store.trials("default") if t.status == "RUNNING" and "val/mse" in t.metrics]
        if len(running) >= count:
            return
    raise AssertionError("no trial has begun")


@pytest.mark.parametrize(
    ("number", "mode"),
    [(signal.SIGINT, ()), pytest.param(signal.SIGTERM, ("-m", "seed=0,1"), marks=pytest.mark.slow)],
)
def test_an_interruption_ends_runs_as_killed(tmp_path, number, mode):
    process = begin(tmp_path, *mode)
    try:
        wait_for_epoch(tmp_path)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130 and "interrupted" in out and "Traceback" not in out
    assert {trial.status for trial in trials(tmp_path)} == {"KILLED"}


@pytest.mark.slow
def test_a_killed_worker_costs_its_own_trial_only(tmp_path):
    process = begin(tmp_path, "-m", "seed=0,1", "sweep.workers=2", "sweep.retries=0", "sweep.timeout_s=60")
    try:
        wait_for_epoch(tmp_path, 2)
        first, second = trials(tmp_path)
        os.kill(int(first.tags["pid"]), signal.SIGKILL)
        for _ in range(100):
            time.sleep(0.2)
            if len(trials(tmp_path)) and not _alive(int(first.tags["pid"])):
                break
        time.sleep(2)
        assert {t.run_id: t.status for t in trials(tmp_path)}[second.run_id] == "RUNNING"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "its worker process died" in out
    ended = {trial.run_id: trial for trial in trials(tmp_path)}
    assert ended[first.run_id].status == "FAILED" and "died (exit code -9)" in ended[first.run_id].tags["error"]
    assert ended[second.run_id].status == "KILLED"


def _alive(pid):
    return Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()
