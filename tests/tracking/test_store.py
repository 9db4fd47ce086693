import contextlib
import math
import multiprocessing
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import mlflow
import numpy as np
import pytest
from filelock import FileLock

from experiments.errors import UserError
from experiments.tracking import STORE_ERRORS, Store, is_away, is_held
from tests.stores import new_store

LOCK = Path("no lock")


def start(store, key="k", lock=LOCK, experiment="study/task", **tags):
    experiment = store.experiment(experiment)
    tags = {"kind": "trial", "trial_key": key, "study": "study", **tags}
    return store.start(experiment, "task/variant/s0", {"variant": "v"}, tags, lock)


def steps(store, run_id, metric):
    client = mlflow.MlflowClient(store.uri)
    return [point.step for point in client.get_metric_history(run_id, metric)]


def statuses(store):
    return {trial.run_id: trial.status for trial in store.trials("study")}


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path)


def test_a_run_comes_back_as_it_was_recorded(store):
    run = start(store, score_metric="test/mse")
    run.log({1: {"val/mse": 0.5, "train/loss": 0.25}, 2: {"val/mse": 0.4}})
    run.keep({0: {"test/mse": 0.125}})
    run.describe({"parameters": 12}, {"diverged": "false"})
    experiment = store.experiment("study/task")
    assert store.ended(experiment) == {}
    run.end("FINISHED")
    found = store.ended(experiment)["k"][0]
    assert (found.score, found.params, found.name) == (0.125, {"variant": "v", "parameters": "12"}, "task/variant/s0")
    assert [trial.run_id for trial in store.trials("study")] == [run.id]
    assert steps(store, run.id, "val/mse") == [1, 2]
    assert store.trials("other") == [] and store.studies() == ["study"]


def test_a_run_that_pauses_keeps_its_score_at_each_rung_to_the_last_bit(store):
    """Also a number of NumPy, as some metrics are."""
    run, scores = start(store), {3: 0.1 + 0.2, 9: np.float64(1) / 3}
    for epoch, score in scores.items():
        run.pause(epoch, score, train_s=float(epoch))
    (paused,) = store.trials("study")
    assert paused.status == "SCHEDULED" and paused.tags["paused_after"] == "9"
    assert {epoch: paused.validation_after(epoch) for epoch in scores} == scores
    assert paused.validation_so_far == scores[9] and paused.validation_after(27) is None
    assert store.ended(store.experiment("study/task")) == {}
    assert [run.run_id for run in store.ended(store.experiment("study/task"), pauses=True)["k"]] == [paused.run_id]
    again = store.reopen(paused, {}, Path("lock"))
    (running,) = store.trials("study")
    assert again.id == paused.run_id and "paused_after" not in running.tags and running.validation_after(3) == scores[3]


def test_what_is_not_finite_becomes_nan(store):
    run = start(store)
    run.log({3: {"train/loss": math.inf, "val/mse": math.nan, "val/mae": 1.0}})
    metrics = store.trials("study")[0].metrics
    assert math.isnan(metrics["train/loss"]) and math.isnan(metrics["val/mse"]) and metrics["val/mae"] == 1.0


def test_many_metrics_are_recorded_in_several_requests(store):
    run = start(store)
    run.log({step: {"train/loss": 1.0, "val/mse": 2.0} for step in range(1, 1201)})
    assert steps(store, run.id, "val/mse") == list(range(1, 1201))


def test_a_run_that_is_taken_up_again_has_each_step_once(store):
    run = start(store)
    run.log({step: {"val/mse": step} for step in (1, 2, 3)})
    run.end("KILLED")
    (trial,) = store.runs_of(store.experiment("study/task"), "k")
    again = store.reopen(trial, {"variant": "v", "units": 4}, LOCK)
    assert statuses(store) == {run.id: "RUNNING"}
    again.log({step: {"val/mse": step, "val/mae": step} for step in (2, 3, 4)})
    again.end("FINISHED")
    assert steps(store, run.id, "val/mse") == [1, 2, 3, 4] and steps(store, run.id, "val/mae") == [2, 3, 4]
    (trial,) = store.trials("study")
    assert trial.tags["attempts"] == "2" and trial.status == "FINISHED"
    assert trial.params == {"variant": "v", "units": "4"}


def test_runs_that_nobody_is_at_work_on_are_marked_killed(store, tmp_path):
    other = f"not-{socket.gethostname()}"
    gone, mine = start(store, "a", tmp_path / "a.lock"), start(store, "b", tmp_path / "b.lock")
    elsewhere, silent = start(store, "c"), start(store, "d")
    elsewhere.describe(tags={"host": other})
    silent.client.set_tag(silent.id, "host", other)
    silent.client.set_tag(silent.id, "heartbeat", str(int(time.time() - 100_000)))
    (tmp_path / "a.lock").touch()
    with FileLock(tmp_path / "b.lock"):
        assert store.mark_stale([store.experiment("study/task")]) == ["task/variant/s0"] * 2
    expected = {gone.id: "KILLED", mine.id: "RUNNING", elsewhere.id: "RUNNING", silent.id: "KILLED"}
    assert statuses(store) == expected


