"""`gatelab` as a shell runs it: its commands, what it prints on a closed pipe, and completion in real shells."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

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


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish")
def test_fish_completes(program, tmp_path):
    """`complete -C` is what Tab asks."""
    asked = "".join(f"complete -C '{line}'; echo; " for line in COMPLETED)
    script = f"gatelab -sc install=fish | source; {asked}"
    settings = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    command = [shutil.which("fish"), "--no-config", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=program | settings, capture_output=True, text=True, timeout=120)
    completed = [set(words.split("\n")) for words in done.stdout.strip().split("\n\n")]
    assert completed == [set(words.split()) for words in COMPLETED.values()], done.stderr


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh")
def test_zsh_completes(program, tmp_path):
    """Typed into a terminal, with Tab: Ctrl-A and `echo` make the shell print what the line has become."""
    lines = [line for line in COMPLETED if not line.endswith(" ")]
    with zsh(program, tmp_path) as (write, read):
        write('eval "$(gatelab -sc install=zsh)"; print -r -- re""ady\n')
        read("ready\r\n")
        for line in lines:
            write(f"{line}\t")
            write("\x01print -r -- \x05 do''ne\n")
            printed = [text for text in read(" done\r\n").splitlines() if text.endswith(" done")]
            assert printed[-1] == f"{' '.join(line.split()[:-1])} {COMPLETED[line]} done"


@contextmanager
def zsh(environment, folder):
    """An interactive zsh in a terminal: what writes to it, and what reads from it until a text."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        variables = environment | {"TERM": "dumb", "ZDOTDIR": str(folder), "PROMPT": ""}
        os.execve(shutil.which("zsh"), ["zsh", "-f", "-i"], variables)

    def write(text):
        os.write(terminal, text.encode())

    def read(end):
        text, deadline = "", time.monotonic() + 120
        while end not in text:
            assert time.monotonic() < deadline, text
            if select.select([terminal], [], [], 1)[0]:
                text += os.read(terminal, 65536).decode()
        return text

    try:
        yield write, read
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
