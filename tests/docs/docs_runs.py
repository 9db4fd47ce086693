"""Run commands of the pages in copies of the clone, each once for all tests and all processes that test."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from experiments.tasks.fetch import DATASETS, missing
from tests.conftest import ROOT
from tests.docs import docs_commands as documented
from tests.docs.docs_pages import blocks, parts, script

LEFT_OUT = shutil.ignore_patterns(".*", "outputs", "dist", "__pycache__")
LIMIT_S = 900
EXTENDING = "docs/extending.md"
SERIES = "date,load,temperature,COLUMN\n" + "".join(
    f"{2000 + day // 336}-{day // 28 % 12 + 1:02}-{day % 28 + 1:02},{day % 7},{day % 11},{day % 5}\n"
    for day in range(600)
)
OWN = 'time;0;T (degC);"p, mean [hPa]"\n' + "".join(
    f"{day % 28 + 1:02}.{day // 28 + 1:02}.2020 24:00;{day % 7};{day % 11};{day % 5}\n" for day in range(300)
)


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    status: int
    output: str


class Clone:
    """A copy of the clone, with the files that a page tells its reader to write, and with data of the reader's own."""

    def __init__(self, folder: Path, page: str | None = None):
        self.folder = folder
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                shutil.copytree(ROOT, folder.with_suffix(".part"), ignore=LEFT_OUT)
                self._add_data(folder.with_suffix(".part"))
                if page:
                    _add_files(folder.with_suffix(".part"), page)
                folder.with_suffix(".part").rename(folder)

    @staticmethod
    def _add_data(folder: Path) -> None:
        (folder / "FILE.txt").write_text("A text of one's own, again and again.\n" * 400)
        (folder / "FILE.csv").write_text(SERIES)
        (folder / "OWN.csv").write_text(OWN)
        rows = ["\t".join([label, *map(str, row)]) for row in ((1, 2, 3), (1, 3, 2)) for label in ("up", "down")] * 5
        series = [":".join([",".join(row.split("\t")[1:]), row.split("\t")[0]]) for row in rows]
        head = "@problemName NAME\n@univariate true\n@equalLength true\n@classLabel true up down\n@data\n"
        for part in ("TRAIN", "TEST"):
            (folder / f"NAME_{part}.tsv").write_text("\n".join(rows))
            (folder / f"NAME_{part}.ts").write_text(head + "\n".join(series))

    def once(self, arguments: list[str]) -> Outcome:
        """Run a command, which begins with `python`, or look up how it ended if it has been run already."""
        name = hashlib.sha256("\0".join(arguments).encode()).hexdigest()[:16]
        record = self.folder / "outcomes" / f"{name}.json"
        record.parent.mkdir(exist_ok=True)
        with FileLock(record.with_suffix(".lock")):
            if not record.exists():
                record.write_text(json.dumps(asdict(self._run(arguments))))
        return Outcome(**json.loads(record.read_text()))

    def _run(self, arguments: list[str]) -> Outcome:
        settings = {"TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": "200", "PYTHONPATH": str(self.folder)}
        process = subprocess.run(
            [sys.executable, *arguments[1:]],
            cwd=self.folder,
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
        )
        return Outcome(process.returncode, process.stdout)

    def train(self, command: str) -> Outcome:
        """Train what a command says, made small."""
        arguments = documented.shortened(command)
        if "--help" in arguments:
            return self.once(arguments)
        data_dir = os.environ.get("GATELAB_DATA")
        needed = sorted(documented.datasets(arguments))
        absent = [name for name in needed if not data_dir or missing(DATASETS[name], data_dir)]
        if absent:
            pytest.skip(f"needs the network: {', '.join(absent)}. GATELAB_DATA names no folder that has the files")
        fetched = [f"data_dir={data_dir}", documented.NARROW] if needed else []
        return self.once([*arguments, f"output_dir={self.store(documented.filled_in(command))}", *fetched])

    def store(self, arguments: list[str]) -> str:
        """The folder of outputs of a study; trials without one have a folder for each command."""
        study = documented.value(arguments, "study") or documented.value(arguments, "experiment")
        return f"stores/{study or hashlib.sha256(' '.join(arguments).encode()).hexdigest()[:8]}"

    def study(self, name: str) -> Path:
        """Train a study, and return its folder of outputs."""
        command = documented.trainer(name)
        outcome = self.train(command)
        assert outcome.status == 0, f"{command}\n{outcome.output}"
        return self.folder / self.store(documented.filled_in(command))

    def look(self, command: str) -> Outcome:
        """Run a command that reads what was trained, on the study that it names."""
        arguments = documented.filled_in(command)
        for word in set(arguments) & set(documented.PRODUCERS):
            if documented.PRODUCERS[word] != command:
                self.look(documented.PRODUCERS[word])
        study = documented.study_name(arguments)
        if study:
            others = [word for word in arguments if documented.key(word) not in ("output_dir", "tracking.uri")]
            arguments = [*others, f"output_dir={self.study(study).relative_to(self.folder)}"]
        return self.once(arguments)


def _add_files(folder: Path, page: str) -> None:
    """Write the files that a page shows, those that its script writes, and a variant that it describes in words."""
    for block in parts(page)[0]:
        if block.file:
            (folder / block.file).write_text(block.text + "\n")
    subprocess.run([sys.executable, "-c", script(page)], cwd=folder, check=True)
    if page == EXTENDING:
        _add_shortcut(folder)


def _add_shortcut(folder: Path) -> None:
    """The cell of docs/layers.md as a variant, as docs/extending.md says."""
    cell = next(block.text for block in blocks("python") if "class ShortcutLSTMCell" in block.text)
    classes = cell[cell.index("@keras.saving") : cell.index("\n\n\nlayer = ")].replace('"mine"', '"gatelab"')
    imports = next(block.text for block in parts(EXTENDING)[0] if block.text.startswith("import keras"))
    (folder / "variants/cells/shortcut.py").write_text(f"{imports}\n\n\n{classes}\n")
    line = re.search(r"`(from variants\.cells\.shortcut import [^`]+)`", parts(EXTENDING)[1])[1]
    names = ", ".join(f'"{name}"' for name in line.split(" import ")[1].split(", "))
    init = folder / "variants/cells/__init__.py"
    init.write_text(f"{init.read_text()}\n{line}\n__all__ += [{names}]\n")
