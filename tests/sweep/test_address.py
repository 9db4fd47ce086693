"""Which store commands take, whatever its folder is called, and that no password gets into what they write."""

import base64
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from experiments.errors import UserError
from experiments.gates import __main__ as gates
from experiments.gates import survey
from experiments.report import __main__ as report
from experiments.sweep import __main__ as manage
from experiments.tracking import Store
from tests.conftest import ROOT
from tests.report import studies as trials_of_studies
from tests.stores import is_untouched, new_store, put_store
from tests.sweep.test_commands import KEYS, add
from tests.sweep.test_run import QUICK
from tests.tracking.test_store import server

SECRET = "gehe1m-4711"
HEADER = f"Basic {base64.b64encode(f'me:{SECRET}'.encode()).decode()}"


def command(*words, **environment):
    """Run `python -m experiments.WORD ...` in a process of its own."""
    full = [sys.executable, "-m", f"experiments.{words[0]}", *words[1:]]
    environment = {**os.environ, **environment}
    return subprocess.run(full, cwd=ROOT, capture_output=True, text=True, timeout=300, env=environment)


def files_with_the_secret(folder):
    return [file for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


@pytest.mark.parametrize("words", [(), ("-m",), ("-m", "hydra/sweeper=basic"), ("-m", "hydra/sweeper=search")])
def test_a_password_in_the_address_is_refused_before_anything_is_written(tmp_path, words):
    done = command("train", *words, f"tracking.uri=http://me:{SECRET}@127.0.0.1:1", f"output_dir={tmp_path}/out")
    assert done.returncode == 2 and "the address holds a password" in done.stderr, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("-m",), ("-m", "hydra/sweeper=basic")])
def test_a_study_is_not_written_outside_of_the_output_folder(tmp_path, words):
    done = command("train", *words, "study=..", f"output_dir={tmp_path}/out")
    assert done.returncode == 2 and "study='..': must not begin with a dot" in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_the_terminal_has_no_characters_for_is_shown_otherwise(tmp_path):
    add(new_store(tmp_path), KEYS[0], "adding/v/s0", study="été")
    done = command("sweep", "status", "study=été", f"output_dir={tmp_path}", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.stdout.splitlines()[1] == "Study \\xe9t\\xe9" and "Traceback" not in done.stderr, done.stderr


def test_a_password_that_arrives_by_the_environment_is_refused(train_here, tmp_path, monkeypatch):
    address = f"postgresql://me:{SECRET}@127.0.0.1/x"
    monkeypatch.setenv("STORE", address)
    done = train_here("-m", "tracking.uri=${oc.env:STORE}", *QUICK)
    assert done.returncode == 2 and "the address holds a password" in done.stderr, done.stderr
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI: the address holds a password") as refused:
        manage.main(["status", "study=s", f"output_dir={tmp_path}/out"])
    assert SECRET not in done.stdout + done.stderr + str(refused.value)
    assert not files_with_the_secret(tmp_path)


@pytest.mark.slow
def test_a_sweep_in_a_folder_with_a_question_mark_writes_no_password_of_the_environment(
    train_here, tmp_path, monkeypatch
):
    put_store(tmp_path / "a?b")
    for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD"):
        monkeypatch.setenv(name, SECRET)
    done = train_here("-m", *QUICK, "sweep.workers=1", folder=f"'{tmp_path}/a?b'")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "a?b/default/report/report.html").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"a?b", "out"} and is_untouched(tmp_path / "out")
    assert manage.main(["export", "study=default", f"file={tmp_path}/s.zip", f"output_dir={tmp_path}/a?b"]) == 0
    assert len(list(tmp_path.rglob("*"))) > 20 and not files_with_the_secret(tmp_path)
    assert SECRET not in done.stdout + done.stderr


