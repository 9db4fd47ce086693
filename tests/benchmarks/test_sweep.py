"""What `benchmarks/sweep.py` compares is the same work."""

import pytest

from benchmarks import _plain_sweep, sweep
from experiments import tasks
from experiments.trial import fit as trial

PAIRS = [("swapped", "adding"), ("hard_gates", "temporal_order")]
OURS = {"hard_gates": ("variant.name=hard_gates", "variant.gate_activation=hard_sigmoid")}


@pytest.mark.parametrize(("variant", "task"), PAIRS)
def test_the_plain_script_and_a_trial_reach_the_same_score(make_config, tmp_path, monkeypatch, variant, task):
    monkeypatch.setattr(sweep, "BATCHES", {"train": 8, "validation": 2, "test": 2})
    words = sweep.overrides("XS", epochs=3)
    config = make_config(f"task={task}", *OURS.get(variant, [f"variant={variant}"]), "seed=5", *words)
    ours = trial.run(config, tasks.build(config.task), lambda epochs: None, tmp_path)
    work = sweep.plain_work("XS", 3, [5], tmp_path)
    _, plain = _plain_sweep.fit(work, variant, task, seed=5)
    assert plain["loss"] == pytest.approx(ours.test[sweep.TASKS[task].removeprefix("test/")], rel=1e-4)
    assert ours.loop == "fast"
