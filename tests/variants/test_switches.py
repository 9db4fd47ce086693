"""What the layers refuse, and what their switches do to the weights."""

import pytest

from variants import GatedLSTM, PeepholeLSTM, SwappedLSTM


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"peephole": "diag"}, "`peephole` must be one of none, diagonal, full. Received: peephole='diag'"),
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
