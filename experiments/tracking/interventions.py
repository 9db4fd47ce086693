"""What trained trials score with a gate clamped: a CSV file in the folder of their study."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from filelock import FileLock

from experiments.config.names import study_folder
from experiments.errors import UserError

Clamp = tuple[str, str, str, str]  # layer, gate, value and unit


@dataclass(frozen=True)
class Intervention:
    """One trained trial with one gate clamped.

    Attributes:
        run: The id of its run.
        trial: The name of its run.
        layer: The recurrent layer.
        gate: What is clamped, such as input_gate.
        value: To what: a number, `mean` or `shuffled`.
        unit: In which unit; "": in all.
        score: The score of the test part as the model was trained.
        clamped: The score with the clamp; infinite if it is no number.
    """

    run: str
    trial: str
    layer: str
    gate: str
    value: str
    unit: str
    score: float
    clamped: float

    @property
    def place(self) -> tuple[str, ...]:
        """What a newer measurement of the same replaces."""
        return self.run, self.layer, self.gate, self.value, self.unit


COLUMNS = [field.name for field in fields(Intervention)]


def file_of(folder: Path, study: str) -> Path:
    """The file of a study in an output folder.

    Raises:
        UserError: for a study whose name could lead elsewhere.
    """
    return study_folder(folder, study) / "interventions.csv"


def read(file: Path) -> list[Intervention]:
    """The interventions in a file, in its order; none if there is no file.

    Raises:
        UserError: if it cannot be read, or was not written by `write`.
    """
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            rows = csv.DictReader(opened)
            if rows.fieldnames != COLUMNS:
                raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
            return [_parse(**row) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise UserError(f"{file}: cannot be read ({error}). Mend it, or delete it and intervene again") from error


def _parse(score: str, clamped: str, **texts: str) -> Intervention:
    return Intervention(**texts, score=float(score), clamped=float(clamped))


def write(file: Path, interventions: Iterable[Intervention]) -> None:
    """Add interventions to a file, in place of those that measured the same.

    Raises:
        UserError: if the file is there and cannot be read, or cannot be written.
    """
    new = {intervention.place: intervention for intervention in interventions}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            rows = {intervention.place: intervention for intervention in read(file)} | new
            partial = file.with_suffix(".partial")
            with partial.open("w", newline="", encoding="utf-8") as opened:
                writer = csv.DictWriter(opened, COLUMNS)
                writer.writeheader()
                writer.writerows(map(asdict, rows.values()))
            partial.replace(file)
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror or error})") from error


def by_clamp(interventions: Iterable[Intervention]) -> dict[Clamp, tuple[np.ndarray, np.ndarray]]:
    """The scores of trials without a clamp and with it, `(trials,)` each, by layer, gate, value and unit."""
    scores: dict[Clamp, list[tuple[float, float]]] = {}
    for row in interventions:
        scores.setdefault((row.layer, row.gate, row.value, row.unit), []).append((row.score, row.clamped))
    arrays = {clamp: np.array(pairs) for clamp, pairs in scores.items()}
    return {clamp: (pairs[:, 0], pairs[:, 1]) for clamp, pairs in arrays.items()}
