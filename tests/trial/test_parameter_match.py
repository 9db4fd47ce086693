"""Variants with as many parameters as the standard LSTM: counted in models that are really built."""

import itertools
import math
from dataclasses import replace

import keras
import pytest

import variants.cells
from experiments import tasks
from experiments.config.conf_files import choices
from experiments.config.schema import Match
from experiments.errors import UserError
from experiments.sweep import worker
from experiments.sweep.preflight import prepare
from experiments.sweep.worker import check_layers
from experiments.tracking import Store
from experiments.tracking.metadata import Param, Tag
from experiments.trial import model, model_cache
from experiments.trial import parameter_match as match
from experiments.trial.fit import fit
from experiments.trial.spec import TrialSpec

DATA = ("task.length=8", "task.train_size=64", "task.validation_size=32", "task.test_size=32")
TEXT = ("task=char_lm", "task.limit=3000")
MATCHED = "model.match=parameters"
TARGETS = {}
OTHERS = {
    "one-hot": (*TEXT, "model.embedding=null"),
    "bidirectional": (*DATA, "model.bidirectional=true", "model.layers=2"),
    "masked": ("task=anbn", "task.train_size=64"),
}


@pytest.fixture(autouse=True)
def empty_cache():
    match._cache.clear()


def parameters(network):
    return sum(math.prod(variable.shape) for variable in network.trainable_variables)


def matched_spec(config):
    """The trial of a configuration, with the units that match."""
    task = tasks.build(config.task)
    return replace(TrialSpec.of(config, task), units=match.units(config, task)), task


def matched(config):
    """Parameters and units of the model of a configuration."""
    spec, task = matched_spec(config)
    network = model.build(task, config.variant, spec.model)
    assert {layer.units for layer in model.recurrent_layers(network)} == {spec.units}
    return parameters(network), spec.units


@pytest.fixture
def target(make_config):
    """Parameters of the model with the standard LSTM, built once for each of the cases below."""

    def count(case):
        if case not in TARGETS:
            TARGETS[case] = matched(make_config(*case))[0]
        return TARGETS[case]

    return count


@pytest.mark.parametrize(
    "case",
    [DATA, pytest.param((*TEXT, "model.layers=2"), marks=pytest.mark.slow)],
    ids=["features", "two layers on tokens"],
)
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n.startswith("one_switch/") else []) for n in choices("variant")],
)
def test_every_variant_has_the_parameters_of_the_standard_lstm(make_config, target, name, case):
    common = (*case, "model.units=192")
    count, units = matched(make_config(*common, f"variant={name}", MATCHED))
    assert count == pytest.approx(target(common), rel=0.01)
    assert name != "standard" or units == 192


OTHER_NAMES = ["odyssey/gate_recurrence", "janet", "chrono"]
QUICK = list(zip(OTHER_NAMES, OTHERS, strict=True))


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(*pair, marks=[] if pair in QUICK else pytest.mark.slow)
        for pair in itertools.product(OTHER_NAMES, OTHERS)
    ],
)
def test_other_models_around_the_variant(make_config, target, name, case):
    common = (*OTHERS[case], "model.units=192")
    count, _ = matched(make_config(*common, f"variant={name}", MATCHED))
    assert count == pytest.approx(target(common), rel=0.01)


@pytest.mark.parametrize(
    ("name", "units"),
    [("standard", 64), ("swapped", 64), ("odyssey/coupled_gates", 74), ("janet", 91), ("shared_kernel", 128)],
)
def test_the_nearest_number_of_units(make_config, name, units):
    """Worked out by hand: adding has 2 features and 1 output, so the standard LSTM has 4 u (u + 3) + u + 1."""
    config = make_config(*DATA, "model.units=64", f"variant={name}", MATCHED)
    assert match.units(config, tasks.build(config.task)) == units


def test_by_default_the_units_are_those_of_the_configuration(make_config):
    config = make_config(*DATA, "variant=janet", "model.units=24")
    spec, _ = matched_spec(config)
    assert spec.model == config.model


def test_units_that_are_not_matched_are_not_built(make_config):
    config = make_config(*DATA, MATCHED)
    with pytest.raises(ValueError, match="`settings.match` must be `units`"):
        model.build(tasks.build(config.task), config.variant, config.model)


