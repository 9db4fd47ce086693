"""Data files that are fetched once, from the addresses and with the checksums of `files.yaml`."""

import functools
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import yaml

from experiments.errors import UserError

TIMEOUTS = (3.5, 30)  # seconds until a connection, and between two pieces of a file


class File(NamedTuple):
    """A file that can be fetched.

    Attributes:
        address: Where it is downloaded from.
        sha256: The checksum that it must have.
    """

    address: str
    sha256: str


_SOURCES = yaml.safe_load(Path(__file__).with_name("files.yaml").read_text())
FILES = {name: File(**source) for files in _SOURCES.values() for name, source in files.items()}
DATASETS = {dataset: tuple(files) for dataset, files in _SOURCES.items()}


def fetch(name: str, data_dir: str | None = None) -> Path:
    """Path of a file of `FILES`, which is downloaded if it is not in the folder yet.

    A download gets its name only when it is complete and has the right checksum. A file that is there is read and
    never overwritten, and what has the right checksum needs neither network nor a folder that can be written to.

    Args:
        name: A key of `FILES`.
        data_dir: Folder of fetched files; None: the user's cache folder.

    Raises:
        UserError: if the file cannot be downloaded, or one with another checksum is in its place.
    """
    return _fetch((name,), data_dir)[0]


def fetch_dataset(
    dataset: str | None, data_dir: str | None = None, content: str = "data", allowed: Iterable[str] = DATASETS
) -> list[Path]:
    """Paths of the files of a data set, in the order training, validation, test; fetched as by `fetch`.

    Args:
        dataset: A key of `DATASETS`.
        data_dir: As in `fetch`.
        content: What the task reads, for messages.
        allowed: The data sets that have it.

    Raises:
        UserError: if the data set is not one of those, or as by `fetch`; it names every file that is missing.
    """
    if dataset not in allowed:
        raise UserError(f"task.dataset={dataset or 'null'}: no {content} to fetch. Allowed: {', '.join(allowed)}")
    return _fetch(DATASETS[dataset], data_dir)


def files_of(settings: Any) -> tuple[str, ...]:
    """Which files of `FILES` a task with these settings reads."""
    if getattr(settings, "path", None) is not None:
        return ()
    return DATASETS.get(getattr(settings, "dataset", None), ())


def missing(names: Sequence[str], data_dir: str | None = None) -> list[str]:
    """Which of these files of `FILES` are not in the folder yet."""
    folder = folder_of(data_dir)
    with _usable(folder):
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError
        return [name for name in names if not (folder / name).exists()]


def folder_of(data_dir: str | None = None) -> Path:
    """The folder of fetched files, an absolute path; it need not exist."""
    if data_dir is not None:
        return Path(data_dir).expanduser().absolute()
    from pooch import os_cache

    return Path(os_cache("gatelab"))


def _fetch(names: Sequence[str], data_dir: str | None) -> list[Path]:
    folder = folder_of(data_dir)
    if missing(names, data_dir):
        _download(names, folder)
    for name in names:
        _check(folder / name, FILES[name].sha256)
    return [folder / name for name in names]


def _check(path: Path, sha256: str) -> None:
    try:
        status = path.stat()
        checksum = _sha256(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if checksum != sha256:
        raise UserError(
            f"{path}: this file is not the one that the task needs, or it is damaged. It is left as it is: delete it "
            f"and a good copy is downloaded, or choose another folder with data_dir=FOLDER"
            f"\n  SHA-256 expected  {sha256}\n  SHA-256 received  {checksum}"
        )


@functools.lru_cache
def _sha256(path: Path, size: int, modified: int) -> str:
    """Checksum of a file; size and time of change tell when a file has to be read again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with the folder itself into a `UserError`."""
    try:
        yield
    except OSError as error:
        no_folder = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "it is no folder" if no_folder else error.strerror or error
        raise UserError(
            f"{folder}: the folder of data files cannot be used ({reason}). Choose another one with data_dir=FOLDER"
        ) from error


def _download(names: Sequence[str], folder: Path) -> None:
    """Download what is missing, once, however many processes ask for it at the same time."""
    from filelock import FileLock

    with _usable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass  # where no file can be made, some locks would be waited for without end
        lock = FileLock(folder / ".gatelab.lock").acquire()
    with lock:
        for name in missing(names, str(folder)):
            _retrieve(name, folder, names)


def _retrieve(name: str, folder: Path, names: Sequence[str]) -> None:
    import pooch
    import requests

    address, sha256 = FILES[name]
    pooch.get_logger().setLevel("WARNING")
    print(f"downloading {address} to {folder / name}", file=sys.stderr)
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUTS, chunk_size=2**16)
    with _usable(folder):
        try:
            path = Path(pooch.retrieve(address, f"sha256:{sha256}", fname=name, path=folder, downloader=downloader))
        except (requests.RequestException, ValueError) as error:
            raise UserError(_instructions(_reason(error), missing(names, str(folder)), folder)) from error
        path.chmod(0o644)  # pooch leaves it to its owner; a folder may be shared


def _reason(error: Exception) -> str:
    import requests

    reasons = {
        requests.Timeout: "no answer in time",
        requests.exceptions.ProxyError: "the proxy does not answer",
        requests.exceptions.SSLError: "the certificate of the server cannot be verified",
        requests.ConnectionError: "no connection",
        requests.exceptions.ChunkedEncodingError: "the connection broke",
        requests.TooManyRedirects: "the server sends from one address to the next without end",
        requests.exceptions.InvalidSchema: "the server sends to an address that is none of http or https",
        ValueError: "what came has another checksum: it is incomplete or has changed",
    }
    if isinstance(error, requests.HTTPError):
        return f"the server says {error.response.status_code} {error.response.reason}"
    return next((text for kind, text in reasons.items() if isinstance(error, kind)), str(error))


def _instructions(reason: str, names: Sequence[str], folder: Path) -> str:
    """How to get files without this program."""
    lines = [f"{names[0]} cannot be downloaded ({reason}). To go on without a network, put there by hand:"]
    for name in names:
        address, sha256 = FILES[name]
        lines += [f"  {folder / name}", f"    from     {address}", f"    SHA-256  {sha256}"]
    return "\n".join([*lines, "If you have them in another folder, under these names: data_dir=FOLDER"])
