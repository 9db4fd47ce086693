"""What `benchmarks/sweep.py` compares is the same work."""

import pytest

from benchmarks import _plain_sweep, sweep
from experiments import tasks
from experiments.trial.fit import fit
from experiments.trial.spec import TrialSpec


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "task_name"), [("swapped", "adding"), ("one_switch/hard_sigmoid_gates", "temporal_order")]
)
def test_the_plain_script_and_a_trial_reach_the_same_score(make_config, tmp_path, monkeypatch, variant, task_name):
    monkeypatch.setattr(sweep, "BATCHES", {"train": 8, "validation": 2, "test": 2})
    words = sweep.overrides("XS", epochs=3)
    config = make_config(f"task={task_name}", f"variant={variant}", "seed=5", *words)
    task = tasks.build(config.task)
    ours = fit(TrialSpec.of(config, task), task, lambda epochs: None, tmp_path)
    work = sweep.plain_work("XS", 3, [5], tmp_path)
    _, plain = _plain_sweep.fit(work, variant, task_name, seed=5)
    assert plain["loss"] == pytest.approx(ours.test[sweep.TASKS[task_name].removeprefix("test/")], rel=1e-4)
    assert ours.loop == "fast"
