"""The file of an export: a zip with a manifest that has a checksum of all in it.

It holds runs with their artifacts, or of all runs of a study what a report reads.
"""

import hashlib
import json
import math
import os
import re
import shutil
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from experiments.config import names
from experiments.errors import UserError
from experiments.tracking.metadata import Tag
from experiments.tracking.registration import Registration, parse
from experiments.tracking.transfer import Record, plain_value, refusal

WITHOUT_DATASETS = 1  # the format of runs with their artifacts until 0.1.0
BRIEF = 2  # that of what a report reads
WHOLE = 3  # that of runs with their artifacts
MANIFEST = "manifest.json"
REGISTRATION = "registration.json"
BRIEF_RUNS = "runs.json"  # one text, as runs have most of their texts in common
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same runs are the same file
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes of memory to be unpacked
MOST_JSON = 32_000_000  # bytes of the manifest or of the description of a run: 20 times that in memory, when it is read
MOST_RATIO = 100  # of the unpacked size to that of the file; models and pictures have 1 to 2, logs 20
SMALL = 100_000_000  # bytes that may be unpacked whatever the ratio
LONGEST_NAME = 255  # bytes of the name of a file, as file systems have it
LONGEST_PATH = 1000  # bytes of an artifact's path; file systems have 4,096, of which the store's folder needs some
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,  # among them RecursionError, for JSON that is nested too deeply
)
RUN = re.compile(r"runs/([0-9a-f]{32})/run\.json")
FILE = re.compile(r"runs/([0-9a-f]{32})/artifacts/(.+)")


class Writer:
    """Writes the file beside its place and puts it there when it is whole.

    Args:
        target: Its place.
        study: The study that the runs are of.
        number: The format.
    """

    def __init__(self, target: Path, study: str, number: int = WHOLE) -> None:
        self.target = target
        self.study = study
        self.number = number
        self.partial = target.with_name(f"{target.name}.partial")
        self.digests: dict[str, str] = {}

    def __enter__(self) -> "Writer":
        self.zip = zipfile.ZipFile(self.partial, "w", zipfile.ZIP_DEFLATED)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                manifest = {"format": self.number, "gatelab": _version(), "study": self.study, "files": self.digests}
                self._write(MANIFEST, json.dumps(manifest, indent=1).encode())
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
        self._add_json(f"{place}/run.json", content, f"{record.name}: its run {record.run_id} has")
        for file in sorted(path for path in files.rglob("*") if path.is_file()):
            name = f"{place}/artifacts/{file.relative_to(files).as_posix()}"
            problem = _path_problem(name)
            if problem:
                raise UserError(f"{record.name}: its run {record.run_id} has the artifact {name!r}, {problem}")
            with file.open("rb") as opened:
                self.digests[name] = _digest(opened)
            self.zip.write(file, name)

    def add_brief(self, runs: Iterable[dict[str, Any]]) -> None:
        """Add what a report reads of all runs."""
        self._add_json(BRIEF_RUNS, list(runs), f"study={self.study}: its runs have")

    def add_registration(self, registration: Registration) -> None:
        """Add what was registered before the first trial."""
        self._add_text(REGISTRATION, registration.text.encode())

    def _add_json(self, name: str, content: Any, whose: str) -> None:
        text = json.dumps(content, allow_nan=False).encode()
        if len(text) > MOST_JSON:
            size = f"{len(text) / 1e6:.0f} MB of them; at most {MOST_JSON / 1e6:.0f} MB"
            raise UserError(f"{whose} more metrics than can be exported, {size}")
        self._add_text(name, text)

    def _add_text(self, name: str, text: bytes) -> None:
        self.digests[name] = hashlib.sha256(text).hexdigest()
        self._write(name, text)

    def _write(self, name: str, text: bytes) -> None:
        self.zip.writestr(zipfile.ZipInfo(name, EPOCH), text, zipfile.ZIP_DEFLATED)


