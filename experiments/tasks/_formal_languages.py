"""Formal languages: the prediction of legal next symbols."""

from collections.abc import Callable

import numpy as np

from experiments.tasks._padding import pad
from experiments.tasks._task import Metric, Predict, Split, Task

Word = list[int]  # symbols, the first one S = 0; T, which ends a word, is a target and never an input
Legal = Callable[[Word], list[list[bool]]]  # at each step, for each symbol but S: whether it may come next

ACCURACY = Metric("accuracy", "share of strings right at every step", better="higher")
CROSS_ENTROPY = Metric("cross_entropy", "cross-entropy per output", "nats", keras="binary_crossentropy")
OUTPUT_ACCURACY = Metric("output_accuracy", "share of right outputs", keras="binary_accuracy", better="higher")


def legality_task(
    title: str,
    parts: tuple[Split, ...],
    own_metric: Metric,
    measure: Callable[[Predict], dict[str, float]],
    symbols: tuple[str, ...],
) -> Task:
    """The task of predicting which symbols of a language may come next.

    Args:
        title: What is to be predicted, in one line.
        parts: Training, validation and test part.
        own_metric: What is measured beside the share of strings that are right.
        measure: Gives `accuracy` and the own metric.
        symbols: All symbols but S and T.
    """
    train, validation, test = parts
    return Task(
        title=title,
        train=train,
        validation=validation,
        test=test,
        outputs=len(symbols) + 1,
        per_step=True,
        loss="binary_crossentropy",
        metrics=(ACCURACY, own_metric, CROSS_ENTROPY, OUTPUT_ACCURACY),
        baseline=_without_memory(train, test),
        baseline_title="what is legal most often after the current symbol",
        vocabulary=len(symbols) + 1,
        monitor=CROSS_ENTROPY,
        measure=measure,
        tokens=("S", *symbols),
        labels=(*symbols, "T"),
    )


def split(words: list[Word], legal: Legal) -> Split:
    """Words padded with zeros, their legal next symbols, and the mask of the words."""
    inputs, mask = pad([np.array(word, "int32") for word in words])
    targets, _ = pad([np.array(legal(word), "float32") for word in words])
    return Split(inputs, targets, mask)


def right(logits: np.ndarray, part: Split) -> np.ndarray:
    """Which words are right in all outputs at all steps."""
    steps = ((logits > 0) == (part.targets > 0)).all(axis=-1)
    return (steps | ~part.mask).all(axis=1)


def _without_memory(train: Split, test: Split) -> float:
    """Share of test words right if a symbol is predicted when the majority of training steps has it legal."""
    shown, legal = train.inputs[train.mask], train.targets[train.mask]
    symbols = range(legal.shape[1])
    majority = np.stack([(legal[shown == symbol] - 0.5).sum(axis=0) for symbol in symbols])
    return float(right(majority[test.inputs], test).mean())
