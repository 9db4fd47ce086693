"""The trained model as a logged model of MLflow: loaded, registered and served, it gives the numbers of Keras."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pytest

from experiments import tasks
from experiments.sweep import __main__ as manage
from experiments.tracking import Store, logged_model
from experiments.trial import model as models
from tests.conftest import ROOT, spec_of
from tests.stores import new_store

TASKS = {
    "adding": ("task.length=5", "task.train_size=32", "task.validation_size=16", "task.test_size=16"),
    "anbn": (),  # a target at each step, and a mask
    "char_lm": (),  # a stream of tokens
}


@pytest.fixture
def tracking(tmp_path):
    store = new_store(tmp_path / "out")
    yield store
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def record(store, config):
    """A run with a model that nothing has trained, as it is and as a logged model."""
    spec, task = spec_of(config), tasks.build(config.task)
    model = models.build(task, config.variant, spec.model)
    file = store.folder / "model.keras"
    model.save(file)
    run = store.start(store.experiment(spec.experiment), spec.name, {}, {}, Path("-"))
    run.add_files([file])
    logged = logged_model.begin(run.client, run.id, spec)
    logged_model.complete(run.client, logged, spec, task, file)
    again = logged_model.begin(run.client, run.id, spec)  # as after an interruption
    logged_model.complete(run.client, again, spec, task, file)
    run.end("FINISHED")
    assert again.model_id == logged.model_id
    return run.id, model, logged_model.example(task.test)


def logged_id(store, run_id):
    (output,) = store.client.get_run(run_id).outputs.model_outputs
    return output.model_id


@pytest.mark.parametrize("name", TASKS)
def test_it_gives_the_numbers_of_keras(tracking, make_config, name):
    run_id, model, example = record(tracking, make_config(f"task={name}", "model.units=3", *TASKS[name]))
    mlflow.set_tracking_uri(tracking.uri)
    uri = f"models:/{logged_id(tracking, run_id)}"
    loaded = mlflow.pyfunc.load_model(uri)
    expected = model.predict(example, verbose=0)
    np.testing.assert_array_equal(loaded.predict(example), expected)
    shape = loaded.metadata.signature.outputs.inputs[0].shape
    assert len(shape) == expected.ndim and shape[-1] == expected.shape[-1]
    np.testing.assert_equal(loaded.input_example, example)


def test_it_can_be_registered_and_moves_with_its_folder(tracking, make_config, tmp_path):
    run_id, model, example = record(tracking, make_config("task=adding", *TASKS["adding"]))
    mlflow.set_tracking_uri(tracking.uri)
    mlflow.register_model(f"models:/{logged_id(tracking, run_id)}", "adder")
    (stored,) = tracking.client.search_logged_models([tracking.experiments()["default/adding"]])
    assert (stored.name, stored.status, stored.params["variant"]) == ("adding-standard-s0", "READY", "standard")
    files = tracking.folder / "artifacts/default/adding"
    places = [files / run_id / "artifacts/model.keras", files / "models" / stored.model_id / "artifacts/model.keras"]
    assert len({place.stat().st_ino for place in places}) == 1, "the weights are on the disk once"

    mlflow.set_tracking_uri(None)
    moved = Store(None, str(tracking.folder.rename(tmp_path / "new out")))
    assert manage.main(["relocate", f"output_dir={moved.folder}"]) == 0
    mlflow.set_tracking_uri(moved.uri)
    np.testing.assert_array_equal(
        mlflow.pyfunc.load_model(f"models:/{stored.model_id}").predict(example), model.predict(example, verbose=0)
    )


def free_port():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@contextlib.contextmanager
def serving(uri, store, folder):
    """`mlflow models serve` in another folder, and the address that it answers at."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local", "-p", str(port)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # as in an activated environment
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store.uri, "PYTHONPATH": str(ROOT), "PATH": path}
    with open(folder / "serve.log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    address, until = f"http://127.0.0.1:{port}", time.monotonic() + 300
    try:
        while True:
            assert process.poll() is None and time.monotonic() < until, (folder / "serve.log").read_text()
            with contextlib.suppress(URLError, ConnectionError):
                urlopen(f"{address}/ping").close()
                break
            time.sleep(1)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@pytest.mark.slow
def test_mlflow_serves_a_layer_of_the_user_from_another_folder(tracking, make_config, tmp_path, monkeypatch):
    source, other = tmp_path / "mine", tmp_path / "other"
    source.mkdir()
    other.mkdir()
    (source / "served_layer.py").write_text(
        "import keras\nfrom variants import GatedLSTM\n\n\n"
        "@keras.saving.register_keras_serializable(package='mine')\nclass ServedLSTM(GatedLSTM):\n    pass\n"
    )
    monkeypatch.chdir(source)
    monkeypatch.setattr(sys, "path", [*sys.path])
    config = make_config("task=adding", "variant.layer=served_layer.ServedLSTM", *TASKS["adding"])
    run_id, model, example = record(tracking, config)
    with serving(f"models:/{logged_id(tracking, run_id)}", tracking, other) as address:
        body = json.dumps({"inputs": example.tolist()}).encode()
        request = Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
        with urlopen(request) as answer:
            predictions = json.load(answer)["predictions"]
    np.testing.assert_array_equal(np.float32(predictions), model.predict(example, verbose=0))
