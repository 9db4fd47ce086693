"""The YAML files of the lab and of the user's own folder, and what a group of them can be set to."""

import re
from pathlib import Path

from experiments.errors import UserError

CONF = Path(__file__).resolve().parents[2] / "conf"
LISTED = 3  # files in a message
OWN_FUNCTION = re.compile(r"/schema/task/(\w[\w.]*\.\w+)@task")


def own_folder() -> Path | None:
    """The folder `conf` of the current folder; None: there is none but ours."""
    folder = Path.cwd() / "conf"
    return folder if folder.is_dir() and not folder.samefile(CONF) else None


def folders() -> list[Path]:
    """Where YAML files are."""
    own = own_folder()
    return [CONF, *([own] if own else [])]


def choices(group: str) -> list[str]:
    """What a group of `conf/` can be set to: its YAML files, those in folders by their path."""
    places = [folder / group for folder in folders()]
    files = {file.relative_to(place) for place in places for file in place.rglob("*.yaml")}
    return sorted(file.with_suffix("").as_posix() for file in files)


def file_of(group: str, choice: str) -> Path:
    """The file that a choice of a group stands for."""
    files = [folder / group / f"{choice}.yaml" for folder in folders()]
    return next((file for file in files if file.exists()), files[0])


def refuse_twins() -> None:
    """Refuse files of the user that have the name of one of ours, which Hydra would read in their place.

    Raises:
        UserError: names them.
    """
    own = own_folder()
    twins = [file for file in sorted(own.rglob("*/*.yaml")) if (CONF / file.relative_to(own)).exists()] if own else []
    if twins:
        names = ", ".join(str(file.relative_to(Path.cwd())) for file in twins[:LISTED])
        names += f" and {len(twins) - LISTED} more" if len(twins) > LISTED else ""
        raise UserError(f"{names}: the lab has such files in {CONF}. Give yours another name")


def own_functions() -> list[str]:
    """Dotted paths of the user's task functions, as files name them: `defaults: [/schema/task/mine.majority@task]`."""
    own = own_folder()
    files = sorted((own / "task").rglob("*.yaml")) if own else []
    return list(
        dict.fromkeys(name for file in files for name in OWN_FUNCTION.findall(file.read_text(encoding="utf-8")))
    )
