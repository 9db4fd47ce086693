"""Interventions in the report: the trials that count, by row, in one figure and one table."""

import math

import numpy as np
import pytest

from experiments.errors import UserError
from experiments.report.command import report_study
from experiments.report.interventions import losses
from experiments.report.results import load
from experiments.tracking.interventions import Intervention, file_of, write
from tests.report.studies import MemoryStore, add

SEEDS = 8
FREE = {"standard": 0.1, "peephole": 0.2}
COSTS = {("mean", ""): 0.5, ("shuffled", "3"): -0.01}  # what a clamp adds to the score, and a little by seed


@pytest.fixture
def store(tmp_path):
    return MemoryStore(tmp_path / "out")


def fill(store, better="lower", task="adding"):
    """Trials of two variants, and the scores of the same with the input gate clamped."""
    measured = []
    for variant, score in FREE.items():
        for seed in range(SEEDS):
            run = add(store, variant, seed, score + seed / 1000, task=task, score_better=better)
            for (value, unit), cost in COSTS.items():
                clamped = score + cost * (1 + seed / 10)
                place = (run, f"{task}/{variant}/s{seed}", "lstm_1", "input_gate", value, unit)
                measured.append(Intervention(*place, score, clamped))
    write(file_of(store.folder, "s"), measured)


def test_losses_are_paired_differences_of_the_runs_that_count(store):
    fill(store)
    write(file_of(store.folder, "s"), [Intervention("gone", "x", "lstm_1", "input_gate", "mean", "", 0.0, 99.0)])
    study = load(store, "s")
    by_row = losses(study.tasks[0], study.interventions)
    assert [(loss.row, loss.clamp[2:]) for loss in by_row] == [(row, clamp) for row in FREE for clamp in COSTS]
    for loss, cost in zip(by_row, [*COSTS.values()] * 2, strict=True):
        differences = np.array([cost * (1 + seed / 10) for seed in range(SEEDS)])
        walsh = [(a + b) / 2 for i, a in enumerate(differences) for b in differences[i:]]
        assert loss.loss.value == pytest.approx(np.median(walsh)) and loss.loss.count == SEEDS
        assert differences.min() <= loss.loss.low < loss.loss.value < loss.loss.high <= differences.max()
        assert loss.score == pytest.approx(FREE[loss.row])
        assert loss.clamped == pytest.approx(FREE[loss.row] + np.median(differences))
    assert [loss.text for loss in by_row[:2]] == ["lstm_1 input gate = mean", "lstm_1 input gate, unit 3 = shuffled"]


def test_where_more_is_better_less_is_a_loss(store):
    fill(store, better="higher")
    study = load(store, "s")
    first, second, *_ = losses(study.tasks[0], study.interventions)
    assert first.loss.high < 0 < second.loss.low


def test_the_page_has_one_figure_and_one_table_of_each_task(store, tmp_path):
    fill(store)
    add(store, "standard", 0, 0.1, task="copy")
    add(store, "standard", 1, 0.1, task="copy")
    report_study(store, "s", folder=tmp_path / "report")
    figures = {file.name for file in (tmp_path / "report/figures").glob("*interventions*")}
    assert figures == {"adding-interventions.svg", "adding-interventions.png"}
    page = (tmp_path / "report/report.html").read_text()
    assert page.count("What the gates were doing") == 1
    assert page.count("loss of test score with a gate clamped") == 1
    row = page.split("<td>standard</td><td>lstm_1</td><td>input gate</td><td>mean</td><td></td>")[1].split("</tr>")[0]
    score, clamped, loss, trials = (cell.removesuffix("</td>") for cell in row.split("<td>")[1:])
    assert float(score) == FREE["standard"] and float(clamped) == pytest.approx(0.775) and trials == "8"
    assert loss.startswith("0.675") and " [" in loss


def test_a_study_without_interventions_has_neither(store, tmp_path):
    for seed in range(2):
        add(store, "standard", seed, 0.1)
    report_study(store, "s", folder=tmp_path / "report")
    assert not list((tmp_path / "report/figures").glob("*interventions*"))
    assert "What the gates were doing" not in (tmp_path / "report/report.html").read_text()


def test_models_that_score_no_number_with_a_clamp(store, tmp_path):
    runs = [add(store, "standard", seed, 0.1 + seed) for seed in range(2)]
    measured = [Intervention(run, "x", "lstm_1", "forget_gate", "1", "", 0.1, math.inf) for run in runs]
    write(file_of(store.folder, "s"), measured)
    report_study(store, "s", folder=tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text()
    assert "<td>forget gate</td><td>1</td><td></td><td>0.1</td><td>∞</td><td>∞</td><td>2</td>" in page


def test_a_file_that_cannot_be_read_is_named(store):
    add(store, "standard", 0, 0.1)
    file = file_of(store.folder, "s")
    file.parent.mkdir(parents=True)
    file.write_text("nothing of the kind\n")
    with pytest.raises(UserError, match=r"s/interventions.csv: cannot be read .* delete it and intervene again"):
        load(store, "s")
