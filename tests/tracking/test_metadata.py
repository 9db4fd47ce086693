"""What a run records is what was trained: every layer class, every field of a variant, every value."""

import ast
from dataclasses import fields, replace

import keras
import pytest

import variants
from experiments.config.compose import load, restored
from experiments.config.identity import plain
from experiments.config.schema import ForgetGate, Gate, Peephole, Recurrence, Variant
from experiments.errors import UserError
from experiments.tracking import metadata
from experiments.tracking.metadata import Param
from experiments.trial.model import make_layer
from tests.conftest import ROOT, spec_of

LAYERS = [name for name in variants.__all__ if isinstance(getattr(variants, name), type)]
LAYERS = [name for name in LAYERS if issubclass(getattr(variants, name), variants.GatedLSTM)]
VALUES = {
    **{gate: [value.value for value in Gate] for gate in ("input_gate", "output_gate")},
    "forget_gate": [value.value for value in ForgetGate],
    "gate_activation": ["sigmoid", "tanh", "hard_sigmoid", "binary", {"forget": "hard_sigmoid"}],
    "candidate_activation": ["tanh", "sigmoid", "linear"],
    "output_activation": ["tanh", "sigmoid", "linear"],
    "peephole": [value.value for value in Peephole],
    "peephole_initializer": ["zeros"],
    "recurrence": [value.value for value in Recurrence],
    "peephole_gradient": [True, False],
    "gate_recurrence": [True, False],
    "shared_kernel": [True, False],
    "chrono_time": [5],
}
QUICK = ("PeepholeLSTM", "SLSTM", "StandardLSTM")
CASES = [
    pytest.param(layer, field, value, marks=[] if layer in QUICK else [pytest.mark.slow])
    for layer in LAYERS
    for field, values in VALUES.items()
    for value in values
]


def test_every_field_of_a_variant_is_tried():
    assert {field.name for field in fields(Variant)} == {*VALUES, "name", "base", "layer", "arguments"}


def set_field(config, layer, field, value):
    variant = {**plain(config)["variant"], "layer": layer, field: value}
    return restored({**plain(config), "variant": variant})


def activations(layer):
    """By name, as configurations write them."""
    config = layer.cell.get_config()
    return {name: config.get(name) for name in ("gate_activation", "candidate_activation", "output_activation")}


@pytest.fixture(scope="module")
def config():
    from hydra import compose, initialize_config_dir

    from experiments.config.conf_files import CONF

    with initialize_config_dir(str(CONF), version_base="1.3"):
        return load(compose("config", overrides=["task.train_size=64"]))


@pytest.mark.parametrize(("layer_class", "field", "value"), CASES, ids=str)
def test_a_field_that_is_set_reaches_the_layer_and_the_record_or_is_refused(config, layer_class, field, value):
    config = set_field(config, layer_class, field, value)
    try:
        layer = make_layer(config.variant, 3)
    except UserError as error:
        assert field in str(error) or "gate" in str(error)
        return
    layer.build((None, 4, 2))
    recorded = metadata.params(replace(spec_of(config), units=3), layer.get_config())
    assert recorded["variant.layer"] == layer_class == type(layer).__name__
    if field == "chrono_time":
        assert type(layer.cell.bias_initializer).__name__ == "ChronoInitializer"
        assert layer.cell.bias_initializer.longest == value == int(recorded["variant.chrono_time"])
        return
    if field == "peephole_initializer":
        assert recorded["variant.peephole_initializer"] == "{class_name:Zeros,config:{}}"
        assert all((weight.numpy() == 0).all() for weight in layer.cell.peepholes.values())
        return
    assert recorded[f"variant.{field}"] == metadata.text(value)
    if field in ("peephole", "input_gate", "forget_gate", "output_gate"):
        names = {weight.name for weight in layer.weights}
        width = layer.cell.kernel.shape[-1]
        assert getattr(layer.cell, field) == value
        assert any("peephole" in name for name in names) == (layer.cell.peephole != "none")
        assert width == 3 * len(layer.cell.blocks)
    elif field.endswith("activation"):
        assert activations(layer)[field] == value
    else:
        assert (type(getattr(layer.cell, field)), getattr(layer.cell, field)) == (type(value), value)


@pytest.mark.parametrize("layer_class", LAYERS)
def test_what_is_left_open_is_recorded_as_the_layer_has_it(config, layer_class):
    config = set_field(config, layer_class, "input_gate", None)
    layer = make_layer(config.variant, 3)
    recorded = metadata.params(spec_of(config), layer.get_config())
    switches = {name: value for name, value in layer.get_config().items() if name in VALUES and value is not None}
    assert {name: recorded[f"variant.{name}"] for name in switches} == {
        n: metadata.text(v) for n, v in switches.items()
    }
    others = {name for name in VALUES if name not in switches and f"variant.{name}" in recorded}
    assert others == {"chrono_time"} and recorded["variant.chrono_time"] == "null"


