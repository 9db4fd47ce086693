"""The digest follows the imports of what trains: all of it, and nothing else."""

from pathlib import Path

from experiments.trial import source_digest
from experiments.trial.source_digest import ROOT, training_files


def names():
    return {file.relative_to(ROOT).as_posix() for file in training_files()}


def test_it_sees_what_trains_in_subfolders_too():
    expected = {
        "experiments/trial/fit.py",
        "experiments/trial/callbacks.py",
        "experiments/trial/gate_callback.py",
        "experiments/config/schema.py",
        "experiments/tasks/memory.py",
        "experiments/tasks/_columns.py",
        "variants/cell.py",
        "variants/loop.py",
        "variants/cells/janet.py",
        "variants/initializers.py",
    }
    assert expected <= names()


def test_it_does_not_see_what_only_exports_reports_or_browses():
    folders = ("variants/convert", "variants/testing", "experiments/report", "experiments/gates", "experiments/sweep")
    others = ("experiments/tracking", "experiments/search", "variants/reference", "experiments/tasks/_show")
    assert not [name for name in names() if name.startswith((*folders, *others))]


def test_a_statement_counts_a_docstring_and_a_comment_do_not(monkeypatch, tmp_path):
    file = tmp_path / "code.py"
    monkeypatch.setattr(source_digest, "training_files", lambda: {Path(file)})
    texts = {
        "a": 'def f():\n    """Doc."""\n    return 1\n',
        "docstring": 'def f():\n    """Another doc."""\n    return 1  # why\n',
        "statement": 'def f():\n    """Doc."""\n    return 2\n',
    }
    digests = {}
    for name, text in texts.items():
        file.write_text(text)
        digests[name] = source_digest.source_digest.__wrapped__()
    assert digests["a"] == digests["docstring"] != digests["statement"]
