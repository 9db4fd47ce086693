"""Whether the process of a run is still there: of this machine, of others, and of containers with its name."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from filelock import FileLock

from experiments.sweep.claim import is_rival
from experiments.tracking import process
from tests.conftest import ROOT, another_user
from tests.stores import new_store


@pytest.fixture
def open_folder():
    """A folder that any user can read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def tags(lock, **others):
    return {str(tag): str(value) for tag, value in {**process.process_tags(lock), **others}.items()}


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_a_lock_of_another_user_tells_whether_it_is_held(open_folder, mode):
    lock = open_folder / "x.lock"
    with FileLock(lock):
        lock.chmod(mode)
        with another_user():
            assert process.is_held(lock) and process.is_alive(tags(lock))
    with another_user():
        assert process.is_held(lock) is False and not process.is_alive(tags(lock))


def test_of_a_lock_that_cannot_be_read_the_heartbeat_is_believed(open_folder):
    lock = open_folder / "x.lock"
    lock.touch()
    lock.chmod(0)
    with another_user():
        assert process.is_held(lock) is None
        assert process.is_alive(tags(lock)) and not process.is_alive(tags(lock, heartbeat=int(time.time()) - 4000))


@pytest.mark.parametrize("lock", ["x" * 5000, "a" * 300, "\0", "", "/", "/dev/zero", "/proc/self/mem"])
def test_a_lock_that_is_no_path_is_not_held(lock):
    assert not process.is_held(Path(lock))


def test_asking_for_a_lock_leaves_the_file_as_it_is(tmp_path):
    """Its name may be a stranger's word, so that it may be any file."""
    file = tmp_path / "diary.txt"
    file.write_text("dear diary")
    os.utime(file, (1, 1))
    assert not process.is_held(file)
    assert file.read_text() == "dear diary" and file.stat().st_mtime == 1
    os.mkfifo(tmp_path / "pipe")
    assert not process.is_held(tmp_path / "pipe")


@pytest.mark.parametrize(("heartbeat", "alive"), [("abc", False), ("nan", False), ("inf", False), ("", False)])
def test_a_heartbeat_that_cannot_be_read_counts_as_absent(heartbeat, alive):
    assert process.is_alive(tags("x", host="elsewhere", heartbeat=heartbeat)) is alive


@pytest.mark.parametrize(("age", "alive"), [(0, True), (3000, True), (4000, False), (-100, True)])
def test_another_machine_is_believed_for_an_hour(age, alive):
    assert process.is_alive(tags("x", host="elsewhere", heartbeat=time.time() - age)) is alive


@pytest.mark.parametrize("ahead", [0, 1_000, 20_000, 1e9])
def test_of_a_clock_that_is_ahead_the_signs_of_life_count_for_an_hour_of_ours(monkeypatch, ahead):
    """So it is when our own clock was set back, too."""
    began = time.monotonic()
    run = tags("x", host="elsewhere", heartbeat=time.time() + ahead)
    assert process.is_alive(run)
    monkeypatch.setattr("time.monotonic", lambda: began + 3500)
    assert process.is_alive(run)
    monkeypatch.setattr("time.monotonic", lambda: began + 3700)
    assert not process.is_alive(run)
    assert process.is_alive({**run, "heartbeat": str(time.time() + ahead + 60)}), "a new sign of life"


INITIAL = "pid:[4026531836]"


@pytest.mark.parametrize(
    ("theirs", "own", "heartbeat", "here"),
    [
        (f"boot1 {INITIAL}", f"boot1 {INITIAL}", 50, True),
        ("boot1 pid:[1]", "boot1 pid:[2]", 50, False),
        (f"boot1 {INITIAL}", "boot1 pid:[2]", 50, False),
        ("boot1 pid:[1]", "boot2 pid:[1]", 50, False),
        (f"boot1 {INITIAL}", f"boot2 {INITIAL}", 50, True),  # it was started anew since
        (f"boot1 {INITIAL}", f"boot2 {INITIAL}", 150, False),  # it lived while this one did
        ("", f"boot1 {INITIAL}", 50, True),
        (f"boot1 {INITIAL}", "", 50, True),
    ],
)
def test_a_host_name_is_one_machine_only_with_one_boot_and_one_set_of_processes(
    monkeypatch, theirs, own, heartbeat, here
):
    monkeypatch.setattr(process, "namespace", lambda: own)
    monkeypatch.setattr(process, "_booted", lambda: 100.0)
    run = {"host": socket.gethostname(), "namespace": theirs, "heartbeat": str(heartbeat)}
    assert process.is_here(run) is here and process.is_namesake(run) is not here


CONTAINER = """
import sys, time
from pathlib import Path
from filelock import FileLock
from tests.stores import Store
store, lock = Store(None, sys.argv[1]), Path(sys.argv[2])
with FileLock(lock):
    tags = {"kind": "trial", "study": "s", "trial_key": "k"}
    store.start(store.experiment("s/adding"), "adding/v/s0", {}, tags, lock)
    print("running", flush=True)
    time.sleep(60)
"""


def test_two_containers_of_one_host_name_do_not_take_each_other_for_dead(tmp_path):
    """The other one has processes and, at the path of its locks, files of its own; they share a store."""
    inside = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("needs Linux that lets users make namespaces")
    store, own = new_store(tmp_path / "out"), tmp_path / "running"
    own.mkdir()
    experiment, lock = store.experiment("s/adding"), own / "k.lock"
    script = 'mount -t tmpfs none "$1" && shift && exec "$@"'
    python = [sys.executable, "-c", CONTAINER, str(store.folder), str(lock)]
    container = subprocess.Popen(
        [*inside, "sh", "-c", script, "sh", str(own), *python], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert container.stdout.readline() == "running\n"
        (run,) = store.trials("s")
        assert run.tags["host"] == socket.gethostname() and run.tags["namespace"] != process.namespace()
        assert store.mark_stale([experiment]) == []
        with FileLock(lock):
            assert is_rival(run, lock), "the lock that we hold is another one"
    finally:
        container.kill()
        container.wait()
        container.stdout.close()
    store.client.set_tag(run.run_id, "heartbeat", str(int(time.time()) - 4000))
    assert store.mark_stale([experiment]) == ["adding/v/s0"]
