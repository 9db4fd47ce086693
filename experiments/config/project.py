"""`gatelab init FOLDER`: a small project of the user's own, which finds its code and its YAML files by itself."""

from pathlib import Path

from experiments.config import json_schema
from experiments.errors import UserError

TEMPLATE = Path(__file__).parent / "project"
SUFFIX = ".txt"  # of all files of the template: its Python is none of the lab


def init(folder: Path) -> None:
    """Write the files of a project.

    Raises:
        UserError: if the folder has some of them already, or cannot be written.
    """
    files = {
        folder / file.relative_to(TEMPLATE).as_posix().removesuffix(SUFFIX): file.read_text(encoding="utf-8")
        for file in sorted(TEMPLATE.rglob(f"*{SUFFIX}"))
    }
    present = [str(file) for file in files if file.exists()]
    if present:
        raise UserError(f"init {folder}: {', '.join(present)} is there already. Choose another folder")
    try:
        for file, text in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"init {folder}: {error.filename} cannot be written ({error.strerror})") from error
    print(*files, sep="\n")
    json_schema.write(folder / json_schema.FOLDER)
    print(f"Now: cd {folder}, then gatelab train experiment=mine; README.md says more")
