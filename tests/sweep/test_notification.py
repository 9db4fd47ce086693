"""What is told at the end of a sweep: to a real server, to a real command, and to none that answers."""

import json
import math
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from omegaconf import OmegaConf

from experiments.config.schema import Sweep
from experiments.errors import UserError
from experiments.sweep.notification import Batch, notice, send
from experiments.sweep.preflight import prepare
from experiments.sweep.run import Crew, show_elsewhere
from experiments.sweep.run_trial import Outcome
from experiments.sweep.worker import LayerCheck
from hydra_plugins.gatelab.early_checks import EarlyChecks
from tests.conftest import spec_of
from tests.stores import put_store

SMALL = ("task.train_size=64", "task.validation_size=32", "task.test_size=32", "study=s")


@pytest.fixture
def batch(make_config):
    """A sweep of three trials, of which one has ended and one has failed."""

    def make(*words):
        specs = [spec_of(make_config(*SMALL, f"seed={seed}", *words)) for seed in range(3)]
        return Batch(specs, {0: Outcome("finished", 0.25), 1: Outcome("failed", error="MemoryError")})

    return make


@contextmanager
def listening(status=200):
    """A server, and what it was sent."""
    posted = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook/secret", posted
        finally:
            server.shutdown()


def test_a_server_gets_a_summary(batch, tmp_path):
    one = batch()
    page = tmp_path / "out/s/report/report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    with listening() as (address, posted):
        send(address, notice(one.specs[0].config, "with failures", [one]))
    assert posted == [
        (
            "/hook/secret",
            {
                "text": "s: with failures, 1 of 3 trials done, 1 failed",
                "study": "s",
                "end": "with failures",
                "trials": 3,
                "done": 1,
                "failed": 1,
                "report": str(page),
                "best": ["adding: mse 0.25   standard, seed 0"],
            },
        )
    ]


def test_a_trial_of_several_phases_counts_once(batch):
    first = batch()
    second = Batch(first.specs[:1], {0: Outcome("finished", math.nan)})
    told = notice(first.specs[0].config, "finished", [first, second])
    assert (told["trials"], told["done"], told["best"], told["report"]) == (3, 1, [], None)


@pytest.mark.parametrize(
    ("raised", "end"), [(KeyboardInterrupt, "interrupted"), (UserError, "given up"), (None, "with failures")]
)
def test_a_command_is_told_how_a_sweep_ended(batch, tmp_path, raised, end):
    told = tmp_path / "told.json"
    crew = Crew()
    try:
        with crew:
            crew.batches.append(batch(f"sweep.notify='cat > {told}'"))
            if raised:
                raise raised
        crew.tell()
    except (KeyboardInterrupt, UserError):
        pass
    assert json.loads(told.read_text())["end"] == end


def test_nobody_is_told_of_a_sweep_that_was_refused(tmp_path):
    with pytest.raises(UserError), Crew():
        raise UserError("before the first trial")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://127.0.0.1:9/hook/secret", "ConnectionError"),
        ("http://[/secret", "InvalidURL"),
        ("exit 3", "Command 'exit 3' returned non-zero exit status 3."),
    ],
)
def test_a_notification_that_fails_is_told_in_a_line(target, reason, capsys):
    send(target, {"text": "done"})
    assert capsys.readouterr().out == f"sweep.notify: nobody was told ({reason})\n"


def test_a_server_that_refuses_is_told_in_a_line_without_its_address(capsys):
    with listening(status=404) as (address, _):
        send(address, {"text": "done"})
    assert capsys.readouterr().out == "sweep.notify: nobody was told (HTTPError 404)\n"


@pytest.mark.slow
def test_other_launchers_tell_too(make_config, tmp_path, capsys):
    put_store(tmp_path / "out")
    configs = [make_config(*SMALL, f"seed={seed}", f"sweep.notify='cat > {tmp_path}/told'") for seed in (0, 1)]
    show_elsewhere(configs, failed=1)
    assert json.loads((tmp_path / "told").read_text())["text"] == "s: with failures, 1 of 2 trials done, 1 failed"


def test_the_address_is_in_no_plan_and_no_trial(make_config, tmp_path):
    put_store(tmp_path / "out")
    words = (*SMALL, "sweep.notify=http://127.0.0.1/secret")
    checks = lambda configs: [LayerCheck(config.model.units) for config in configs]  # noqa: E731
    (spec,) = prepare([make_config(*words)], [words], checks).specs
    assert spec.overrides == SMALL and spec.config.sweep.notify.endswith("secret")
    assert "secret" not in (tmp_path / "out/s/plan.json").read_text()


def test_a_password_in_the_address_is_refused(make_config):
    """Hydra would write it into a file; a variable it writes by its name."""
    sweep = {"notify": "https://me:word@example.org"}
    with pytest.raises(SystemExit):
        EarlyChecks().on_run_start(OmegaConf.create({"study": "s", "sweep": sweep}))
    named = OmegaConf.create({"study": "s", "sweep": {"notify": "${oc.env:HOOK}"}})
    EarlyChecks().on_run_start(named)
    assert "HOOK" in yaml.safe_load(OmegaConf.to_yaml(named))["sweep"]["notify"] and Sweep().notify is None
