"""What the layers refuse, and what their switches do to the weights."""

import copy
import pickle

import keras
import numpy as np
import pytest

import variants
from tests.cases import first_quick
from variants import GatedLSTM, PeepholeLSTM, SwappedLSTM
from variants.reference import reference
from variants.switches import BLOCKS, CHOICES, FLAGS, GATES, NAMES

LAYERS = [
    layer
    for name in variants.__all__
    if isinstance(layer := getattr(variants, name), type) and issubclass(layer, GatedLSTM)
]
ACTIVATIONS = ("sigmoid", "tanh", "linear", "binary", "centered_sigmoid", "bipolar_sigmoid", "shifted_tanh")
VALUES = {
    **CHOICES,
    **dict.fromkeys(FLAGS, (True, False)),
    "gate_activation": (*ACTIVATIONS, {"input": "tanh"}, {"forget": "hard_sigmoid"}, {"output": "linear"}),
    "candidate_activation": ACTIVATIONS,
    "output_activation": ACTIVATIONS,
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"peephole": "diag"}, "`peephole` must be one of none, diagonal, full. Received: peephole='diag'"),
        ({"recurrence": False}, "`recurrence` must be one of full, diagonal, none. Rec.*; write recurrence='none'"),
        ({"recurrence": "none", "recurrent_dropout": 0.5}, "`recurrent_dropout` drops units .* Rec.*=0.5"),
        ({"input_gate": "coupled"}, "`input_gate` must be one of learned, open. Received: input_gate='coupled'"),
        ({"gate_recurrence": "yes"}, "`gate_recurrence` must be True or False. Received: gate_recurrence='yes'"),
        ({"input_gate": "open", "forget_gate": "coupled"}, "needs a learned input gate"),
        ({"candidate_activation": "tan"}, "`candidate_activation` must be the name of a Keras activation.*'tan'"),
        ({"gate_activation": {"candidate": "tanh"}}, "Allowed keys: input, forget, output"),
        ({"gate_activation": {"forget": "tan"}}, r"`gate_activation\['forget'\]` must be the name.*'tan'"),
        ({"forget_gate": "open", "gate_activation": {"forget": "tanh"}}, "Allowed keys: input, output"),
        ({"activation": "relu"}, "Use `candidate_activation` and `output_activation` instead of `activation`"),
        ({"recurrent_activation": "relu"}, "Use `gate_activation` instead of `recurrent_activation`"),
        ({"unit": 3}, "Unrecognized keyword arguments.*'unit'"),
    ],
    ids=str,
)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GatedLSTM(4, **arguments)


@pytest.mark.parametrize("switch", [{"peephole": "full"}, {"gate_recurrence": True}, {"shared_kernel": True}], ids=str)
def test_refused_without_any_gate(switch):
    with pytest.raises(ValueError, match=f"`{next(iter(switch))}` needs at least one learned gate"):
        GatedLSTM(4, input_gate="open", forget_gate="open", output_gate="open", **switch)


def test_refused_units():
    with pytest.raises(ValueError, match="units"):
        GatedLSTM(0)


def shapes(**arguments):
    layer = GatedLSTM(4, **arguments)
    layer.build((None, None, 3))
    return {weight.name: tuple(weight.shape) for weight in layer.weights}


def test_weights_of_the_standard_cell():
    assert shapes() == {"kernel": (3, 16), "recurrent_kernel": (4, 16), "bias": (16,)}


def test_parameters_of_the_ablations():
    """Counts of Greff et al. 2017 for N units and M inputs."""
    n, m = 4, 3
    block = n * m + n * n + n
    vanilla = 4 * block + 3 * n
    for arguments, expected in [
        ({}, vanilla),
        ({"input_gate": "open"}, 3 * block + 2 * n),
        ({"forget_gate": "open"}, 3 * block + 2 * n),
        ({"output_gate": "open"}, 3 * block + 2 * n),
        ({"forget_gate": "coupled"}, 3 * block + 2 * n),
        ({"peephole": "none"}, 4 * block),
        ({"gate_recurrence": True}, vanilla + 9 * n * n),
    ]:
        layer = GatedLSTM(n, **{"peephole": "diagonal", **arguments})
        layer.build((None, None, m))
        assert layer.count_params() == expected, arguments


@pytest.mark.parametrize("initializer", ["orthogonal", "ones"])
def test_a_diagonal_recurrence_starts_where_no_unit_grows(initializer):
    """A vector is not orthogonal; other initializers do what they do."""
    keras.utils.set_random_seed(0)
    layer = GatedLSTM(500, recurrence="diagonal", recurrent_initializer=initializer)
    layer.build((None, None, 1))
    first = layer.cell.recurrent_kernel.numpy()
    assert (first == 1).all() if initializer == "ones" else -1 < first.min() < -0.99 and 0.99 < first.max() < 1


