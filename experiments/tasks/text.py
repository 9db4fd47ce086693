"""Tasks on text."""

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.schema import Is
from experiments.tasks import Metric, Split, Task, task

BITS_PER_CHARACTER = Metric(
    "bpc", "cross-entropy", "bits per character", keras="sparse_categorical_crossentropy", scale=1 / np.log(2)
)
ACCURACY = Metric("accuracy", "share of characters guessed", "", keras="sparse_categorical_accuracy", better="higher")

SPLIT = [0.9, 0.05, 0.05]


@task
def char_lm(
    path: Annotated[str | None, Is("text file in UTF-8; null: the reference manual that Python carries")] = None,
    length: Annotated[int, Is("characters of a sequence", minimum=1)] = 100,
    limit: Annotated[int | None, Is("characters used, from the beginning; null: all", minimum=1)] = None,
    split: Annotated[list[float], Is("shares of training, validation and test text, in file order")] = SPLIT,
) -> Task:
    """Predict each next character of a text.

    The text is cut in file order into training, validation and test, and each part into sequences of `length`
    characters, each read from an empty state; every character but the first of a part is predicted once (the
    last incomplete sequence is left out). Characters that training does not have share one token.

    The score is the mean cross-entropy in bits per character over the test part; its baseline is the character
    frequencies of the training part, with one added to every count.

    Raises:
        UserError: if the file is missing, empty, not UTF-8, or a part is too short for one sequence.
    """
    text = read_text(path)[:limit]
    parts = cut(text, split)
    characters = sorted(set(parts[0]))
    token = {character: k + 1 for k, character in enumerate(characters)}
    tokens = [np.array([token.get(character, 0) for character in part], "int32") for part in parts]
    for name, part in zip(("training", "validation", "test"), tokens, strict=True):
        if len(part) < length + 1:
            raise UserError(
                f"{path or 'the text'}: the {name} part has {len(part)} characters, and one sequence needs "
                f"task.length + 1 = {length + 1}. Use a longer text, a smaller task.length or another task.split "
                f"(now {list(split)})"
            )
    train, validation, test = (_sequences(part, length) for part in tokens)
    vocabulary = len(characters) + 1
    return Task(
        title=f"predict the next character of {Path(path).name if path else 'the Python reference manual'}",
        train=train,
        validation=validation,
        test=test,
        outputs=vocabulary,
        per_step=True,
        loss="sparse_categorical_crossentropy",
        metrics=(BITS_PER_CHARACTER, ACCURACY),
        baseline=_unigram_bits(train.targets, test.targets, vocabulary),
        baseline_title="character frequencies of the training text",
        vocabulary=vocabulary,
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def read_text(path: str | None) -> str:
    """The text of a file, or the reference manual in `pydoc_data.topics`, whose text differs between Pythons."""
    if path is None:
        from pydoc_data.topics import topics

        return "\n".join(topics[name] for name in sorted(topics))
    try:
        text = Path(path).expanduser().read_bytes().decode("utf-8")
    except OSError as error:
        raise UserError(f"task.path={path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"task.path={path}: not UTF-8 text (byte {error.object[error.start]:#04x} at position {error.start}). "
            f"Convert it first, for example: iconv -f latin1 -t utf-8 {path} > utf8.txt"
        ) from error
    if not text:
        raise UserError(f"task.path={path}: the file is empty")
    return text


def cut(text: str, split: tuple[float, ...]) -> list[str]:
    """The training, validation and test parts of a text, in this order."""
    if len(split) != 3 or min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
        raise UserError(f"task.split={list(split)}: must be three shares greater than 0 whose sum is 1")
    first = round(len(text) * split[0])
    second = round(len(text) * (split[0] + split[1]))
    return [text[:first], text[first:second], text[second:]]


def _sequences(tokens: np.ndarray, length: int) -> Split:
    count = (len(tokens) - 1) // length
    used = count * length
    return Split(tokens[:used].reshape(count, length), tokens[1 : used + 1].reshape(count, length))


def _unigram_bits(train: np.ndarray, test: np.ndarray, vocabulary: int) -> float:
    counts = np.bincount(train.ravel(), minlength=vocabulary) + 1
    return float(-np.log2(counts / counts.sum())[test].mean())
