"""The commands for studies: plan, status, clean, and what they refuse. Runs are made in real stores, not trained."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from filelock import FileLock

from experiments.errors import UserError
from experiments.report.command import report_study
from experiments.sweep import __main__ as manage
from experiments.sweep import clean as cleanup
from experiments.sweep import plan, status
from experiments.sweep.plan import PlanEntry
from experiments.sweep.preflight import prepare
from experiments.sweep.worker import LayerCheck
from experiments.tracking import lookup
from experiments.trial import checkpoint
from experiments.trial.source_digest import source_digest
from tests.conftest import ROOT
from tests.stores import new_store

KEYS = [f"{number:016x}" for number in range(1, 20)]
HELD = "held.lock"


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path / "out")


def add(store, key, name, end="FINISHED", study="s", lock="no lock", files=(), **tags):
    """A run of the trial `name` with files, given as their texts by path; with end=None it is still running."""
    task, variant, seed = name.split("/")
    params = {"variant": variant, "task": task, "seed": seed[1:]}
    described = {
        "kind": "trial",
        "study": study,
        "trial_key": key,
        "code": source_digest(),
        "score_metric": "test/mse",
        **tags,
    }
    run = store.start(store.experiment(f"{study}/{task}"), name, params, described, Path(lock))
    if end == "FINISHED":
        run.log({1: {"train/loss": 0.5}, 0: {"test/mse": 0.25}})
        files = files or {"trial.log": "of a trial"}
    for path, text in dict(files).items():
        run.client.log_text(run.id, text, path)
    if end:
        run.end(end)
    return run


def entry(key, name, *overrides):
    """What a plan needs to know of a trial."""
    return SimpleNamespace(key=key, name=name, overrides=overrides)


def write_plan(store, trials, study="s"):
    plan.add(plan.file_of(store.folder, study), [entry(key, name, f"x={key}") for key, name in trials.items()])


def run(store, *words):
    return manage.main([*words, f"output_dir={store.folder}"])


def counts(store, study="s"):
    """The cells of the table by task and column, without those that are empty."""
    file = plan.file_of(store.folder, study)
    rows = status.standings(store.trials(study), plan.read(file) if file.exists() else {})
    table = status.counts_table(rows, file.exists())
    names = [column.header for column in table.columns]
    cells = zip(*(column.cells for column in table.columns), strict=True)
    return {row[0]: {n: c for n, c in zip(names[1:], row[1:], strict=True) if c != "-"} for row in cells}


def test_a_sweep_writes_its_plan_and_later_ones_add_to_it(make_config, tmp_path):
    def sweep(*overrides):
        words = [(*overrides, f"seed={seed}") for seed in (0, 1)]
        checks = lambda configs: [LayerCheck(config.model.units) for config in configs]  # noqa: E731
        return prepare([make_config(*each) for each in words], words, checks).specs

    first = sweep("study=mine")
    file = tmp_path / "out" / "mine" / "plan.json"
    assert plan.read(file) == {
        spec.key: PlanEntry(f"adding/standard/s{seed}", ("study=mine", f"seed={seed}"))
        for seed, spec in enumerate(first)
    }
    written = file.stat().st_mtime_ns
    sweep("study=mine")
    assert file.stat().st_mtime_ns == written, "nothing new, nothing written"
    second = sweep("study=mine", "variant=peephole")
    assert list(plan.read(file)) == [spec.key for spec in (*first, *second)]


def test_a_trial_whose_key_has_changed_gives_way_to_the_new_one(tmp_path):
    file = tmp_path / "plan.json"
    plan.add(file, [entry(KEYS[0], "a/b/s0", "seed=0"), entry(KEYS[1], "a/b/s1", "seed=1")])
    plan.add(file, [entry(KEYS[2], "a/b/s0", "seed=0")])
    assert set(plan.read(file)) == {KEYS[1], KEYS[2]}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2, "trials": {}}', '{"format": 1}'])
def test_a_plan_that_cannot_be_read_is_told_and_written_anew(store, content, capsys):
    add(store, KEYS[0], "a/b/s0")
    file = plan.file_of(store.folder, "s")
    file.parent.mkdir()
    file.write_text(content)
    assert run(store, "status", "study=s") == 1
    assert "missing is unknown: the plan" in capsys.readouterr().out
    write_plan(store, {KEYS[0]: "a/b/s0"})
    assert run(store, "status", "study=s") == 0


def test_sweeps_that_plan_at_once_lose_nothing(tmp_path):
    code = (
        "import sys; from pathlib import Path; from types import SimpleNamespace; from experiments.sweep import plan\n"
        "file, name = Path(sys.argv[1]), sys.argv[2]\n"
        "for k in range(50):\n"
        "    trial = SimpleNamespace(key=f'{name}{k}', name='a/b/s0', overrides=(name, str(k)))\n"
        "    plan.add(file, [trial])"
    )
    file = tmp_path / "plan.json"
    processes = [subprocess.Popen([sys.executable, "-c", code, str(file), name], cwd=ROOT) for name in "abc"]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert len(plan.read(file)) == 150


def test_status_counts_each_trial_once_by_the_run_that_counts(store, tmp_path, capsys):
    lock = tmp_path / HELD
    names = {KEYS[k]: f"adding/v/s{k}" for k in range(6)} | {KEYS[6]: "parity/v/s0", KEYS[7]: "parity/v/s1"}
    write_plan(store, names)
    add(store, KEYS[0], names[KEYS[0]])
    add(store, KEYS[0], names[KEYS[0]], "FAILED")  # a finished run wins
    add(store, KEYS[1], names[KEYS[1]], "KILLED")
    add(store, KEYS[1], names[KEYS[1]], "FAILED", error="ValueError: no [bold] numbers")  # else the newest
    add(store, KEYS[2], names[KEYS[2]], "KILLED")
    add(store, KEYS[3], names[KEYS[3]], None, lock=lock)
    add(store, KEYS[4], names[KEYS[4]], None)
    add(store, KEYS[6], names[KEYS[6]], diverged="true")
    add(store, KEYS[8], "parity/v/s9")  # not in the plan
    with FileLock(lock):
        assert run(store, "status", "study=s") == 1
        out = capsys.readouterr().out
        table = counts(store)
    assert table["adding"] == dict(planned="6", done="1", running="1", stale="1", failed="1", killed="1", missing="1")
    assert table["parity"] == dict(planned="2", done="1", diverged="1", missing="1")
    assert table["all"] == dict(
        planned="8", done="2", running="1", stale="1", failed="1", killed="1", diverged="1", missing="2"
    )
    assert "adding/v/s1  ValueError: no [bold] numbers" in out
    assert f"process {os.getpid()}, last sign of life" in out
    assert "missing: adding/v/s5, parity/v/s1" in out and "killed: adding/v/s2" in out
    assert "it does the 5 trials without a score" in out
    assert f"python -m experiments.train x={KEYS[1]}" in out
    assert f"python -m experiments.sweep clean study=s output_dir={store.folder}" in out


def test_status_of_what_is_done_and_of_what_is_only_planned(store, capsys):
    write_plan(store, {KEYS[0]: "adding/v/s0"})
    assert run(store, "status", "study=s") == 1
    assert counts(store) == {"adding": {"planned": "1", "missing": "1"}}
    add(store, KEYS[0], "adding/v/s0")
    assert run(store, "status", "study=s") == 0
    assert "All trials are done" in capsys.readouterr().out
    add(store, KEYS[1], "adding/v/s0", study="unplanned")
    assert run(store, "status", "study=unplanned") == 1, "nobody knows what is missing"
    assert counts(store, "unplanned") == {"adding": {"planned": "unknown", "done": "1", "missing": "unknown"}}


def folder_of(store, key, owner=None, partial=False, lock=True):
    """What a trial has left; with an owner it has a checkpoint."""
    folder = store.folder / "running" / key
    folder.mkdir(parents=True)
    (folder / "trial.log").write_text("log")
    if owner:
        checkpoint.write(folder / "checkpoint.npz", owner, {}, [np.ones(1000)])
    if partial:
        (folder / "checkpoint.partial").write_bytes(b"x" * 1000)
    if lock:
        Path(f"{folder}.lock").touch()
    return folder


def test_clean_removes_what_nobody_can_use_and_nothing_else(store, capsys):
    ours = {key: f"{key} {source_digest()}" for key in KEYS}
    finished = folder_of(store, KEYS[0], ours[KEYS[0]])
    add(store, KEYS[0], "adding/v/s0")
    resumable = folder_of(store, KEYS[1], ours[KEYS[1]], partial=True)
    stale = add(store, KEYS[1], "adding/v/s1", None, lock=f"{resumable}.lock")
    other_code = folder_of(store, KEYS[2], f"{KEYS[2]} 00000000")
    add(store, KEYS[2], "adding/v/s2", "KILLED")
    torn = folder_of(store, KEYS[3], ours[KEYS[3]])
    os.truncate(torn / "checkpoint.npz", 500)
    empty = folder_of(store, KEYS[4], partial=True)
    held = folder_of(store, KEYS[5])
    foreign = folder_of(store, KEYS[6])
    add(store, KEYS[6], "adding/v/s6", "KILLED", study="other")
    elsewhere = folder_of(store, KEYS[7])
    away = add(store, KEYS[7], "adding/v/s7", None)
    away.describe(tags={"host": "another machine"})
    planned_elsewhere = folder_of(store, KEYS[8])
    write_plan(store, {KEYS[8]: "adding/v/s8"}, study="other")
    shared = folder_of(store, KEYS[9], ours[KEYS[9]])  # of a trial that is finished here, not in the other study
    add(store, KEYS[9], "adding/v/s9")
    add(store, KEYS[9], "adding/v/s9", "KILLED", study="other")
    no_trial = store.folder / "running" / "notes"
    no_trial.mkdir()
    everything = {finished, resumable, other_code, torn, empty, held, foreign, elsewhere, planned_elsewhere, shared}

    with FileLock(f"{held}.lock"):
        with pytest.raises(UserError, match="add yes=true"):
            run(store, "clean", "study=s")
        assert all(folder.is_dir() for folder in everything)
        assert {t.run_id: t.status for t in store.trials("s")}[stale.id] == "RUNNING"
        capsys.readouterr()
        assert run(store, "clean", "study=s", "yes=true") == 0
    out = capsys.readouterr().out
    left = {folder for folder in everything if folder.is_dir()}
    assert left == {resumable, held, foreign, elsewhere, planned_elsewhere, shared}
    assert not any(Path(f"{folder}.lock").exists() for folder in everything - left)
    assert (resumable / "checkpoint.npz").exists() and not (resumable / "checkpoint.partial").exists()
    assert no_trial.is_dir()
    statuses = {trial.run_id: trial.status for trial in store.trials("s")}
    assert statuses[stale.id] == "KILLED" and statuses[away.id] == "RUNNING"
    for reason in ("its trial is finished", "was written by other code", "cannot be read", "it holds no checkpoint"):
        assert reason in out
    assert (
        "left alone: 2, 0.0 MB" in out
        and "being trained, left alone: 2" in out
        and "other studies, left alone: 2" in out
    )
    assert "runs marked KILLED: 1; freed: 0.0 MB" in out

    run(store, "clean", "study=s", "yes=true", "all=true")
    assert {folder for folder in everything if folder.is_dir()} == {foreign, elsewhere, planned_elsewhere}
    assert run(store, "clean", "study=s") == 0 and "Nothing to clean" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "code", "there"), [("y", 0, False), ("", 1, True), ("no", 1, True)])
def test_clean_asks_on_a_terminal(store, monkeypatch, answer, code, there):
    add(store, KEYS[0], "adding/v/s0")
    folder = folder_of(store, KEYS[0])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert run(store, "clean", "study=s") == code
    assert folder.exists() == there


def test_a_trial_that_is_taken_up_between_question_and_answer_is_left_alone(store, monkeypatch, capsys):
    add(store, KEYS[0], "adding/v/s0")
    add(store, KEYS[1], "adding/v/s1", "KILLED")
    taken, trained = folder_of(store, KEYS[0]), folder_of(store, KEYS[1])
    with contextlib.ExitStack() as stack:

        def meanwhile():
            stack.enter_context(FileLock(f"{taken}.lock"))
            checkpoint.write(trained / "checkpoint.npz", f"{KEYS[1]} {source_digest()}", {}, [np.ones(1)])
            return True

        monkeypatch.setattr(cleanup, "_agreed", meanwhile)
        assert run(store, "clean", "study=s") == 0
    assert taken.exists() and trained.exists()
    assert "was taken up meanwhile" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stauts"], "stauts: there is no such command. Commands: status, clean, check, export, import"),
        (["status"], "study= is needed"),
        (["status", "study="], "study=: there is no such option here. Options: output_dir=, tracking.uri=, study="),
        (["status", "stduy=s"], "stduy=s: there is no such option here. Options: .*study="),
        (["status", "study=s", "yes=true"], "yes=true: there is no such option here"),
        (["clean", "study=s", "yes=maybe"], "yes=maybe: must be true or false"),
        (["clean", "study=x"], "study=x: the store .* has no trials of it. Studies: s"),
        (["status", "study=x"], "study=x: the store .* has no trials of it. Studies: s"),
        (["check", "study=s"], "check which trial"),
        (["check", "adding/v/s0", "study=x"], "study=x: the store .* has no trials"),
        (["check", "adding/v/s9", "study=s"], "adding/v/s9: study s has no such trial. It has adding/v/s0"),
        (["check", "adding/v/s0", "study=s"], "adding/v/s0: its run .* has no artifact config.yaml"),
        (["export", "study=s"], "file= is needed"),
        (["export", "study=s", "file={}/no/folder.zip"], "file=.*: cannot be written"),
        (["export", "study=s", "file={}"], "exists already"),
        (["export", "study=x", "file={}/x.zip"], "study=x: the store .* has no trials"),
        (["import", "file={}/none.zip"], "file=.*none.zip: cannot be read"),
        (["status", "study=s", "tracking.uri=sqlite:///{}/none.db"], "there is no store .*none.db"),
    ],
)
def test_mistakes_are_told(store, tmp_path, words, message):
    add(store, KEYS[0], "adding/v/s0")
    with pytest.raises(UserError, match=message):
        run(store, *(word.format(tmp_path) for word in words))
    assert not list(tmp_path.glob("*.zip*"))


@pytest.mark.parametrize("words", [[], ["--help"], ["status", "--help"]])
def test_help_imports_next_to_nothing(words):
    code = (
        "import runpy, sys\n"
        "try: runpy.run_module('experiments.sweep', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'tensorflow', 'mlflow', 'keras', 'hydra'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in manage.COMMANDS:
        assert f"python -m experiments.sweep {command} " in done.stdout


def test_a_mistake_is_one_line_and_exit_status_2(tmp_path):
    command = [sys.executable, "-m", "experiments.sweep", "status", "study=s", f"output_dir={tmp_path}/none"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (
        done.returncode == 2 and done.stderr.startswith("error: there is no store") and "Traceback" not in done.stderr
    )
    assert not (tmp_path / "none").exists()


def test_the_last_sign_of_life_is_told_in_minutes(store):
    run = add(store, KEYS[0], "adding/v/s0", None)
    run.client.set_tag(run.id, "heartbeat", str(int(time.time() - 120)))
    assert "last sign of life 2 min" in status.sign_of_life(store.trials("s")[0])


EDITED = {  # tags of a run, and what is said of them
    "no heartbeat": ({"heartbeat": "abc"}, "its tag heartbeat is 'abc', no number"),
    "no attempts": ({"attempts": "x\x1b[2J"}, r"its tag attempts is 'x\x1b[2J', no number"),
    "no path": ({"lock": "x" * 5000}, "its tag lock is no path"),
    "no references": ({"references": "5"}, ""),
    "deep references": ({"references": "[" * 4000}, ""),
}


@pytest.mark.parametrize("end", [None, "FINISHED"])
def test_edited_runs_do_not_stop_the_others(store, make_config, capsys, end):
    """Sweep, status, clean and report go on with the trials beside them, and name them once."""
    score = {"score_title": "mse", "score_better": "lower", "baseline": "1"}
    for seed in range(3):
        add(store, KEYS[seed], f"adding/standard/s{seed}", **score)
    edited = [add(store, KEYS[3], f"adding/standard/s{'9' * 5000}", end, **score)]
    for number, (tags, _) in enumerate(EDITED.values()):
        edited.append(add(store, KEYS[4 + number], f"adding/standard/s{4 + number}", end, **score))
        for tag, value in tags.items():
            store.client.set_tag(edited[-1].id, tag, value)
    edited.append(add(store, KEYS[-1], "adding/standard/s11", end, **score))
    store.client.delete_tag(edited[-1].id, "trial_key")

    run(store, "status", "study=s")
    out = capsys.readouterr().out
    for message in (*(message for _, message in EDITED.values()), "it has no tag trial_key"):
        assert not message or out.count(message) == 1
    run(store, "clean", "study=s", "yes=true")
    words = ("study=s",)
    checks = lambda configs: [LayerCheck(config.model.units) for config in configs]  # noqa: E731
    prepare([make_config(*words, f"seed={seed}") for seed in (17, 18)], [words, words], checks).mark_stale()
    for trial in store.trials("s"):
        if trial.run_id in {run.id for run in edited}:
            store.reopen(trial, trial.params, Path("no lock")).end(end or "KILLED")
    capsys.readouterr()
    report_study(store, "s", page=False)
    assert "standard reaches 0.25" in capsys.readouterr().out


def test_escapes_of_a_shared_store_do_not_reach_the_terminal(store, capsys):
    evil = "\x1b]0;owned\x07\x1b[2J\r\x9b1m"
    score = {"score_title": f"mse{evil}", "score_better": "lower", "baseline": "1", "baseline_title": evil}
    for seed in (0, 1):
        add(store, KEYS[seed], f"adding{seed}/v{evil}/s{seed}", study="s", **score)
    add(store, KEYS[2], f"adding0/x{evil}/s2", "FAILED", error=evil, **score)
    add(store, KEYS[3], f"adding0/x{evil}/s3", None, host=evil, lock=evil, **score)
    store.client.create_experiment(f"{evil}/{evil}")
    run(store, "status", "study=s")
    report_study(store, "s", page=False)
    run(store, "clean", "study=s", "yes=true")
    with pytest.raises(UserError) as refused:
        run(store, "status", "study=none")
    printed = capsys.readouterr().out + str(refused.value)
    assert "\\x1b]0;owned" in printed and not set(printed) & set("\x1b\x07\r\x9b")


def test_a_trial_is_named_with_its_settings(store, capsys):
    """By commands, and by `status`, which counts it to its task, also if it died before it had recorded anything."""
    name = "adding[length=101]/v[gate_activation={forget:tanh},units=8]/s0"
    add(store, KEYS[0], name)
    died = store.start(
        store.experiment("s/adding"), name.replace("s0", "s1"), {}, {"kind": "trial", "study": "s"}, Path("-")
    )
    died.end("KILLED")
    assert lookup.find(store, name, "s").name == name
    assert lookup.described(store.trials("s")[0]).params == {"task": "adding", "variant": "v", "seed": "1"}
    write_plan(store, {KEYS[0]: name, KEYS[1]: "adding[length=51]/v[units=8]/s0"})
    assert counts(store).keys() == {"adding"} and counts(store)["adding"]["done"] == "1"
    with pytest.raises(UserError, match="no artifact config.yaml"):
        run(store, "check", name, "study=s")
