"""The files of runs, which the store has by absolute addresses, also after the output folder was moved."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from experiments.config.names import file_name
from experiments.errors import UserError
from experiments.tracking.client import Client

ARTIFACTS = "artifacts"  # a folder beside the store, with OUTPUT_DIR/artifacts/STUDY/TASK/RUN_ID/artifacts


def location(folder: Path, experiment: str) -> Path:
    """Where the files of the runs of an experiment go, in the folder of everything that is written."""
    return folder.joinpath(ARTIFACTS, *map(file_name, experiment.split("/")))


def path_of(address: str) -> Path | None:
    """The folder that an address names; None for an address of another kind."""
    parts = urlsplit(address)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def output_folder(path: Path) -> Path | None:
    """The output folder in which `location` lies, or the files of a run; None if it is no such path."""
    place = path.parent.parent if path.name == ARTIFACTS else path
    return place.parents[2] if len(place.parts) > 3 and place.parts[-3] == ARTIFACTS else None


def moved(path: Path, folder: Path) -> Path | None:
    """Where a recorded path is if its output folder is now this one; None if it is no path in an output folder."""
    before = output_folder(path)
    return None if before is None else folder / path.relative_to(before)


class Artifacts:
    """The files of runs: where the store says or, if that folder is gone, in the output folder as it is now.

    Args:
        client: The store.
        folder: The output folder.
    """

    def __init__(self, client: Client, folder: Path) -> None:
        self.client = client
        self.folder = folder

    def address(self, run_id: str) -> str:
        """The recorded address of the files of a run."""
        return str(self.client.get_run(run_id).info.artifact_uri)

    def paths(self, run_id: str, folder: str | None = None) -> Iterator[str]:
        """The paths of all files of a run, those in folders included."""
        for artifact in self._list(run_id, folder):
            if artifact.is_dir:
                yield from self.paths(run_id, artifact.path)
            else:
                yield artifact.path

    def download(self, run_id: str, path: str, folder: Path) -> Path | None:
        """Fetch a file of a run into a folder, where it keeps its path; None if the run has no such file.

        Raises:
            UserError: for a path that leads out of the folder.
        """
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts:
            raise UserError(f"the run {run_id} has an artifact {path!r}, which is a place outside")
        parent = str(inside.parent)
        if path not in [artifact.path for artifact in self._list(run_id, None if parent == "." else parent)]:
            return None
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        moved_to = self._moved_to(run_id)
        with tempfile.TemporaryDirectory(dir=folder) as fetched:  # some stores keep the folders of a path, some do not
            if moved_to is None:
                file = self.client.download_artifacts(run_id, path, fetched)
            else:
                file = get_artifact_repository(moved_to.as_uri()).download_artifacts(path, fetched)
            Path(file).replace(target)
        return target

    def add(self, run_id: str, file: Path) -> None:
        """Record a file with a run that has ended."""
        moved_to = self._moved_to(run_id)
        if moved_to is None:
            self.client.log_artifact(run_id, str(file))
        else:
            get_artifact_repository(moved_to.as_uri()).log_artifact(str(file))

    def _list(self, run_id: str, folder: str | None) -> list[Any]:
        moved_to = self._moved_to(run_id)
        if moved_to is None:
            return list(self.client.list_artifacts(run_id, folder))
        return list(get_artifact_repository(moved_to.as_uri()).list_artifacts(folder))

    def _moved_to(self, run_id: str) -> Path | None:
        recorded = path_of(self.address(run_id))
        if recorded is None or os.path.exists(recorded):
            return None
        now = moved(recorded, self.folder)
        return now if now is not None and now.exists() else None
