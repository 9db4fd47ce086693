"""Commands of the lab in the process of the tests, which saves them that of importing TensorFlow and MLflow anew."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from experiments.sweep import workers
from experiments.train import run
from tests.conftest import ROOT


class PoolHere:
    """In place of the process of a worker: does at once, in this process, what it is given."""

    def __init__(self, **_: Any) -> None:
        pass

    def schedule(self, function: Callable[..., Any], args: tuple[Any, ...] = ()) -> Future:
        function, args = pickle.loads(pickle.dumps((function, args)))
        future: Future = Future()
        # Of the descriptors, which workers send to files, and not of pytest.
        with open(1, "w", closefd=False) as out, open(2, "w", closefd=False) as err:
            with redirect_stdout(out), redirect_stderr(err):
                try:
                    future.set_result(pickle.loads(pickle.dumps(function(*args))))
                except Exception as error:
                    future.set_exception(error)
        return future

    def stop(self) -> None:
        pass

    def join(self) -> None:
        pass


def train_here(arguments: tuple[str, ...], capsys: pytest.CaptureFixture) -> subprocess.CompletedProcess:
    """What `python -m experiments.train` prints and ends with; its sweeps train in this process, one by one."""
    capsys.readouterr()
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(sys, "argv", ["train", *arguments])
        patch.setattr(workers, "ProcessPool", PoolHere)
        try:
            run(sys.argv[1:])
        except SystemExit as ended:
            code = ended.code
        finally:
            GlobalHydra.instance().clear()
            HydraConfig.instance().cfg = None  # type: ignore[assignment]
    return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())
