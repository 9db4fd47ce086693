"""Weights from and to `torch.nn.LSTM`, against its documented equations and, where it is installed, against it."""

import keras
import numpy as np
import pytest

from tests.cases import first_quick
from variants import PeepholeLSTM, StandardLSTM, SwappedLSTM
from variants.convert.torch import from_torch, to_torch
from variants.reference import ACTIVATIONS
from variants.testing.common import FEATURES, randomize, sequences

UNITS = 5
L = keras.layers


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def torch_state(layers=1, directions=1, bias=True, seed=6):
    rng = np.random.default_rng(seed)
    state = {}
    for number in range(layers):
        for suffix in ("", "_reverse")[:directions]:
            width = UNITS * directions if number else FEATURES
            shapes = {"weight_ih": (4 * UNITS, width), "weight_hh": (4 * UNITS, UNITS)}
            shapes |= {"bias_ih": (4 * UNITS,), "bias_hh": (4 * UNITS,)} if bias else {}
            state |= {f"{name}_l{number}{suffix}": rng.normal(scale=0.5, size=shapes[name]) for name in shapes}
    return state


def torch_output(state, x):
    """`torch.nn.LSTM`, `batch_first=True`, by the equations of its documentation: blocks i, f, g, o."""
    for number in range(1 + max(int(name.split("_")[2][1:]) for name in state)):
        sides = [suffix for suffix in ("", "_reverse") if f"weight_ih_l{number}{suffix}" in state]
        outputs = [torch_direction(state, f"l{number}{s}", x[:, ::-1] if s else x)[:, :: -1 if s else 1] for s in sides]
        x = np.concatenate(outputs, axis=-1)
    return x


def torch_direction(state, place, x):
    h = c = np.zeros((len(x), UNITS))
    b_ih, b_hh = state.get(f"bias_ih_{place}", 0), state.get(f"bias_hh_{place}", 0)
    outputs = []
    for t in range(x.shape[1]):
        sums = x[:, t] @ state[f"weight_ih_{place}"].T + b_ih + h @ state[f"weight_hh_{place}"].T + b_hh
        i, f, g, o = np.split(sums, 4, axis=1)
        c = ACTIVATIONS["sigmoid"](f) * c + ACTIVATIONS["sigmoid"](i) * np.tanh(g)
        h = ACTIVATIONS["sigmoid"](o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


def apply(stack, x):
    for layer in stack if isinstance(stack, list) else [stack]:
        x = layer(x)
    return x


@pytest.mark.parametrize("bias", first_quick([True, False]))
@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (3, 1), (1, 2), (2, 2)])
def test_torch_both_ways(layers, directions, bias):
    state = torch_state(layers, directions, bias)
    stack = from_torch(state, dtype="float64")
    assert isinstance(stack, list) == (layers > 1)
    expected = torch_output(state, sequences())
    np.testing.assert_allclose(apply(stack, sequences()), expected, rtol=1e-12, atol=1e-12)
    again = to_torch(stack)
    last = from_torch(state, return_sequences=False, dtype="float64")
    np.testing.assert_allclose(apply(last, sequences())[:, :UNITS], expected[:, -1, :UNITS], rtol=1e-12, atol=1e-12)
    assert again.keys() == state.keys()
    np.testing.assert_allclose(torch_output(again, sequences()), expected, rtol=1e-12, atol=1e-12)
    assert all(not values.any() for name, values in again.items() if "bias_hh" in name)


class Tensor:
    """As much of a `torch.Tensor` as is read."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return Tensor(self.values)

    cpu = double = detach

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


def test_torch_modules_and_prefixes():
    state = {name: Tensor(values) for name, values in torch_state().items()}
    module = type("LSTM", (), {"state_dict": lambda self: state})()
    larger = {"head.weight": Tensor(1), **{f"encoder.{name}": values for name, values in state.items()}}
    expected = torch_output(torch_state(), sequences())
    for layer in (from_torch(module), from_torch(larger, prefix="encoder.")):
        close(layer(sequences()), expected)
    close(from_torch(module, return_sequences=False, go_backwards=True)(sequences()[:, ::-1]), expected[:, -1])


def test_to_torch_takes_keras_layers():
    x = sequences().astype("float32")
    for layer in (L.LSTM(UNITS, return_sequences=True), L.Bidirectional(L.LSTM(UNITS, return_sequences=True))):
        close(torch_output(to_torch(randomize(layer)), x), layer(x))


def renamed(old, new):
    return {name.replace(old, new): values for name, values in torch_state(2).items()}


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (3, TypeError, "must be a torch.nn.LSTM or a mapping from names to arrays. Received: 3"),
        ({}, ValueError, "Received: prefix='' and the names none"),
        (renamed("weight_ih_l0", "lstm.weight_ih_l0"), ValueError, "names lstm.weight_ih_l0, weight_hh_l0"),
        (renamed("bias_hh_l1", "weight_hr_l1"), ValueError, r"proj_size projects its hidden state \(weight_hr_l1\)"),
        (renamed("_l1", "_l2"), ValueError, r"expected bias_hh_l1 \(20,\). Received: nothing"),
        (renamed("bias_hh_l1", "bias_hh_l1_reverse"), ValueError, r"expected bias_hh_l1 \(20,\)"),
        (
            {**torch_state(), "weight_hh_l0": np.ones((15, 5))},
            ValueError,
            r"weight_hh_l0 \(20, 5\). Received: \(15, 5\)",
        ),
    ],
)
def test_from_torch_refuses(source, error, message):
    with pytest.raises(error, match=message):
        from_torch(source)


def test_to_torch_refuses():
    for layer, message in (
        (SwappedLSTM(3), "gate_activation='tanh' .it is sigmoid there.; candidate_activation='sigmoid' .it is tanh"),
        (StandardLSTM(3, go_backwards=True), "go_backwards=True"),
        (L.Bidirectional(StandardLSTM(3), merge_mode="sum"), "merge_mode='sum' .it concatenates the directions"),
        (StandardLSTM(3), "has no weights yet"),
        (PeepholeLSTM(3), "peephole='diagonal' .it has no peepholes"),
        ([randomize(StandardLSTM(4)), randomize(StandardLSTM(3))], "do not fit together as those of one torch.nn.LSTM"),
        ([], "an empty list"),
    ):
        with pytest.raises(ValueError, match=message):
            to_torch(layer)
    with pytest.raises(TypeError, match="must be a GatedLSTM, a keras.layers.LSTM or a Bidirectional. Received: <GRU"):
        to_torch(L.GRU(3))


@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (2, 2)])
def test_equals_torch(layers, directions):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    arguments = {"num_layers": layers, "bidirectional": directions == 2, "batch_first": True}
    module, again = (torch.nn.LSTM(FEATURES, UNITS, **arguments) for _ in range(2))
    x = sequences().astype("float32")
    expected = module(torch.from_numpy(x))[0].detach().numpy()
    stack = from_torch(module)
    close(apply(stack, x), expected)
    again.load_state_dict({name: torch.from_numpy(values) for name, values in to_torch(stack).items()})
    close(again(torch.from_numpy(x))[0].detach().numpy(), expected)