def test_without_recurrence_a_step_sees_the_input_and_the_cell_state_alone():
    layer = GatedLSTM(4, recurrence="none")
    x = np.ones((2, 1, 3), "float32")
    cell_state = np.ones((2, 4), "float32")
    results = [layer(x, initial_state=[hidden * cell_state, cell_state]).numpy() for hidden in (-5, 0, 5)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("recurrence", ["diagonal", "none"])
@pytest.mark.parametrize(
    "switches",
    [
        {"shared_kernel": True},
        {"shared_kernel": True, "peephole": "full"},
        {"peephole": "diagonal", "forget_gate": "coupled"},
        {"gate_recurrence": True},
    ],
    ids=str,
)
def test_a_recurrence_goes_with_every_switch(recurrence, switches):
    layer = GatedLSTM(4, recurrence=recurrence, return_sequences=True, **switches)
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")
    layer(x)
    layer.set_weights([np.random.default_rng(1).normal(size=weight.shape) for weight in layer.weights])
    expected = reference(layer.get_config(), layer.get_weights(), x)["output"]
    for training in (False, True):
        np.testing.assert_allclose(layer(x, training=training), expected, atol=1e-5)


def test_peepholes_come_in_the_order_of_tensorflow_addons():
    assert list(shapes(peephole="diagonal"))[3:] == ["input_peephole", "forget_peephole", "output_peephole"]


def test_forget_bias_starts_at_one():
    layer = GatedLSTM(4, input_gate="open")
    layer.build((None, None, 3))
    assert layer.cell.bias.numpy().tolist() == [1] * 4 + [0] * 8
    plain = GatedLSTM(4, unit_forget_bias=False)
    plain.build((None, None, 3))
    assert not plain.cell.bias.numpy().any()


def test_named_layers_are_settings_of_the_same_layer():
    assert PeepholeLSTM(4).peephole == "diagonal"
    assert PeepholeLSTM(4, forget_gate="coupled").forget_gate == "coupled"
    swapped = SwappedLSTM(4).get_config()
    assert (swapped["gate_activation"], swapped["candidate_activation"]) == ("tanh", "sigmoid")


def test_layer_has_the_attributes_of_keras():
    layer = GatedLSTM(4, dropout=0.25, use_bias=False)
    assert (layer.units, layer.dropout, layer.use_bias, layer.unit_forget_bias) == (4, 0.25, False, True)


@pytest.mark.parametrize(("switch", "value"), [(s, v) for s in NAMES for v in VALUES[s]], ids=str)
@pytest.mark.parametrize("layer_class", first_quick(LAYERS, 4), ids=lambda layer_class: layer_class.__name__)
def test_what_is_recorded_is_what_is_built(layer_class, switch, value):
    """Each switch of each layer reaches the layer as it is, or is refused by name."""
    try:
        layer = layer_class(3, **{switch: value})
    except ValueError as error:
        assert f"`{switch}" in str(error)
        return
    config = layer.get_config()
    assert config[switch] == value
    assert layer_class.from_config(config).get_config() == config
    layer.build((None, None, 2))
    check_weights(layer, config)
    check_functions(layer, config)


def check_weights(layer, config):
    """The weights are those that the recorded switches call for, and those of the cell's own equation."""
    gates = [gate for gate in GATES if config[f"{gate}_gate"] == "learned"]
    columns = 3 * (len(gates) + 1)
    expected = {"kernel": (2, columns), "recurrent_kernel": (3, columns), "bias": (columns,)}
    if config["shared_kernel"]:
        expected |= {"kernel": (2, 3), "recurrent_kernel": (3, 3)}
    if config["recurrence"] == "diagonal":
        expected["recurrent_kernel"] = expected["recurrent_kernel"][1:]
    if config["recurrence"] == "none":
        del expected["recurrent_kernel"]
    if config["peephole"] != "none":
        shape = (3,) if config["peephole"] == "diagonal" else (3, 3)
        expected |= {f"{gate}_peephole": shape for gate in gates}
    if config["gate_recurrence"]:
        expected["gate_recurrent_kernel"] = (3 * len(gates), 3 * len(gates))
    if isinstance(layer, variants.LayerNormLSTM):
        expected |= {"kernel_gain": (columns,), "recurrent_gain": (columns,), "cell_gain": (3,), "cell_shift": (3,)}
    assert {weight.name: tuple(weight.shape) for weight in layer.weights} == expected


def check_functions(layer, config):
    """Layer and cell have the attributes that are recorded, the activations as functions."""
    for name in (*CHOICES, *FLAGS):
        assert getattr(layer, name) == getattr(layer.cell, name) == config[name]
    own = ("binary", "centered_sigmoid", "bipolar_sigmoid", "shifted_tanh")
    functions = {name: getattr(variants, name) for name in own}
    functions |= {name: keras.activations.get(name) for name in ("sigmoid", "tanh", "linear", "hard_sigmoid")}
    for name in ("candidate_activation", "output_activation"):
        assert getattr(layer, name) is functions[config[name]]
    per_gate = config["gate_activation"]
    for gate, function in layer.cell.gate_activations.items():
        assert function is functions[per_gate.get(gate, "sigmoid") if isinstance(per_gate, dict) else per_gate]
    assert layer.cell.blocks == tuple(b for b in BLOCKS if b == "candidate" or b in layer.cell.gate_activations)


def test_attributes_of_the_layer_are_those_of_its_cell():
    layer = variants.JANET(4, beta=2.0)
    assert (layer.beta, layer.units) == (2.0, 4)
    for name in ("activation", "recurrent_activation", "no_such_thing", "_private"):
        assert not hasattr(layer, name)
    with pytest.raises(AttributeError, match="'JANET' object has no attribute 'no_such_thing'"):
        layer.no_such_thing  # noqa: B018


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_have_the_same_switches(again):
    layer = GatedLSTM(4, peephole="diagonal", gate_activation={"forget": "tanh"})
    layer.build((None, None, 3))
    copied = again(layer)
    assert copied.get_config() == layer.get_config() and copied.peephole == "diagonal"
    for weight, same in zip(layer.get_weights(), copied.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)
