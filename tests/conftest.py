import logging
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from hydra import compose, initialize_config_dir

from experiments import config
from experiments.schema import Config

ROOT = Path(__file__).resolve().parents[1]

config.register()


def pytest_configure():
    os.chdir(ROOT)
    logging.getLogger("tensorflow").setLevel("ERROR")  # "retracing": tests compile many small models


@pytest.fixture
def make_config(tmp_path):
    """Compose a configuration as the command line would, writing into a temporary folder."""

    def make(*overrides: str) -> Config:
        with initialize_config_dir(str(config.CONF), version_base="1.3"):
            return config.load(compose("config", overrides=[f"output_dir={tmp_path}/out", *overrides]))

    return make


@pytest.fixture
def train(tmp_path):
    """Run `python -m experiments.train` in a process of its own, writing into a temporary folder."""

    def run(*arguments: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "experiments.train", *arguments, f"output_dir={tmp_path}/out"]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment}
        )

    return run
