"""A model compiled once serves all trials that differ in seed or learning rate, with the same bits."""

import multiprocessing

import keras
import numpy as np
import pytest

from experiments import tasks
from experiments.trial import model_cache
from experiments.trial.fit import fit
from experiments.trial.model_cache import compiled_model
from tests.conftest import spec_of

TINY = (
    "task.train_size=64",
    "task.validation_size=20",
    "task.test_size=30",
    "model.units=4",
    "training.epochs=3",
    "tracking.gates=0",
)
ADDING = ("task=adding", "task.length=8", *TINY)
STREAM = ("task=char_lm", "task.limit=3000", "task.length=10", "training.epochs=2", "model.units=4", "tracking.gates=0")
CASES = {
    "standard": ADDING,
    "dropout": (*ADDING, "model.dropout=0.3", "model.layers=2", "training.jit_compile=false"),
    "zoneout": (*ADDING, "variant=zoneout"),
    "bidirectional": (*ADDING, "model.bidirectional=true", "variant=peephole"),
    "masked": ("task=anbn", "task.train_size=64", "model.units=4", "training.epochs=2"),
    "stream": STREAM,
}


def weights_and_score(config, folder, queue=None):
    folder.mkdir(exist_ok=True)
    result = fit(spec_of(config), tasks.build(config.task), lambda epochs: None, folder)
    weights = keras.saving.load_model(folder / "model.keras").get_weights()
    numbers = [result.test, [weight.tobytes() for weight in weights]]
    return numbers if queue is None else queue.put(numbers)


def in_a_fresh_process(config, folder):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=weights_and_score, args=(config, folder, queue))
    process.start()
    numbers = queue.get(timeout=240)
    process.join()
    return numbers


@pytest.fixture(autouse=True)
def nothing_compiled_before():
    model_cache._cache.clear()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_as_in_a_fresh_process(make_config, tmp_path, case):
    first = make_config(*CASES[case], "seed=1", "training.learning_rate=0.01")
    weights_and_score(first, tmp_path)
    (model,) = model_cache._cache.values()
    second = make_config(*CASES[case], "seed=2", "training.learning_rate=0.02")
    numbers = weights_and_score(second, tmp_path)
    assert list(model_cache._cache.values()) == [model], "compiled once"
    assert numbers == in_a_fresh_process(second, tmp_path / "fresh")


def test_nothing_is_compiled_for_another_seed(make_config, tmp_path):
    task = tasks.build(make_config(*ADDING).task)
    seconds = []
    for seed in (0, 1):
        config = make_config(*ADDING, f"seed={seed}")
        seconds.append(fit(spec_of(config), task, lambda epochs: None, tmp_path).compile_s)
    assert seconds[1] < seconds[0] / 4


@pytest.mark.parametrize(
    "other", ["model.units=5", "training.clipnorm=0.5", "training.optimizer=sgd", "variant=peephole", "task.length=9"]
)
def test_what_changes_the_graph_is_compiled_anew(make_config, other):
    for config in (make_config(*ADDING), make_config(*ADDING, other)):
        compiled_model(spec_of(config), tasks.build(config.task))
    assert len(model_cache._cache) == 2


def test_the_first_values_are_those_of_the_seed(make_config):
    task = tasks.build(make_config(*ADDING).task)

    def values(*settings):
        model = compiled_model(spec_of(make_config(*ADDING, "model.dropout=0.5", *settings)), task).model
        return [np.array(variable) for variable in model_cache.state(model)]

    first, other, again = values("seed=0"), values("seed=1"), values("seed=0")
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    fast = values("training.learning_rate=0.5")
    assert sum((a != b).any() for a, b in zip(first, fast, strict=True)) == 1


@pytest.mark.slow
def test_models_used_longest_ago_are_given_up(make_config):
    for units in range(1, model_cache.SIZE + 3):
        config = make_config(*ADDING, f"model.units={units}")
        compiled_model(spec_of(config), tasks.build(config.task))
    assert len(model_cache._cache) == model_cache.SIZE
