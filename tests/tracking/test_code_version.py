"""A run says which commit it comes from, and has what was changed since."""

import subprocess

import pytest

from experiments.tracking import code_version


@pytest.fixture
def clone(tmp_path):
    """A repository with a file of code and one that is none."""

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    for name in ("variants/layer.py", "docs/page.md"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("one\n")
    git("add", ".")
    git("commit", "-qm", "first")
    yield tmp_path, git
    code_version.git_commit.cache_clear()
    code_version.uncommitted.cache_clear()


def test_a_clean_clone_has_a_commit_and_no_changes(clone):
    folder, git = clone
    (folder / "docs/page.md").write_text("two\n")
    assert code_version.git_commit(folder) == git("rev-parse", "HEAD").strip()
    assert code_version.uncommitted(folder) == ""


def test_changes_and_new_files_can_be_applied_to_the_commit(clone):
    folder, git = clone
    (folder / "variants/layer.py").write_text("two\n")
    (folder / "variants/new layer.py").write_text("new\n")
    (folder / "conf").mkdir()
    (folder / "conf/été.yaml").write_text("x: 1\n")
    diff = code_version.uncommitted(folder)
    assert git("status", "--porcelain").count("??") == 2, "the index is as it was"
    git("stash", "-u")
    (folder / "changes.diff").write_text(diff)
    git("apply", "changes.diff")
    assert (folder / "variants/layer.py").read_text() == "two\n"
    assert (folder / "variants/new layer.py").read_text() == "new\n"
    assert (folder / "conf/été.yaml").read_text() == "x: 1\n"


def test_a_long_diff_is_cut(clone, monkeypatch):
    folder, _ = clone
    monkeypatch.setattr(code_version, "LONGEST", 50)
    (folder / "variants/layer.py").write_text("two\n" * 100)
    assert code_version.uncommitted(folder).endswith("\n... cut after 50 characters\n")


def test_without_a_repository_nothing_is_known(tmp_path):
    assert code_version.git_commit(tmp_path) == code_version.uncommitted(tmp_path) == ""
