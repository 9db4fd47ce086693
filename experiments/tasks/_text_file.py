"""Text out of a file, whatever packed or encoded it; what is no text is named, with the way to make text of it."""

import bz2
import gzip
import io
import lzma
import shlex
import zipfile
import zlib
from pathlib import Path

from experiments.errors import UserError

UNPACK = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ\x00": lzma.decompress}
DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)

PACKED = (".gz", ".bz2", ".xz", ".zip")

BYTE_ORDER_MARKS = {  # the longer ones first: that of UTF-32 begins with that of UTF-16
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
NO_TEXT = {
    b"PAR1": ("a Parquet file", "Export it as CSV"),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", "Save the sheet as CSV UTF-8"),
    b"\x89HDF": ("an HDF5 file", "Export it as CSV"),
    b"%PDF": ("a PDF document", "Export it as text"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "Unpack it first: zstd -d FILE"),
    b"7z\xbc\xaf": ("packed by 7-Zip", "Unpack it first: 7z x FILE"),
}
CONTROLS = set(range(0x80, 0xA0))  # what these bytes are in Latin-1; Windows has quotes and dashes there instead
NO_WINDOWS = {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # bytes that no character of Windows-1252 has


def read_text(path: str | Path, option: str = "task.path=") -> str:
    """The text of a file in UTF-8, which may be packed by gzip, bzip2, xz or zip (of one file).

    A mark of the byte order is left out, and line ends of Windows (CR LF) are read as line ends (LF).

    Args:
        path: The file.
        option: Stands before its name in messages.

    Raises:
        UserError: if it is missing, empty or no UTF-8 text, with what it seems to be and how to convert it.
    """
    name = f"{option}{path}"
    try:
        packed = Path(path).expanduser().read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise UserError(f"{name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    content = _unpacked(packed, name)
    _check_kind(content, path, name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(_not_utf8(content, error.start, path, name)) from error
    if not text:
        raise UserError(f"{name}: the file is empty")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(f"{name}, line {line}: a NUL character, which no text has. Is it another kind of file?")
    return text.replace("\r\n", "\n")


def _unpacked(content: bytes, name: str) -> bytes:
    try:
        if content.startswith(b"PK\x03\x04"):
            return _only_member(content, name)
        unpack = next((unpack for magic, unpack in UNPACK.items() if content.startswith(magic)), None)
        return unpack(content) if unpack else content
    except DAMAGED as error:
        raise UserError(f"{name}: the packed file is damaged ({error})") from error


def _only_member(content: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
        if "[Content_Types].xml" in members:
            raise UserError(f"{name}: not text, but an Excel workbook or another document. Save the sheet as CSV UTF-8")
        if len(members) != 1:
            raise UserError(f"{name}: a zip archive of {len(members)} files. Unpack it first, and name one of them")
        return archive.read(members[0])


def _check_kind(content: bytes, path: str | Path, name: str) -> None:
    for magic, (kind, advice) in NO_TEXT.items():
        if content.startswith(magic):
            raise UserError(f"{name}: not text, but {kind}. {advice.replace('FILE', shlex.quote(str(path)))}")
    encoding = next((code for mark, code in BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    encoding = encoding or _utf16_without_mark(content[:4096])
    if encoding:
        raise UserError(f"{name}: not UTF-8 text, but {encoding.upper()}. {_conversion(path, encoding)}")
    if content[:100].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise UserError(f"{name}: a web page, not the file itself. Download the file again, by its raw address")


def _utf16_without_mark(start: bytes) -> str | None:
    """Plain letters in UTF-16 have a NUL at every other byte."""
    for encoding, nuls, letters in (("utf-16le", start[1::2], start[::2]), ("utf-16be", start[::2], start[1::2])):
        if len(start) > 3 and nuls.count(0) > 0.7 * len(nuls) and letters.count(0) == 0:
            return encoding
    return None


def _not_utf8(content: bytes, position: int, path: str | Path, name: str) -> str:
    line = content.count(b"\n", 0, position) + 1
    where = f"{name}, line {line}: not UTF-8 text (byte {content[position]:#04x} at position {position})"
    used = set(content)
    if used & NO_WINDOWS or 0 in used:
        return (
            f"{where}, nor Windows-1252 or Latin-1. Find out its encoding, for example with `file "
            f"{shlex.quote(str(path))}` or an editor, and convert it: iconv -f ENCODING -t utf-8"
        )
    kind = "Windows-1252, by its quotes or dashes" if used & CONTROLS else "Windows-1252 or Latin-1, which agree here"
    return f"{where}. If it is Western European, it is {kind}. {_conversion(path, 'cp1252')}"


def _conversion(path: str | Path, encoding: str) -> str:
    suffixes = [suffix for suffix in Path(path).suffixes if suffix not in PACKED]
    target = f"utf8{suffixes[-1] if suffixes else '.txt'}"
    if Path(path).suffix in PACKED:
        return f"Unpack it, then convert it: iconv -f {encoding} -t utf-8 UNPACKED > {shlex.quote(target)}"
    return f"Convert it first: iconv -f {encoding} -t utf-8 {shlex.quote(str(path))} > {shlex.quote(target)}"
