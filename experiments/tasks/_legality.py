"""Prediction of legal next symbols: what the tasks with formal languages share."""

from collections.abc import Callable

import numpy as np

from experiments.tasks._ragged import filled_up
from experiments.tasks._task import Metric, Predict, Split, Task

Word = list[int]  # symbols, the first one S = 0; T, which ends a word, is asked for and never shown
Legal = Callable[[Word], list[list[bool]]]  # at each step, for each symbol but S, whether it may come next

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
    """A task whose further arguments follow from what all languages share.

    Args:
        title: One line that says what is asked.
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
    """Words filled up with zeros behind their ends, their legal next symbols, and where the words are."""
    inputs, mask = filled_up([np.array(word, "int32") for word in words])
    targets, _ = filled_up([np.array(legal(word), "float32") for word in words])
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