def test_a_lock_is_held_until_its_process_dies(tmp_path):
    lock = tmp_path / "x.lock"
    code = (
        f"import filelock, time; lock = filelock.FileLock({str(lock)!r}); lock.acquire(); "
        "print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n" and is_held(lock)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert not is_held(lock) and not is_held(tmp_path / "none.lock")


def test_the_newest_finished_run_counts(store):
    for score in (1.0, 2.0):
        run = start(store, score_metric="test/mse")
        run.log({0: {"test/mse": score}})
        run.end("FINISHED")
    start(store, score_metric="test/mse").end("FAILED")
    assert store.ended(store.experiment("study/task"))["k"][0].score == 2.0


def _race(folder, rounds, number, barrier):
    for k in range(rounds):
        barrier.wait()
        store = Store(None, f"{folder}/{k}")
        run = start(store, f"key{number}")
        run.log({0: {"test/mse": number}})
        run.end("FINISHED")


def _together(target, *arguments, count=4):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    processes = [context.Process(target=target, args=(*arguments, k, barrier)) for k in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0] * count


@pytest.mark.slow
def test_processes_that_race_for_a_fresh_store_lose_no_run(tmp_path):
    """Ten stores, one after the other, four processes each."""
    _together(_race, str(tmp_path), 10)
    for k in range(10):
        store = Store(None, f"{tmp_path}/{k}")
        trials = store.trials("study")
        assert sorted(trial.tags["trial_key"] for trial in trials) == ["key0", "key1", "key2", "key3"]
        assert {trial.status for trial in trials} == {"FINISHED"}
        client = mlflow.MlflowClient(store.uri)
        assert {e.name: len(client.search_runs([e.experiment_id])) for e in client.search_experiments()} == {
            "Default": 0,
            "study/task": 4,
        }


def _kill_while_created(folder, delay):
    """Begin to make a store; kill that `delay` seconds after its file is there. Whether it was killed in time."""
    command = [sys.executable, "-c", "import sys; from experiments.tracking import Store; Store(None, sys.argv[1])"]
    process = subprocess.Popen([*command, str(folder)])
    try:
        while process.poll() is None and not list(folder.glob("mlflow.db*[!k]")):
            time.sleep(0.01)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        return process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, 20])
def test_a_store_can_be_made_after_a_kill_while_it_was_made(tmp_path, kills):
    """MLflow makes its tables by many small changes; kills spread over the seconds that they take leave no wreck."""
    delays = [3.0 * (k + 1) / (kills + 1) for k in range(kills)]
    assert any([_kill_while_created(tmp_path / str(delay), delay) for delay in delays])
    for delay in delays:
        start(Store(None, str(tmp_path / str(delay)))).end("FINISHED")
        files = {file.name for file in (tmp_path / str(delay)).glob("mlflow.db*")}
        assert files == {"mlflow.db", "mlflow.db.lock"}


def _write(folder, steps, number, barrier):
    barrier.wait()
    store = Store(None, folder)  # does not wait: a locked database would be an error here
    run = start(store, f"key{number}")
    for step in range(1, steps + 1):
        run.describe(tags={"step": step})
        run.log({step: {"train/loss": step, "val/mse": step, "val/mae": step}})
        assert not run.pending
    run.end("FINISHED")


@pytest.mark.slow
@pytest.mark.parametrize(("writers", "last"), [(3, 20), (4, 60)])
def test_processes_that_race_for_a_fresh_store_and_write_into_it_lose_no_run_and_no_metric(tmp_path, writers, last):
    _together(_write, str(tmp_path), last, count=writers)
    store = Store(None, str(tmp_path))
    trials = store.trials("study")
    assert sorted(trial.tags["trial_key"] for trial in trials) == [f"key{number}" for number in range(writers)]
    assert {trial.status for trial in trials} == {"FINISHED"}
    experiments = {experiment.name: experiment.experiment_id for experiment in store.client.search_experiments()}
    assert experiments.keys() == {"Default", "study/task"}
    assert len(store.client.search_runs([experiments["study/task"]])) == writers
    for trial in trials:
        for metric in ("train/loss", "val/mse", "val/mae"):
            assert steps(store, trial.run_id, metric) == list(range(1, last + 1))


