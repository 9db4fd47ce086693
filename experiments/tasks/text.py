"""Language models of characters and words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Metric, Stream, Task, task
from experiments.tasks._text_file import read_text
from experiments.tasks._vocabulary import digest, encode, unigram_entropy, vocabulary
from experiments.tasks.fetch import fetch_dataset

CROSS_ENTROPY = "sparse_categorical_crossentropy"
BITS_PER_CHARACTER = Metric("bpc", "cross-entropy", "bits per character", CROSS_ENTROPY, scale=1 / np.log(2))
PERPLEXITY = Metric("perplexity", "perplexity", "", CROSS_ENTROPY, transform="exp")
ACCURACY = Metric("accuracy", "share of tokens guessed", "", "sparse_categorical_accuracy", better="higher")

DATASETS = ("tiny_shakespeare", "ptb")
SPLIT = [0.9, 0.05, 0.05]
END_OF_SENTENCE = "<eos>"


@task
def char_lm(
    path: Annotated[str | None, Field("text file in UTF-8; null: the dataset")] = None,
    dataset: Annotated[str | None, Field("tiny_shakespeare or ptb; null: the reference manual of Python")] = None,
    length: Annotated[int, Field("characters between two updates", minimum=1)] = 100,
    limit: Annotated[int | None, Field("characters used, from the beginning; null: all", minimum=1)] = None,
    split: Annotated[list[float], Field("shares of training, validation and test text, in file order")] = SPLIT,
    *,
    data_dir: str | None = None,
) -> Task:
    """Predict each next character of a text from all before it.

    A text is cut in file order into training, validation and test (the Penn Treebank, `ptb`, comes as three files and
    is used without the space that begins each line). Each part is read in as many streams as a batch has rows, with the
    state carried on and gradients over `length` characters; validation and test count every character but the first.
    Characters that training does not have share one token.

    The score is the mean cross-entropy in bits per character over the test part; its baseline is the character
    frequencies of the training part, with one added to every count.

    Raises:
        UserError: if the file is missing, empty, not UTF-8, has one distinct character, or a part is too short.
    """
    source = path or dataset or "the Python reference manual"
    parts = _parts(path, dataset, split, limit, data_dir)
    tokens = vocabulary(parts[0])
    if len(set(parts[0])) == 1:
        raise UserError(f"{source}: the training part has one distinct character, {parts[0][0]!r}: nothing to learn")
    return _language_model(
        f"predict the next character of {_title(source)}", parts, tokens, length, source, BITS_PER_CHARACTER, split
    )


@task
def word_lm(
    path: Annotated[str | None, Field("text file in UTF-8, a sentence per line; null: the dataset")] = None,
    dataset: Annotated[str | None, Field("data set that is fetched")] = "ptb",
    length: Annotated[int, Field("words between two updates", minimum=1)] = 35,
    vocabulary_limit: Annotated[int | None, Field("most frequent words kept; null: all", minimum=2)] = None,
    split: Annotated[list[float], Field("shares of training, validation and test text, in file order")] = SPLIT,
    *,
    data_dir: str | None = None,
) -> Task:
    """Predict each next word of a text from all before it.

    Words are what white space separates; each line ends in the word `<eos>`. Words that training does not have, or not
    among its `vocabulary_limit` most frequent ones, are `<unk>`. Streams as in `char_lm`.

    The score is the perplexity, the exponential of the mean cross-entropy per word, over the whole test part; its
    baseline is the word frequencies of the training part, with one added to every count. The Penn Treebank in the form
    of Mikolov et al. 2010 has 929,589, 73,760 and 82,430 words and a vocabulary of 10,000.

    Raises:
        UserError: if the file is missing, empty, not UTF-8, or a part is too short for one sequence.
    """
    source = path or dataset or ""
    parts = [_words(part) for part in _parts(path, dataset, split, None, data_dir)]
    tokens = vocabulary(parts[0], vocabulary_limit)
    title = f"predict the next word of {_title(source)}"
    return _language_model(title, parts, tokens, length, source, PERPLEXITY, split)


def _parts(
    path: str | None, dataset: str | None, split: Sequence[float], limit: int | None, data_dir: str | None
) -> list[str]:
    """The texts of training, validation and test."""
    if path is None and dataset is not None:
        texts = [read_text(file) for file in fetch_dataset(dataset, data_dir, "text", DATASETS)]
        if len(texts) == 3:
            return [_without_first_spaces(text)[:limit] for text in texts]
        return cut(texts[0][:limit], split)
    return cut((read_text(path) if path else manual())[:limit], split)


def _without_first_spaces(text: str) -> str:
    return "".join(line.removeprefix(" ") for line in text.splitlines(keepends=True))


def manual() -> str:
    """The reference manual in `pydoc_data.topics`, whose text differs between Pythons."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def cut(text: str, split: Sequence[float]) -> list[str]:
    """The training, validation and test parts of a text, in this order."""
    if len(split) != 3 or min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
        raise UserError(f"task.split={list(split)}: must be three shares greater than 0 whose sum is 1")
    first = round(len(text) * split[0])
    second = round(len(text) * (split[0] + split[1]))
    return [text[:first], text[first:second], text[second:]]


def _words(text: str) -> list[str]:
    return [word for line in text.splitlines() for word in (*line.split(), END_OF_SENTENCE)]


def _title(source: str) -> str:
    return {"ptb": "the Penn Treebank", "tiny_shakespeare": "tiny Shakespeare"}.get(source, Path(source).name)


def _language_model(
    title: str,
    parts: Sequence[Sequence[str]],
    tokens: tuple[str, ...],
    length: int,
    source: str,
    metric: Metric,
    split: Sequence[float],
) -> Task:
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
        if len(part) < length + 1:
            raise UserError(
                f"{source}: the {name} part has {len(part)} tokens, and one sequence needs task.length + 1 = "
                f"{length + 1}. Use a longer text, a smaller task.length or another task.split (now {list(split)})"
            )
    train, _, test = streams = [Stream(encode(part, tokens), length) for part in parts]
    return Task(
        title,
        *streams,
        outputs=len(tokens),
        per_step=True,
        loss=CROSS_ENTROPY,
        metrics=(metric, ACCURACY),
        baseline=metric.value(unigram_entropy(train.tokens[1:], test.tokens[1:], len(tokens))),
        baseline_title="token frequencies of the training text",
        vocabulary=len(tokens),
        digest=digest(part if isinstance(part, str) else " ".join(part) for part in parts),
        tokens=tokens,
        labels=tokens,
    )
