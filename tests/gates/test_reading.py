"""Reading of test parts: in pieces and batches, with the numbers of one pass."""

import numpy as np
import pytest

import variants
from experiments.gates import reading
from experiments.gates.reading import joined, read_pieces, read_symbols
from experiments.gates.trained_trial import model_inputs
from experiments.gates.unit_scores import QUANTITIES
from tests.gates.gate_trials import overrides, untrained, write_files


@pytest.fixture
def trial(tmp_path, request):
    write_files(tmp_path)
    return untrained(tmp_path, *overrides(tmp_path, request.param))


def same(layers, traced, mask=slice(None)):
    """Whether layers hold what `variants.trace` gives for one sequence."""
    assert list(layers) == list(traced)
    for layer, arrays in layers.items():
        for quantity in QUANTITIES:
            np.testing.assert_allclose(arrays[quantity], traced[layer][quantity][0, mask], atol=1e-6)


@pytest.mark.parametrize("trial", ["standard"], indirect=True)
@pytest.mark.parametrize("piece", [7, 1000])
def test_a_text_in_pieces_equals_one_pass(trial, piece, monkeypatch):
    monkeypatch.setattr(reading, "PIECE", piece)
    tokens = trial.task.test.tokens
    assert len(tokens) % 7
    pieces = list(read_pieces(trial, None))
    assert len(pieces) == -(-len(tokens) // piece) and sum(map(len, pieces)) == len(tokens)
    same(joined(pieces)[0], variants.trace(trial.model, tokens[None]))
    np.testing.assert_array_equal(read_symbols(trial.task.test, None)[0], tokens)


@pytest.mark.parametrize("trial", ["masked"], indirect=True)
def test_sequences_in_batches_equal_each_alone(trial, monkeypatch):
    part = trial.task.test
    monkeypatch.setattr(reading, "BATCH_STEPS", 2 * part.inputs.shape[1])
    assert len(part) % 2
    pieces = list(read_pieces(trial, None))
    symbols = read_symbols(part, None)
    assert [piece.sequence for piece in pieces] == list(range(len(part)))
    for number, piece in enumerate(pieces):
        inputs, mask = part.inputs[number], part.mask[number]
        np.testing.assert_array_equal(symbols[number], inputs[mask])
        if number in (0, len(part) - 1):
            same(piece.layers, variants.trace(trial.model, model_inputs(trial.model, inputs, mask)), mask)


@pytest.mark.parametrize("trial", ["masked", "standard"], indirect=True)
def test_reading_less(trial):
    """Of a text so many steps, of sequences as many whole ones as have them."""
    symbols = read_symbols(trial.task.test, 70)
    lengths = [len(piece) for piece in read_pieces(trial, 70)]
    assert lengths == [len(text) for text in symbols]
    assert sum(lengths) == 70 if len(lengths) == 1 else sum(lengths[:-1]) < 70 <= sum(lengths)
