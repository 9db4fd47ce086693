"""Which of several processes trains a trial that begin it at the same time with locks of their own."""

import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from experiments.sweep import claim as module
from experiments.sweep.claim import claim
from tests.stores import new_store
from tests.sweep.test_commands import KEYS

TAGS = {"kind": "trial", "study": "s", "trial_key": KEYS[0]}


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path)


@pytest.fixture
def begin(store, tmp_path):
    """Begin a run, of us or of another output folder, whose lock is held."""
    held = []

    def run(folder):
        lock = FileLock(tmp_path / f"{folder}.lock")
        lock.acquire()
        held.append(lock)
        time.sleep(0.01)  # each has another time to begin
        return store.start(store.experiment("s/adding"), "adding/v/s0", {}, TAGS, Path(lock.lock_file))

    yield run
    for lock in held:
        lock.release()


def claimed(store, run, folder, resumed=False):
    lock = store.folder / f"{folder}.lock"
    return claim(store, store.experiment("s/adding"), KEYS[0], run, lock, resumed=resumed)


def ids(store):
    return {run.run_id for run in store.trials("s")}


def test_who_is_alone_goes_on(store, begin):
    run = begin("ours")
    assert claimed(store, run, "ours") and ids(store) == {run.id}


def test_who_began_later_gives_up_and_then_the_first_goes_on(store, begin, monkeypatch):
    first, second = begin("one"), begin("two")
    results = {}
    looks = threading.Thread(target=lambda: results.update(first=claimed(store, first, "one")))
    looks.start()
    results["second"] = claimed(store, second, "two")
    looks.join()
    assert results == {"first": True, "second": False} and ids(store) == {first.id}


@pytest.mark.parametrize("status", ["RUNNING", "FINISHED"])
def test_who_began_first_gives_up_if_the_other_goes_on(store, begin, monkeypatch, status):
    """It has looked before our run was there."""
    monkeypatch.setattr(module, "SETTLE_S", 0.2)
    ours, other = begin("ours"), begin("other")
    if status == "FINISHED":
        other.end(status)
    assert not claimed(store, ours, "ours") and ids(store) == {other.id}


def test_a_run_of_a_dead_process_is_no_rival(store, begin, tmp_path):
    begin("other").describe(tags={"lock": f"{tmp_path}/no.lock"})
    assert claimed(store, begin("ours"), "ours")


def test_of_two_who_resume_a_run_the_last_one_goes_on(store, begin, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "SETTLE_S", 0.2)
    left = begin("left")
    left.end("KILLED")
    (stored,) = store.trials("s")
    one = store.reopen(stored, {}, tmp_path / "one.lock")
    two = store.reopen(stored, {}, tmp_path / "two.lock")
    with FileLock(tmp_path / "one.lock"), FileLock(tmp_path / "two.lock"):
        assert not claimed(store, one, "one", resumed=True) and claimed(store, two, "two", resumed=True)
    (run,) = store.trials("s")
    assert run.status == "RUNNING" and run.tags["attempts"] == "2", "whoever gives up leaves it alone"
