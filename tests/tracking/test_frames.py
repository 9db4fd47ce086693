"""`experiments.results`, and the notebook that shows it."""

import json
import math
from pathlib import Path

import matplotlib
import pandas as pd
import pytest

import experiments
from experiments.errors import UserError
from experiments.tracking.metadata import Metric, Tag
from tests.conftest import ROOT
from tests.stores import new_store

VARIANTS = ("standard", "peephole")


@pytest.fixture
def store(tmp_path):
    """Runs of a study as trials record them, with numbers that nothing has trained."""
    store = new_store(tmp_path / "outputs")
    for task, metric in (("adding", "mse"), ("char_lm", "bpc")):
        experiment = store.experiment(f"quickstart/{task}")
        for number, (variant, seed) in enumerate((v, s) for v in VARIANTS for s in (0, 1)):
            key = f"{task}{number}"
            tags = {Tag.KIND: "trial", Tag.STUDY: "quickstart", Tag.TRIAL_KEY: key, Tag.SCORE_METRIC: f"test/{metric}"}
            tags |= {
                Tag.CHOSEN_METRIC: f"best/{metric}",
                Tag.DIVERGED: "false",
                Tag.BASELINE: 0.5,
                Tag.SCORE_BETTER: "lower",
            }
            params = {
                "task": task,
                "variant": variant,
                "seed": seed,
                "units": 8,
                "model.units": 8,
                "training.optimizer": "adam",
            }
            params |= {"task.length": 50} if task == "adding" else {}
            run = store.start(experiment, f"{task}/{variant}/s{seed}", params, tags, Path("-"))
            run.keep({epoch: {f"val/{metric}": number + 1 / epoch, "gates/a": 0.1} for epoch in (1, 2, 3)})
            run.keep({0: {f"test/{metric}": number + 0.5, f"best/{metric}": number + 1 / 3}, 3: {Metric.TRAIN_S: 2.0}})
            run.describe()
            run.end("FINISHED")
    return store


def test_a_row_for_each_trial_with_numbers_as_numbers(store):
    trials, _ = experiments.results("quickstart", output_dir=str(store.folder))
    assert len(trials) == 8 and list(trials.columns[:6]) == ["run_id", "name", "task", "variant", "seed", "status"]
    one = trials.set_index("name").loc["adding/peephole/s1"]
    assert (one.seed, one.score, one["model.units"], one["training.optimizer"]) == (1, 3.5, 8, "adam")
    assert (one.validation, one.baseline, one["test/mse"], one["time/train_s"]) == (3 + 1 / 3, 0.5, 3.5, 2.0)
    assert trials["model.units"].dtype == trials["seed"].dtype == "int64" and not trials["diverged"].any()
    assert math.isnan(trials.set_index("name").loc["char_lm/standard/s0"]["task.length"])
    assert not [name for name in trials if name.startswith("gates/")]


def test_a_row_for_each_value_of_a_metric(store):
    curves = experiments.results("quickstart", output_dir=str(store.folder)).curves
    assert list(curves) == ["run_id", "task", "variant", "seed", "metric", "epoch", "value"]
    chosen = curves[(curves.metric == "val/mse") & (curves.variant == "peephole") & (curves.seed == 1)]
    assert list(chosen.epoch) == [1, 2, 3] and list(chosen.value) == [3 + 1.0, 3 + 1 / 2, 3 + 1 / 3]
    assert set(curves.metric) == {"val/mse", "val/bpc", "gates/a", Metric.TRAIN_S}, "not what is recorded at the end"


def test_a_server_gives_the_same(store, monkeypatch):
    """Whose tables cannot be read."""
    with_tables = experiments.results("quickstart", output_dir=str(store.folder))
    monkeypatch.setattr("experiments.tracking.store.is_database", lambda uri: False)
    without = experiments.results("quickstart", output_dir=str(store.folder))
    order = ["run_id", "metric", "epoch"]
    pd.testing.assert_frame_equal(with_tables.trials, without.trials, check_like=True)
    sorted_curves = [frames.curves.sort_values(order, ignore_index=True) for frames in (with_tables, without)]
    pd.testing.assert_frame_equal(*sorted_curves)


def test_a_trial_counts_once(store):
    run = store.trials("quickstart")[0]
    store.start(store.experiment("quickstart/char_lm"), run.name, run.params, run.tags, Path("-")).end("KILLED")
    trials, curves = experiments.results("quickstart", output_dir=str(store.folder))
    assert len(trials) == 8 and set(trials.status) == {"FINISHED"} and set(curves.run_id) == set(trials.run_id)


def test_a_study_that_is_not_there_is_named(store, tmp_path):
    with pytest.raises(UserError, match="study=other: .* Studies: quickstart"):
        experiments.results("other", output_dir=str(store.folder))
    with pytest.raises(UserError, match="tracking.uri="):
        experiments.results("quickstart", output_dir=str(tmp_path / "nowhere"))


def test_the_first_look_runs(store, tmp_path, monkeypatch):
    """Each cell of the notebook in turn, in a folder beside that of the store."""
    matplotlib.use("Agg")
    (tmp_path / "examples").mkdir()
    monkeypatch.chdir(tmp_path / "examples")
    notebook = json.loads((ROOT / "examples/first_look.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names = {}
    for cell in cells:
        exec(compile(cell, "first_look.ipynb", "exec"), names)
    assert len(cells) > 3 and isinstance(names["trials"], pd.DataFrame) and len(names["trials"]) == 8
    assert not any(cell.get("outputs") for cell in notebook["cells"]), "outputs are those of whoever runs it"
