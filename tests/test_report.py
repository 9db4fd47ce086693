"""The table of a study, from runs in a real store."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from experiments import report
from experiments.errors import UserError
from experiments.tracking import Store

REFERENCES = {"music": [{"metric": "nll", "score": 8.45, "model": "LSTM", "source": "Bai et al. 2018"}]}


@pytest.fixture
def store(tmp_path):
    return Store(None, str(tmp_path))


def add(store, variant, seed, score=None, status="FINISHED", task="adding", settings="", diverged=False, key=None):
    params = {"variant": variant, "task": task, "seed": seed} | ({"settings": settings} if settings else {})
    tags = {
        "study": "s",
        "trial_key": key or f"{variant}{seed}{task}{settings}",
        "diverged": str(diverged).lower(),
        "score_metric": "test/mse",
        "score_title": "mean squared error",
        "score_unit": "",
        "score_better": "lower",
        "baseline": 0.1667,
        "references": json.dumps(REFERENCES.get(task, [])),
    }
    run = store.start(store.experiment(f"s/{task}"), f"{task}/{variant}/s{seed}", params, tags, Path("no lock"))
    if score is not None:
        run.log({0: {"test/mse": score}})
    if status != "RUNNING":
        run.end(status)


def table(store):
    console = Console(file=io.StringIO(), width=160)
    trials = report.newest(store.trials("s"))
    console.print(report.headline("s", trials), report.table(trials), report.caption(trials), sep="\n")
    return console.file.getvalue()


def row(text, name):
    return next(line for line in text.splitlines() if line.split("│")[1:2] and line.split("│")[1].strip() == name)


def test_mean_spread_best_and_baseline(store):
    for seed, score in enumerate((0.1, 0.2)):
        add(store, "standard", seed, score)
        add(store, "peephole", seed, score / 10)
    text = table(store)
    assert "0.15 ± 0.071" in row(text, "standard") and "*" not in row(text, "standard")
    assert "0.015 ± 0.0071 *" in row(text, "peephole")
    assert "0.1667" in row(text, "trivial baseline")
    assert "2 seeds, too few to call a difference real" in text


def test_trials_without_a_score_are_counted_not_dropped(store):
    add(store, "standard", 0, 0.1)
    add(store, "standard", 1, float("nan"), diverged=True)
    add(store, "standard", 2, status="FAILED")
    add(store, "standard", 3, status="RUNNING")
    text = table(store)
    assert "0.1" in row(text, "standard")
    assert all(words in text for words in ("1 of 4 diverged", "1 of 4 failed", "1 of 4 running"))


def test_a_trial_counts_once_by_its_newest_finished_run(store):
    add(store, "standard", 0, status="FAILED")
    add(store, "standard", 0, 0.5)
    add(store, "standard", 0, 0.25)
    add(store, "standard", 0, status="KILLED")
    assert "0.25" in row(table(store), "standard") and "killed" not in table(store)


def test_swept_settings_make_rows_and_common_ones_do_not(store):
    for units in (8, 16):
        add(store, "standard", 0, units / 100, settings=f"model.units={units} training.epochs=3")
    text = table(store)
    assert "0.08" in row(text, "standard model.units=8") and "0.16" in row(text, "standard model.units=16")


def test_a_variant_that_lacks_a_task(store):
    add(store, "standard", 0, 0.1)
    add(store, "standard", 0, 0.3, task="other")
    add(store, "peephole", 0, 0.2)
    assert row(table(store), "peephole").split("│")[3].strip() == "-"


def test_show_prints_the_charts_link(store, capsys):
    add(store, "standard", 0, 0.1)
    report.show(store, "s")
    out = capsys.readouterr().out
    assert "/#/experiments/1/runs?workflowType=machine_learning&compareRunsMode=CHART" in out and "make ui" in out


def test_an_unknown_study_names_those_that_exist(store):
    add(store, "standard", 0, 0.1)
    with pytest.raises(UserError, match="study=x: the store .* has no trials of it. Studies: s"):
        report.show(store, "x")


@pytest.mark.parametrize("arguments", [[], ["stduy=s"], ["study="]])
def test_command_line_mistakes(arguments):
    with pytest.raises(UserError, match="study=NAME|which study"):
        report.main(arguments)


def test_published_scores_stand_below_the_table(store):
    add(store, "standard", 0, 0.1)
    assert report.references(report.newest(store.trials("s"))) == ""
    for seed in (0, 1):
        add(store, "standard", seed, 0.1, task="music")
    heading, *lines = report.references(report.newest(store.trials("s"))).splitlines()
    assert [line.split() for line in lines] == ["music nll 8.45 LSTM (Bai et al. 2018)".split()]


def test_many_tasks_are_a_row_each(store):
    for number in range(5):
        add(store, "standard", 0, 0.1 + number, task=f"task{number}")
        add(store, "peephole", 0, 0.2 + number, task=f"task{number}")
    text = table(store)
    cells = [cell.split() for cell in row(text, "task3").split("│")[3:6]]
    assert cells == [["3.1", "*"], ["3.2"], ["0.1667"]]
    assert "standard" in text and "trivial baseline" in text


def test_a_run_that_died_before_it_had_parameters_is_counted(store):
    add(store, "standard", 0, 0.5)
    store.client.create_run(
        store.experiment("s/adding"),
        run_name="adding/peephole/s0",
        tags={**store.trials("s")[0].tags, "trial_key": "other", "mlflow.runName": "adding/peephole/s0"},
    )
    assert "1 of 1 running" in row(table(store), "peephole")
