"""Classification of whole series: any pair of UCR or UEA files."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Split, Task, task
from experiments.tasks._classification import SplitSeed, classification, stratified
from experiments.tasks._padding import pad
from experiments.tasks._ts import read_series
from experiments.tasks.fetch import fetch_dataset

PAIRS = ("japanese_vowels",)

Share = Annotated[float, Field("share of the training series held out for validation", above=0, maximum=0.9)]


@task
def classify(
    path: Annotated[str | None, Field("training series, .ts, .tsv or .txt; null: the files of dataset")] = None,
    test_path: Annotated[str | None, Field("test series; null: ..._TEST beside a path ..._TRAIN")] = None,
    dataset: Annotated[str | None, Field("pair of files that is fetched: japanese_vowels")] = None,
    validation: Share = 0.2,
    data_seed: SplitSeed = 0,
    *,
    data_dir: str | None = None,
) -> Task:
    """Say to which class a series belongs, after its last step.

    The files are the two that the UCR and UEA archives have for each problem. Of each class of the training file a
    share is held out for validation; a class with one series stays in training. Each channel is scaled by its mean and
    standard deviation over the steps of the remaining training series; a constant one is only shifted. Series are
    padded with zeros to the longest one of their part, and masked if lengths differ.

    The score is the share of test series classified correctly. The weights are those of the epoch with the lowest
    cross-entropy of the validation series, which are often so few that many epochs have the same accuracy. The baseline
    always predicts the most frequent class of the training series.

    Source: Bagnall et al. 2018, the UEA archive; Dau et al. 2019, the UCR archive.

    Raises:
        UserError: for files that cannot be used, with the line at fault; test series with other channels or classes
            than the training series; fewer than two classes; or too few series for the share of validation.
    """
    files = _files(path, test_path, dataset, data_dir)
    (series, names), (test_series, test_names) = (read_series(file) for file in files)
    labels = _classes(names, files[0])
    targets, test_targets = (_targets(part, labels, files) for part in (names, test_names))
    channels, test_channels = series[0].shape[1], test_series[0].shape[1]
    if channels != test_channels:
        raise UserError(f"{files[1]}: the series have {test_channels} channels, and those of {files[0]} {channels}")
    training, held_out = stratified(targets, validation, data_seed, files[0])
    scale = _scale([series[k] for k in training], files[0])
    parts = [[series[k] for k in training], [series[k] for k in held_out], test_series]
    masked = any(len(set(map(len, part))) > 1 for part in parts)
    padded = [pad(list(map(scale, part))) for part in parts]
    part_targets = (targets[training], targets[held_out], test_targets)
    splits = [
        Split(inputs, classes, mask if masked else None)
        for (inputs, mask), classes in zip(padded, part_targets, strict=True)
    ]
    problem = re.sub("_train$", "", files[0].stem, flags=re.IGNORECASE)
    return classification(f"tell the {len(labels)} classes of {problem} apart", splits, labels, _digest(files))


def _files(path: str | None, test_path: str | None, dataset: str | None, data_dir: str | None) -> list[Path]:
    if path is not None:
        file = Path(path).expanduser()
        return [file, Path(test_path).expanduser() if test_path else _neighbour(file)]
    if dataset is None or test_path is not None:
        wrong = "task.path and task.dataset are both null" if dataset is None else "task.test_path without task.path"
        raise UserError(f"{wrong}: give the training series, for example task.path=Name_TRAIN.ts")
    return fetch_dataset(dataset, data_dir, "series", PAIRS)


def _neighbour(file: Path) -> Path:
    """The test series beside the training series."""
    name = re.fullmatch("(.*_)(train)", file.stem, flags=re.IGNORECASE)
    if not name:
        raise UserError(f"task.path={file}: give the test series too, task.test_path=FILE: the name is no ..._TRAIN")
    test = "test" if name[2].islower() else "TEST"
    neighbour = file.with_stem(name[1] + test)
    if not neighbour.exists():
        raise UserError(
            f"task.path={file}: no {neighbour.name} is beside it. Give the test series: task.test_path=FILE"
        )
    return neighbour


def _classes(names: list[str], file: Path) -> list[str]:
    """The classes in the order of their numbers or, if some is no number, of the alphabet."""
    numeric = all(re.fullmatch(r"[-+]?\d+(\.\d*)?", name) for name in names)
    classes = sorted(set(names), key=lambda name: (float(name) if numeric else 0, name))
    if len(classes) < 2:
        raise UserError(f"{file}: all series are of the class {classes[0]!r}; to classify takes two classes")
    return classes


def _targets(names: list[str], labels: list[str], files: list[Path]) -> np.ndarray:
    number = {label: k for k, label in enumerate(labels)}
    unknown = [k for k, name in enumerate(names) if name not in number]
    if unknown:
        raise UserError(
            f"{files[1]}: series {unknown[0] + 1} is of the class {names[unknown[0]]!r}, which {files[0]} does not "
            f"have. Its classes: {', '.join(labels)}"
        )
    return np.array([number[name] for name in names], "int32")


def _digest(files: list[Path]) -> str:
    """Of the files one by one: the same series cut elsewhere into training and test are other data."""
    parts = [hashlib.sha256(file.read_bytes()).digest() for file in files]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _scale(series: list[np.ndarray], file: Path) -> Callable[[np.ndarray], np.ndarray]:
    steps = np.concatenate(series)
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    constant = np.ptp(steps, axis=0) == 0
    if constant.all():
        raise UserError(f"{file}: all channels are constant over the training series")
    deviation[constant] = 1
    return lambda values: ((values - mean) / deviation).astype("float32")
