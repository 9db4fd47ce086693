"""Sequences of different lengths in one array."""

from collections.abc import Sequence

import numpy as np


def filled_up(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sequences `(time, ...)`, with zeros up to the longest one, as `(sequences, time, ...)`; and their mask."""
    lengths = np.array([len(each) for each in sequences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    array = np.zeros((*mask.shape, *sequences[0].shape[1:]), sequences[0].dtype)
    array[mask] = np.concatenate(sequences)
    return array, mask
