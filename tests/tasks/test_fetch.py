import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.errors import UserError
from experiments.tasks import fetch as fetching
from experiments.tasks.fetch import DATASETS, FILES, File, fetch, fetch_dataset, files_of, missing
from tests.conftest import ROOT
from tests.tasks.helpers import build

CONTENT = b"a line of data\n" * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REAL = os.environ.get("GATELAB_DATA")


class Server:
    """Answers every request with CONTENT, or as told, and counts the requests."""

    def __init__(self):
        self.requests = []
        self.status = 200
        self.sent = len(CONTENT)
        self.promised = len(CONTENT)
        self.delay = 0.0
        self.moved = {}  # addresses to which paths redirect
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.http.handle_error = lambda *_: None  # a client that has hung up
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def handler(server):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                server.requests.append(self.path)
                time.sleep(server.delay)
                if self.path in server.moved:
                    self.send_response(302)
                    self.send_header("Location", server.moved[self.path])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(server.status)
                self.send_header("Content-Length", str(server.promised))
                self.end_headers()
                self.wfile.write(CONTENT[: server.sent])

            def log_message(self, *_):
                pass

        return Handler

    def address(self, name):
        return f"http://127.0.0.1:{self.http.server_port}/{name}"

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch):
    """Serves `one.txt` and the three files of the data set `three`."""
    started = Server()
    names = ("one.txt", "train.txt", "valid.txt", "test.txt")
    for name in names:
        monkeypatch.setitem(FILES, name, File(started.address(name), SHA256))
    monkeypatch.setitem(DATASETS, "three", names[1:])
    yield started
    started.stop()


@pytest.fixture
def closed_port(monkeypatch):
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{refusing.getsockname()[1]}"
    for name in ("one.txt", "train.txt", "valid.txt", "test.txt"):
        monkeypatch.setitem(FILES, name, File(f"{address}/{name}", SHA256))
    monkeypatch.setitem(DATASETS, "three", ("train.txt", "valid.txt", "test.txt"))
    return address


def test_a_file_is_downloaded_once(server, tmp_path, capsys):
    folder = tmp_path / "not" / "yet"
    assert missing(["one.txt"], str(folder)) == ["one.txt"]
    path = fetch("one.txt", str(folder))
    assert path == folder / "one.txt" and path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644
    assert fetch("one.txt", str(folder)) == path
    assert server.requests == ["/one.txt"] and missing(["one.txt"], str(folder)) == []
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err == f"downloading {server.address('one.txt')} to {path}\n"


def test_a_data_set_is_its_files_in_order(server, tmp_path):
    assert [path.name for path in fetch_dataset("three", str(tmp_path))] == ["train.txt", "valid.txt", "test.txt"]


def test_without_data_dir_files_are_in_the_cache_folder_of_the_user(server, tmp_path, monkeypatch):
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    assert fetch("one.txt") == tmp_path / "gatelab" / "one.txt"


def test_parallel_processes_download_once(server, tmp_path):
    server.delay = 0.5
    code = f"""
from experiments.tasks.fetch import FILES, File, fetch
FILES["one.txt"] = File("{server.address("one.txt")}", "{SHA256}")
print(fetch("one.txt", "{tmp_path}"))
"""
    workers = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) for _ in range(3)]
    lines = [worker.communicate(timeout=30)[0].decode().strip() for worker in workers]
    assert lines == [str(tmp_path / "one.txt")] * 3 and server.requests == ["/one.txt"]


def test_parallel_threads_download_once(server, tmp_path):
    server.delay = 0.1
    threads = [threading.Thread(target=fetch, args=("one.txt", str(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == ["/one.txt"]


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".gatelab.lock")


def test_a_redirect_is_followed_to_another_host(server, tmp_path):
    server.moved["/one.txt"] = f"http://localhost:{server.http.server_port}/there"
    assert fetch("one.txt", str(tmp_path)).read_bytes() == CONTENT
    assert server.requests == ["/one.txt", "/there"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("/one.txt", "the server sends from one address to the next without end"),
        ("file:///etc/hostname", "the server sends to an address that is none of http or https"),
        ("ftp://127.0.0.1/one.txt", "the server sends to an address that is none of http or https"),
    ],
)
def test_a_redirect_that_leads_nowhere_leaves_no_file(server, tmp_path, address, reason):
    server.moved["/one.txt"] = address
    with pytest.raises(UserError, match=rf"one.txt cannot be downloaded \({reason}\)"):
        fetch("one.txt", str(tmp_path))
    assert left_behind(tmp_path) == []


def test_a_redirect_to_a_page_that_asks_to_log_in_is_not_the_file(server, tmp_path):
    """Any page with status 200: the checksum tells."""
    server.moved["/one.txt"] = "/login"
    server.sent = server.promised = 500
    with pytest.raises(UserError, match="what came has another checksum"):
        fetch("one.txt", str(tmp_path))
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sent": 1000}, "the connection broke"),
        ({"sent": 1000, "promised": 1000}, "what came has another checksum"),
        ({"status": 404}, "the server says 404 Not Found"),
        ({"status": 503}, "the server says 503 Service Unavailable"),
    ],
)
def test_a_download_that_failed_leaves_no_file(server, tmp_path, changes, reason):
    vars(server).update(changes)
    with pytest.raises(UserError, match=rf"one.txt cannot be downloaded \({reason}"):
        fetch("one.txt", str(tmp_path))
    assert left_behind(tmp_path) == []
    vars(server).update(sent=len(CONTENT), promised=len(CONTENT), status=200)
    assert fetch("one.txt", str(tmp_path)).read_bytes() == CONTENT


