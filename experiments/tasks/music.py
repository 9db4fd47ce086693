"""Polyphonic music as piano rolls."""

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Metric, Split, Task, task
from experiments.tasks._padding import pad
from experiments.tasks.fetch import fetch_dataset

DATASETS = ("jsb_chorales", "nottingham")
KEYS = 88
NEGATIVE_LOG_LIKELIHOOD = Metric("nll", "negative log-likelihood", "nats per frame", "binary_crossentropy", scale=KEYS)
PARTS = ("traindata", "validdata", "testdata")  # as in the files of Boulanger-Lewandowski et al.
NOTES = ("A", "A#", "B", "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#")


@task
def music(
    path: Annotated[str | None, Field(".mat file of piano rolls traindata, validdata, testdata; null: dataset")] = None,
    dataset: Annotated[str | None, Field("jsb_chorales or nottingham")] = "jsb_chorales",
    segment: Annotated[int, Field("frames of a training sequence at most; longer ones are cut", minimum=2)] = 200,
    *,
    data_dir: str | None = None,
) -> Task:
    """Predict which of 88 keys sound in the next frame of a piece of music, from all frames before it.

    Each piece of music is a sequence, padded to the longest one and masked; each key is a sigmoid output. Pieces
    longer than `segment` frames are cut for training only.

    The score is the negative log-likelihood of a frame, the sum over the 88 keys, in nats, averaged over all frames
    but the first of each test piece. The baseline knows of each key only whether it sounded in the frame before, and
    how often it did after that in training (one added to every count).

    Source: Boulanger-Lewandowski, Bengio and Vincent 2012; averaged over frames as Bai, Kolter and Koltun 2018.

    Raises:
        UserError: if the file is no MATLAB file of piano rolls with 88 keys.
    """
    file = Path(path).expanduser() if path else fetch_dataset(dataset, data_dir, "music", DATASETS)[0]
    train, validation, test = ([(piece[:-1], piece[1:]) for piece in pieces] for pieces in _read(file))
    segments = [(x[k : k + segment], y[k : k + segment]) for x, y in train for k in range(0, len(x), segment)]
    return Task(
        f"predict the notes of the next frame of {file.stem}",
        *(_split(pairs) for pairs in (segments, validation, test)),
        outputs=KEYS,
        per_step=True,
        loss="binary_crossentropy",
        metrics=(NEGATIVE_LOG_LIKELIHOOD,),
        baseline=_persistence(train, test),
        baseline_title="each key by whether it sounded in the frame before",
        digest=hashlib.sha256(file.read_bytes()).hexdigest(),
        labels=tuple(f"{NOTES[key % 12]}{(key + 9) // 12}" for key in range(KEYS)),
    )


Pair = tuple[np.ndarray, np.ndarray]


def _read(file: Path) -> list[list[np.ndarray]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not file.is_file():
        raise UserError(f"task.path={file}: there is no such file")
    try:
        content = loadmat(file)
    except (OSError, ValueError, NotImplementedError, MatReadError) as error:
        raise UserError(f"task.path={file}: not a MATLAB file that scipy reads ({error})") from error
    missing = [name for name in PARTS if name not in content]
    if missing:
        raise UserError(f"task.path={file}: has no {', '.join(missing)}; a file of piano rolls has {', '.join(PARTS)}")
    return [_pieces(content[name], name, file) for name in PARTS]


def _pieces(cells: np.ndarray, name: str, file: Path) -> list[np.ndarray]:
    pieces = list(cells.ravel()) if cells.dtype == object else [cells]
    for number, piece in enumerate(pieces, 1):
        if piece.ndim != 2 or piece.shape[1] != KEYS or not ((piece == 0) | (piece == 1)).all():
            raise UserError(
                f"{file}: piece {number} of {name} must have a row for each frame and {KEYS} columns of 0 or 1, "
                f"and has the shape {piece.shape}"
            )
    long_enough = [piece.astype("float32") for piece in pieces if len(piece) > 1]
    if not long_enough:
        raise UserError(f"{file}: {name} has no piece of two frames or more")
    return long_enough


def _split(pairs: list[Pair]) -> Split:
    inputs, mask = pad([x for x, _ in pairs])
    targets, _ = pad([y for _, y in pairs])
    return Split(inputs, targets, mask)


def _persistence(train: list[Pair], test: list[Pair]) -> float:
    before, after = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    on = (before * after).sum(axis=0) + 1, before.sum(axis=0) + 2
    off = ((1 - before) * after).sum(axis=0) + 1, (1 - before).sum(axis=0) + 2
    before, after = (np.concatenate(arrays) for arrays in zip(*test, strict=True))
    sounds = np.where(before > 0, on[0] / on[1], off[0] / off[1])
    return float(-np.log(np.where(after > 0, sounds, 1 - sounds)).sum(axis=1).mean())
