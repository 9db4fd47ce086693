"""The trained model of a trial as a logged model of MLflow, which can be registered, loaded and served."""

import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.types import Schema, TensorSpec

from experiments.tasks import Split, Stream, Task
from experiments.tasks._own_code import origin
from experiments.tracking.artifacts import path_of
from experiments.tracking.client import Client
from experiments.tracking.metadata import Param, versions
from experiments.trial.spec import TrialSpec

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

LOADER = "variants.serving"  # a module that needs Keras, which the process that copies trials does without
MODEL = "model.keras"
PACKAGES = ("gatelab", "tensorflow", "keras", "numpy")  # what a process that serves it needs
NO_NAME = re.compile(r"[/:.%\"']+")  # what MLflow allows in no name of a model


def begin(client: Client, run_id: str, spec: TrialSpec) -> LoggedModel:
    """The model of a run, without its files: the one that an interruption has left, or a new one."""
    experiment = client.get_run(run_id).info.experiment_id
    left = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    if left:
        model: LoggedModel = left[0]
        return model
    config = spec.config
    params = {Param.TASK: config.task.name, Param.VARIANT: config.variant.name, Param.SEED: config.seed}
    params |= {Param.UNITS: spec.units}
    told = {str(name): str(value) for name, value in params.items()}
    created: LoggedModel = client.create_logged_model(
        experiment, NO_NAME.sub("-", spec.name), source_run_id=run_id, params=told, model_type="keras"
    )
    return created


def complete(client: Client, model: LoggedModel, spec: TrialSpec, task: Task, file: Path) -> None:
    """Add signature, example and files to the model of a run; nothing if it has them.

    Args:
        client: The store.
        model: What `begin` has returned.
        spec: The trial.
        task: Its prepared task.
        file: The saved model, which the run has as an artifact. A store on this disk links that file and has no copy.
    """
    if model.status == LoggedModelStatus.READY:
        return
    run = client.get_run(model.source_run_id)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "model")
        _save(place, model, spec, task)
        client.log_model_artifacts(model.model_id, str(place))
    if not _is_linked(path_of(run.info.artifact_uri), path_of(model.artifact_location)):
        client.log_model_artifact(model.model_id, str(file))
    if model.model_id not in [output.model_id for output in run.outputs.model_outputs]:
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, "READY")


def _is_linked(files: Path | None, own: Path | None) -> bool:
    """Whether the file of a run could be given a second place, as that of its model."""
    if files is None or own is None:
        return False
    try:
        (own / MODEL).unlink(missing_ok=True)
        os.link(files / MODEL, own / MODEL)
    except OSError:  # of another disk, or one without links
        return False
    return True


def _save(place: Path, model: LoggedModel, spec: TrialSpec, task: Task) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about types of its own
        from mlflow.models import Model
        from mlflow.pyfunc import save_model  # takes a while

    modules, code = _own_code(spec.config.variant.layer)
    save_model(
        place,
        loader_module=LOADER,
        code_paths=code or None,
        mlflow_model=Model(run_id=model.source_run_id, model_id=model.model_id),
        signature=signature(task),
        input_example=example(task.test),
        pip_requirements=[f"{name}=={versions()[name]}" for name in PACKAGES],
        model_config={"modules": modules} if modules else None,
    )


def _own_code(layer: str) -> tuple[list[str], list[str]]:
    """The module of a layer of the user, and its file or package; nothing for one of the library."""
    module = layer.rpartition(".")[0]
    if not module:
        return [], []
    file = origin(module.split(".")[0])
    if file is None or "site-packages" in file.parts:
        return [module], []
    return [module], [str(file.parent if file.name == "__init__.py" else file)]


def signature(task: Task) -> "ModelSignature":
    """Types and shapes of the inputs and outputs of the models of a task; -1 is any number."""
    from mlflow.models import ModelSignature

    length = task.steps or -1
    features = () if isinstance(task.train, Stream) or task.vocabulary else task.train.inputs.shape[2:]
    data = np.dtype("int32" if task.vocabulary else "float32"), (-1, length, *features)
    if isinstance(task.train, Split) and task.train.mask is not None:
        mask = TensorSpec(np.dtype(bool), (-1, length), "mask")
        inputs = Schema([TensorSpec(*data, name="inputs"), mask])
    else:
        inputs = Schema([TensorSpec(*data)])
    shape = (-1, length, task.outputs) if task.per_step else (-1, task.outputs)
    return ModelSignature(inputs, Schema([TensorSpec(np.dtype("float32"), shape)]))


def example(part: Split | Stream) -> np.ndarray | dict[str, np.ndarray]:
    """One sequence, as the models of a task take it."""
    if isinstance(part, Stream):
        return part.tokens[None, : part.length].astype("int32")
    inputs = part.inputs[:1].astype("int32" if part.inputs.ndim == 2 else "float32")
    return inputs if part.mask is None else {"inputs": inputs, "mask": part.mask[:1]}