def test_a_layer_of_another_default_does_not_train_that_default_unseen(make_config):
    """Each of these trained something else than it recorded, once."""
    peepholes = make_layer(make_config("variant.layer=PeepholeLSTM", "variant.peephole=none").variant, 3)
    assert peepholes.cell.peephole == "none"
    swapped = make_layer(make_config("variant=swapped", "variant.gate_activation=sigmoid").variant, 3)
    assert swapped.get_config()["gate_activation"] == "sigmoid"
    with pytest.raises(UserError, match="`output_gate` of JANET can only be 'open'. Received: output_gate='learned'"):
        make_layer(make_config("variant=janet", "variant.output_gate=learned").variant, 3)


def test_arguments_that_have_a_field_are_not_set_in_two_places(make_config):
    with pytest.raises(UserError, match="variant.arguments.peephole: set the field variant.peephole instead"):
        make_config("+variant.arguments.peephole=full")
    config = make_config("variant.chrono_time=9", "+variant.arguments.bias_initializer=zeros")
    with pytest.raises(UserError, match="set the same"):
        make_layer(config.variant, 3)


def test_fields_are_recorded_as_a_command_line_gives_them(make_config):
    words = ("task.length=10", "training.learning_rate=0.001", "training.clipnorm=null", "model.bidirectional=true")
    config = make_config(*words, "variant=zoneout", "variant.gate_activation={forget: hard_sigmoid}")
    recorded = metadata.params(spec_of(config), make_layer(config.variant, 3).get_config())
    for word in words:
        name, _, value = word.partition("=")
        assert recorded[name] == value
    assert recorded["variant.gate_activation"] == "{forget:hard_sigmoid}"
    assert recorded["variant.arguments.zoneout_cell"] == "0.5"
    unset = make_config("+variant.arguments.trainable=null")
    assert metadata.params(spec_of(unset), {})["variant.arguments.trainable"] == "null"
    assert recorded[Param.UNITS] == 32 and recorded[Param.VARIANT] == "zoneout"
    assert "task.reference" not in recorded


def test_values_that_differ_at_their_end_stay_different(make_config):
    long = [make_config("task=char_lm", f"task.path={'x' * 7000}{end}") for end in "ab"]
    paths = [metadata.text(config.task.path) for config in long]
    assert paths[0] != paths[1] and all(len(path) < 600 for path in paths)


def test_runs_of_the_first_version_are_read_by_field():
    params = {
        "variant": "peephole",
        "match": "units",
        "units": "16",
        "epochs": "3",
        "clipnorm": "None",
        "bidirectional": "False",
    }
    settings = "model.units=16 '+task.inputs=[a, b]'"
    assert metadata.fields({**params, "settings": settings}) == {
        "model.match": "units",
        "training.epochs": "3",
        "training.clipnorm": "null",
        "model.bidirectional": "false",
        "model.units": "16",
        "task.inputs": "[a, b]",
    }
    with pytest.raises(ValueError):
        metadata.fields({"settings": "task.path='cut by MLfl"})


def literal_names(file):
    """Strings by which a file looks something up in tags or parameters."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Subscript):
            owner, key = node.value, node.slice
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and node.args
        ):
            owner, key = node.func.value, node.args[0]
        else:
            continue
        name = getattr(owner, "attr", getattr(owner, "id", ""))
        if name in ("tags", "params") and isinstance(key, ast.Constant) and file.name != "callbacks.py":  # of Keras
            yield key.value


def test_names_of_tags_and_parameters_are_spelled_in_one_file():
    files = [file for file in (ROOT / "experiments").rglob("*.py") if file.name != "metadata.py"]
    assert {file.name: names for file in files if (names := list(literal_names(file)))} == {}


def test_a_variant_keeps_its_colour_and_seeds_have_shades():
    assert metadata.run_color("standard", 0) == metadata.run_color("standard", 3)
    shades = {metadata.run_color(name, seed) for name in ("standard", "peephole", "swapped") for seed in range(3)}
    assert len(shades) == 9 and all(len(shade) == 7 for shade in shades)


def test_the_saved_model_has_the_recorded_layer(make_config, tmp_path):
    layer = make_layer(make_config("variant=odyssey/coupled_gates").variant, 3)
    model = keras.Sequential([keras.Input((None, 2)), layer])
    model.save(tmp_path / "m.keras")
    assert keras.saving.load_model(tmp_path / "m.keras").layers[0].get_config() == layer.get_config()


def test_the_table_of_defaults_is_that_of_the_layer():
    """By it a configuration of 0.1.0, which had them all written out, is read."""
    from experiments.config.compose import GATED_LSTM

    config = variants.GatedLSTM(3).get_config()
    assert {name: value for name, value in GATED_LSTM.items() if name != "chrono_time"} == {
        name: config[name] for name in GATED_LSTM if name != "chrono_time"
    }
