"""Reading the test part of a task with a trained model: symbols, gates and states of every step, in bounded memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

import variants
from experiments.gates.trained_trial import TrainedTrial
from experiments.gates.unit_scores import QUANTITIES, symbol_numbers
from experiments.tasks import Split, Stream

Array = np.ndarray
Layers = dict[str, dict[str, Array]]  # by name, the quantities `(time, units)`

PIECE = 1000  # steps of a stream that are traced at once
BATCH_STEPS = 20_000  # of sequences that are traced at once


@dataclass(frozen=True)
class Piece:
    """Steps of a sequence that follow one another, without masked ones.

    Attributes:
        sequence: Number of the sequence; 0 for a stream.
        layers: Gates and states by layer.
    """

    sequence: int
    layers: Layers

    def __len__(self) -> int:
        return len(next(iter(self.layers.values()))["cell_state"])


def read_symbols(part: Split | Stream, steps: int | None) -> list[Array]:
    """The symbols `(time,)` of each sequence that is read, without masked steps; a stream is one sequence.

    Args:
        part: The test part.
        steps: Read so many; of sequences as many whole ones as have them. None: all.
    """
    if isinstance(part, Stream):
        return [part.tokens[:steps]]
    return [symbol_numbers(part.inputs[n])[_mask(part)[n]] for n in range(_sequences(part, steps))]


def read_pieces(trial: TrainedTrial, steps: int | None) -> Iterator[Piece]:
    """Read the test part as `read_symbols` says, a stream in pieces with the states carried on from one to the next."""
    part = trial.task.test
    return _read_stream(trial, part.tokens[:steps]) if isinstance(part, Stream) else _read_split(trial, part, steps)


def joined(pieces: Iterable[Piece]) -> list[Layers]:
    """The sequences that pieces are of, each in one."""
    sequences: dict[int, list[Layers]] = {}
    for piece in pieces:
        sequences.setdefault(piece.sequence, []).append(piece.layers)
    return [_joined(layers) for layers in sequences.values()]


def _joined(pieces: Sequence[Layers]) -> Layers:
    first = pieces[0]
    return {
        layer: {quantity: np.concatenate([piece[layer][quantity] for piece in pieces]) for quantity in arrays}
        for layer, arrays in first.items()
    }


def _read_stream(trial: TrainedTrial, tokens: Array) -> Iterator[Piece]:
    length = min(PIECE, len(tokens))
    starts = range(0, len(tokens), length)
    # The last piece is as long as the others, so that nothing is compiled for it alone.
    batches = (np.resize(tokens[start : start + length], (1, length)) for start in starts)
    for start, layers in zip(starts, variants.trace_batches(trial.model, batches, carry=True), strict=True):
        yield Piece(0, _steps(layers, 0, slice(len(tokens) - start)))


def _read_split(trial: TrainedTrial, part: Split, steps: int | None) -> Iterator[Piece]:
    count = _sequences(part, steps)
    size = min(count, max(1, BATCH_STEPS // part.inputs.shape[1]))
    rows = [np.minimum(np.arange(start, start + size), count - 1) for start in range(0, count, size)]
    batches = (_inputs(part, numbers) for numbers in rows)
    for numbers, layers in zip(rows, variants.trace_batches(trial.model, batches), strict=True):
        for place, number in islice(enumerate(numbers), count - numbers[0]):
            yield Piece(int(number), _steps(layers, place, _mask(part)[number]))


def _steps(layers: Layers, row: int, chosen: slice | Array) -> Layers:
    return {layer: {name: arrays[name][row][chosen] for name in QUANTITIES} for layer, arrays in layers.items()}


def _inputs(part: Split, rows: Array) -> Array | dict[str, Array]:
    inputs = part.inputs[rows]
    return inputs if part.mask is None else {"inputs": inputs, "mask": part.mask[rows]}


def _mask(part: Split) -> Array:
    return np.broadcast_to(True, part.inputs.shape[:2]) if part.mask is None else part.mask


def _sequences(part: Split, steps: int | None) -> int:
    """How many sequences are read: the first ones that have so many steps."""
    if steps is None:
        return len(part)
    return min(len(part), int(np.searchsorted(_mask(part).sum(axis=1).cumsum(), steps)) + 1)
