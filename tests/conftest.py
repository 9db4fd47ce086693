import copy
import logging
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.pop("MLFLOW_TRACKING_URI", None)  # no test writes into the store of whoever runs it

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from experiments import tasks
from experiments.config.compose import load, register
from experiments.config.conf_files import CONF
from experiments.config.schema import Config
from experiments.trial.spec import TrialSpec

ROOT = Path(__file__).resolve().parents[1]
TESTS_DONE = count(1)

register()


def pytest_addoption(parser):
    parser.addoption("--contract-table", type=Path, metavar="FILE", help="write the outcomes of test_contract there")


def pytest_configure(config):
    os.chdir(ROOT)
    if config.getoption("--contract-table"):
        from tests.variants.contract_table import ContractTable

        config.pluginmanager.register(ContractTable(config.getoption("--contract-table")))
    logging.getLogger("tensorflow").setLevel("ERROR")  # "retracing": tests compile many small models
    # torch.compile looks at tensors that cause this warning, and silences it only where warnings are not errors.
    config.addinivalue_line("filterwarnings", "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


def pytest_report_header():
    if "KERAS_BACKEND" in os.environ:
        import keras

        return f"keras {keras.__version__} on {keras.backend.backend()}"


@pytest.fixture(autouse=True)
def no_compiled_code_of_other_tests():
    """Keeps torch.compile from giving up on the functions of Keras, as it does after 8 models, and JAX from 5 GB."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].compiler.reset()
    if "jax" in sys.modules and next(TESTS_DONE) % 50 == 0:
        sys.modules["jax"].clear_caches()


@cache
def composed(folder: Path, overrides: tuple[str, ...]) -> DictConfig:
    """What Hydra composes, which takes it a while, in a folder whose files in `conf/` are read too."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


@pytest.fixture
def make_config(tmp_path):
    """Compose a configuration as the command line would, writing into an empty store in a temporary folder."""
    from tests.stores import put_store

    def make(*overrides: str) -> Config:
        folder = Path.cwd()  # the files of another one change
        cfg = copy.deepcopy((composed if folder == ROOT else composed.__wrapped__)(folder, overrides))
        if not any(word.startswith("output_dir=") for word in overrides):
            cfg.output_dir = f"{tmp_path}/out"
            put_store(tmp_path / "out")
        return load(cfg)

    return make


def spec_of(config: Config, *overrides: str) -> TrialSpec:
    """The trial of a configuration, whose units need no match."""
    return TrialSpec.of(config, tasks.build(config.task, config.data_dir), overrides)


@contextmanager
def another_user():
    """Without the rights of the superuser, for whom no file is locked away."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)  # nobody
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def train(tmp_path):
    """Run `python -m experiments.train` in a process of its own, on an empty store in a temporary folder."""
    from tests.stores import put_store  # imports MLflow, which the environments of other backends do without

    put_store(tmp_path / "out")

    def run(*arguments: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "experiments.train", *arguments, f"output_dir={tmp_path}/out"]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment}
        )

    return run


@pytest.fixture
def train_here(tmp_path, capsys):
    """The same in this process, workers included, to save time: where no process is what is tested."""
    from tests import commands
    from tests.stores import put_store

    put_store(tmp_path / "out")

    def run(*arguments: str, folder: Path | str = tmp_path / "out") -> subprocess.CompletedProcess:
        return commands.train_here((*arguments, f"output_dir={folder}"), capsys)

    return run


@pytest.fixture
def refusal(train_here):
    """What `experiments.train` prints of a command line that it must refuse."""

    def read(*arguments: str) -> str:
        done = train_here(*arguments)
        assert done.returncode in (1, 2)
        return done.stderr

    return read


@pytest.fixture(scope="module")
def chromium():
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        executable = None
    if executable is None and "REQUIRE_CHROMIUM" in os.environ:
        pytest.fail("REQUIRE_CHROMIUM is set, and there is no Chromium, or no playwright")
    if executable is None:
        pytest.skip("needs Chromium: pip install playwright, and a chromium in PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
