"""The report of a study in a file is that of the store from which the file was exported."""

import json
import zipfile
from pathlib import Path

import pytest

from experiments.errors import UserError
from experiments.report import __main__ as command
from experiments.report import tables, terminal
from experiments.report.results import analyse, load
from experiments.sweep import __main__ as manage
from experiments.tracking.archive import BRIEF, Writer
from experiments.tracking.registration import file_of, register
from experiments.tracking.study_file import StudyFile
from tests.report.studies import add, fill, near
from tests.report.test_registered_study import PLAN, first_look
from tests.report.test_tuning import searched
from tests.stores import new_store

HOST, HOME = "node17", "/home/someone"
GATES = {f"gates/lstm/input_gate/{side}_saturated": 0.25 for side in ("left", "right")}


def ordinary(store):
    fill(store, {task: {"standard": near(0.5, 5), "peephole": near(0.4, 5)} for task in ("adding", "parity")})
    add(store, "swapped", 0, float("nan"), diverged="true")
    add(store, "swapped", 1, 0.7, curve={epoch: {"val/mse": 1 / epoch, **GATES} for epoch in (1, 2)})
    lost = add(store, "swapped", 2, status="FAILED", error=f"No such file: '{HOME}/my data/x.csv' on {HOST}")
    store.client.set_tag(lost, "host", HOST)
    add(store, "swapped", 3, status="SCHEDULED", paused_after=1, best_until_1="0.5")


def registered(store):
    register(file_of(store.folder, "s"), PLAN)
    first_look(store)


STUDIES = {"ordinary": ordinary, "searched": searched, "registered": registered}


@pytest.fixture(scope="module", params=STUDIES)
def exported(request, tmp_path_factory):
    """A store with a study, and its export without artifacts."""
    folder = tmp_path_factory.mktemp(request.param)
    store = new_store(folder / "out")
    STUDIES[request.param](store)
    return store, export(store, folder / "s.zip", "artifacts=false")


def export(store, file, *words):
    assert manage.main(["export", "study=s", f"file={file}", f"output_dir={store.folder}", *words]) == 0
    return file


def written(source, folder, capsys, **options):
    """What is printed of a study, and its CSV files."""
    results = analyse(load(source, "s", **options))
    folder.mkdir()
    tables.write(folder / "trials.csv", tables.trials(results.study))
    tables.write(folder / "comparisons.csv", tables.comparisons(results.findings))
    capsys.readouterr()
    terminal.show(results)
    return capsys.readouterr().out, [file.read_bytes() for file in sorted(folder.iterdir())]


def test_the_same_is_printed_and_written_from_the_file(exported, tmp_path, capsys):
    store, file = exported
    expected = written(store, tmp_path / "store", capsys)
    assert written(StudyFile.read(file), tmp_path / "file", capsys) == expected
    assert "standard" in expected[0] and expected[1][1].count(b"\n") > 10


def test_the_file_names_neither_machine_nor_folder(exported):
    store, file = exported
    with zipfile.ZipFile(file) as opened:
        text = "".join(opened.read(name).decode() for name in opened.namelist())
    assert not any(word in text for word in (HOST, HOME, "my data", str(store.folder)))
    assert ("No such file" in text) == ("No such file: 'x.csv' on HOST" in text)


def test_the_command_makes_the_same_report_from_the_file(tmp_path, capsys):
    store = new_store(tmp_path / "out")
    fill(store, {"adding": {"standard": near(0.5), "peephole": near(0.4)}})
    add(store, "swapped", 1, 0.7, curve={epoch: {"val/mse": 1 / epoch, **GATES} for epoch in (1, 2)})
    file = export(store, tmp_path / "s.zip", "artifacts=false")
    options = ["margin=0.01", "reference=standard", "family=study", f"output_dir={tmp_path}/out"]
    command.main(["study=s", *options])
    command.main([f"file={file}", *options])
    assert "MLflow UI" not in capsys.readouterr().out.split("report.html")[1]
    folders = [tmp_path / "out" / "s" / name for name in ("report", "report-of-file")]
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*.*")) for folder in folders]
    assert files[0] == files[1] and Path("figures/adding-gates-lstm.svg") in files[0]
    for name in files[0]:
        if name.name != "report.html":  # it says where it comes from, and when it was written
            assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.mark.slow
