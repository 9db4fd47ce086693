"""Classification of sentences."""

from pathlib import Path
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Split, Task, task
from experiments.tasks._classification import classification
from experiments.tasks._padding import pad
from experiments.tasks._vocabulary import digest, encode, vocabulary
from experiments.tasks.fetch import fetch_dataset

LABELS = ("negative", "positive")


@task
def sentiment(
    dataset: Annotated[str, Field("data set that is fetched")] = "sst2",
    vocabulary_limit: Annotated[int | None, Field("most frequent words kept; null: all", minimum=2)] = None,
    *,
    data_dir: str | None = None,
) -> Task:
    """Say whether a sentence of a film review is positive or negative.

    The Stanford Sentiment Treebank with two classes, whole sentences only: 6,920, 872 and 1,821 of them, as tokens that
    white space separates. Words that training does not have, or not among its `vocabulary_limit` most frequent ones,
    share one token. Sentences are padded to the longest one and masked.

    Score and baseline are those of `classify`.

    Source: Socher et al. 2013, section 3; the files are those of Kim 2014.
    """
    parts = [_read(file) for file in fetch_dataset(dataset, data_dir, "sentences", ["sst2"])]
    tokens = vocabulary((word for words, _ in parts[0] for word in words), vocabulary_limit)
    title = "say whether a sentence of a film review is positive"
    lines = (f"{label} {' '.join(words)}\n" for part in parts for words, label in part)
    return classification(title, [_split(part, tokens) for part in parts], LABELS, digest(lines), tokens)


Sentence = tuple[list[str], int]


def _read(file: Path) -> list[Sentence]:
    """Sentences of a file with a label and words on each line."""
    sentences = []
    for number, line in enumerate(file.read_bytes().decode("latin-1").split("\n"), 1):
        if line.strip():
            label, *words = line.split()
            if label not in ("0", "1") or not words:
                raise UserError(f"{file}, line {number}: must be 0 or 1 and then words, and is {line[:60]!r}")
            sentences.append((words, int(label)))
    return sentences


def _split(sentences: list[Sentence], tokens: tuple[str, ...]) -> Split:
    numbers = encode((word for words, _ in sentences for word in words), tokens)
    inputs, mask = pad(np.split(numbers, np.cumsum([len(words) for words, _ in sentences])[:-1]))
    return Split(inputs, np.array([label for _, label in sentences], "int32"), mask)
