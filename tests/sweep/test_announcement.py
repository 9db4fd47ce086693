"""The first line of a sweep: what it is, how long it may take, what it can show."""

from pathlib import Path

import pytest

from experiments.sweep.announcement import announcement
from experiments.sweep.preflight import prepare
from experiments.sweep.worker import LayerCheck
from experiments.tracking import metadata
from experiments.tracking.metadata import Metric, Tag
from tests.stores import new_store

SMALL = ("task.train_size=64", "task.validation_size=32", "task.test_size=32")


@pytest.fixture
def sweep(make_config):
    def make(study, *trials):
        configs = [make_config(*SMALL, *words.split(), f"study={study}") for words in trials]
        return prepare(configs, [()] * len(configs), lambda configs: [LayerCheck(c.model.units) for c in configs])

    return make


def grid(*settings):
    return [f"variant={v} seed={s} {words}" for v in ("standard", "peephole") for s in range(2) for words in settings]


def recorded(store, spec, seconds):
    """A finished run, as if its trial had taken so long."""
    described = {Tag.KIND: "trial", Tag.STUDY: "other", Tag.TRIAL_KEY: spec.key}
    run = store.start(store.experiment("other/adding"), spec.name, metadata.params(spec, {}), described, Path("no"))
    run.keep({1: {Metric.TRAIN_S: seconds - 1, Metric.COMPILE_S: 1.0}})
    run.describe()
    began = store.client.get_run(run.id).info.start_time
    store.client.set_terminated(run.id, "FINISHED", began + int(1000 * seconds))
    return run


@pytest.mark.slow
def test_the_size_of_a_sweep(sweep):
    assert announcement(sweep("s", *grid("")), 2).startswith(
        "2 variants x 1 task x 2 seeds = 4 trials, how long they take is known after the first; 2 seeds cannot"
    )
    settings = [f"task.length={length} task.data_seed=${{seed}}" for length in (20, 30, 40)]
    assert announcement(sweep("s", *grid(*settings)), 2).startswith("2 variants x 1 task x 3 settings x 2 seeds = 12")
    ragged = [*grid(""), "seed=7"]
    assert announcement(sweep("s", *ragged), 2).startswith("5 trials (2 variants, 1 task, 3 seeds), ")
    one = announcement(sweep("s", "seed=1"), 1)
    assert one == "1 variant x 1 task x 1 seed = 1 trial, how long they take is known after the first"


def test_the_time_of_a_sweep_is_that_of_earlier_trials_of_the_store(sweep, tmp_path):
    """Of the same variant, else of others with the same settings; never of trials with other settings."""
    store = new_store(tmp_path / "out")
    first = sweep("s", *grid("")).specs
    recorded(store, first[0], 100.0)
    assert "4 trials, about 3 min 20 s by earlier trials of this store; " in announcement(sweep("s", *grid("")), 2)
    recorded(store, first[2], 300.0)  # peephole
    assert ", about 6 min 40 s by" in announcement(sweep("s", *grid("")), 2)
    longer = sweep("s", *grid("training.epochs=7"))
    assert "known after the first" in announcement(longer, 2)
    interrupted = recorded(store, longer.specs[0], 20.0)
    store.client.set_tag(interrupted.id, str(Tag.ATTEMPTS), "2")
    store.client.set_terminated(interrupted.id, "FINISHED", 2**42)
    assert ", about 40 s by" in announcement(longer, 2)


def test_trials_that_the_store_has_take_no_time(sweep, tmp_path):
    store = new_store(tmp_path / "out")
    recorded(store, sweep("s", "seed=0").specs[0], 100.0)
    checked = sweep("s", "seed=0", "seed=1")
    checked.stored[0] = None
    assert ", about 1 min 40 s by" in announcement(checked, 1)
