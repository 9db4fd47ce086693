"""A study that was trained: two settings of a task, and two variants of one configuration."""

import csv

import pytest

from experiments.report.command import report_study
from experiments.report.results import analyse, load
from experiments.sweep.run_trial import run_trial
from experiments.tracking import Store
from tests.conftest import spec_of

TINY = (
    *("study=s", "task=mackey_glass", "task.window=8", "task.train_steps=300", "task.validation_steps=100"),
    *("task.test_steps=100", "model.units=4", "training.epochs=1", "training.jit_compile=false", "tracking.gates=0"),
)
ROWS = {
    "standard": ("variant=standard", "variant.chrono_time=5"),
    "chrono": ("variant=chrono", "variant.chrono_time=5"),
    "peephole": ("variant=peephole", "variant.chrono_time=5"),
}

pytestmark = pytest.mark.slow  # it trains six models first


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def store(make_config, folder):
    """Filled by the first test."""
    if not (folder / "mlflow.db").exists():
        for horizon in (1, 12):
            for words in ROWS.values():
                config = make_config(*TINY, *words, f"task.horizon={horizon}", f"output_dir={folder}")
                assert run_trial(spec_of(config), verbose=0).status == "finished"
    return Store(None, str(folder))


def test_each_setting_is_scaled_by_the_baseline_that_was_computed_for_it(store):
    results = analyse(load(store, "s"))
    first, second = results.study.tasks
    assert (first.task, second.task) == ("mackey_glass horizon=1", "mackey_glass horizon=12")
    assert first.baseline != second.baseline and results.study.rows == ("standard", "peephole")
    for task in (first, second):
        assert {trial.metrics["test/baseline"] for trial in task.trials.values()} == {task.baseline}
        assert {float(trial.tags["baseline"]) for trial in task.trials.values()} == {task.baseline}


def test_two_variants_of_one_configuration_are_one_row_with_one_score(store):
    study = load(store, "s")
    assert study.runs.merged == {"standard": ("standard", "chrono")}
    assert sorted(one.run.params["variant"] for one in study.runs.left_out) == ["chrono", "chrono"]
    scores = {(run.params["task.horizon"], run.score) for run in store.runs("s") if run.params["variant"] != "peephole"}
    assert len(scores) == 2  # the numbers of both are the same bits


def test_the_terminal_the_page_and_the_tables_show_both(store, capsys):
    report_study(store, "s")
    out, study = capsys.readouterr().out, load(store, "s")
    baselines = [task.baseline_text for task in study.tasks]
    (line,) = (line for line in out.splitlines() if line.startswith("│ trivial baseline"))
    assert [cell.strip() for cell in line.split("│")[2:4]] == baselines
    assert "mackey_glass" in out and "horizon=12" in out
    flat = " ".join(out.split())
    assert "standard and chrono are the same configuration here: one row, standard." in flat
    assert "2 runs left out: chrono is the same configuration as standard here" in flat
    assert out.count("/#/experiments/") == 1  # the runs of both are in one experiment
    assert {name.split("/")[-1] for name in store.experiments() if name.startswith("s/")} == {"mackey_glass", "report"}
    report = store.folder / "s" / "report"
    page = (report / "report.html").read_text()
    assert all(f"Trivial baseline ({task.baseline_title}): {task.baseline_text}." in page for task in study.tasks)
    assert "Runs that are in no table" in page and all(one.run.run_id in page for one in study.runs.left_out)
    figures = {file.stem for file in (report / "figures").glob("*.svg")}
    assert {f"mackey_glass-horizon={n}-{kind}" for n in (1, 12) for kind in ("scores", "costs")} <= figures
    with (report / "trials.csv").open(newline="") as file:
        trials = [(row["task"], row["variant"], row["run_id"]) for row in csv.DictReader(file)]
    tasks = {run: task.task for task in study.tasks for run in (trial.run_id for trial in task.trials.values())}
    assert {run: task for task, _, run in trials} == tasks and len(trials) == 4
