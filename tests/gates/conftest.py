from dataclasses import replace

import pytest

from experiments import tasks
from experiments.sweep.run_trial import run_trial
from experiments.tracking import Store
from experiments.trial import parameter_match
from experiments.trial.spec import TrialSpec
from tests.gates.gate_trials import TRIALS, configure, overrides, write_files


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A folder with the store of a trained trial of each of `TRIALS`, and with the files that they read."""
    folder = tmp_path_factory.mktemp("gates")
    write_files(folder)
    for name in TRIALS:
        config = configure(folder, *overrides(folder, name))
        task = tasks.build(config.task)
        spec = replace(TrialSpec.of(config, task), units=parameter_match.units(config, task))
        assert run_trial(spec, verbose=0).score is not None
    return folder


@pytest.fixture(scope="session")
def store(place):
    return Store(None, f"{place}/out")