def test_a_server_that_does_not_answer(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUTS", (0.3, 0.3))
    server.delay = 1.0
    with pytest.raises(UserError, match="no answer in time"):
        fetch("one.txt", str(tmp_path))
    assert left_behind(tmp_path) == []


def test_offline_is_told_at_once_with_all_that_is_missing(closed_port, tmp_path):
    (tmp_path / "valid.txt").write_bytes(CONTENT)
    before = time.monotonic()
    with pytest.raises(UserError) as caught:
        fetch_dataset("three", str(tmp_path))
    assert time.monotonic() - before < 5
    message = str(caught.value)
    assert message.startswith("train.txt cannot be downloaded (no connection)")
    for name in ("train.txt", "test.txt"):
        assert f"{tmp_path / name}\n    from     {closed_port}/{name}\n    SHA-256  {SHA256}" in message
    assert "valid.txt" not in message and "data_dir=FOLDER" in message
    assert left_behind(tmp_path) == ["valid.txt"]


def test_what_is_there_needs_no_network_and_no_lock(closed_port, tmp_path):
    (tmp_path / "one.txt").write_bytes(CONTENT)
    assert fetch("one.txt", str(tmp_path)).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["one.txt"]


def test_another_file_is_refused_and_left_alone(server, tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("mine")
    checksum = hashlib.sha256(b"mine").hexdigest()
    with pytest.raises(UserError, match=f"(?s){path}.*delete it.*data_dir=FOLDER.*{SHA256}.*{checksum}"):
        fetch("one.txt", str(tmp_path))
    assert path.read_text() == "mine" and server.requests == []
    path.write_bytes(CONTENT)
    assert fetch("one.txt", str(tmp_path)) == path


def test_a_folder_in_place_of_a_file(server, tmp_path):
    (tmp_path / "one.txt").mkdir()
    with pytest.raises(UserError, match=r"one.txt: cannot be read \(Is a directory"):
        fetch("one.txt", str(tmp_path))


def test_a_folder_that_cannot_be_used(server, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "folder"):
        with pytest.raises(UserError, match=rf"{folder}: the folder .* \(it is no folder\).*data_dir=FOLDER"):
            fetch("one.txt", str(folder))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has /proc, where nobody can write")
@pytest.mark.parametrize("folder", ["/proc", "/proc/gatelab"])
def test_a_folder_that_cannot_be_written_to(server, folder):
    with pytest.raises(UserError, match=rf"{folder}: the folder of data files cannot be used \(.+\)"):
        fetch("one.txt", folder)


def test_a_data_set_that_is_not_there():
    with pytest.raises(UserError, match="task.dataset=ptbb: no data to fetch. Allowed: .*ptb, sp500"):
        fetch_dataset("ptbb")
    with pytest.raises(UserError, match="task.dataset=null"):
        fetch_dataset(None)


@pytest.mark.parametrize("function", ["char_lm", "word_lm", "forecast", "music", "sentiment", "classify"])
def test_a_data_set_of_another_kind_is_refused(function):
    with pytest.raises(UserError, match=r"task.dataset=mnist: no \w+ to fetch. Allowed: \w+"):
        build(function, dataset="mnist")


def test_files_of_settings():
    assert files_of(SimpleNamespace(dataset="etth1")) == ("ETTh1.csv",)
    assert files_of(SimpleNamespace(dataset="etth1", path="mine.csv")) == ()
    assert files_of(SimpleNamespace(dataset=None, path=None)) == files_of(SimpleNamespace()) == ()


def test_every_file_has_a_checksum_and_a_data_set():
    assert {name for names in DATASETS.values() for name in names} == set(FILES)
    for address, sha256 in FILES.values():
        assert address.startswith("https://") and len(sha256) == 64


@pytest.mark.skipif(REAL is None, reason="GATELAB_DATA names no folder of fetched files")
def test_real_files_have_the_checksums():
    present = sorted(set(FILES) - set(missing(list(FILES), REAL)))
    assert present
    for name in present:
        assert fetch(name, REAL) == Path(REAL).absolute() / name
