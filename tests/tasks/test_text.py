import hashlib
import os
import statistics
from pathlib import Path

import numpy as np
import pytest

from experiments.errors import UserError
from tests.tasks.helpers import build

REAL = Path(os.environ.get("GATELAB_DATA", "/nowhere"))
needs_ptb = pytest.mark.skipif(
    not (REAL / "ptb.train.txt").exists(), reason="no Penn Treebank: GATELAB_DATA names no folder that has it"
)


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def decoded(task, stream):
    return [task.tokens[k] for k in stream.tokens]


def test_char_lm_cuts_a_text_in_file_order(tmp_path):
    text = "the cat sat on the mat. " * 50
    task = build("char_lm", path=write(tmp_path / "t.txt", text), length=10, split=[0.8, 0.1, 0.1])
    parts = [decoded(task, stream) for stream in (task.train, task.validation, task.test)]
    assert ["".join(part) for part in parts] == [text[:960], text[960:1080], text[1080:]]
    assert task.vocabulary == task.outputs == len(set(text)) + 1
    assert task.digest == hashlib.sha256(text.encode()).hexdigest()
    assert task.per_step and task.train.length == 10


def test_char_lm_baseline_is_the_character_frequencies(tmp_path):
    text = "aaab" * 300
    task = build("char_lm", path=write(tmp_path / "t.txt", text), length=4, split=[0.5, 0.25, 0.25])
    p = {"a": 450 / 602, "b": 151 / 602}  # 449 and 150 targets, one more each, and one for unknown characters
    assert task.baseline == pytest.approx(statistics.fmean(-np.log2(p[c]) for c in text[901:]), rel=1e-9)


def test_char_lm_unknown_characters_share_a_token(tmp_path):
    task = build("char_lm", path=write(tmp_path / "t.txt", "ab" * 90 + "xyzx" * 5), length=5)
    assert (task.test.tokens == 0).any() and not (task.train.tokens == 0).any()


def test_char_lm_reads_the_manual_of_python():
    task = build("char_lm", limit=20000)
    assert len(task.digest) == 64 and 50 < task.vocabulary < 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file"),
        (b"", "the file is empty"),
        (b"caf\xe9 au lait", "not UTF-8 text .byte 0xe9 at position 3.*iconv"),
        (b"short", r"the training part has 4 tokens, and one sequence needs task.length \+ 1 = 101"),
        (b"x" * 3000, "the training part has one distinct character, 'x'"),
    ],
)
def test_char_lm_refuses(tmp_path, content, message):
    path = tmp_path / "t.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        build("char_lm", path=str(path))


def test_word_lm_ends_each_line_and_knows_the_frequent_words(tmp_path):
    text = "a rose is a rose\nis a rose\n" * 40
    path = write(tmp_path / "t.txt", text)
    task = build("word_lm", path=path, length=5, vocabulary_limit=4)
    assert task.tokens == ("<unk>", "a", "rose", "<eos>")  # 120, 120 and 80; "is" is as frequent and not kept
    assert decoded(task, task.train)[:9] == "a rose <unk> a rose <eos> <unk> a rose".split()
    assert build("word_lm", path=path, length=5).vocabulary == 5


def test_word_lm_tells_other_words_of_the_same_letters_apart(tmp_path):
    texts = ("ab c\n" * 200, "a bc\n" * 200)
    digests = [build("word_lm", path=write(tmp_path / str(k), text), length=5).digest for k, text in enumerate(texts)]
    assert digests[0] != digests[1]


def test_word_lm_baseline_is_a_perplexity(tmp_path):
    task = build("word_lm", path=write(tmp_path / "t.txt", "a b\n" * 400), length=5)
    counts = np.bincount(task.train.tokens[1:], minlength=4) + 1
    surprise = [-np.log(counts[k] / counts.sum()) for k in task.test.tokens[1:]]
    assert task.baseline == pytest.approx(np.exp(np.mean(surprise)))
    assert task.score.value(np.log(50)) == pytest.approx(50) and task.score.value(1e9) == np.inf


def test_word_lm_refuses_a_vocabulary_of_nothing(tmp_path):
    with pytest.raises(UserError, match="task.vocabulary_limit=0: must be at least 2"):
        build("word_lm", path=write(tmp_path / "t.txt", "a b\n" * 400), vocabulary_limit=0)


@needs_ptb
def test_penn_treebank_characters_are_as_published():
    """5,059 thousand, 396 thousand and 446 thousand characters of 50 symbols (Bai, Kolter and Koltun 2018)."""
    task = build("char_lm", data_dir=str(REAL), dataset="ptb")
    sizes = [len(stream.tokens) for stream in (task.train, task.validation, task.test)]
    assert [size // 1000 for size in sizes] == [5059, 396, 446]
    assert task.vocabulary == 50 + 1


@needs_ptb
def test_penn_treebank_words_are_as_published():
    task = build("word_lm", data_dir=str(REAL))
    assert [len(s.tokens) for s in (task.train, task.validation, task.test)] == [929589, 73760, 82430]
    assert task.vocabulary == 10000
    assert decoded(task, task.test)[:8] == "no it was n't black monday <eos> but".split()


@pytest.mark.skipif(
    not (REAL / "tinyshakespeare.txt").exists(), reason="no tiny Shakespeare: GATELAB_DATA names no folder that has it"
)
def test_tiny_shakespeare_is_as_published():
    task = build("char_lm", data_dir=str(REAL), dataset="tiny_shakespeare")
    assert sum(len(s.tokens) for s in (task.train, task.validation, task.test)) == 1115394
    assert task.vocabulary == 65 + 1
