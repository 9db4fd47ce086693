"""Sequences of different lengths in one array."""

from collections.abc import Sequence

import numpy as np


def pad(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pad sequences `(time, ...)` with zeros to the longest one: `(sequences, time, ...)`, and their mask."""
    lengths = np.array([len(sequence) for sequence in sequences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    array = np.zeros((*mask.shape, *sequences[0].shape[1:]), sequences[0].dtype)
    array[mask] = np.concatenate(sequences)
    return array, mask
