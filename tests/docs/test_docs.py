"""Every command and every block of code of README and docs runs here, small; `docs_commands` says how."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.docs_commands import NOT_RUN, kind, one_trial, runnable, smallest
from tests.docs.docs_pages import NAMES, QUOTED, blocks, commands, parts, script, words
from tests.docs.docs_runs import Clone

NEEDS_STUDY = {"docs/tuning.md": "random_search", "docs/report.md": "quickstart", "docs/mlflow.md": "quickstart"}
FILES = [block for language in ("python", "yaml") for block in blocks(language) if block.file]  # that the reader writes
WRITES_FILES = {block.page for block in FILES}
OWN_NAMES = {Path(block.file).stem for block in FILES}
QUICK = ["README.md", "docs/getting-started.md"]
SCRIPTS = [page if page in QUICK else pytest.param(page, marks=pytest.mark.slow) for page in NAMES if script(page)]


def cases(name):
    return pytest.mark.parametrize("command", runnable(name), ids=lambda command: f"{command.page}:{command.text}")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder for all processes that test."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def clone(folder, command):
    """The clone in which the commands of a page are run."""
    return clone_for(folder, command.page)


def clone_for(folder, page):
    own = page in WRITES_FILES
    return Clone(folder / (f"clone-{page.replace('/', '-')}" if own else "clone"), page if own else None)


def check(command, outcome):
    assert outcome.status == 0, f"{command}\nexit status {outcome.status}\n{outcome.output}"


def composed(command):
    """Whether a training command can be checked here: what a page adds to the clone is met by the slow tests alone."""
    known = not OWN_NAMES & set(re.findall(r"\w+", command.text))
    return kind(command.text) == "train" and known and "--help" not in command.text


def test_every_command_is_run_or_its_absence_has_a_reason():
    texts = {command.text for command in commands()}
    assert not [str(command) for command in commands() if not kind(command.text) and command.text not in NOT_RUN]
    assert not set(NOT_RUN) - texts, "no page has these commands"
    for text in texts - set(NOT_RUN):
        assert not {"&&", "|", ";"} & set(shlex.shlex(text, posix=True, punctuation_chars=True)), "one command a line"


def test_every_block_is_code_that_runs_or_shows_something():
    languages = {block.language for page in NAMES for block in parts(page)[0]}
    directives = {"{eval-rst}", "{toctree}"}  # of the site
    assert languages <= {"", "bash", "indented", "python", "sh", "text", "yaml", *directives}
    files = {block.text for block in blocks("yaml") if block.file}
    assert not [f"{block.page}:{block.line}" for block in blocks("yaml") if block.text not in files]
    assert not set(QUOTED) - {(block.page, block.first_line) for block in blocks("python")}


def test_quoted_code_is_in_its_file():
    for block in blocks("python"):
        if (block.page, block.first_line) in QUOTED:
            source = (ROOT / QUOTED[block.page, block.first_line]).read_text()
            assert all(piece.strip() and piece in source for piece in block.text.split("    ...\n"))


@pytest.mark.parametrize("command", [command for command in commands() if composed(command)], ids=str)
def test_training_commands_are_accepted(command, make_config):
    """Each with the first value of what it sweeps."""
    make_config(*one_trial(command.text))


@cases("make")
def test_targets_exist(command):
    process = subprocess.run(
        ["make", "-n", f"PYTHON={sys.executable}", *words(command.text)[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0 and process.stdout.strip(), process.stderr


@cases("benchmark")
def test_benchmarks_have_the_options_of_the_docs(command, monkeypatch, capsys):
    """`--help` comes last, so that all options before it are read first."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    _, program, options = benchmark_words(command)
    monkeypatch.setattr(sys, "argv", [program, *options, "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / f"benchmarks/{program}.py"), run_name="__main__")
    assert end.value.code == 0, capsys.readouterr().err


def benchmark_words(command):
    """What calls a benchmark, as a file or as a module, its name, and its options."""
    arguments = words(command.text)
    at = 3 if arguments[1] == "-m" else 2
    called = arguments[at - 1]
    return arguments[:at], called.removesuffix(".py").removeprefix("benchmarks")[1:], arguments[at:]


@pytest.mark.parametrize("page", SCRIPTS)
def test_python_of_a_page_runs(page, folder, tmp_path):
    if page in NEEDS_STUDY:
        (tmp_path / "outputs").symlink_to(clone_for(folder, page).study(NEEDS_STUDY[page]))
    process = subprocess.run([sys.executable, "-c", script(page)], cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


@pytest.mark.slow
@cases("train")
def test_training_runs(command, clone):
    check(command, clone.train(command.text))


@pytest.mark.slow
@cases("lab")
def test_commands_on_studies_run(command, clone):
    check(command, clone.look(command.text))


@pytest.mark.slow
@cases("benchmark")
def test_benchmarks_run(command, clone):
    call, program, options = benchmark_words(command)
    check(command, clone.once([*call, *smallest(program, options)]))


@pytest.mark.slow
@cases("script")
def test_scripts_run(command, clone):
    check(command, clone.once(words(command.text)))


@pytest.mark.slow
@cases("install")
def test_installation_runs(command, clone, tmp_path):
    where = words(command.text)[2:]
    check(command, clone.once(["python", "-m", "pip", "install", "--no-deps", "--target", str(tmp_path), *where]))
