"""Tasks that ask for memory over many steps, generated from a seed."""

from typing import Annotated

import numpy as np

from experiments.schema import Is
from experiments.tasks import Metric, Split, Task, task

MEAN_SQUARED_ERROR = Metric("mse", "mean squared error", "", keras="mean_squared_error")


@task
def adding(
    length: Annotated[int, Is("time steps of a sequence", minimum=2)] = 50,
    train_size: Annotated[int, Is("training sequences", minimum=1)] = 5000,
    validation_size: Annotated[int, Is("validation sequences", minimum=1)] = 1000,
    test_size: Annotated[int, Is("test sequences", minimum=1)] = 2000,
    data_seed: Annotated[int, Is("seed of the sequences, the same for all trials", minimum=0)] = 0,
) -> Task:
    """Add the two marked numbers of a sequence.

    Each step shows a number drawn from U[0, 1] and a mark that is 1 at two distinct steps and 0 elsewhere; the
    target is the sum of the two marked numbers. Always answering 1 has the expected error 1/6, the variance of
    the sum (often quoted as 0.1767).

    Source: Hochreiter and Schmidhuber 1997, section 5.4, in the form of Le, Jaitly and Hinton 2015.
    """
    streams = np.random.SeedSequence(data_seed).spawn(3)
    sizes = (train_size, validation_size, test_size)
    train, validation, test = (
        _adding(np.random.default_rng(stream), size, length) for stream, size in zip(streams, sizes, strict=True)
    )
    return Task(
        title=f"add the two marked numbers among {length}",
        train=train,
        validation=validation,
        test=test,
        outputs=1,
        per_step=False,
        loss="mean_squared_error",
        metrics=(MEAN_SQUARED_ERROR,),
        baseline=float(np.mean((test.targets - train.targets.mean()) ** 2)),
        baseline_title="always the mean of the training targets",
        solved=0.01,
    )


def _adding(rng: np.random.Generator, size: int, length: int) -> Split:
    values = rng.random((size, length), dtype="float32")
    first = rng.integers(length, size=size)
    second = (first + rng.integers(1, length, size=size)) % length
    marks = np.zeros_like(values)
    rows = np.arange(size)
    marks[rows, first] = marks[rows, second] = 1
    sums = (values * marks).sum(axis=1, keepdims=True)
    return Split(np.stack([values, marks], axis=-1), sums)