@contextlib.contextmanager
def asking_for_a_password(port, behind):
    """A server that hands on to the one behind it whatever comes with the right name and password."""

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.headers["Authorization"] != HEADER:
                return self.answer(401, b"who are you?")
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            kind = {"Content-Type": self.headers["Content-Type"] or "application/json"}
            address = f"http://127.0.0.1:{behind}{self.path}"
            request = urllib.request.Request(address, body or None, kind, method=self.command)
            try:
                with urllib.request.urlopen(request) as answer:
                    self.answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self.answer(error.code, error.read())

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Guard) as guard:
        threading.Thread(target=guard.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            guard.shutdown()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_a_server_that_asks_for_a_password_gets_it_from_the_environment_only(tmp_path):
    (tmp_path / "server").mkdir()
    behind, port = free_port(), free_port()
    words = (f"tracking.uri=http://127.0.0.1:{port}", f"output_dir={tmp_path}/out")
    with server(tmp_path / "server", behind), asking_for_a_password(port, behind):
        refused = command("train", "-m", *QUICK, *words)
        assert refused.returncode == 2 and "Set MLFLOW_TRACKING_USERNAME" in refused.stderr, refused.stderr
        login = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": SECRET}
        for step in (
            ("train", "-m", "seed=0,1", "sweep.workers=2", *QUICK),
            ("sweep", "status", "study=default"),
            ("sweep", "export", "study=default", f"file={tmp_path}/s.zip"),
        ):
            done = command(*step, *words, **login)
            assert done.returncode == 0, done.stdout + done.stderr
            assert SECRET not in done.stdout + done.stderr
    assert (tmp_path / "out" / "default" / "report" / "report.html").is_file()
    assert not files_with_the_secret(tmp_path)


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b", "a b", "a;b&c=d"])
def test_an_output_folder_of_any_name(tmp_path, name, capsys):
    folder = tmp_path / name
    put_store(folder)
    run = add(Store(None, str(folder)), KEYS[0], "adding/v/s0", None)
    (tmp_path / "file.txt").write_text("text")
    run.add_files([tmp_path / "file.txt"])
    run.end("FINISHED")
    words = ("study=s", f"output_dir={folder}")
    assert manage.main(["export", f"file={tmp_path}/s.zip", *words]) == 0
    address = capsys.readouterr().out.splitlines()[0].removeprefix("Store: ")
    manage.main(["status", "study=s", f"tracking.uri={address}", f"output_dir={folder}"])
    assert "│    1 │" in capsys.readouterr().out, "the address that is shown leads there"
    assert (folder / "artifacts/s/adding" / run.id / "artifacts/file.txt").is_file()
    assert {file.name for file in tmp_path.iterdir()} == {name, "file.txt", "s.zip"}


def test_a_question_mark_in_an_address_is_no_part_of_a_path(tmp_path):
    with pytest.raises(UserError, match="Write %3F"):
        Store(f"sqlite:///{tmp_path}/a?b/mlflow.db", str(tmp_path))


def test_the_store_of_the_environment_counts_unless_one_is_named(tmp_path, monkeypatch, capsys):
    named = add(new_store(tmp_path / "named"), KEYS[0], "adding/v/s0")
    given = add(new_store(tmp_path / "environment"), KEYS[1], "adding/v/s1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/environment/mlflow.db")
    assert [run.run_id for run in Store(None, str(tmp_path / "named")).trials("s")] == [given.id]
    named_uri = f"sqlite:///{tmp_path}/named/mlflow.db"
    assert [run.run_id for run in Store(named_uri, str(tmp_path)).trials("s")] == [named.id]
    manage.main(["status", "study=s", f"output_dir={tmp_path}"])
    manage.main(["status", "study=s", f"tracking.uri={named_uri}", f"output_dir={tmp_path}"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Store: ")]
    assert lines == [f"Store: sqlite:///{tmp_path}/environment/mlflow.db (MLFLOW_TRACKING_URI)", f"Store: {named_uri}"]


@pytest.mark.parametrize(
    "read",
    [
        lambda folder: report.main(["study=s", folder]),
        lambda folder: survey.main(["study=s", folder]),
        lambda folder: gates.main(["adding/v/s0", folder]),
        lambda folder: manage.main(["status", "study=s", folder]),
        lambda folder: manage.main(["clean", "study=s", folder]),
        lambda folder: manage.main(["export", "study=s", "file=x.zip", folder]),
    ],
    ids=["report", "survey", "gates", "status", "clean", "export"],
)
def test_only_what_trains_or_imports_makes_a_store(tmp_path, read):
    with pytest.raises(UserError, match="there is no store .*mistyped/mlflow.db"):
        read(f"output_dir={tmp_path}/mistyped")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("scheme", "package"), [("postgresql+psycopg2", "psycopg2-binary"), ("mysql+pymysql", "pymysql")]
)
def test_a_missing_driver_is_named(tmp_path, scheme, package):
    with pytest.raises(UserError, match=f"pip install {package}"):
        Store(f"{scheme}://127.0.0.1:1/x", str(tmp_path))


READ = """
import sys
from experiments.errors import UserError
from experiments.report import __main__ as report
from experiments.sweep import __main__ as sweep
folder, elsewhere = sys.argv[1:]
store = ["study=s", f"output_dir={folder}"]
sweep.main(["status", *store])
sweep.main(["export", f"file={elsewhere}/s.zip", *store])
report.main([f"folder={elsewhere}/report", *store])
try:
    report.main(store)
except UserError as error:
    print(error)
"""


@pytest.mark.slow
def test_what_only_reads_works_where_nothing_can_be_written(tmp_path):
    """On a disk that is mounted read-only, since whoever may do anything may write into folders of others."""
    store = new_store(tmp_path / "out")
    trial = trials_of_studies.add(store, "standard", 0, 0.5)
    store.client.log_text(trial, "text", "config.yaml")
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "-", str(store.folder)]
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("needs unshare, and the right to mount in a namespace of its own")
    (store.folder / "mlflow.db.lock").unlink()
    words = [sys.executable, "-c", READ, str(store.folder), str(tmp_path)]
    done = subprocess.run([*own, *words], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "s.zip").is_file() and (tmp_path / "report" / "report.html").is_file()
    assert "The report is not recorded in the store" in done.stdout and "Name another folder=FOLDER" in done.stdout
    assert {path.name for path in store.folder.iterdir()} == {"mlflow.db", "artifacts"}
