"""Names of studies, tasks and variants, and the files and folders that are called after them."""

import re
from pathlib import Path

from experiments.errors import UserError

LONGEST = 100  # characters of a name; with what stands around it a file name has 255 bytes at most
LONGEST_BYTES = 200
LONGEST_FILE = 80  # bytes
UNSAFE = re.compile(r"[^\w.=+-]+")
# What the folder of studies holds beside them, and the experiment of a study that holds its reports.
RESERVED = (
    "running",
    "artifacts",
    "report",
    "pages",
    "slurm",
    "mlflow.db",
    "mlflow.db.lock",
    "store.lock",
    "import.lock",
)


def problem(name: str) -> str:
    """Why a study, a task or a variant cannot have a name, which also names folders; "" if it can."""
    if not name or any(not (c.isalnum() or c in "_-.") for c in name):
        return "must be letters, digits, '_', '-' and '.' (it names runs and folders)"
    if name.startswith("."):
        return "must not begin with a dot (it names runs and folders)"
    if len(name) > LONGEST or len(name.encode()) > LONGEST_BYTES:
        return f"must have {LONGEST} characters and {LONGEST_BYTES} bytes at most, and has {len(name)} characters"
    if name.casefold() in RESERVED:
        return f"must be none of {', '.join(RESERVED)}, which are folders and files beside those of studies"
    return ""


def study_folder(output_dir: Path, study: str) -> Path:
    """Where the plan and the report of a study are.

    Raises:
        UserError: for a study whose name could lead elsewhere, such as one of a store that others write too.
    """
    if reason := problem(study):
        raise UserError(f"study={study}: {reason}")
    return output_dir / study


def file_name(text: str) -> str:
    """A text of anybody, such as the name of a run, as a part of the name of a file."""
    return UNSAFE.sub("-", text).strip("-.").encode()[:LONGEST_FILE].decode(errors="ignore").rstrip("-.") or "unnamed"
