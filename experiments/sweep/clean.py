"""What interrupted sweeps have left behind: runs without an end, and checkpoints that nobody can use."""

import re
import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.errors import UserError
from experiments.sweep import plan
from experiments.sweep.status import sign_of_life
from experiments.tracking import Store, StoredRun, is_held
from experiments.tracking.lookup import unknown_study
from experiments.tracking.metadata import Tag
from experiments.trial import checkpoint
from experiments.trial.source_digest import source_digest

KEY = re.compile(r"[0-9a-f]{16}")


@dataclass
class Leftovers:
    """What `output_dir/running` holds beside trials that are being trained.

    Attributes:
        useless: Folders, or `.partial` files, that can be removed, and why.
        usable: Folders whose checkpoint a sweep can go on from.
        held: Number of those that a process is at work on.
        foreign: Number of those of other studies.
    """

    useless: dict[Path, str] = field(default_factory=dict)
    usable: list[Path] = field(default_factory=list)
    held: int = 0
    foreign: int = 0


def stale_runs(store: Store, study: str) -> list[StoredRun]:
    """Runs of a study that are said to be running while no process is at work on them."""
    return [run for run in store.trials(study) if run.status == "RUNNING" and not run.alive]


def leftovers(store: Store, study: str, everything: bool = False) -> Leftovers:
    """What the trials of a study have left, and trials that no study of the store knows.

    Args:
        store: The store; `running` is a folder beside it.
        study: The study.
        everything: Checkpoints that can still be used count as useless.
    """
    planned = {file.parent.name: _planned(file) for file in store.folder.glob("*/plan.json")}
    ours = planned.pop(study, set())
    others = set().union(*planned.values())
    left = Leftovers()
    running = store.folder / "running"
    for key in sorted({path.name.removesuffix(".lock") for path in running.glob("*")}):
        folder = running / key
        if not KEY.fullmatch(key):
            continue
        runs = store.everywhere(key)
        studies = {run.tags.get(Tag.STUDY) for run in runs}
        if study not in studies and key not in ours and (studies or key in others):
            left.foreign += 1
        elif is_held(_lock(folder)) or any(run.status == "RUNNING" and run.alive for run in runs):
            left.held += 1
        else:
            _add(left, folder, runs, everything)
    return left


def _add(left: Leftovers, folder: Path, runs: Sequence[StoredRun], everything: bool) -> None:
    reason = "it is given up" if everything else useless(folder, runs)
    if reason:
        left.useless[folder] = reason
        return
    left.usable.append(folder)
    partial = folder / "checkpoint.partial"
    if partial.exists():
        left.useless[partial] = "its writer was interrupted"


def useless(folder: Path, runs: Collection[StoredRun]) -> str:
    """Why no trial can go on from the checkpoint of a folder; "" if one can.

    Args:
        folder: A folder of `running`, named by the key of its trial.
        runs: All runs of that trial in all studies.
    """
    finished = {run.tags.get(Tag.STUDY) for run in runs if run.status == "FINISHED"}
    waiting = {run.tags.get(Tag.STUDY) for run in runs} - finished
    if runs and not waiting:
        return "its trial is finished"
    stored = checkpoint.read(folder / "checkpoint.npz", f"{folder.name} {source_digest()}")
    return "it holds no checkpoint" if stored is None else stored.refusal


def remove(store: Store, paths: Collection[Path], everything: bool = False) -> int:
    """Remove what is still useless and still in nobody's hands. Returns the number of bytes."""
    freed = 0
    for path in paths:
        folder = path if KEY.fullmatch(path.name) else path.parent
        try:
            with FileLock(_lock(folder), timeout=0):
                if path is not folder:
                    freed += size(path)
                    path.unlink(missing_ok=True)
                elif everything or useless(folder, store.everywhere(folder.name)):
                    freed += size(folder)
                    shutil.rmtree(folder, ignore_errors=True)
                    _lock(folder).unlink(missing_ok=True)  # whoever waits for it makes a new one
        except Timeout:
            print(f"{folder.name} was taken up meanwhile: left as it is")
        except PermissionError:
            print(f"{folder.name} belongs to another user: left as it is")
    return freed


def size(path: Path) -> int:
    """Bytes of a file or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def clean(store: Store, study: str, sure: bool, everything: bool) -> int:
    """Say what can be cleaned up, ask, and do it. Returns 0, or 1 if the answer was no.

    Raises:
        UserError: if nobody can be asked, or neither the store nor a plan knows the study; nothing is changed then.
    """
    if not store.trials(study) and not plan.file_of(store.folder, study).exists():
        raise unknown_study(store, study)
    stale, left = stale_runs(store, study), leftovers(store, study, everything)
    for line in [*_about_runs(stale), *_about_files(left, store.folder)]:
        print(line)
    if not stale and not left.useless:
        print("Nothing to clean.")
        return 0
    if not sure and not _agreed():
        print("Nothing was changed.")
        return 1
    ids = [experiment for name, experiment in store.experiments().items() if name.startswith(f"{study}/")]
    marked = len(store.mark_stale(ids)) if stale else 0
    freed = remove(store, left.useless, everything)
    print(f"Done: runs marked KILLED: {marked}; freed: {_megabytes(freed)}.")
    return 0


def _about_runs(stale: Sequence[StoredRun]) -> list[str]:
    head = ["Runs that no process is at work on, to be marked KILLED:"] if stale else []
    return [*head, *(f"  {run.name}  {sign_of_life(run)}" for run in stale)]


def _about_files(left: Leftovers, root: Path) -> list[str]:
    lines = []
    if left.useless:
        lines.append(f"Leftovers of trials, to be removed, {_megabytes(sum(map(size, left.useless)))}:")
        lines += [f"  {path.relative_to(root)}  {why}" for path, why in left.useless.items()]
    if left.usable:
        usable = f"{len(left.usable)}, {_megabytes(sum(map(size, left.usable)))}"
        lines.append(f"Checkpoints that a sweep can go on from, left alone: {usable}. all=true removes them too.")
    lines += [f"Trials that are being trained, left alone: {left.held}."] if left.held else []
    lines += [f"Leftovers of trials of other studies, left alone: {left.foreign}."] if left.foreign else []
    return lines


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UserError("nothing was changed, since nobody can be asked here: add yes=true to do this")
    try:
        return input("Do this? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _lock(folder: Path) -> Path:
    return Path(f"{folder}.lock")


def _planned(file: Path) -> set[str]:
    try:
        return set(plan.read(file))
    except UserError:
        return set()
