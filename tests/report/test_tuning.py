"""What a report says of a search: each row at its own best setting, and what that has cost."""

import math

import pytest

from experiments.report import tables, tuning
from experiments.report.files import write_files
from experiments.report.results import analyse
from experiments.report.terminal import legend
from experiments.tracking.metadata import Metric, rung_tag
from tests.report.studies import MemoryStore, add, fill, near, study_of

RATES = (0.01, 0.02, 0.03)
DRAWN = {"drawn": "training.learning_rate", "chosen_metric": "best/mse", "chosen_better": "lower"}


@pytest.fixture
def store(tmp_path):
    return MemoryStore(tmp_path)


def draw(store, variant, rate, validation, status="FINISHED", epochs=3, **tags):
    """A draw of the search; one that is paused has its score in a tag."""
    settings = {"training.learning_rate": rate}
    metrics = {Metric.TRAIN_S: 60.0}
    if status == "FINISHED":
        metrics |= {Metric.EPOCHS: epochs, "best/mse": validation}
    else:
        tags |= {rung_tag(epochs): repr(validation), "paused_after": epochs}
    score = validation if status == "FINISHED" else None
    add(store, variant, 0, score, status, settings=settings, curve={1: metrics}, phase="search", **DRAWN, **tags)


def confirm(store, variant, rate, mean):
    for seed, score in enumerate(near(mean, 6), start=1):
        add(store, variant, seed, score, settings={"training.learning_rate": rate}, phase="confirm", **DRAWN)


def searched(store):
    for variant, best in (("standard", 0), ("peephole", 2)):
        for place, rate in enumerate(RATES):
            ended = place == best
            draw(
                store,
                variant,
                rate,
                0.1 if ended else 0.2 + rate,
                "FINISHED" if ended else "SCHEDULED",
                3 if ended else 1,
            )
    confirm(store, "standard", 0.01, 1.0)
    confirm(store, "peephole", 0.03, 2.0)


def test_rows_are_compared_by_their_fresh_seeds_alone(store):
    """Rows have different learning rates, and are still one row each."""
    searched(store)
    study = study_of(store)
    assert study.rows == ("standard", "peephole") and study.replicate == "seed"
    (task,) = analyse(study).findings
    assert task.results.replicates == tuple(f"seed={seed}" for seed in range(1, 7))
    assert task.verdict("peephole") == "worse" and task.finding("standard").median.count == 6
    assert study.search.rows == study.rows and study.count == 18
    assert tuning.headline(study) == [
        "Each row has its own best setting of 3 draws, chosen on validation, and is compared with 6 seeds that the "
        "search did not use."
    ]


def test_the_choice_the_cost_and_the_quartiles_of_a_row(store):
    searched(store)
    (task,) = study_of(store).search.tasks
    standard, peephole = tuning.tunings(task)
    assert standard.setting == "training.learning_rate=0.01" and peephole.setting == "training.learning_rate=0.03"
    assert (standard.epochs, standard.most, standard.train_s, standard.states) == (
        5,
        9,
        180,
        {"trained": 1, "paused": 2},
    )
    assert standard.quartiles == pytest.approx((0.16, 0.22, 0.225)), "of 0.1, 0.22 and 0.23"
    assert standard.budget.expected == pytest.approx([0.55 / 3, (0.1 + 0.1 + 0.22) / 3, 0.1])
    assert tuning.sentences(task, [standard, peephole]) == [
        "On adding, the search trained 6 draws for 10 epochs of the 18 that training every draw to its last epoch "
        "takes at most, 0.1 hours of training."
    ]


def test_a_row_of_which_every_draw_diverged_is_named(store):
    searched(store)
    for rate in RATES:
        draw(store, "swapped", rate, math.nan, diverged="true")
    study = study_of(store)
    assert "swapped" not in study.rows
    assert tuning.headline(study)[1:] == [
        "On adding, none of the 3 draws of swapped has a score (3 diverged): it is not compared."
    ]


def test_a_search_that_is_not_confirmed_is_compared_by_draws(store):
    for variant in ("standard", "peephole"):
        for rate in RATES:
            draw(store, variant, rate, rate)
    study = study_of(store)
    assert study.search is None and study.replicate == "draw" and tuning.headline(study) == []


def test_paused_trials_are_in_no_comparison_and_counted(store):
    for variant in ("standard", "peephole"):
        for rate in RATES:
            draw(store, variant, rate, rate, "FINISHED" if rate < 0.03 else "SCHEDULED")
    (task,) = study_of(store).tasks
    assert task.counts(0) == {"finished": 2, "paused": 1}


def test_a_learning_rate_that_all_rows_share_is_marked(store):
    fill(store, {"adding": {"standard": near(1), "peephole": near(2)}})
    study = study_of(store)
    results = analyse(study)
    table = tables.details(study, results.findings[0])
    column = table.head.index("learning\nrate")
    assert [row[column] for row in table.rows] == ["0.001\nshared, untuned"] * 2
    assert "all rows share one learning rate, tuned for none of them" in legend(study, results.findings)


def test_a_tuned_learning_rate_is_not(store, tmp_path):
    searched(store)
    results = analyse(study_of(store))
    table = tables.details(results.study, results.findings[0])
    column = table.head.index("learning\nrate")
    assert [row[column] for row in table.rows] == ["0.01", "0.03"]
    page = write_files(results, store, tmp_path).read_text()
    assert "learning_rate=0.03" in page and (tmp_path / "figures/adding-budget.svg").exists()
