"""What the tasks with generated data share: sizes, seed, metrics."""

from collections.abc import Callable
from typing import Annotated

import numpy as np

from experiments.options import Field
from experiments.tasks._task import Metric, Split

TrainSize = Annotated[int, Field("training sequences", minimum=1)]
ValidationSize = Annotated[int, Field("validation sequences", minimum=1)]
TestSize = Annotated[int, Field("test sequences", minimum=1)]
DataSeed = Annotated[int, Field("seed of the sequences, the same for all trials", minimum=0)]

MEAN_SQUARED_ERROR = Metric("mse", "mean squared error", "", keras="mean_squared_error")


def three_parts(
    draw: Callable[[np.random.Generator, int], Split], sizes: tuple[int, int, int], data_seed: int
) -> tuple[Split, Split, Split]:
    """Training, validation and test part, each from a random stream of its own."""
    streams = np.random.SeedSequence(data_seed).spawn(3)
    train, validation, test = (
        draw(np.random.default_rng(stream), size) for stream, size in zip(streams, sizes, strict=True)
    )
    return train, validation, test
