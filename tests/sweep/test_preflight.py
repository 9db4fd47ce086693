"""What is checked of a sweep before its first trial."""

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from experiments.config.schema import Match
from experiments.errors import UserError
from experiments.sweep.preflight import prepare
from experiments.sweep.worker import LayerCheck, check_layers
from experiments.tracking import charts_link
from experiments.tracking.description import ReportRun
from tests.conftest import another_user
from tests.stores import new_store, put_store
from tests.tracking.test_store import answering

SMALL = ("task.train_size=64", "task.validation_size=32", "task.test_size=32")


@pytest.fixture
def sweep(make_config, tmp_path):
    put_store(tmp_path / "out")

    def prepared(*trials):
        return prepare([make_config(*words) for words in trials], list(trials), check_layers)

    return prepared


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("variant.input_gate=open", "variant.forget_gate=coupled"), "needs a learned input gate"),
        (("variant.candidate_activation=glu",), "its layer cannot be used"),
        (("variant.layer=Foo",), "there is no such layer. Allowed: .*GatedLSTM, .*JANET"),
        (
            ("variant=janet", "variant.peephole=full", "variant.output_gate=learned"),
            "`output_gate` of JANET can only be",
        ),
        (("task.length=1",), "task.length=1: must be at least 2"),
        (("training.batch_size=100", "task.train_size=64"), "adding has 64 training sequences"),
        (("task=copy_memory", "model.bidirectional=true"), "would be told the answer"),
        (("model.units=1000000000",), "need more than 8,000,000,000 GB"),
        (("model.units=100000000000000000000",), "model.units=100000000000000000000: 1 layers of them need more"),
        (("model.layers=1000000000000",), ": 1000000000000 layers of them need more"),
        (("training.threads=2",), "training.threads must be the same"),
        (("model.match=parameters", "variant=peephole", "model.units=4"), "none is within 1 %"),
    ],
)
def test_a_mistake_in_any_trial_stops_all(sweep, tmp_path, words, message):
    with pytest.raises(UserError, match=message):
        sweep(SMALL, words)
    assert not (tmp_path / "out" / "default" / "plan.json").exists()


def test_all_mistakes_are_told_at_once(sweep):
    with pytest.raises(UserError) as told:
        sweep(("variant.layer=Foo",), ("variant.candidate_activation=glu",))
    assert "there is no such layer" in str(told.value) and "cannot be used" in str(told.value)


def test_a_trial_is_computed_once(sweep):
    (first, second) = sweep(("seed=1", *SMALL), ("seed=2", "model.match=parameters", "model.units=192", *SMALL)).specs
    assert first.name == "adding/standard[match=units,units=32]/s1" and first.experiment == "default/adding"
    assert first.overrides == ("seed=1", *SMALL) and first.units == first.config.model.units
    assert (second.units, second.model.units, second.model.match) == (192, 192, Match.units)
    assert first.key != second.key and first.score.name == "mse"


def test_an_experiment_says_what_is_asked_and_measured(sweep):
    checked = sweep(SMALL, ("task.length=20", *SMALL))
    note = checked.store.client.get_experiment(checked.experiments["default/adding"]).tags["mlflow.note.content"]
    assert "the study **default**" in note and note.count("Measured is the mean squared error") == 2
    assert "(`test/mse`), lower is better. Baseline (" in note


def test_an_experiment_has_a_view_that_its_link_names(sweep):
    checked = sweep(SMALL)
    store, number = checked.store, checked.experiments["default/adding"]
    state = json.loads(store.client.get_experiment(number).tags["mlflow.sharedViewState.gatelab"])
    assert [section["name"] for section in state["compareRunSections"]][:2] == ["test", "val"]
    end = "?workflowType=machine_learning&compareRunsMode=CHART"
    assert charts_link(store.client, number, "").endswith(f"{end}&viewStateShareKey=gatelab")
    assert charts_link(store.client, store.experiment("other/adding"), "").endswith(end), "the UI refuses unknown keys"


