"""What goes wrong around a sweep, in processes of their own: the sweep says so, and the same command finishes it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from experiments.errors import TrialFailed
from experiments.sweep import run_trial as module
from experiments.sweep.run import run_alone
from experiments.sweep.run_trial import run_trial, scratch_folder
from experiments.tracking import Run, Store
from experiments.trial import fit
from tests.conftest import ROOT, another_user, spec_of
from tests.stores import new_store, put_store
from tests.sweep.test_commands import add
from tests.sweep.test_run import QUICK, SMALL, begin, trials, wait_for_epoch


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_trial_goes_on(tmp_path):
    many = ("sweep.checkpoint_s=0", "task.train_size=512", "task.length=10", "model.units=4")
    process = begin(tmp_path, "-m", "seed=0,1", "sweep.workers=1", *many, epochs=100)
    try:
        wait_for_epoch(tmp_path)
        (first, *_) = [t for t in trials(tmp_path) if "val/mse" in t.metrics]
        os.kill(int(first.tags["pid"]), signal.SIGKILL)
        out, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, out
    assert "its worker process died (exit code -9), usually for lack of memory" in out
    ended = {t.run_id: t for t in trials(tmp_path)}
    assert len(ended) == 2 and {t.status for t in ended.values()} == {"FINISHED"}
    assert ended[first.run_id].tags["attempts"] == "2"


@pytest.mark.slow
def test_trials_that_all_fail_alike_end_the_sweep(train, tmp_path):
    endless = ("training.epochs=100000", "sweep.timeout_s=0.5", "sweep.workers=1")
    done = train("-m", "seed=range(0,20)", *QUICK, *endless)
    assert done.returncode == 1
    assert "not tried: the first 3 trials failed alike (took longer than sweep.timeout_s=#.#)" in done.stdout
    assert "20 of 20 trials have no score" in done.stdout
    assert len(trials(tmp_path)) <= 5
    assert {trial.status for trial in trials(tmp_path)} <= {"FAILED", "KILLED"}


@pytest.mark.slow
def test_two_people_who_start_the_same_sweep_share_the_work(tmp_path):
    put_store(tmp_path / "out")
    trials_of_seconds = ("seed=range(5)", *QUICK, "training.epochs=200")
    sweep = ("-m", *trials_of_seconds, "sweep.workers=1", f"output_dir={tmp_path}/out")
    command = [sys.executable, "-m", "experiments.train", *sweep]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    runs = trials(tmp_path)
    assert len(runs) == 5 and {run.status for run in runs} == {"FINISHED"}
    assert len({run.tags["pid"] for run in runs}) == 2, "both have trained"


@pytest.mark.slow
def test_two_output_folders_on_one_store_share_the_work(tmp_path):
    """As two clones have them: their locks are apart."""
    (tmp_path / "shared").mkdir()
    store = f"sqlite:///{tmp_path}/shared/mlflow.db"
    sweep = ("-m", "seed=range(4)", *QUICK, "training.epochs=200", "sweep.workers=1", f"tracking.uri={store}")
    command = [sys.executable, "-m", "experiments.train", *sweep]
    both = [
        subprocess.Popen([*command, f"output_dir={tmp_path}/{name}"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    printed = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    runs = Store(store, str(tmp_path / "one")).trials("default")
    assert len({run.tags["trial_key"] for run in runs}) == 4 and {run.status for run in runs} == {"FINISHED"}
    assert len(runs) == 4, "no trial is trained twice"


@pytest.mark.slow
def test_a_worker_that_has_grown_is_replaced(train, tmp_path):
    done = train("-m", "seed=0,1", *SMALL, "sweep.workers=1", "sweep.worker_memory_gb=0.01")
    assert done.returncode == 0, done.stdout
    assert len({trial.tags["pid"] for trial in trials(tmp_path)}) == 2


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        pytest.param(MemoryError("no memory"), marks=pytest.mark.slow),
        pytest.param(OSError(28, "No space left on device"), marks=pytest.mark.slow),
    ],
)
def test_a_trial_that_raises_is_recorded_as_failed_and_goes_on_when_tried_again(make_config, monkeypatch, error):
    config = make_config(*QUICK, "sweep.checkpoint_s=0")
    train = fit.fit

    def raise_it(*_, **__):
        raise error

    monkeypatch.setattr(fit, "fit", raise_it)
    outcome = run_trial(spec_of(config), verbose=0)
    assert outcome.status == "failed" and type(error).__name__ in outcome.error
    (failed,) = Store(None, config.output_dir).trials("default")
    assert failed.status == "FAILED" and failed.tags["error"] == outcome.error
    monkeypatch.setattr(fit, "fit", train)
    again = run_trial(spec_of(config), verbose=0)
    (finished,) = Store(None, config.output_dir).trials("default")
    assert again.status == "finished" and finished.run_id == failed.run_id and finished.status == "FINISHED"
    assert "error" not in finished.tags


@pytest.mark.parametrize(
    "recorded",
    [pytest.param(0, marks=pytest.mark.slow), 2, pytest.param(len(module.ARTIFACTS), marks=pytest.mark.slow)],
)
def test_an_interruption_while_files_are_recorded_costs_no_training(make_config, monkeypatch, recorded):
    """As Ctrl-C and SIGTERM raise it: after so many files, the last time between the last file and the end."""
    config = make_config(*QUICK, "sweep.checkpoint_s=0")
    add_files = Run.add_files

    def interrupted(run, files):
        add_files(run, list(files)[:recorded])
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "add_files", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_trial(spec_of(config), verbose=0)
    store = Store(None, config.output_dir)
    (killed,) = store.trials("default")
    assert killed.status == "KILLED" and store.ended(store.experiment("default/adding")) == {}
    monkeypatch.undo()
    outcome = run_trial(spec_of(config), verbose=0)
    (finished,) = store.trials("default")
    assert (finished.run_id, finished.status, outcome.status) == (killed.run_id, "FINISHED", "finished")
    assert outcome.parts["train"] == 0
    assert finished.score == killed.score == outcome.score
    assert set(store.history(finished.run_id, "val/mse")) == {1, 2}
    names = sorted(artifact.path for artifact in store.client.list_artifacts(finished.run_id))
    assert {"config.yaml", "layer.yaml", "model.keras", "versions.yaml"} <= set(names) and len(set(names)) == len(names)


def test_a_renamed_study_is_another_study(make_config):
    config = make_config(*QUICK)
    run_trial(spec_of(config), verbose=0)
    store = Store(None, config.output_dir)
    store.client.rename_experiment(store.experiment("default/adding"), "old/adding")
    module._experiment.cache_clear()
    assert run_trial(spec_of(config), verbose=0).status == "finished"
    assert [trial.status for trial in store.trials("default")] == ["FINISHED"]


def test_other_code_does_not_go_on_with_a_run(make_config, monkeypatch):
    config = make_config(*QUICK)
    monkeypatch.setattr(fit, "fit", lambda *_, **__: 1 / 0)
    run_trial(spec_of(config), verbose=0)
    for name in ("sweep.run_trial", "tracking.metadata"):
        monkeypatch.setattr(f"experiments.{name}.source_digest", lambda: "other")
    run_trial(spec_of(config), verbose=0)
    assert len(Store(None, config.output_dir).trials("default")) == 2


def test_a_run_that_is_deleted_while_it_trains_is_named_and_the_trial_goes_on_in_another(make_config, monkeypatch):
    config = make_config(*QUICK, "sweep.checkpoint_s=0")
    train, deleted = fit.fit, []

    def delete_and_train(*arguments):
        store = Store(None, config.output_dir)
        deleted.extend(run.run_id for run in store.trials("default"))
        store.client.delete_run(deleted[0])
        return train(*arguments)

    put_store(Path(config.output_dir))
    monkeypatch.setattr(fit, "fit", delete_and_train)
    with pytest.raises(TrialFailed) as told:
        run_alone(config, QUICK)
    assert f"its run {deleted[0]} was deleted while it was trained" in str(told.value)
    (file,) = re.findall(r"\((\S+traceback\.txt) has the rest\)", str(told.value))
    assert "Current state is deleted" in Path(file).read_text()
    monkeypatch.setattr(fit, "fit", train)
    run_alone(config, QUICK)
    (finished,) = Store(None, config.output_dir).trials("default")
    assert finished.status == "FINISHED" and finished.run_id not in deleted
    epochs = Store(None, config.output_dir).history(finished.run_id, "val/mse")
    assert list(epochs) == [1, 2], "those before the deletion too"


def test_a_trial_whose_lock_only_another_user_can_write(make_config):
    """It is waited for while the other one trains it, then taken from the store; else it fails with advice."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        store = new_store(out)
        spec = spec_of(make_config(f"output_dir={out}", "study=s"))
        lock = Path(f"{scratch_folder(spec)}.lock")
        lock.touch()
        for path in (Path(folder), out, *out.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        lock.chmod(0o444)
        with another_user():
            outcome = run_trial(spec, 0, wait=False)
            assert outcome.status == "failed" and f"{lock} belongs to another user" in outcome.error
            assert "umask 002" in outcome.error
            run = add(store, spec.key, spec.name, None, lock=str(lock))
            run.describe(tags={"host": "elsewhere"})
            assert run_trial(spec, 0, wait=False).status == "busy"
            run.keep({0: {"test/mse": 0.25}})
            run.end("FINISHED")
            assert run_trial(spec, 0).score == 0.25