def test_a_full_export_gives_the_same_report(tmp_path, capsys):
    store = new_store(tmp_path / "out")
    registered(store)
    for run in store.trials("s"):
        store.client.log_text(run.run_id, "a model", "model.keras")
    file = export(store, tmp_path / "s.zip")
    expected = written(store, tmp_path / "store", capsys)
    assert written(StudyFile.read(file), tmp_path / "file", capsys) == expected
    other = new_store(tmp_path / "other")
    manage.main(["import", f"file={file}", f"output_dir={other.folder}"])
    assert file_of(other.folder, "s").read_text() == PLAN.text, "else nobody would know that seeds were added"


def test_files_of_one_name_stay_different(tmp_path):
    store = new_store(tmp_path / "out")
    for seed in (0, 1):
        for folder in ("a", "b"):
            add(store, "standard", seed, 0.5, settings={"task.path": f"{HOME}/{folder}/data.csv"})
    study = load(StudyFile.read(export(store, tmp_path / "s.zip", "artifacts=false")), "s")
    assert len(study.tasks) == 2 and all(task.task.startswith("adding path=data-") for task in study.tasks)


def test_a_file_without_artifacts_is_brought_into_no_store(exported):
    store, file = exported
    with pytest.raises(UserError, match=f"without artifacts.*experiments.report file={file}"):
        manage.main(["import", f"file={file}", f"output_dir={store.folder}"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "study=NAME, of a store, or file=FILE.zip, of an export: is needed"),
        (["study=s", "file=s.zip"], "not both study=s and file=s.zip"),
        (["file=s.zip", "tracking.uri=sqlite:///a.db"], "tracking.uri=sqlite:///a.db: file=s.zip is read without"),
        (["file=nowhere.zip"], "file=nowhere.zip: cannot be read .No such file"),
    ],
)
def test_mistakes_are_named(words, message):
    with pytest.raises(UserError, match=message):
        command.main(words)


RUN = {
    "run_id": "0" * 32,
    "name": "adding/v/s0",
    "status": "FINISHED",
    "start_time": 0,
    "params": {},
    "tags": {},
    "metrics": {"a": 0.5},
    "curves": {"a": [[1], [0.5]]},
}


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "../up"},
        {"status": "DONE"},
        {"start_time": "now"},
        {"params": {"a": 1}},
        {"metrics": {"a": "x"}},
        {"curves": {"a": [[1, 2], [0.5]]}},
        {"more": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_file_that_anybody_has_written_is_checked(tmp_path, change):
    write(tmp_path / "s.zip", [RUN])
    assert StudyFile.read(tmp_path / "s.zip").runs("s")[0].metrics == {"a": 0.5}
    write(tmp_path / "b.zip", [{**RUN, **change}])
    with pytest.raises(UserError, match="b.zip: it does not describe the runs of a study"):
        StudyFile.read(tmp_path / "b.zip")


def write(file, runs):
    with Writer(file, "s", BRIEF) as writer:
        writer.add_brief(runs)


def test_a_file_that_was_changed_is_refused(tmp_path):
    write(tmp_path / "s.zip", [RUN])
    with zipfile.ZipFile(tmp_path / "s.zip") as old, zipfile.ZipFile(tmp_path / "b.zip", "w") as new:
        new.writestr("manifest.json", old.read("manifest.json"))
        new.writestr("runs.json", json.dumps([{**RUN, "metrics": {"a": 0.4}}]))
    with pytest.raises(UserError, match="runs.json was changed"):
        StudyFile.read(tmp_path / "b.zip")