class Reader:
    """A file of an export, all of which was checked.

    Attributes:
        study: The study that its runs are of.
        is_brief: Whether it has of its runs what a report reads, and nothing else.
        registration: What was registered before the first trial; None if nothing was.
        runs: The descriptions of its runs in the file, by what names them: their checksums.
        tasks: The tasks of its runs.
        sizes: Bytes of each run with its artifacts, by its id.

    Args:
        file: The file.

    Raises:
        UserError: if it was cut off or changed, is no such file or one of another format, names a place outside, or has
            anything that a store or a disk cannot take.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self.zip = zipfile.ZipFile(file)
        except UNREADABLE as error:
            if isinstance(error, OSError):
                raise UserError(f"file={file}: cannot be read ({error.strerror or error})") from error
            raise self.wrong("it is no zip file, or was cut off") from error
        try:
            self._check_sizes()
            self.manifest = self._read_manifest()
            self.study = self.manifest["study"]
            self.is_brief = self.manifest["format"] == BRIEF
            self._check_names()
            self._check_content()
            self.registration = self._read_registration()
            files = self.manifest["files"]
            self.runs = {digest: name for name, digest in files.items() if RUN.fullmatch(name)}
            self.tasks = {record.task for _, record in self.records()}
        except BaseException:
            self.zip.close()
            raise

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    def records(self) -> Iterator[tuple[str, Record]]:
        """The runs with what names them, one at a time: all of them may not fit into the memory."""
        return ((digest, self._record(name)) for digest, name in self.runs.items())

    def brief(self) -> Any:
        """What there is in place of records."""
        try:
            return json.loads(self.zip.read(BRIEF_RUNS))
        except UNREADABLE as error:
            raise self.wrong(f"{BRIEF_RUNS} cannot be read ({type(error).__name__}: {error})") from error

    def extract(self, record: Record, folder: Path) -> None:
        """Write the artifacts of a run into a folder."""
        for name in self.artifacts[record.run_id]:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.zip.open(f"runs/{record.run_id}/artifacts/{name}") as source, target.open("wb") as written:
                shutil.copyfileobj(source, written)

    def wrong(self, reason: str) -> UserError:
        """The error of a file that cannot be used."""
        return UserError(f"file={self.file}: {reason}")

    def _check_sizes(self) -> None:
        """What is declared; no more than that is read of any member."""
        self.sizes: Counter[str] = Counter()
        for info in self.zip.infolist():
            if info.compress_type not in METHODS or info.flag_bits & 1:
                raise self.wrong(f"{info.filename} is packed in a way that export does not use")
            if info.file_size > MOST_JSON and not FILE.fullmatch(info.filename):
                raise self.wrong(f"{info.filename} has {info.file_size:,} bytes, more than {MOST_JSON:,}")
            run = RUN.fullmatch(info.filename) or FILE.fullmatch(info.filename)
            self.sizes[run[1] if run else ""] += info.file_size
        total = self.sizes.total()
        if total > max(SMALL, MOST_RATIO * self.file.stat().st_size):
            raise self.wrong(f"it would unpack to {total / 1e9:.1f} GB, over {MOST_RATIO} times its size")

    def _read_manifest(self) -> dict[str, Any]:
        try:
            manifest = json.loads(self.zip.read(MANIFEST))
            written_by, number = manifest["gatelab"], manifest["format"]
        except UNREADABLE as error:
            raise self.wrong("it has no manifest that can be read: it was not written by export") from error
        if number not in (WITHOUT_DATASETS, BRIEF, WHOLE):
            raise self.wrong(f"gatelab {written_by} wrote it in format {number}; this one reads 1, 2 and 3")
        files, study = manifest.get("files"), manifest.get("study")
        if not isinstance(files, dict) or not isinstance(study, str) or names.problem(study):
            raise self.wrong("its manifest names no study and files that can be used")
        return manifest

    def _read_registration(self) -> Registration | None:
        if REGISTRATION not in self.manifest["files"]:
            return None
        registration = parse(self.zip.read(REGISTRATION).decode(errors="replace"), f"in {self.file}")
        if registration.study != self.study:
            raise self.wrong(f"its registration is that of study {registration.study}")
        return registration

    def _check_names(self) -> None:
        files, self.artifacts = self.manifest["files"], defaultdict(list)
        known = (REGISTRATION, BRIEF_RUNS) if self.is_brief else (REGISTRATION,)
        for name in files:
            problem = _path_problem(name)
            if problem:
                raise self.wrong(f"it names {name[:100]!r}, {problem}")
            match = None if self.is_brief else FILE.fullmatch(name)
            if match:
                self.artifacts[match[1]].append(match[2])
            elif name not in known and (self.is_brief or not RUN.fullmatch(name)):
                raise self.wrong(f"it names {name!r}, which is no part of an export")
        for name in files:
            folders = [str(folder) for folder in PurePosixPath(name).parents]
            if not files.keys().isdisjoint(folders):
                raise self.wrong(f"it has a file and a folder of one name, above {name!r}")
        homeless = [run_id for run_id in self.artifacts if f"runs/{run_id}/run.json" not in files]
        if homeless:
            raise self.wrong(f"it has artifacts of the run {homeless[0]}, which it does not describe")
        held = self.zip.namelist()
        if sorted(held) != sorted([*files, MANIFEST]):
            odd = sorted(set(held) ^ {*files, MANIFEST}) or ["a name twice"]
            raise self.wrong(f"its manifest does not fit its content ({odd[0]})")

    def _check_content(self) -> None:
        for name, digest in self.manifest["files"].items():
            try:
                with self.zip.open(name) as opened:
                    right = _digest(opened) == digest
            except UNREADABLE as error:
                raise self.wrong(f"{name} cannot be read ({error})") from error
            if not right:
                raise self.wrong(f"{name} was changed: its checksum is another")

    def _record(self, name: str) -> Record:
        try:
            record = Record(**json.loads(self.zip.read(name)))
            metrics = {key: [_point(*point) for point in points] for key, points in record.metrics.items()}
            record = Record(**{**vars(record), "metrics": metrics})
            right = (
                f"runs/{record.run_id}/run.json" == name
                and (record.tags[Tag.STUDY], record.tags[Tag.KIND]) == (self.study, "trial")
                and not names.problem(record.task)
                and len(f"{self.study}/{record.task}".encode()) <= LONGEST_NAME
                and record.key
            )
            reason = refusal(record)
        except UNREADABLE as error:
            raise self.wrong(f"{name} does not describe a run ({type(error).__name__}: {error})") from error
        if not right:
            raise self.wrong(f"{name} does not describe a run of a trial of study {self.study}")
        if reason:
            raise self.wrong(f"{name} does not describe a run: {reason}")
        return record


def _path_problem(name: str) -> str:
    """Why a path cannot be that of a file in any store; "" if it can."""
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts or set(name) & {"\\", ":", "\0"} or str(inside) != name:
        return "which is a place outside"
    try:
        sizes = [len(part.encode()) for part in inside.parts]
    except UnicodeEncodeError:
        return "which no file system can write"
    if max(sizes) > LONGEST_NAME or len(name.encode()) > LONGEST_PATH:
        return f"which is too long: {LONGEST_NAME} bytes for each name and {LONGEST_PATH} for all"
    return ""


def _point(step: int, time: int, value: float | None) -> tuple[int, int, float]:
    return step, time, math.nan if value is None else float(value)


def _digest(opened: BinaryIO) -> str:
    return hashlib.file_digest(opened, "sha256").hexdigest()


def _version() -> str:
    try:
        return version("gatelab")
    except PackageNotFoundError:
        return "unknown"
