"""The state of a trial in a file: written whole or not at all, used only by the trial and the code that wrote it."""

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


def write(file: Path, owner: str, facts: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> None:
    """Replace the checkpoint of a trial.

    It is written beside its place, brought to the disk, and renamed, so that whoever looks sees the old one or the new
    one, never a part.

    Args:
        file: Its place.
        owner: Who may go on from it: the trial and the code that trains it.
        facts: What JSON can hold.
        arrays: Weights and other states, in an order that the reader knows.

    Raises:
        OSError: if it cannot be written, as on a full disk; the old one stays.
    """
    header = json.dumps({"owner": owner, "facts": facts})
    partial = file.with_suffix(".partial")
    try:
        with partial.open("wb") as opened:
            np.savez(opened, header=np.array(header), **{str(k): array for k, array in enumerate(arrays)})
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read.

    Attributes:
        facts: What JSON can hold.
        arrays: Weights and other states.
        refusal: Why it cannot be used; "" if it can.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    arrays: list[np.ndarray] = field(default_factory=list)
    refusal: str = ""


def read(file: Path, owner: str) -> Checkpoint | None:
    """The checkpoint of a trial; None if there is none.

    A file that is torn, changed (every array has a checksum) or of another owner is refused.
    """
    if not file.exists():
        return None
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            header = json.loads(str(stored["header"]))
            if header["owner"] != owner:
                return Checkpoint(refusal=f"{file.name} was written by other code")
            return Checkpoint(header["facts"], [stored[str(k)] for k in range(len(stored.files) - 1)])
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        return Checkpoint(refusal=f"{file.name} cannot be read ({error})")
