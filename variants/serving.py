"""A saved Keras model as `mlflow.pyfunc` loads and serves it. MLflow imports this module; it does not import MLflow."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np


class ServedModel:
    """What `mlflow.pyfunc` and `mlflow models serve` ask for predictions.

    Args:
        model: The model.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> np.ndarray:
        """The outputs of the model, as `keras.Model.predict` gives them.

        Args:
            model_input: An array for each input of the model, by name if there are several.
            params: None are known.
        """
        outputs: np.ndarray = self.model.predict(model_input, verbose=0)
        return outputs


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> ServedModel:
    """Load the file `model.keras` of a folder, after the modules of its layers, if they are not of this library."""
    for module in (model_config or {}).get("modules", ()):
        importlib.import_module(module)
    return ServedModel(keras.saving.load_model(Path(path) / "model.keras", compile=False))
