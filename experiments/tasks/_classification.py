"""Classification: score, baseline, split by class."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Metric, Split, Task

ACCURACY = Metric("accuracy", "accuracy", "", "sparse_categorical_accuracy", better="higher")
CROSS_ENTROPY = Metric("cross_entropy", "cross-entropy", "nats", "sparse_categorical_crossentropy")

LARGEST_SEED = 2**32 - 1  # that scikit-learn takes
SplitSeed = Annotated[int, Field("seed of the split, the same for all trials", minimum=0, maximum=LARGEST_SEED)]


def classification(
    title: str,
    splits: Sequence[Split],
    labels: Sequence[str],
    digest: str = "",
    tokens: tuple[str, ...] = (),
    per_step: bool = False,
    solved: float | None = None,
) -> Task:
    """The task of naming the class of each sequence, after its last step or at every step.

    The score is the share of test sequences classified correctly. The weights are those of the epoch with the lowest
    cross-entropy of the validation part, which is often so small that many epochs have the same accuracy. The baseline
    always predicts the most frequent class of the training part.

    Args:
        title: What is to be predicted, in one line.
        splits: Training, validation and test part.
        labels: Names of the classes.
        digest: SHA-256 of what was read, "" for generated data.
        tokens: What each token stands for; empty if the inputs are features.
        per_step: Whether there is a class at every step.
        solved: Score that counts as solved, if there is one.
    """
    train, _, test = splits
    return Task(
        title,
        *splits,
        outputs=len(labels),
        per_step=per_step,
        loss="sparse_categorical_crossentropy",
        metrics=(ACCURACY, CROSS_ENTROPY),
        monitor=CROSS_ENTROPY,
        baseline=float(np.mean(test.targets == np.bincount(train.targets.ravel()).argmax())),
        baseline_title="the most frequent class of the training part",
        vocabulary=len(tokens) or None,
        solved=solved,
        digest=digest,
        tokens=tokens,
        labels=tuple(labels),
    )


def stratified(targets: np.ndarray, share: float, seed: int, source: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Split cases by class: positions of those to train on, and of a held-out share of each class of two or more."""
    from sklearn.model_selection import train_test_split  # which --help need not wait for

    several = np.flatnonzero(np.bincount(targets)[targets] > 1)
    if not len(several):
        raise UserError(f"task.validation={share:g} of {source}: no class has two series, one of them for validation")
    classes = len(np.unique(targets[several]))
    count = math.ceil(len(several) * share)
    if not classes <= count <= len(several) - classes:
        raise UserError(
            f"task.validation={share:g} of {source}: takes {count} of the {len(several)} series, and each of the "
            f"{classes} classes must be in both parts. Use another share, or more series"
        )
    _, held_out = train_test_split(several, test_size=count, stratify=targets[several], random_state=seed)
    held_out = np.sort(held_out)
    return np.setdiff1d(np.arange(len(targets)), held_out), held_out
