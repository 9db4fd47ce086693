import os
from pathlib import Path

import numpy as np
import pytest

from experiments.errors import UserError
from experiments.tasks import fetch
from tests.tasks.helpers import build

REAL = Path(os.environ.get("GATELAB_DATA", "/nowhere"))
SENTENCES = ["1 good , good film", "0 bad film", "1 fine", "0 bad , bad , bad"]


@pytest.fixture
def sentiment(tmp_path, monkeypatch):
    """Prepare the task from texts in the form of the Stanford Sentiment Treebank."""

    def give(*texts):
        paths = [tmp_path / f"part{k}" for k in range(3)]
        for path, text in zip(paths, texts, strict=True):
            path.write_bytes(text.encode("latin-1"))
        monkeypatch.setattr("experiments.tasks.sentiment.fetch_dataset", lambda *_: paths)
        return build("sentiment", data_dir=str(tmp_path))

    return give


def test_sentences_are_padded_and_masked(sentiment):
    task = sentiment("\n".join(SENTENCES) + "\n", "1 good new film\n", "0 bad caf\xe9\n1 good\n")
    assert task.tokens == ("<unk>", "bad", ",", "film", "good", "fine")  # by frequency, then by alphabet
    assert task.train.mask.sum(axis=1).tolist() == [4, 2, 1, 5]
    words = [[task.tokens[k] for k in row[mask]] for row, mask in zip(task.train.inputs, task.train.mask, strict=True)]
    assert words == [line.split()[1:] for line in SENTENCES]
    assert task.train.targets.tolist() == [1, 0, 1, 0]
    assert [task.tokens[k] for k in task.test.inputs[0]] == ["bad", "<unk>"]


def test_baseline_is_the_most_frequent_class_of_training(sentiment):
    task = sentiment("0 a\n0 b\n1 c\n", "1 a\n", "1 a\n1 b\n0 c\n1 d\n")
    assert task.baseline == 0.25


@pytest.mark.parametrize("line", ["2 good", "good film", "1"])
def test_refuses_a_line_without_label_and_words(sentiment, line):
    with pytest.raises(UserError, match="part0, line 2: must be 0 or 1 and then words"):
        sentiment(f"1 good\n{line}\n", "1 good\n", "1 good\n")


@pytest.mark.skipif(
    not (REAL / "stsa.binary.train").exists(), reason="no sentences: GATELAB_DATA names no folder that has them"
)
def test_real_sentences_are_as_published():
    assert len(fetch.fetch_dataset("sst2", str(REAL))) == 3
    task = build("sentiment", data_dir=str(REAL))
    assert [len(split) for split in (task.train, task.validation, task.test)] == [6920, 872, 1821]
    np.testing.assert_array_equal(np.unique(task.train.targets), [0, 1])
