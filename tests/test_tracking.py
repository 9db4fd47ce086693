import math
import multiprocessing
import os
import socket
import subprocess
import sys

import pytest

from experiments.errors import UserError
from experiments.tracking import Store


def start(store, key="k", **tags):
    experiment = store.experiment("study/task")
    return store.start(experiment, "task/variant/s0", {"variant": "v"}, {"trial_key": key, "study": "study", **tags})


@pytest.fixture
def store(tmp_path):
    return Store(None, str(tmp_path))


def test_a_run_comes_back_as_it_was_recorded(store):
    run = start(store, score_metric="test/mse")
    run.log({"val/mse": 0.5, "train/loss": 0.25}, step=1)
    run.log({"test/mse": 0.125})
    run.describe({"parameters": 12}, {"diverged": "false"})
    assert store.finished(store.experiment("study/task"), "k") is None
    run.end("FINISHED")
    found = store.finished(store.experiment("study/task"), "k")
    assert (found.score, found.params, found.name) == (0.125, {"variant": "v", "parameters": "12"}, "task/variant/s0")
    assert [trial.run_id for trial in store.trials("study")] == [run.id]
    assert store.trials("other") == [] and store.studies() == ["study"]


def test_what_is_not_finite_becomes_nan(store):
    run = start(store)
    run.log({"train/loss": math.inf, "val/mse": math.nan, "val/mae": 1.0}, step=3)
    metrics = store.trials("study")[0].metrics
    assert math.isnan(metrics["train/loss"]) and math.isnan(metrics["val/mse"]) and metrics["val/mae"] == 1.0


def test_runs_of_dead_processes_are_marked_killed(store):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    gone, mine, elsewhere = start(store, "a"), start(store, "b"), start(store, "c")
    gone.describe(tags={"pid": int(dead.stdout)})
    elsewhere.describe(tags={"pid": int(dead.stdout), "host": f"not-{socket.gethostname()}"})
    assert store.mark_stale([store.experiment("study/task")]) == ["task/variant/s0"]
    status = {trial.run_id: trial.status for trial in store.trials("study")}
    assert status == {gone.id: "KILLED", mine.id: "RUNNING", elsewhere.id: "RUNNING"}


def test_the_newest_finished_run_counts(store):
    for score in (1.0, 2.0):
        run = start(store, score_metric="test/mse")
        run.log({"test/mse": score})
        run.end("FINISHED")
    start(store, score_metric="test/mse").end("FAILED")
    assert store.finished(store.experiment("study/task"), "k").score == 2.0


def _race(folder, number, barrier, queue):
    barrier.wait()
    store = Store(None, folder)
    run = start(store, f"key{number}")
    run.log({"test/mse": number})
    run.end("FINISHED")
    queue.put(number)


def test_processes_that_race_for_a_fresh_store_lose_no_run(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(4), context.Queue()
    racers = [context.Process(target=_race, args=(str(tmp_path), k, barrier, queue)) for k in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
    trials = Store(None, str(tmp_path)).trials("study")
    assert sorted(trial.tags["trial_key"] for trial in trials) == ["key0", "key1", "key2", "key3"]
    assert {trial.status for trial in trials} == {"FINISHED"}


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("sqlite:///{0}/no/such/folder/x.db", "the file cannot be made"),
        ("sqlite:///{0}", "the file cannot be made"),
        ("sqlite:///{0}/text.db", "text.db is not an SQLite database"),
        ("http://127.0.0.1:1", "this MLflow store cannot be used"),
        ("carrier-pigeon://x", "this MLflow store cannot be used"),
    ],
)
def test_unusable_stores_are_refused(tmp_path, uri, message):
    (tmp_path / "text.db").write_text("not a database, but a text of some length")
    with pytest.raises(UserError, match=message):
        Store(uri.format(tmp_path), str(tmp_path))
    assert os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES") is None


def test_an_output_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="output_dir=.*cannot be made"):
        Store(None, str(tmp_path / "file" / "out"))
