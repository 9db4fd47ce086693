"""Classification of pictures that are read pixel by pixel."""

import hashlib
from pathlib import Path
from typing import Annotated
from zipfile import BadZipFile

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Split, Task, task
from experiments.tasks._classification import SplitSeed, classification, stratified
from experiments.tasks.fetch import fetch_dataset

DIGITS = tuple("0123456789")
MNIST = {"x_train": (28, 28), "y_train": (), "x_test": (28, 28), "y_test": ()}


@task
def digits(
    rows: Annotated[bool, Field("read a row of 8 pixels a step, else one pixel")] = False,
    data_seed: SplitSeed = 0,
) -> Task:
    """Say which digit a picture of 8x8 pixels shows, read row by row, one pixel a step.

    The 1,797 pictures come with scikit-learn. 70 % of each digit are for training, 10 % for validation, 20 % for
    the test. Pixels are divided by 16, their largest value. Score and baseline are those of `classify`.

    Source: Alpaydin and Kaynak 1998, UCI Machine Learning Repository, test part.
    """
    from sklearn.datasets import load_digits

    bundled = load_digits()
    targets = bundled.target.astype("int32")
    inputs = (bundled.data / 16).astype("float32").reshape(len(targets), -1, 8 if rows else 1)
    rest, test = stratified(targets, 0.2, data_seed, "digits")
    training, held_out = (rest[part] for part in stratified(targets[rest], 0.125, data_seed, "digits"))
    splits = [Split(inputs[part], targets[part]) for part in (training, held_out, test)]
    steps = "row by row" if rows else "pixel by pixel"
    digest = hashlib.sha256(bundled.data.tobytes() + bundled.target.tobytes()).hexdigest()
    return classification(f"say which digit an 8x8 picture shows, read {steps}", splits, DIGITS, digest)


@task
def sequential_mnist(
    path: Annotated[str | None, Field(".npz file with x_train, y_train, x_test, y_test; null: dataset")] = None,
    dataset: Annotated[str | None, Field("file that is fetched: mnist")] = "mnist",
    permuted: Annotated[bool, Field("read the pixels in a random order, the same for all pictures")] = False,
    validation_size: Annotated[int, Field("last training pictures, held out for validation", minimum=1)] = 10000,
    limit: Annotated[int | None, Field("pictures trained on, from the first; null: all", minimum=1)] = None,
    data_seed: Annotated[int, Field("seed of the order of the pixels, if permuted", minimum=0)] = 0,
    *,
    data_dir: str | None = None,
) -> Task:
    """Say which digit a picture of 28x28 pixels shows, read one pixel a step: 784 steps.

    Pixels are divided by 255, their largest value, and read row by row or, `permuted`, in one random order. Score and
    baseline are those of `classify`.

    Source: Le, Jaitly and Hinton 2015, section 4.2.

    Raises:
        UserError: if the file has not the four arrays, or too few pictures for the validation part.
    """
    file = Path(path).expanduser() if path else fetch_dataset(dataset, data_dir, "pictures", ["mnist"])[0]
    arrays = _read_mnist(file)
    end = len(arrays["x_train"]) - validation_size
    if end < 1:
        raise UserError(
            f"task.validation_size={validation_size}: must be less than the {len(arrays['x_train'])} training pictures "
            f"of {file}"
        )
    order = np.random.default_rng(data_seed).permutation(784) if permuted else np.arange(784)
    training, held_out = slice(min(end, limit or end)), slice(end, None)
    parts = (("train", training), ("train", held_out), ("test", slice(None)))
    splits = [_read_in_order(arrays[f"x_{name}"][part], arrays[f"y_{name}"][part], order) for name, part in parts]
    steps = "in a random order" if permuted else "row by row"
    title = f"say which digit a 28x28 picture shows, read pixel by pixel, {steps}"
    return classification(title, splits, DIGITS, hashlib.sha256(file.read_bytes()).hexdigest())


def _read_mnist(file: Path) -> dict[str, np.ndarray]:
    try:
        with file.open("rb") as opened, np.load(opened) as content:
            arrays = {name: content[name] for name in MNIST}
    except KeyError as error:
        raise UserError(f"{file}: must have the arrays {', '.join(MNIST)}. {error.args[0]}") from error
    except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise UserError(f"{file}: not an .npz file that NumPy reads ({error})") from error
    for name, array in arrays.items():
        count = arrays[f"y_{name[2:]}"].size
        if array.shape != (count, *MNIST[name]):
            raise UserError(f"{file}: {name} must have the shape {(count, *MNIST[name])}, and has {array.shape}")
        if name.startswith("y") and not np.isin(array, range(10)).all():
            raise UserError(f"{file}: {name} must hold the digits 0 to 9, and has {np.setdiff1d(array, range(10))[:5]}")
    return arrays


def _read_in_order(pictures: np.ndarray, targets: np.ndarray, order: np.ndarray) -> Split:
    pixels = pictures.reshape(len(pictures), -1)[:, order]
    return Split((pixels / np.float32(255))[..., None], targets.astype("int32"))
