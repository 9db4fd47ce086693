"""Files of runs in an output folder that was moved or copied."""

import shutil
import zipfile
from pathlib import Path

import mlflow
import pytest

from experiments.errors import UserError
from experiments.report import __main__ as report
from experiments.sweep import __main__ as manage
from experiments.tracking import Store
from tests.stores import new_store
from tests.sweep.test_commands import KEYS, add
from tests.tracking.test_store import start


@pytest.fixture
def old(tmp_path):
    """An output folder with a finished run that has two files."""
    store = new_store(tmp_path / "old out")
    add(store, KEYS[0], "adding/v/s0", files={"config.yaml": "seed: 0", "deep/notes.txt": "text"})
    return store.folder


@pytest.fixture
def moved(old):
    """The same under another name."""
    return old.rename(old.parent / "new%20out")


def files_of(store):
    (run,) = store.trials("s")
    return sorted(store.artifacts.paths(run.run_id))


def mend(folder):
    assert manage.main(["relocate", f"output_dir={folder}"]) == 0


def test_files_are_read_where_they_are_now(moved, tmp_path):
    store = Store(None, str(moved))
    (run,) = store.trials("s")
    assert files_of(store) == ["config.yaml", "deep/notes.txt"]
    assert store.artifacts.download(run.run_id, "deep/notes.txt", tmp_path).read_text() == "text"
    assert store.artifacts.download(run.run_id, "other.txt", tmp_path) is None
    assert manage.main(["export", "study=s", f"file={tmp_path}/s.zip", f"output_dir={moved}"]) == 0
    names = [Path(name).name for name in zipfile.ZipFile(tmp_path / "s.zip").namelist()]
    assert sorted(names) == ["config.yaml", "manifest.json", "notes.txt", "run.json"]
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"new%20out", "deep"}


def test_a_file_that_is_added_goes_to_the_others(moved, tmp_path):
    store = Store(None, str(moved))
    (run,) = store.trials("s")
    (tmp_path / "page.html").write_text("page")
    store.artifacts.add(run.run_id, tmp_path / "page.html")
    assert "page.html" in files_of(store) and not (tmp_path / "old out").exists()


def test_a_new_trial_does_not_go_to_where_the_folder_was(moved, tmp_path, capsys):
    store = Store(None, str(moved))
    with pytest.raises(UserError, match="was moved or copied from elsewhere.*\n.*sweep relocate"):
        start(store, experiment="s/adding")
    start(store, experiment="s/parity").end("FINISHED")
    mend(moved)
    assert f"1 runs had their files in {tmp_path}/old out" in capsys.readouterr().out
    run = start(Store(None, str(moved)), experiment="s/adding")
    (tmp_path / "page.html").write_text("page")
    run.add_files([tmp_path / "page.html"])
    assert (moved / "artifacts/s/adding" / run.id / "artifacts/page.html").is_file()
    assert not (tmp_path / "old out").exists()


def test_mlflow_finds_the_files_again_when_the_addresses_are_mended(moved, capsys):
    mend(moved)
    store = Store(None, str(moved))
    (run,) = store.trials("s")
    client = mlflow.MlflowClient(store.uri)
    assert [artifact.path for artifact in client.list_artifacts(run.run_id)] == ["config.yaml", "deep"]
    mend(moved)
    assert "No run has its files elsewhere" in capsys.readouterr().out


def test_a_copy_does_not_write_into_its_original(old, tmp_path):
    shutil.copytree(old, tmp_path / "copy")
    with pytest.raises(UserError, match="sweep relocate"):
        start(Store(None, str(tmp_path / "copy")), experiment="s/adding")
    start(Store(None, str(old)), experiment="s/adding")
    mend(tmp_path / "copy")
    shutil.rmtree(old)
    assert files_of(Store(None, str(tmp_path / "copy"))) == ["config.yaml", "deep/notes.txt"]


def test_runs_whose_files_are_at_the_old_place_only_keep_their_address(old, moved):
    """As those that were trained after a folder was moved, before that was refused."""
    store = Store(None, str(moved))
    late = store.client.create_run(store.experiments()["s/adding"], run_name="late").info.run_id
    (moved / "late.txt").write_text("late")
    store.client.log_artifact(late, str(moved / "late.txt"))
    assert old.exists()
    mend(moved)
    assert list(store.artifacts.paths(late)) == ["late.txt"] and str(old.name) in store.artifacts.address(late).replace(
        "%20", " "
    )


def test_a_store_elsewhere_may_have_its_files_in_any_folder(tmp_path):
    new_store(tmp_path / "database")
    uri = f"sqlite:///{tmp_path}/database/mlflow.db"
    start(Store(uri, str(tmp_path / "a")), experiment="s/adding")
    assert not manage.main(["relocate", f"tracking.uri={uri}", f"output_dir={tmp_path}/a"])
    (tmp_path / "a").mkdir(exist_ok=True)
    start(Store(uri, str(tmp_path / "b")), experiment="s/adding")
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(UserError, match="relocate output_dir=.*b tracking.uri=sqlite"):
        start(Store(uri, str(tmp_path / "b")), experiment="s/adding")


def test_a_finished_run_without_its_files_is_not_exported(moved, tmp_path):
    shutil.rmtree(moved / "artifacts")
    with pytest.raises(UserError, match="adding/v/s0: its run .* has no files at file:///.*old%20out"):
        manage.main(["export", "study=s", f"file={tmp_path}/s.zip", f"output_dir={moved}"])
    assert not list(tmp_path.glob("*.zip*"))


def test_a_report_of_a_moved_folder_says_that_it_is_not_recorded(old, tmp_path, capsys):
    from tests.report.studies import add as add_trial

    add_trial(Store(None, str(old)), "standard", 0, 0.5)
    report.main(["study=s", f"output_dir={old}"])
    folder = old.rename(tmp_path / "new")
    report.main(["study=s", f"output_dir={folder}"])
    assert "The report is not recorded in the store: output_dir=" in capsys.readouterr().out
    assert (folder / "s/report/report.html").is_file() and not old.exists()


def test_an_artifact_does_not_leave_the_folder(old, tmp_path):
    store = Store(None, str(old))
    (run,) = store.trials("s")
    for path in ("../x", "/etc/passwd", "a/../../x"):
        with pytest.raises(UserError, match="a place outside"):
            store.artifacts.download(run.run_id, path, tmp_path)