@contextlib.contextmanager
def answering(status, body=b"{}", to_writing=None):
    """A server that has one answer to everything, or to what reads and to what writes."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(status, body)

        def do_POST(self):
            self.answer(*(to_writing or (status, body)))

        def answer(self, status, body):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, b"no", "cannot be used"),
        (401, b"You are not authenticated.", "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (403, b"Permission denied", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to one who may"),
        (403, b"Invalid Host header - possible DNS rebinding attack detected", "--allowed-hosts"),
    ],
)
def test_servers_that_refuse(tmp_path, status, body, message):
    with answering(status, body) as uri, pytest.raises(UserError, match=message):
        Store(uri, str(tmp_path))


def test_a_wrong_password_is_to_be_corrected_and_is_not_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "gehe1m-4711")
    with answering(401, b"You are not authenticated.") as uri, pytest.raises(UserError) as told:
        Store(uri, str(tmp_path), wait_s=900.0)
    assert "Correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in str(told.value)
    assert "gehe1m" not in str(told.value)


def test_only_a_store_that_may_answer_later_is_waited_for(tmp_path):
    began = time.monotonic()
    with answering(401, b"no") as uri, pytest.raises(UserError):
        Store(uri, str(tmp_path), wait_s=60)
    assert time.monotonic() - began < 30
    with answering(503, b"no") as uri, pytest.raises(UserError):
        Store(uri, str(tmp_path), wait_s=4)
    assert time.monotonic() - began > 3


WITHOUT_INODES = """
import sys, time
from pathlib import Path
from experiments.tracking import STORE_ERRORS
from tests.tracking.test_store import new_store, start, Store
folder = Path(sys.argv[1])
new_store(folder)
run = start(Store(None, str(folder), wait_s=60))
try:
    for number in range(100):
        (folder / str(number)).touch()
except OSError as error:
    print(error)
began = time.monotonic()
try:
    run.describe(tags={"diverged": "false"})
except STORE_ERRORS as error:
    print(str(error).splitlines()[0], "at once" if time.monotonic() - began < 30 else "late")
(folder / "0").unlink()
run.describe(tags={"diverged": "false"})
print("written")
"""


@pytest.mark.slow
def test_a_disk_without_inodes_is_not_waited_for(tmp_path):
    mount = 'mount -t tmpfs -o nr_inodes=12 tmpfs "$1" && exec "$2" -c "$3" "$1"'
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "-", str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("needs unshare, and the right to mount in a namespace of its own")
    done = subprocess.run([*own, sys.executable, WITHOUT_INODES], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    space, late, written = done.stdout.splitlines()[-3:]
    assert "No space left on device" in space and written == "written"
    assert late.endswith("unable to open database file at once"), done.stdout


def test_a_database_that_another_program_holds_is_waited_for(tmp_path, capsys, monkeypatch):
    store = Store(None, str(tmp_path), wait_s=120)
    run = start(store)
    other = sqlite3.connect(tmp_path / "mlflow.db", check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(23, other.rollback)  # MLflow itself waits for 20 s
    timer.start()
    run.describe(tags={"diverged": "false"})
    timer.join()
    other.close()
    assert store.trials("study")[0].tags["diverged"] == "false"
    assert "the store does not answer, tried again" in capsys.readouterr().out


@contextlib.contextmanager
def server(folder, port):
    """A real MLflow server."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/server.db"]
    places = ["--artifacts-destination", f"{folder}/artifacts", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with open(folder / "server.log", "ab") as log:
        process = subprocess.Popen([*command, *places], env=environment, stdout=log, stderr=log)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            time.sleep(0.2)
        else:
            raise AssertionError((folder / "server.log").read_text())
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_a_server_that_is_away_for_a_while_loses_nothing(tmp_path, capsys):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "model.keras").write_text("weights")
    with server(tmp_path, port):
        store = Store(f"http://127.0.0.1:{port}", str(tmp_path), wait_s=120)
        run = start(store)
        run.log({1: {"val/mse": 1.0}})
    run.log({2: {"val/mse": 2.0}})
    assert len(run.pending) == 1
    with pytest.raises(STORE_ERRORS) as raised:
        run.client.hurried.set_terminated(run.id, "KILLED")
    assert is_away(raised.value)
    back = threading.Event()

    def come_back():
        with server(tmp_path, port):
            back.wait(120)

    thread = threading.Thread(target=come_back)
    thread.start()
    try:
        run.log({3: {"val/mse": 3.0}})
        run.add_files([tmp_path / "model.keras"])
        run.end("FINISHED")
        assert steps(store, run.id, "val/mse") == [1, 2, 3] and statuses(store) == {run.id: "FINISHED"}
    finally:
        back.set()
        thread.join()
    assert "values are kept" in capsys.readouterr().out


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


def test_an_output_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="output_dir=.*cannot be made"):
        Store(None, str(tmp_path / "file" / "out"))


def test_a_store_of_a_newer_mlflow_is_refused(store, tmp_path):
    (tmp_path / "newer").mkdir()
    shutil.copy(tmp_path / "mlflow.db", tmp_path / "newer")
    database = sqlite3.connect(tmp_path / "newer" / "mlflow.db")
    database.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    database.commit()
    database.close()
    with pytest.raises(UserError, match="another version of MLflow"):
        Store(None, str(tmp_path / "newer"))
