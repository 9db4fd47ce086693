"""The trials of a study from store to store, by way of a file."""

import shlex
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.config.names import problem
from experiments.errors import UserError, first_line
from experiments.tracking import STORE_ERRORS, Store, archive, study_file
from experiments.tracking.lookup import unknown_study
from experiments.tracking.registration import file_of, read, register
from experiments.tracking.transfer import Receiver, Record, records


def export(store: Store, study: str, file: str, artifacts: bool = True) -> int:
    """Write a study into a new file. Returns 0.

    Args:
        store: Where it is.
        study: Its name.
        file: The file.
        artifacts: All of its finished runs with their artifacts; else of all runs what a report reads.

    Raises:
        UserError: if there are none, one has lost its files, or the file exists already or cannot be written; no file
            is left then.
    """
    target = Path(file).expanduser()
    if target.exists():
        raise UserError(f"file={file}: exists already. Choose another name")
    print(write(store, study, target, artifacts))
    return 0


def write(store: Store, study: str, target: Path, artifacts: bool) -> str:
    """Do the same in place of a file that there may be. Returns what was written, in words."""
    trials = store.trials(study)
    if not trials:
        raise unknown_study(store, study)
    registration = None if problem(study) else read(file_of(store.folder, study))
    try:
        with archive.Writer(target, study, archive.WHOLE if artifacts else archive.BRIEF) as writer:
            content, left = (_add_whole if artifacts else _add_brief)(store, study, len(trials), writer)
            if registration is not None:
                writer.add_registration(registration)
    except OSError as error:
        raise UserError(f"file={target}: cannot be written ({error.strerror or error})") from error
    return f"{target}: {content}, {target.stat().st_size / 1e6:.2g} MB{left}"


def _add_whole(store: Store, study: str, trials: int, writer: archive.Writer) -> tuple[str, str]:
    count = 0
    for record in records(store, study):
        with tempfile.TemporaryDirectory() as folder:
            for path in _files(store, record):
                store.artifacts.download(record.run_id, path, Path(folder))
            writer.add(record, Path(folder))
        count += 1
    if not count:
        raise UserError(f"study={study}: none of its {trials} runs is finished")
    left = f"; {trials - count} runs that are not finished are left out" if trials > count else ""
    return f"{count} finished runs of study {study}", left


def _add_brief(store: Store, study: str, trials: int, writer: archive.Writer) -> tuple[str, str]:
    runs = study_file.described(store, study)
    if not runs:
        raise UserError(f"study={study}: none of its {trials} runs is a trial")
    writer.add_brief(runs)
    others = Counter(run["status"].lower() for run in runs if run["status"] != "FINISHED")
    parts = "".join(f", {count} of them {status}" for status, count in others.items())
    return f"{len(runs)} runs of study {study}{parts}, without artifacts", ""


def _files(store: Store, record: Record) -> list[str]:
    paths = list(store.artifacts.paths(record.run_id))
    if not paths:
        raise UserError(
            f"{record.name}: its run {record.run_id} is finished and has no files at "
            f"{store.artifacts.address(record.run_id)}, and an export without them would be no backup. Bring them "
            "back, or delete the run in the MLflow UI"
        )
    return paths


def bring(store: Store, file: str) -> int:
    """Bring the runs of a file into a store, except for trials that have a finished run there. Returns 0.

    Raises:
        UserError: if anything about the file is wrong; nothing is brought in then.
    """
    with _opened(Path(file).expanduser()) as reader:
        if reader.is_brief:
            raise UserError(
                f"file={file}: was exported without artifacts, which a store cannot do without. For its report: "
                f"python -m experiments.report {shlex.quote(f'file={file}')}"
            )
        lock = store.folder / "import.lock"
        try:
            with FileLock(lock, timeout=0):
                counts = _bring(store, reader, lock)
        except Timeout as error:
            raise UserError(f"another import is at work in {store.folder}: wait for it") from error
    summary = f"{counts['new']} runs brought in, {counts['there']} were there already"
    print(f"study {reader.study}: {summary}")
    return 0


def _opened(file: Path) -> archive.Reader:
    try:
        return archive.Reader(file)
    except UserError as error:
        raise UserError(f"{error}. Nothing was brought in") from error


def _bring(store: Store, reader: archive.Reader, lock: Path) -> Counter[str]:
    receiver, counts = Receiver(store, reader.study, reader.runs, lock), Counter[str]()
    _check_space(store, reader)
    for task in sorted(reader.tasks):
        store.experiment(f"{reader.study}/{task}")  # what may be wrong with it is told before the first run
    if reader.registration is not None:
        register(file_of(store.folder, reader.study), reader.registration)
    for digest, record in reader.records():
        if receiver.has(record, digest):
            receiver.forget(digest)
            counts["there"] += 1
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                reader.extract(record, Path(folder))
                receiver.take(record, digest, Path(folder))
        except (OSError, *STORE_ERRORS) as error:
            raise UserError(
                f"file={reader.file}: its run {record.name} cannot be brought in ({first_line(error)}). Before it "
                f"{counts['new']} runs were, whole; the same command brings in the rest"
            ) from error
        counts["new"] += 1
    return counts


def _check_space(store: Store, reader: archive.Reader) -> None:
    """Each run is unpacked into a temporary folder, and a local store keeps all of them."""
    needed = {Path(tempfile.gettempdir()): max(reader.sizes.values())}
    if not store.has_server:
        needed[store.folder] = reader.sizes.total()
    for folder, size in needed.items():
        free = shutil.disk_usage(folder).free
        if size > free:
            raise UserError(
                f"file={reader.file}: needs {size / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free. "
                "Nothing was brought in"
            )
