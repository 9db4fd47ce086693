"""The file of an export: a zip of runs and their artifacts, and a manifest with a checksum of each."""

import hashlib
import json
import math
import os
import re
import shutil
import zipfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from experiments.errors import UserError
from experiments.tracking.metadata import Tag
from experiments.tracking.transfer import Record, plain_value

FORMAT = 1
MANIFEST = "manifest.json"
RUN = re.compile(r"runs/([0-9a-f]{32})/run\.json")
FILE = re.compile(r"runs/([0-9a-f]{32})/artifacts/(.+)")
NAME = re.compile(r"[\w-][\w.-]*")  # of a study or task: it names a folder


class Writer:
    """Writes the file beside its place and puts it there when it is whole.

    Args:
        target: Its place.
        study: The study that the runs are of.
    """

    def __init__(self, target: Path, study: str) -> None:
        self.target = target
        self.study = study
        self.partial = target.with_name(f"{target.name}.partial")
        self.digests: dict[str, str] = {}

    def __enter__(self) -> "Writer":
        self.zip = zipfile.ZipFile(self.partial, "w", zipfile.ZIP_DEFLATED)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                manifest = {"format": FORMAT, "gatelab": _version(), "study": self.study, "files": self.digests}
                self.zip.writestr(MANIFEST, json.dumps(manifest, indent=1))
            self.zip.close()
            if kind is None:
                with self.partial.open("rb") as written:
                    os.fsync(written.fileno())
                self.partial.replace(self.target)
        finally:
            self.partial.unlink(missing_ok=True)

    def add(self, record: Record, files: Path) -> None:
        """Add a run and its artifacts, which are the content of a folder."""
        content = asdict(record)
        content["metrics"] = {
            name: [(step, time, plain_value(value)) for step, time, value in points]
            for name, points in record.metrics.items()
        }
        place = f"runs/{record.run_id}"
        text = json.dumps(content, allow_nan=False).encode()
        self.digests[f"{place}/run.json"] = hashlib.sha256(text).hexdigest()
        self.zip.writestr(f"{place}/run.json", text)
        for file in sorted(path for path in files.rglob("*") if path.is_file()):
            name = f"{place}/artifacts/{file.relative_to(files).as_posix()}"
            with file.open("rb") as opened:
                self.digests[name] = _digest(opened)
            self.zip.write(file, name)


class Reader:
    """A file of an export, all of which was checked.

    Attributes:
        study: The study that its runs are of.
        records: Its runs, by what names them: the checksum of their description.

    Args:
        file: The file.

    Raises:
        UserError: if it was cut off or changed, is no such file or one of another format, or names a place outside.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self.zip = zipfile.ZipFile(file)
        except OSError as error:
            raise UserError(f"file={file}: cannot be read ({error.strerror or error})") from error
        except zipfile.BadZipFile as error:
            raise self._wrong("it is no zip file, or was cut off") from error
        try:
            self.manifest = self._read_manifest()
            self.study = self.manifest["study"]
            self._check_files()
            self.records = {
                digest: self._record(name) for name, digest in self.manifest["files"].items() if RUN.fullmatch(name)
            }
        except BaseException:
            self.zip.close()
            raise

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    def extract(self, record: Record, folder: Path) -> None:
        """Write the artifacts of a run into a folder."""
        for name in self.manifest["files"]:
            match = FILE.fullmatch(name)
            if match and match[1] == record.run_id:
                target = folder / match[2]
                target.parent.mkdir(parents=True, exist_ok=True)
                with self.zip.open(name) as source, target.open("wb") as written:
                    shutil.copyfileobj(source, written)

    def _wrong(self, reason: str) -> UserError:
        return UserError(f"file={self.file}: {reason}. Nothing was brought in")

    def _read_manifest(self) -> dict[str, Any]:
        try:
            manifest = json.loads(self.zip.read(MANIFEST))
            written_by, number = manifest["gatelab"], manifest["format"]
        except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise self._wrong("it has no manifest that can be read: it was not written by export") from error
        if number != FORMAT:
            raise self._wrong(f"gatelab {written_by} wrote it in format {number}; this one reads format {FORMAT}")
        files, study = manifest.get("files"), manifest.get("study")
        if not isinstance(files, dict) or not isinstance(study, str) or not NAME.fullmatch(study):
            raise self._wrong("its manifest names no study and files that can be used")
        return manifest

    def _check_files(self) -> None:
        files = self.manifest["files"]
        for name in files:
            inside = PurePosixPath(name)
            if inside.is_absolute() or ".." in inside.parts or set(name) & {"\\", ":"} or str(inside) != name:
                raise self._wrong(f"it names {name!r}, which is a place outside")
            if not RUN.fullmatch(name) and not FILE.fullmatch(name):
                raise self._wrong(f"it names {name!r}, which is no part of an export")
        held = self.zip.namelist()
        if sorted(held) != sorted([*files, MANIFEST]):
            odd = sorted(set(held) ^ {*files, MANIFEST}) or ["a name twice"]
            raise self._wrong(f"its manifest does not fit its content ({odd[0]})")
        for name, digest in files.items():
            try:
                with self.zip.open(name) as opened:
                    right = _digest(opened) == digest
            except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
                raise self._wrong(f"{name} cannot be read ({error})") from error
            if not right:
                raise self._wrong(f"{name} was changed: its checksum is another")

    def _record(self, name: str) -> Record:
        try:
            record = Record(**json.loads(self.zip.read(name)))
            metrics = {key: [_point(*point) for point in points] for key, points in record.metrics.items()}
            texts = [*record.params.items(), *record.tags.items(), (record.name, record.task)]
            right = (
                f"runs/{record.run_id}/run.json" == name
                and all(isinstance(text, str) for pair in texts for text in pair)
                and (record.tags[Tag.STUDY], record.tags[Tag.KIND]) == (self.study, "trial")
                and NAME.fullmatch(record.task)
                and record.key
                and int(record.start_time) <= int(record.end_time)
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._wrong(f"{name} does not describe a run ({type(error).__name__}: {error})") from error
        if not right:
            raise self._wrong(f"{name} does not describe a run of a trial of study {self.study}")
        return Record(**{**vars(record), "metrics": metrics})


def _point(step: int, time: int, value: float | None) -> tuple[int, int, float]:
    return int(step), int(time), math.nan if value is None else float(value)


def _digest(opened: BinaryIO) -> str:
    return hashlib.file_digest(opened, "sha256").hexdigest()


def _version() -> str:
    try:
        return version("gatelab")
    except PackageNotFoundError:
        return "unknown"
