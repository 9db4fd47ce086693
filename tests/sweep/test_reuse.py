"""A trial that another study of the store has trained is copied from there, with all that is recorded of it."""

import shutil
from pathlib import Path

import pytest

from experiments.report.results import load
from experiments.sweep import __main__ as manage
from experiments.sweep.preflight import prepare
from experiments.sweep.run_trial import run_trial
from experiments.sweep.worker import LayerCheck
from experiments.tracking import Store
from experiments.tracking.lookup import recorded_spec
from experiments.tracking.metadata import Tag
from experiments.tracking.transfer import records
from tests.conftest import spec_of
from tests.stores import put_store

WORDS = (
    *("task=adding", "task.length=5", "task.train_size=32", "task.validation_size=16", "task.test_size=16"),
    *("model.units=2", "training.epochs=2", "training.jit_compile=false", "training.batch_size=16"),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The output folder of a study `first` that has trained one trial."""
    from hydra import compose, initialize_config_dir

    from experiments.config.compose import load
    from experiments.config.conf_files import CONF

    folder = tmp_path_factory.mktemp("trained") / "out"
    put_store(folder)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = load(compose("config", overrides=[f"output_dir={folder}", "study=first", *WORDS]))
    assert run_trial(spec_of(config), verbose=0).status == "finished"
    return folder


@pytest.fixture
def sweep(trained, tmp_path, make_config):
    """Checks a sweep in a copy of that folder, whose artifacts are where they were."""
    folder = tmp_path / "out"
    folder.mkdir()
    shutil.copy(trained / "mlflow.db", folder)

    def check(*words):
        place = f"tracking.uri=sqlite:///{folder}/mlflow.db"
        configs = [make_config(*WORDS, f"seed={seed}", place, *words) for seed in (0, 1)]
        return prepare(configs, [words, words], lambda configs: [LayerCheck(c.model.units) for c in configs])

    return check


def whole(store, study):
    """All that a store says of the runs of a study, with the bytes of their files."""
    for record in records(store, study):
        files = {path: _bytes(store, record.run_id, path) for path in store.artifacts.paths(record.run_id)}
        points = {name: [(s, t, repr(v)) for s, t, v in values] for name, values in record.metrics.items()}
        yield record, points, files


def _bytes(store, run_id, path):
    return Path(store.client.download_artifacts(run_id, path)).read_bytes()


def test_a_copy_has_every_number_and_file_and_stays_when_its_source_is_gone(sweep, capsys):
    checked = sweep("study=second")
    assert "copied from study first, which has trained them: 1 trial\n" in capsys.readouterr().out
    store = checked.store
    ((source, points, files),), ((copy, copied_points, copied_files),) = whole(store, "first"), whole(store, "second")
    assert {number: outcome.run_id for number, outcome in checked.stored.items()} == {0: copy.run_id}
    assert (copied_points, copied_files, copy.params) == (points, files, source.params) and "model.keras" in files
    assert copy.datasets == source.datasets and [one["name"] for one in copy.datasets] == ["adding"]
    for run_id in (source.run_id, copy.run_id):
        (output,) = store.client.get_run(run_id).outputs.model_outputs
        model = store.client.get_logged_model(output.model_id)
        assert model.status == "READY" and model.source_run_id == run_id
    differing = {name for name in copy.tags | source.tags if copy.tags.get(name) != source.tags.get(name)}
    assert differing == {Tag.STUDY, Tag.COPIED, Tag.NOTE}
    assert "" not in source.tags.values() and "" not in copy.tags.values()
    assert copy.tags[Tag.COPIED] == f"first {source.run_id}" and copy.tags[Tag.STUDY] == "second"

    assert {outcome.run_id for outcome in sweep("study=third").stored.values()}.isdisjoint({source.run_id, copy.run_id})
    assert [run.tags[Tag.COPIED] for run in store.trials("third")] == [f"first {source.run_id}"], "not of the copy"
    capsys.readouterr()
    sweep("study=second")
    assert "copied" not in capsys.readouterr().out and len(store.trials("second")) == 1
    store.client.delete_experiment(store.experiments()["first/adding"])
    (task,) = load(store, "second").tasks
    assert [run.run_id for run in task.trials.values()] == [copy.run_id] and task.scores.size == 1
    assert recorded_spec(store, store.trials("second")[0]).key == copy.key


def test_commands_know_a_copy_as_a_trial_of_its_study(sweep, tmp_path, capsys):
    store = sweep("study=second").store
    place = f"study=second output_dir={store.folder} tracking.uri={store.uri}".split()
    assert manage.main(["status", *place]) == 1  # seed 1 is missing
    assert "│ adding │       2 │    1 │" in capsys.readouterr().out
    assert manage.main(["clean", "yes=true", *place]) == 0
    assert manage.main(["export", f"file={tmp_path}/second.zip", *place]) == 0
    assert "1 finished runs of study second" in capsys.readouterr().out
    target = tmp_path / "target"
    put_store(target)
    assert manage.main(["import", f"file={tmp_path}/second.zip", f"output_dir={target}"]) == 0
    assert [run.status for run in Store(None, str(target)).trials("second")] == ["FINISHED"]
    assert [run.status for run in store.trials("second")] == ["FINISHED"]


@pytest.mark.parametrize(
    "words",
    [("rerun=true",), ("model.units=3",), ("sweep.pause_after=1",), ("sweep.registered=abc",)],
    ids=str,
)
def test_what_is_not_copied(sweep, words):
    assert not sweep("study=second", *words).stored


def test_a_trial_whose_files_are_gone_is_trained(sweep, trained, capsys):
    (run,) = Store(None, str(trained)).trials("first")
    files = trained / "artifacts/first/adding" / run.run_id
    files.rename(trained / "away")
    try:
        assert not sweep("study=second").stored
    finally:
        (trained / "away").rename(files)
    reason = f"adding/standard/s0 is trained, as run {run.run_id} of study first cannot be copied"
    assert reason in capsys.readouterr().out
