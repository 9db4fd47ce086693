"""`gatelab` as a shell runs it: its commands, what it prints on a closed pipe, and completion in a real bash."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A folder with the console script, as pip writes it for an editable install, in front of PATH."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "gatelab"
    lines = ["import sys", "from experiments.cli import main", "if __name__ == '__main__':", "    sys.exit(main())"]
    script.write_text("\n".join([f"#!{sys.executable}", *lines, ""]))
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "150"}


def bash(script, program, folder):
    command = [shutil.which("bash"), "--norc", "-c", script]
    return subprocess.run(command, cwd=folder, env=program, capture_output=True, text=True, timeout=120)


def test_help_is_one_screen_with_all_commands(program, tmp_path):
    done = bash("gatelab --help && gatelab", program, tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout[: len(done.stdout) // 2]
    assert done.stdout == text * 2 and len(text.splitlines()) <= 24
    for command in ("train", "sweep", "report", "gates", "tasks", "init"):
        assert f"  gatelab {command} " in text


def test_each_command_is_that_of_its_module(program, tmp_path):
    done = bash(f"gatelab report --help && {sys.executable} -m experiments.report --help", program, tmp_path)
    assert done.stdout == done.stdout[: len(done.stdout) // 2] * 2 != ""


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("swep", 2, "error: swep: there is no such command. Commands: train, .* Did you mean sweep?"),
        ("train -m --cfg job", 2, "error: --cfg shows one trial: leave out -m, and give each field one value"),
        ("train model.unit=3", 1, "model.unit=3: Did you mean model.units?"),
        ("report studi=x", 2, "error: studi=x: there is no such option here. .* Did you mean study?"),
    ],
)
def test_mistakes_say_what_to_type(words, status, message, program, tmp_path):
    done = bash(f"gatelab {words}", program, tmp_path)
    assert done.returncode == status and "Traceback" not in done.stderr
    assert all(part in done.stderr for part in message.split(".*"))


@pytest.mark.parametrize("words", ["train --help all", "train --cfg all", "sweep --help"])
def test_a_reader_who_stops_reading_gets_no_traceback(words, program, tmp_path):
    done = bash(f"gatelab {words} | true; echo status ${{PIPESTATUS[0]}}", program, tmp_path)
    assert (done.stdout, done.stderr) == ("status 141\n", "")


COMPLETE = """
eval "$(gatelab -sc install=bash)"
complete -p gatelab | grep -q "hydra_bash_completion gatelab" || exit 1
while read -r line; do
    COMP_LINE=${line%|}; COMP_POINT=${#COMP_LINE}; COMP_WORDS=($COMP_LINE); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    [ "${COMP_LINE% }" = "$COMP_LINE" ] || COMP_CWORD=$((COMP_CWORD + 1))
    COMPREPLY=(); hydra_bash_completion; echo "${COMPREPLY[*]}"
done
"""
COMPLETED = {
    "gatelab ": "train sweep report gates tasks init schema",
    "gatelab train variant=standard,peep": "variant=standard,peephole",
    "gatelab train task=forecast task.hori": "task.horizon=",
    "gatelab sweep stat": "status",
}


def test_bash_completes(program, tmp_path):
    lines = "".join(f"{line}|\n" for line in COMPLETED)
    done = bash(f"{COMPLETE.rstrip()} <<'EOF'\n{lines}EOF\n", program, tmp_path)
    assert done.stdout.splitlines() == list(COMPLETED.values()), done.stderr