def test_what_is_read_of_own_files_is_told_once(sweep, tmp_path, capsys):
    file = tmp_path / "s.csv"
    file.write_text("T,p\n" + "".join(f"{k % 7},{k}\n" for k in range(200)))
    words = ("task=forecast", f"task.path={file}", "model.units=4")
    first = f"{file}: 200 rows, in the order of the file, without dates"
    trials = [(*words, f"task.target={name}", f"seed={seed}") for name in "Tp" for seed in range(3)]
    sweep(*trials, ("task=sunspots",)).describe_data()
    printed = capsys.readouterr().out
    assert printed.count(first) == printed.count("first pair: ") == 2
    assert "first pair: T 0, 1, ..., 2 (lines 2 to 25) -> T 3 (line 26)" in printed
    sweep(*((*words, "task.target=T", f"task.window={k}") for k in range(2, 9))).describe_data()
    printed = capsys.readouterr().out
    assert printed.count(first) == 5 and printed.endswith("(and 2 more settings of the task)\n")


@pytest.mark.slow
def test_a_deleted_experiment_is_told_of_before_the_first_trial_and_can_be_restored(make_config, tmp_path):
    """Those of the tasks and that of the reports, in one message, with a command that works when it is pasted."""
    store = new_store(tmp_path / "out")
    names = ["s/adding", "s/parity", "s/report"]
    ids = [store.experiment(name) for name in names]
    for experiment in (ids[0], ids[2]):
        store.client.delete_experiment(experiment)
    words = [("study=s", f"task={task}") for task in ("adding", "parity")]
    checks = lambda configs: [LayerCheck(config.model.units) for config in configs]  # noqa: E731
    configs = [make_config(*each) for each in words]
    with pytest.raises(UserError, match="^s/adding, s/report: deleted in the MLflow UI") as refused:
        prepare(configs, words, checks)
    assert not (tmp_path / "out" / "s").exists(), "no plan is written"
    with pytest.raises(UserError, match="s/report: deleted"):
        store.add_report("s", ReportRun("s report"), tmp_path)
    commands = [line for line in str(refused.value).splitlines() if "mlflow" in line]
    assert [command.rpartition(" ")[2] for command in commands] == [ids[0], ids[2]]
    command = [sys.executable if word == "python" else word for word in shlex.split(commands[0])]
    subprocess.run(command, check=True, capture_output=True)
    store.client.restore_experiment(ids[2])
    assert [store.experiment(name) for name in names] == ids
    prepare(configs, words, checks)


EXPERIMENT = b"""{"experiment": {"experiment_id": "1", "name": "default/adding", "lifecycle_stage": "active",
"artifact_location": "mlflow-artifacts:/1"}}"""


def test_a_user_who_may_only_read_is_told_before_the_first_trial(make_config):
    """As MLflow's server with users answers one who has the permission READ."""
    with answering(200, EXPERIMENT, to_writing=(403, b"Permission denied")) as uri:
        config = make_config(f"tracking.uri={uri}")
        with pytest.raises(UserError, match="Permission denied.*The user may not do this there: get the permission"):
            prepare([config], [()], check_layers)


def shared_with(mode, *paths):
    for path in paths:
        path.chmod(mode)


def test_what_only_another_user_can_write_is_told_before_the_first_trial(make_config):
    """Each thing that a trial would write, until all can be written; the lock of the database is for new tasks only."""
    words = ("study=s", *SMALL)
    checks = lambda configs: [LayerCheck(config.model.units) for config in configs]  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        store = new_store(out)
        store.experiment("s/adding")
        artifacts, running = out / "artifacts" / "s", out / "running"
        artifacts.mkdir(parents=True)
        running.mkdir()
        shared_with(0o755, Path(folder), artifacts.parent, artifacts, running)
        shared_with(0o644, out / "mlflow.db.lock")
        shared_with(0o777, out)
        shared_with(0o666, out / "mlflow.db")

        def refused():
            with another_user(), pytest.raises(UserError, match="umask 002") as told:
                prepare([config], [words], checks)
            return str(told.value)

        config = make_config(f"output_dir={out}", *words)
        assert f"{running}: no permission" in refused()
        shared_with(0o777, running)
        assert f"{artifacts}: no permission" in refused()
        shared_with(0o777, artifacts)
        with another_user():
            assert len(prepare([config], [words], checks).specs) == 1
        config = make_config(f"output_dir={out}", "study=other", *SMALL)
        assert f"Permission denied: '{out}/mlflow.db.lock'" in refused()
