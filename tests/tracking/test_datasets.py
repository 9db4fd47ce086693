"""The data of a trial as MLflow knows data: by name, digest and source, at each run."""

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest

from experiments import tasks
from experiments.sweep.run_trial import run_trial
from experiments.tasks.fetch import FILES
from experiments.tracking.datasets import dataset
from experiments.tracking.run import Run
from tests.conftest import spec_of
from tests.stores import put_store

ADDING = ("task=adding", "task.length=5", "task.train_size=32", "task.validation_size=16", "task.test_size=16")
SMALL = (*ADDING, "model.units=2", "training.epochs=1", "training.jit_compile=false", "training.batch_size=16")


def described(config):
    return dataset(spec_of(config), tasks.build(config.task, config.data_dir))


def test_a_trial_names_its_data_and_can_be_searched_by_them(make_config, tmp_path):
    put_store(tmp_path / "out")
    config = make_config(*SMALL)
    run_id = run_trial(spec_of(config), verbose=0).run_id
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/out/mlflow.db")
    (used,) = client.get_run(run_id).inputs.dataset_inputs
    assert (used.dataset.name, {tag.key: tag.value for tag in used.tags}) == (
        "adding",
        {"mlflow.data.context": "training"},
    )
    profile = json.loads(used.dataset.profile)
    assert (profile["num_rows"], profile["training"], profile["source"]) == (64, 32, "generated")
    assert mlflow.data.get_source(used).to_dict()["tags"]["mlflow.source.name"] == "experiments.tasks.memory.adding"
    experiment = client.get_run(run_id).info.experiment_id
    for name, count in {"adding": 1, "parity": 0}.items():
        assert len(client.search_runs([experiment], f"dataset.name = '{name}'")) == count
    Run(client, run_id).add_dataset(used.dataset)  # as when it goes on after an interruption
    assert len(client.get_run(run_id).inputs.dataset_inputs) == 1


def test_the_digest_is_that_of_the_numbers(make_config):
    def digest(*words):
        return described(make_config(*ADDING, *words)).digest

    assert digest() == digest("seed=3", "model.units=4", "task.name=mine")
    assert len({digest(), digest("task.length=6"), digest("task.data_seed=7")}) == 3
    task = tasks.build(make_config(*ADDING).task)
    inputs = task.test.inputs.copy()
    inputs[-1, -1, -1] = np.nextafter(inputs[-1, -1, -1], np.float32(9))
    assert replace(task, test=replace(task.test, inputs=inputs)).fingerprint != task.fingerprint


@pytest.mark.parametrize(
    ("words", "kind", "place"),
    [
        (("task=etth1",), "http", {"url": FILES["ETTh1.csv"].address}),
        (("task=forecast", "task.path=mine.csv", "task.target=a"), "local", {"uri": str(Path("mine.csv").absolute())}),
    ],
)
def test_the_source_is_where_the_numbers_come_from(make_config, words, kind, place):
    prepared = tasks.build(make_config(*ADDING).task)  # nothing is read or fetched
    config = make_config(*ADDING)
    spec = replace(spec_of(config), config=replace(config, task=make_config(*words).task))
    described_data = dataset(spec, prepared)
    assert (described_data.source_type, json.loads(described_data.source)) == (kind, place)


def test_the_schema_is_that_of_the_arrays(make_config):
    (features,) = json.loads(json.loads(described(make_config(*ADDING)).schema)["mlflow_tensorspec"]["features"])
    assert features["tensor-spec"] == {"dtype": "float32", "shape": [-1, 5, 2]}
    (tokens,) = json.loads(json.loads(described(make_config("task=char_lm")).schema)["mlflow_tensorspec"]["features"])
    assert tokens["tensor-spec"]["shape"] == [-1]
