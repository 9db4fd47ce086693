"""The runs that `benchmarks/store.py` makes are those of trials that a sweep would train."""

import dataclasses

import pytest

from benchmarks import store as benchmark
from experiments.sweep.run_trial import run_trial
from experiments.tracking import Store, StoredRun
from tests.conftest import spec_of
from tests.stores import put_store


@pytest.mark.slow
def test_a_copied_run_is_that_of_a_trial(make_config, tmp_path):
    put_store(tmp_path / "out")
    config = make_config(*benchmark.words(1), "training.jit_compile=false", "tracking.gates=0")
    run_trial(spec_of(config), verbose=0)
    store = Store(None, config.output_dir)
    (original,) = store.runs(benchmark.STUDY)
    benchmark.fill(store, 24, epochs=1)
    runs = {run.tags["trial_key"]: run for run in store.runs(benchmark.STUDY)}
    assert len(runs) == 25
    trials = {spec.key: spec for _, spec in benchmark.specs(benchmark.VARIANTS, range(3), 1)}
    assert set(runs) - {original.tags["trial_key"]} <= trials.keys()
    for key, run in runs.items():
        if run.run_id != original.run_id:
            read = StoredRun.of(store.client.get_run(run.run_id))
            assert read == dataclasses.replace(run, start_time=read.start_time) and read.name == trials[key].name
            assert read.params["variant"] == trials[key].config.variant.name
            factor = run.score / original.score
            history = store.client.get_metric_history(run.run_id, "val/mse")
            before = store.client.get_metric_history(original.run_id, "val/mse")
            assert [point.value for point in history] == pytest.approx([factor * point.value for point in before])
