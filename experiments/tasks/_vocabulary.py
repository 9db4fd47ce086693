"""From texts to tokens, and what their frequencies alone predict."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

UNKNOWN = "<unk>"


def digest(texts: Iterable[str]) -> str:
    """SHA-256 of texts, one after the other."""
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def vocabulary(words: Iterable[str], limit: int | None = None) -> tuple[str, ...]:
    """The token of unknown words, then other words by frequency, then alphabet; `limit` tokens in all."""
    counts = Counter(words)
    del counts[UNKNOWN]
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return (UNKNOWN, *ordered[: None if limit is None else limit - 1])


def encode(words: Iterable[str], tokens: Sequence[str]) -> np.ndarray:
    """Numbers of words; those that `tokens` does not have get that of unknown words, 0."""
    number = {word: k for k, word in enumerate(tokens)}
    return np.array([number.get(word, 0) for word in words], "int32")


def unigram_entropy(train: np.ndarray, test: np.ndarray, size: int) -> float:
    """Mean cross-entropy in nats of the training frequencies, with one added to every count, over the test tokens."""
    counts = np.bincount(train, minlength=size) + 1
    return float(-np.log(counts / counts.sum())[test].mean())
