"""Old files load and predict what they did when they were saved: `data/*.npz` has inputs and outputs."""

from pathlib import Path

import keras
import numpy as np
import pytest

import variants  # noqa: F401  (registers the layers of the files)
from variants.testing import equal

FILES = sorted((Path(__file__).parent / "data").glob("*.keras"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_old_files_predict_what_they_did(file):
    model = keras.saving.load_model(file)
    arrays = np.load(file.with_suffix(".npz"))
    outputs = dict(zip(model.output_names, model.predict(arrays["inputs"], verbose=0), strict=True))
    assert set(outputs) == set(arrays.files) - {"inputs"}
    for name, output in outputs.items():
        equal(output, arrays[name], 1e-6, name)
