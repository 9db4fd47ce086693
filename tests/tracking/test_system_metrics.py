"""What the machine does while a trial is trained."""

import time
from pathlib import Path

from experiments.tracking.system_metrics import system_metrics
from tests.stores import new_store


def test_the_machine_is_watched_and_again_after_an_interruption(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    store = new_store(tmp_path)
    run = store.start(store.experiment("s/adding"), "adding/v/s0", {}, {"kind": "trial", "trial_key": "k"}, Path("-"))

    def steps():
        history = store.client.get_metric_history(run.id, "system/system_memory_usage_percentage")
        assert all(0 < point.value <= 100 for point in history)
        return [point.step for point in history]

    def watch(count):
        until = time.monotonic() + 30
        with system_metrics(run):
            while len(steps()) < count and time.monotonic() < until:
                time.sleep(0.2)

    watch(2)
    first = steps()
    watch(len(first) + 2)
    assert len(first) >= 2 and sorted(set(steps())) == sorted(steps()), "no step comes twice"
    assert len(steps()) > len(first)
