import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from experiments.errors import UserError
from tests.tasks.helpers import build

REAL = Path(os.environ.get("GATELAB_DATA", "/nowhere"))
needs_music = pytest.mark.skipif(
    not (REAL / "JSB_Chorales.mat").exists(), reason="no piano rolls: GATELAB_DATA names no folder that has them"
)


def pieces(rng, *lengths):
    return [(rng.random((length, 88)) < 0.1).astype("uint8") for length in lengths]


def cells(rolls):
    cells = np.empty((1, len(rolls)), object)
    cells[0] = rolls
    return cells


@pytest.fixture
def file(tmp_path):
    rng = np.random.default_rng(0)
    parts = {"traindata": pieces(rng, 7, 3, 12), "validdata": pieces(rng, 4), "testdata": pieces(rng, 6, 9)}
    savemat(tmp_path / "rolls.mat", {name: cells(rolls) for name, rolls in parts.items()})
    return str(tmp_path / "rolls.mat"), parts


def test_every_frame_but_the_first_is_predicted_once(file):
    path, parts = file
    task = build("music", path=path)
    for split, rolls in zip((task.train, task.validation, task.test), parts.values(), strict=True):
        assert split.mask.sum(axis=1).tolist() == [len(roll) - 1 for roll in rolls]
        for row, roll in enumerate(rolls):
            np.testing.assert_array_equal(split.inputs[row][split.mask[row]], roll[:-1])
            np.testing.assert_array_equal(split.targets[row][split.mask[row]], roll[1:])


def test_long_pieces_are_cut_for_training_only(file):
    path, parts = file
    task = build("music", path=path, segment=4)
    assert task.train.mask.sum(axis=1).tolist() == [4, 2, 2, 4, 4, 3]
    np.testing.assert_array_equal(task.train.targets[4], parts["traindata"][2][5:9])
    assert task.test.mask.sum(axis=1).tolist() == [5, 8]


def test_baseline_counts_what_follows_each_key(file):
    path, parts = file
    follows = np.ones((88, 2, 2))  # key, sounded before, sounds now: one added to every count
    for roll in parts["traindata"]:
        for before, now in zip(roll[:-1], roll[1:], strict=True):
            follows[np.arange(88), before, now] += 1
    share = follows / follows.sum(axis=2, keepdims=True)
    frames = [
        -np.log(share[np.arange(88), before, now]).sum()
        for roll in parts["testdata"]
        for before, now in zip(roll[:-1], roll[1:], strict=True)
    ]
    assert build("music", path=path).baseline == pytest.approx(np.mean(frames))


def test_keys_are_those_of_a_piano(file):
    labels = build("music", path=file[0]).labels
    assert (labels[0], labels[39], labels[48], labels[87]) == ("A0", "C4", "A4", "C8")


PARTS = ("traindata", "validdata", "testdata")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"no such format", "not a MATLAB file"),
        ({"traindata": 1}, "has no validdata, testdata"),
        (
            dict.fromkeys(PARTS, [np.ones((5, 60))]),
            r"piece 1 of traindata .*\(5, 60\)",
        ),
        (dict.fromkeys(PARTS, [np.full((5, 88), 2)]), "88 columns of 0 or 1"),
        (dict.fromkeys(PARTS, [np.ones((1, 88))]), "no piece of two frames"),
    ],
)
def test_refuses(tmp_path, content, message):
    path = tmp_path / "x.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        savemat(path, {name: cells(value) if isinstance(value, list) else value for name, value in content.items()})
    with pytest.raises(UserError, match=message):
        build("music", path=str(path))


@needs_music
@pytest.mark.parametrize(
    ("dataset", "pieces", "frames", "baseline"),
    [("jsb_chorales", (229, 76, 77), (13807, 4602, 4725), 10.49), ("nottingham", (694, 173, 170), None, 5.15)],
)
def test_real_piano_rolls_are_as_published(dataset, pieces, frames, baseline):
    task = build("music", data_dir=str(REAL), dataset=dataset, segment=5000)
    splits = (task.train, task.validation, task.test)
    assert tuple(len(split) for split in splits) == pieces
    if frames:
        assert tuple(int(split.mask.sum()) + len(split) for split in splits) == frames
    assert task.baseline == pytest.approx(baseline, abs=0.005)