@pytest.mark.slow
def test_refused_with_the_sizes_around_it_and_a_size_that_works(make_config):
    config = make_config(*DATA, "variant=janet", "model.units=24", MATCHED)
    task = tasks.build(config.task)
    with pytest.raises(UserError) as caught:
        match.units(config, task)
    assert str(caught.value) == (
        "model.match=parameters: janet on adding has 2,551 parameters with 34 units and 2,696 parameters with "
        "35 units, the standard LSTM 2,617 with 24 units: none is within 1 %. Use model.units=59 or more"
    )
    assert worker.check_layers([config])[0].problem == str(caught.value)
    with pytest.raises(UserError):
        match.units(make_config(*DATA, "variant=janet", "model.units=58", MATCHED), task)
    for units in (59, 60, 61, 80, 111, 160):
        match.units(make_config(*DATA, "variant=janet", f"model.units={units}", MATCHED), task)


def test_refused_where_one_unit_is_too_many(make_config):
    config = make_config(*DATA, "variant=layer_norm", "model.units=1", MATCHED)
    with pytest.raises(UserError, match="has 28 parameters with 1 unit, the standard LSTM 18 with 1 unit: none"):
        match.units(config, tasks.build(config.task))


class HalfCell(variants.GatedLSTMCell):
    """With further weights whose number is no polynomial of the units."""

    def build(self, inputs_shape):
        super().build(inputs_shape)
        self.further = self.add_weight(shape=(self.units, self.units // 3))


class Half(variants.GatedLSTM):
    cell_class = HalfCell


def test_a_variant_whose_parameters_are_no_polynomial(make_config, target, monkeypatch):
    monkeypatch.setattr(variants.cells, "Half", Half, raising=False)
    common = (*DATA, "model.units=192")
    count, units = matched(make_config(*common, "variant.layer=Half", MATCHED))
    assert count == pytest.approx(target(common), rel=0.01) and units < 192
    config = make_config(*DATA, "variant.layer=Half", "model.units=9", MATCHED)
    with pytest.raises(UserError, match="none is within 1 %. Use a larger model.units"):
        match.units(config, tasks.build(config.task))


@pytest.mark.slow
def test_a_trial_is_trained_and_recorded_with_its_actual_units(train, tmp_path):
    done = train("variant=odyssey/coupled_gates", "model.units=64", "training.epochs=1", *DATA, MATCHED)
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(None, f"{tmp_path}/out")
    (run,) = store.trials("default")
    assert (run.params[Param.UNITS], run.params[Param.PARAMETERS]) == ("74", "17317")
    assert run.params["model.match"] == "parameters"
    assert "1 x 74 units (chosen for as many parameters as standard with 64)" in run.tags[Tag.NOTE]
    saved = keras.saving.load_model(next(tmp_path.rglob("model.keras")))
    assert [layer.units for layer in model.recurrent_layers(saved)] == [74]


@pytest.mark.slow
def test_the_numbers_do_not_depend_on_when_the_units_were_matched(make_config, tmp_path):
    """Layers that are built to be counted draw seeds: neither the first trial of a process nor later ones see that."""
    words = ("variant=odyssey/coupled_gates", "model.units=128", "model.dropout=0.2", "training.epochs=1")
    config = make_config(*words, *DATA, "training.jit_compile=false", MATCHED)

    def score(config):
        spec, task = matched_spec(config)
        return fit(spec, task, lambda epochs: None, tmp_path).test

    scores = []
    for is_fresh in (True, False, True):
        if is_fresh:
            model_cache._cache.clear()
        scores.append(score(config))
    match._cache.clear()
    scores.append(score(config))
    units = match.units(config, tasks.build(config.task))
    scores.append(score(replace(config, model=replace(config.model, units=units, match=Match.units))))
    assert scores == [scores[0]] * 5


def test_one_impossible_variant_stops_a_sweep_before_its_first_trial(make_config, tmp_path):
    words = [
        (f"variant={name}", f"model.units={n}", *DATA, MATCHED) for name in ("standard", "janet") for n in (24, 64)
    ]
    with pytest.raises(UserError, match="janet on adding has 2,551 parameters with 34 units"):
        prepare([make_config(*trial) for trial in words], words, check_layers)
    assert Store(None, f"{tmp_path}/out").trials("default") == []
