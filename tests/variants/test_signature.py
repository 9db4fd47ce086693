"""Signatures name every argument, and attributes and arguments of Keras that we lack are named in the errors."""

import inspect
import pydoc

import keras
import pytest

import variants
from variants import GatedLSTM, GatedLSTMCell, StandardLSTM, SwappedLSTM, SwappedLSTMCell
from variants.switches import NAMES, RENAMED

CLASSES = [
    cls
    for name in variants.__all__
    if isinstance(cls := getattr(variants, name), type) and issubclass(cls, GatedLSTM | GatedLSTMCell)
]


def keras_arguments(cls):
    counterpart = keras.layers.LSTM if issubclass(cls, GatedLSTM) else keras.layers.LSTMCell
    constructors = (counterpart.__init__, keras.layers.Layer.__init__)
    names = {name for constructor in constructors for name in inspect.signature(constructor).parameters}
    return names - {"self", "kwargs", *RENAMED}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_argument_is_in_the_signature_and_taken(cls):
    parameters = dict(inspect.signature(cls).parameters)
    own = set(getattr(cls, "cell_class", cls)(3).get_config())
    assert set(parameters) >= {*NAMES, *keras_arguments(cls), *own, "implementation"}
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values())
    assert list(parameters)[0] == "units"
    defaults = {name: parameter.default for name, parameter in parameters.items() if name != "units"}
    explicit, implicit = cls(3, **{**defaults, "name": "a"}), cls(3, name="a")
    assert explicit.get_config() == implicit.get_config()


@pytest.mark.parametrize("cls", [GatedLSTM, variants.JANET, variants.SLSTMCell], ids=lambda cls: cls.__name__)
def test_help_shows_the_arguments(cls):
    shown = pydoc.render_doc(cls, renderer=pydoc.plaintext).splitlines()
    for line in (line for line in shown if f"| {cls.__name__}(" in line or "__init__(self" in line):
        assert "**kwargs" not in line and "peephole: str = 'none'" in line
    assert any("__init__(self" in line for line in shown)


def test_a_subclass_shows_its_own_arguments_and_those_it_hands_on():
    class Cell(variants.JANETCell):
        def __init__(self, units, *, leak=0.5, **kwargs):
            super().__init__(units, **kwargs)
            self.leak = leak

    class Layer(variants.JANET):
        cell_class = Cell

    parameters = inspect.signature(Layer).parameters
    assert [parameters[name].default for name in ("leak", "beta", "output_gate", "stateful")] == [0.5, 1, "open", False]
    assert (Layer(3, leak=0.25).leak, Layer(3).cell_arguments().count("leak")) == (0.25, 1)


@pytest.mark.parametrize("name", RENAMED)
@pytest.mark.parametrize("make", [SwappedLSTMCell, SwappedLSTM], ids=lambda cls: cls.__name__)
def test_there_are_no_activations_of_keras(make, name):
    """Keras's cell would say tanh, whatever the candidate's and the output's activation are."""
    with pytest.raises(AttributeError, match=f"'SwappedLSTMCell' object has no attribute '{name}': it has `.*_activat"):
        getattr(make(4), name)


@pytest.mark.parametrize("make", [StandardLSTM, variants.PeepholeLSTMCell], ids=lambda cls: cls.__name__)
def test_refused_positional_arguments(make):
    with pytest.raises(TypeError, match=r"`\w+` takes one positional.*`candidate_activation`.* Received: 4, 'tanh'"):
        make(4, "tanh")


def test_arguments_of_keras_that_change_nothing():
    for arguments in ({"implementation": 1}, {"implementation": 2, "dropout": 0.5}, {"use_cudnn": False}):
        assert StandardLSTM(4, name="a", **arguments).get_config() == (
            StandardLSTM(4, name="a", dropout=arguments.get("dropout", 0)).get_config()
        )
    assert GatedLSTMCell(4, implementation=1).implementation == 1
    assert StandardLSTM(4).use_cudnn == keras.layers.LSTM(4).use_cudnn


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"use_cudnn": True}, "`use_cudnn` must be 'auto' or False.*`keras.layers.LSTM` can. Received: use_cudnn=True"),
        ({"implementation": 3}, "`implementation` must be 2, or 1 without dropout.* Received: implementation=3"),
        ({"implementation": 1, "recurrent_dropout": 0.5}, "Received: implementation=1, recurrent_dropout=0.5"),
        ({"peephole": True}, "none, diagonal, full. Received: peephole=True; write peephole='diagonal'"),
        ({"peephole": False}, "Received: peephole=False; write peephole='none'"),
        ({"peephole": None}, "Received: peephole=None; write peephole='none'"),
        ({"forget_gate": False}, "Received: forget_gate=False; write forget_gate='open'"),
        ({"dropout": None}, "`dropout` must be a number between 0 and 1. Received: dropout=None"),
        ({"recurrent_dropout": "0.5"}, "`recurrent_dropout` must be a number between 0 and 1. Received: .*='0.5'"),
    ],
    ids=str,
)
def test_refused_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        StandardLSTM(4, **arguments)
