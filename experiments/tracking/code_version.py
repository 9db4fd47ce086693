"""Which code a run comes from: the commit of the clone, and what had been changed since."""

import functools
import subprocess
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
CODE = ("variants", "experiments", "hydra_plugins", "conf", "pyproject.toml")  # what numbers may depend on
LONGEST = 1_000_000  # characters of a diff


@functools.cache
def git_commit(clone: Path = CLONE) -> str:
    """The commit of a clone; "" if there is none."""
    return _git(clone, "rev-parse", "HEAD").strip()


@functools.cache
def uncommitted(clone: Path = CLONE) -> str:
    """The changes of its code since, as `git apply` takes them, with files that git does not know yet."""
    code = [name for name in CODE if (clone / name).exists()]
    if not git_commit(clone) or not code:
        return ""
    options = ("diff", "--no-color", "--no-ext-diff")
    new = _git(clone, "ls-files", "-z", "--others", "--exclude-standard", "--", *code).split("\0")
    diffs = [_git(clone, *options, "HEAD", "--", *code)]
    diffs += [_git(clone, *options, "--no-index", "--", "/dev/null", file) for file in new if file]
    text = "".join(diffs)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n... cut after {LONGEST:,} characters\n"


def _git(clone: Path, *words: str) -> str:
    """What git prints; "" where there is no git, or no repository that this user may read."""
    try:
        done = subprocess.run(["git", "-C", str(clone), *words], capture_output=True, text=True, errors="replace")
    except OSError:
        return ""
    return done.stdout if done.returncode in (0, 1) else ""  # 1: `diff --no-index` has shown a difference
