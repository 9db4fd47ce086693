"""A store in PostgreSQL, in a cluster of its own on this machine."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from experiments.tracking import Store, StoredRun
from experiments.tracking.tables import Tables
from tests.conftest import ROOT
from tests.sweep.test_run import SMALL

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
BIN = PROGRAMS[-1] if PROGRAMS else Path(shutil.which("initdb") or "none").parent
LACKING = [
    *([] if (BIN / "initdb").exists() else ["PostgreSQL (Debian: apt install postgresql)"]),
    *([] if importlib.util.find_spec("psycopg2") else ["its driver (pip install psycopg2-binary)"]),
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(LACKING), reason=f"this machine lacks {' and '.join(LACKING)}"),
]


class Cluster:
    """A PostgreSQL server on a free port of this machine, with an empty database `runs`."""

    def __init__(self, folder):
        # The server refuses the superuser, who becomes another one.
        self.user = None if os.geteuid() else pwd.getpwnam("nobody").pw_uid
        self.folder = folder
        if self.user is not None:
            os.chown(folder, self.user, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.call("initdb", "--auth=trust", "--username=me", f"--pgdata={folder}/data")
        self.start()
        self.call("createdb", "--host=127.0.0.1", f"--port={self.port}", "--username=me", "runs")
        self.uri = f"postgresql+psycopg2://me@127.0.0.1:{self.port}/runs"

    def call(self, program, *arguments):
        subprocess.run([BIN / program, *arguments], check=True, user=self.user, cwd="/", stdout=subprocess.DEVNULL)

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        log = f"{self.folder}/log"
        self.call("pg_ctl", "start", "--wait", f"--pgdata={self.folder}/data", f"--options={options}", f"--log={log}")

    def kill(self):
        """End it as a power cut does."""
        file = self.folder / "data/postmaster.pid"
        os.kill(int(file.read_text().split()[0]), signal.SIGKILL)
        while subprocess.run([BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode == 0:
            time.sleep(0.1)

    def stop(self):
        self.call("pg_ctl", "stop", "--mode=immediate", f"--pgdata={self.folder}/data")


@pytest.fixture
def cluster():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "cluster").mkdir()
        started = Cluster(Path(folder) / "cluster")
        yield started
        started.stop()


def test_four_writers_lose_nothing_when_the_server_is_killed_and_comes_back(cluster, tmp_path):
    words = (
        *SMALL,
        "training.epochs=200",
        "training.patience=200",
        "training.jit_compile=false",
        "sweep.checkpoint_s=0",
    )
    where = (f"output_dir={tmp_path}", f"tracking.uri={cluster.uri}")
    sweep = ("-m", "seed=range(8)", "sweep.workers=4", *words, *where)
    command = [sys.executable, "-m", "experiments.train", *sweep]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        store = Store(cluster.uri, str(tmp_path))
        while sum("val/mse" in run.metrics for run in store.runs("default")) < 3:
            assert process.poll() is None
            time.sleep(0.5)
        cluster.kill()
        time.sleep(10)
        cluster.start()
        printed, _ = process.communicate(timeout=500)
    assert process.returncode == 0, printed
    runs = Store(cluster.uri, str(tmp_path)).trials("default")
    assert len(runs) == 8 and {run.status for run in runs} == {"FINISHED"}
    for run in runs:
        history = store.client.get_metric_history(run.run_id, "val/mse")
        assert [point.step for point in history] == list(range(1, 201))
    experiments = [store.experiment("default/adding")]
    searched = store.client.search_runs(experiments, "", order_by=["attributes.start_time DESC"])
    assert Tables(cluster.uri).runs(experiments) == [StoredRun.of(run) for run in searched]
