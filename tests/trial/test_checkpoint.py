"""Checkpoint files: whole or not at all, and for nobody else."""

import resource
import signal

import numpy as np
import pytest

from experiments.trial import checkpoint

FACTS = {"epochs": {"1": {"val/mse": 0.1, "train/loss": float("nan")}}, "best": None, "stopped": False}
ARRAYS = [np.arange(6, dtype="float32").reshape(2, 3), np.array(3, "int64"), np.zeros((0, 4), "uint32")]


@pytest.fixture
def file(tmp_path):
    checkpoint.write(tmp_path / "checkpoint.npz", "me", FACTS, ARRAYS)
    return tmp_path / "checkpoint.npz"


def test_what_is_written_is_read(file):
    stored = checkpoint.read(file, "me")
    assert repr(stored.facts) == repr(FACTS) and stored.refusal == ""
    for array, written in zip(stored.arrays, ARRAYS, strict=True):
        assert array.dtype == written.dtype and array.shape == written.shape and (array == written).all()
    assert [path.name for path in file.parent.iterdir()] == ["checkpoint.npz"], "no partial file is left"


def is_refused(file, reason="cannot be read"):
    stored = checkpoint.read(file, "me")
    return reason in stored.refusal and not stored.facts and not stored.arrays


def test_no_checkpoint_and_one_of_another_owner_are_not_used(file, tmp_path):
    assert checkpoint.read(tmp_path / "none.npz", "me") is None
    assert checkpoint.read(file, "you").refusal == "checkpoint.npz was written by other code"


def test_a_file_torn_at_any_place_is_not_used(file):
    whole = file.read_bytes()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        assert is_refused(file), length


def test_a_changed_bit_in_the_arrays_is_found(file):
    whole = file.read_bytes()
    for array in ARRAYS[:2]:
        place = whole.index(array.tobytes())
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert is_refused(file)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04" + bytes(100)])
def test_a_foreign_file_is_not_used(file, content):
    file.write_bytes(content)
    assert is_refused(file)


def test_other_archives_of_numpy_are_not_used(file):
    with file.open("wb") as opened:
        np.savez(opened, header=np.array("no json"), a=np.zeros(3))
    assert is_refused(file)


def test_when_it_cannot_be_written_the_old_one_stays(file):
    """A limit on the size of files stands in for a full disk: the write fails in the middle."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError):
            checkpoint.write(file, "me", {}, [np.ones(100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert checkpoint.read(file, "me").refusal == ""
    assert [path.name for path in file.parent.iterdir()] == ["checkpoint.npz"]
