"""What happens from step to step: states, masks, direction, dropout."""

import unittest
from functools import partial
from typing import Any

import keras
import numpy as np

from variants.testing import common
from variants.testing.common import Make, all_equal, array, equal, random_states, randomize, same_weights, sequences


def check_initial_state(make: Make) -> None:
    """Initial states matter, each of them that a step sees, and zeros are the default."""
    layer = randomize(make(dtype=common.PRECISE, return_sequences=True))
    x, states = sequences(), random_states(layer)
    zeros = [np.zeros_like(state) for state in states]
    equal(layer(x, initial_state=zeros), layer(x))
    for number, state in enumerate(states[:2]):
        if number == 0 and not common.sees_the_hidden_state(layer):
            continue
        initial = [*zeros[:number], state, *zeros[number + 1 :]]
        assert not np.allclose(array(layer(x, initial_state=initial)), array(layer(x))), f"state {number} is ignored"


def check_return_state(make: Make) -> None:
    """Two halves, the states of the first handed to the second, equal the whole."""
    layer = randomize(make(dtype=common.PRECISE, return_sequences=True, return_state=True))
    x, states = sequences(), random_states(layer)
    whole, *final = layer(x, initial_state=states)
    first, *between = layer(x[:, :2], initial_state=states)
    second, *last = layer(x[:, 2:], initial_state=between)
    equal(np.concatenate([array(first), array(second)], axis=1), whole)
    equal(array(whole)[:, -1], final[0])
    all_equal(last, final)


def check_mask(make: Make, kind: str) -> None:
    """Masked steps change nothing, as if they had been cut out, in training too.

    They repeat the output of the step before; ahead of the first step it is zero (on JAX, as in Keras, the initial
    hidden state).
    """
    layer = common.without_noise(randomize(make(dtype=common.PRECISE, return_sequences=True, return_state=True)))
    x, mask, initial = sequences(), np.array(common.MASKS[kind], bool), random_states(layer)
    disturbed = np.where(mask[..., None], x, 1e3).astype(common.PRECISE)
    results = layer(disturbed, mask=mask, initial_state=initial)
    in_training = layer(disturbed, mask=mask, initial_state=initial, training=True)
    all_equal(in_training, results, what=f"mask {kind}, in training")
    output, *states = map(array, results)
    for row in range(common.BATCH):
        what = f"mask {kind}, row {row}"
        unmasked = np.flatnonzero(mask[row])
        last = [state[row] for state in initial]
        first = np.zeros_like(last[0]) if common.STARTS_WITH_ZEROS else last[0]
        outputs = first[None]
        if len(unmasked) > 0:
            cut, *last = layer(x[row, unmasked][None], initial_state=[state[None] for state in last])
            outputs, last = np.concatenate([outputs, array(cut)[0]]), [array(state)[0] for state in last]
        equal(output[row], outputs[np.cumsum(mask[row])], what=what)
        all_equal([state[row] for state in states], last, what=what)


def check_mask_is_passed_on(make: Make) -> None:
    """Behind a layer that returns sequences the next layer still sees the mask."""
    first, second = randomize(make(return_sequences=True)), make()
    model = common.sequential(keras.layers.Masking(), first, second)
    randomize(second)
    x = sequences().astype("float32")
    x[:, 3:] = 0
    equal(model(x), second(first(x[:, :3])), 1e-6)


def check_go_backwards(make: Make) -> None:
    """`go_backwards` reads the reversed sequence, and the mask with it."""
    layer = randomize(make(dtype=common.PRECISE, return_sequences=True))
    backwards = same_weights(make(dtype=common.PRECISE, return_sequences=True, go_backwards=True), layer)
    x, mask = sequences(), np.array(common.MASKS["gaps"], bool)
    equal(backwards(x), layer(x[:, ::-1].copy()))
    equal(backwards(x, mask=mask), layer(x[:, ::-1].copy(), mask=mask[:, ::-1].copy()))


def check_unrolled(make: Make) -> None:
    """`unroll` changes nothing but the graph."""
    layer = randomize(make(dtype=common.PRECISE, unroll=True))
    equal(layer(sequences()), same_weights(make(dtype=common.PRECISE), layer)(sequences()))


def _check_dropout(make: Make, argument: str) -> None:
    plain = randomize(make())
    layer = same_weights(make(**{argument: 0.5}, seed=3), plain)
    x, states = sequences().astype("float32"), [state.astype("float32") for state in random_states(layer)]
    expected = array(plain(x, initial_state=states))
    equal(layer(x, initial_state=states, training=False), expected, 1e-6)
    outputs = [array(layer(x, initial_state=states, training=True)) for _ in range(3)]
    assert not all(np.allclose(output, expected) for output in outputs), f"{argument} does nothing"
    assert not all(np.allclose(output, outputs[0]) for output in outputs), f"{argument}: the mask is always the same"


def _spy(cell: Any, name: str) -> list[np.ndarray]:
    """Replace a method of a cell by one that keeps the first tensor of each call, too."""
    calls: list[np.ndarray] = []
    method = getattr(cell, name)

    def spy(values: Any) -> Any:
        """Call the method, and keep what it was given."""
        calls.append(array(keras.tree.flatten(values)[0]))
        return method(values)

    setattr(cell, name, spy)
    return calls


def check_dropout(make: Make) -> None:
    """`dropout` acts in training only, with one mask per sequence, the same for all steps."""
    _check_dropout(make, "dropout")
    layer = randomize(make(dropout=0.5, seed=4))
    layer.unroll = layer.loop != "fast"  # so that the spy sees the numbers of each step on every backend
    calls = _spy(layer.cell, "input_product")
    layer(np.ones(common.SHAPE, "float32"), training=True)
    inputs = calls[0] if len(calls) == 1 else np.stack(calls)  # all steps at once, time first, or one after the other
    assert inputs.shape == (common.STEPS, common.BATCH, common.FEATURES) and 0 < np.mean(inputs[0] == 0) < 1
    equal(inputs, np.repeat(inputs[:1], common.STEPS, axis=0))


def check_recurrent_dropout(make: Make) -> None:
    """`recurrent_dropout` acts in training only, with one mask per sequence, the same for all steps."""
    if not common.sees_the_hidden_state(make()):
        raise unittest.SkipTest("no gate sees the hidden state")
    _check_dropout(make, "recurrent_dropout")
    layer = randomize(make(recurrent_dropout=0.5, seed=4, unroll=True))
    calls = _spy(layer.cell, "recurrent_product")
    ones = [np.ones_like(state, "float32") for state in random_states(layer)]
    layer(sequences().astype("float32"), initial_state=ones, training=True)
    zeros = np.stack(calls) == 0
    assert len(zeros) == common.STEPS and 0 < zeros[0].mean() < 1
    assert (zeros >= zeros[0]).all()  # hidden states can be zero by themselves, where gates are binary


STEP_CHECKS: dict[str, common.Check] = {
    "initial_state": check_initial_state,
    "return_state": check_return_state,
    **{f"mask {kind}": partial(check_mask, kind=kind) for kind in common.MASKS},
    "mask passed on": check_mask_is_passed_on,
    "go_backwards": check_go_backwards,
    "unroll": check_unrolled,
    "dropout": check_dropout,
    "recurrent_dropout": check_recurrent_dropout,
}
