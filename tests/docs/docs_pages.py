"""What the pages of the documentation tell a reader to type: commands, and blocks of code."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
SHELL = ("bash", "sh", "indented")  # every line of these is a command
FENCE = re.compile(r"^\s*```(\w*|\{[\w-]+\})\s*$")
PROGRAM = r"(?:[A-Z_]+=\S+ )*(?:python|make|pip|git|mlflow|ray|export|sbatch|apt|sudo|\.venv/bin/\w+) +\S"
INLINE = re.compile(rf"(?<!`)`({PROGRAM}[^`]*)`(?!`)")
INCOMPLETE = re.compile(r"\.\.\.|COMMAND")
QUOTED = {("CONTRIBUTING.md", "@task"): "experiments/tasks/memory.py"}  # parts of a file, `...` between them
FILE = re.compile(r"`((?:conf|experiments|variants|tests)/[\w/]+\.(?:py|yaml))`")


@dataclass(frozen=True)
class Block:
    """A fenced or indented block, and the paragraph that leads to it."""

    page: str
    line: int
    language: str
    text: str
    before: str

    @property
    def first_line(self) -> str:
        return self.text.split("\n")[0]

    @property
    def file(self) -> str | None:
        """The file of the clone whose content this is, if the page says so: ... `conf/variant/NAME.yaml`:."""
        names = FILE.findall(self.before)
        return names[-1] if names and self.before.endswith(":") and self.language in ("python", "yaml") else None


@dataclass(frozen=True)
class Command:
    """One command, joined to a single line and without its comment."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


@cache
def parts(page: str) -> tuple[list[Block], str]:
    """The blocks of a page, and its text with empty lines in their place."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    blocks, prose, at = [], [""] * len(lines), 0
    while at < len(lines):
        start, language = at, _language(lines, at)
        if language is None:
            prose[at] = lines[at]
            at += 1
            continue
        end = _end(lines, at, language)
        content = lines[at:end] if language == "indented" else lines[at + 1 : end]
        blocks.append(Block(page, start + 1, language, "\n".join(content), _paragraph_before(prose, start)))
        at = end + (language != "indented")
    return blocks, "\n".join(prose)


def _language(lines: list[str], at: int) -> str | None:
    """The language of the block that begins with this line; None: no block does."""
    fence = FENCE.match(lines[at])
    if fence:
        return fence[1]
    after_blank = at == 0 or not lines[at - 1].strip()
    return "indented" if after_blank and lines[at].startswith("    ") else None


def _end(lines: list[str], at: int, language: str) -> int:
    if language != "indented":
        return next(row for row in range(at + 1, len(lines)) if lines[row].strip() == "```")
    return next((row for row in range(at, len(lines)) if not lines[row].startswith("    ")), len(lines))


def _paragraph_before(prose: list[str], at: int) -> str:
    return "\n".join(prose[:at]).rstrip().rsplit("\n\n", 1)[-1]


@cache
def blocks(language: str) -> list[Block]:
    """The blocks of all pages that are in this language."""
    return [block for page in NAMES for block in parts(page)[0] if block.language == language]


@cache
def script(page: str) -> str:
    """The Python of a page as one script, without files that the reader writes and without quoted code."""
    pieces = (block for block in blocks("python") if not block.file and (page, block.first_line) not in QUOTED)
    return "\n".join(block.text for block in pieces if block.page == page)


@cache
def commands() -> list[Command]:
    """All commands of all pages, in the order of the pages."""
    return sorted((c for page in NAMES for c in (*_block_commands(page), *_inline_commands(page))), key=_place)


def _place(command: Command) -> tuple[int, int]:
    return NAMES.index(command.page), command.line


def _block_commands(page: str) -> list[Command]:
    """Every line of a block of shell; of blocks without a language, which show output too, those with a program."""
    lines = []
    for block in parts(page)[0]:
        if block.language not in (*SHELL, ""):
            continue
        line = block.line + (block.language != "indented")
        for text in re.sub(r"\\\n\s*", "\\\n", block.text).replace("\\\n", "\\\0").split("\n"):
            command = re.sub(r"(^|\s+)# .*$", "", text.replace("\\\0", "")).strip()
            if command and (block.language in SHELL or re.match(PROGRAM, command)):
                lines.append(Command(page, line, command))
            line += 1 + text.count("\0")
    return lines


def _inline_commands(page: str) -> list[Command]:
    """Complete commands within the text."""
    text = parts(page)[1]
    matches = ((text.count("\n", 0, match.start()) + 1, " ".join(match[1].split())) for match in INLINE.finditer(text))
    return [Command(page, line, command) for line, command in matches if not INCOMPLETE.search(command)]


@cache
def words(command: str) -> list[str]:
    """The words of a command as a shell passes them on, in a folder without files."""
    with tempfile.TemporaryDirectory() as folder:
        script = f"printf '%s\\0' {command}"
        shell = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    return shell.stdout.split("\0")[:-1]
