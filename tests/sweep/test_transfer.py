"""Studies that are exported, imported, and trained again for comparison."""

import json
import math
import os
import re
import socket
import zipfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from mlflow.entities import Dataset

from experiments import tasks
from experiments.config import compose as config
from experiments.config.identity import plain, trial_key
from experiments.errors import UserError
from experiments.sweep import __main__ as manage
from experiments.sweep import check, transfer
from experiments.tracking import Store, archive
from experiments.tracking.transfer import Receiver, records
from tests.stores import new_store
from tests.sweep.test_commands import KEYS, add
from tests.sweep.test_run import SMALL
from tests.tracking.test_store import server

METRICS = {
    1: {"train/loss": 0.1 + 0.2, "val/mse": math.nan, "time/epoch_s": 3.5},
    2: {"train/loss": 5e-324, "val/mse": -0.0, "time/epoch_s": 3.25},
}
DATASET = Dataset("adding", "0123", "local", '{"uri": "/data.csv"}', "{}", "{}")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A store with a study of three finished runs and others, and its export."""
    folder = tmp_path_factory.mktemp("exported")
    store = new_store(folder / "out")
    files = folder / "files"
    (files / "deep").mkdir(parents=True)
    (files / "model.keras").write_bytes(os.urandom(100_000))
    (files / "deep" / "notes.txt").write_text("text")
    for number in (0, 1):
        run = add(store, KEYS[number], f"adding/v/s{number}", None, **{"mlflow.note.content": "**note**", "error": ""})
        run.log(METRICS)
        run.add_dataset(DATASET)
        run.keep({0: {"test/mse": number / 3}})
        run.client.log_artifacts(run.id, str(files))
        run.end("FINISHED")
    many = add(store, KEYS[2], "parity/v/s0", None)
    many.log({step: {"train/loss": step / 7} for step in range(1, 1501)})
    many.client.log_text(many.id, "text", "notes.txt")
    many.end("FINISHED")
    add(store, KEYS[3], "adding/v/s3", "FAILED")
    add(store, KEYS[4], "adding/v/s4", study="other")
    run_command(store, "export", "study=s", f"file={folder}/s.zip")
    return store, folder / "s.zip"


def run_command(store, *words):
    return manage.main([*words, f"output_dir={store.folder}"])


def content(store, study="s"):
    """All that a store says of the finished trials of a study, files included, without ids."""
    client, trials = mlflow.MlflowClient(store.uri), {}
    for record in records(store, study):
        folder = Path(client.download_artifacts(record.run_id, "")) if client.list_artifacts(record.run_id) else None
        files = {f.relative_to(folder): f.read_bytes() for f in folder.rglob("*") if f.is_file()} if folder else {}
        texts = {name: value for name, value in vars(record).items() if name not in ("run_id", "metrics")}
        metrics = {name: [(s, t, repr(v)) for s, t, v in points] for name, points in record.metrics.items()}
        trials.setdefault(record.key, []).append((texts, metrics, files))
    return trials


def imported(store):
    return Counter(tag for trial in store.trials("s") for tag in ("importing", "imported") if tag in trial.tags)


def test_a_study_is_the_same_in_another_store(exported, tmp_path, capsys):
    source, file = exported
    target = new_store(tmp_path / "new")
    assert run_command(target, "import", f"file={file}") == 0
    assert "study s: 3 runs brought in, 0 were there already" in capsys.readouterr().out
    assert content(target) == content(source) and len(content(target)) == 3
    assert [[dict(DATASET)], [dict(DATASET)], []] == sorted((r.datasets for r in records(target, "s")), key=len)[::-1]
    assert target.studies() == ["s"] and imported(target) == {"imported": 3}
    assert target.ended(target.experiment("s/adding")).keys() == {KEYS[0], KEYS[1]}
    run_command(target, "import", f"file={file}")
    assert "0 runs brought in, 3 were there already" in capsys.readouterr().out
    assert run_command(target, "export", "study=s", f"file={tmp_path}/again.zip") == 0
    run_command(source, "import", f"file={tmp_path}/again.zip")
    assert "0 runs brought in, 3 were there already" in capsys.readouterr().out


def test_two_runs_of_a_trial_come_both_and_one_that_is_there_stays_alone(tmp_path, capsys):
    source, target = new_store(tmp_path / "a"), new_store(tmp_path / "b")
    for key in (KEYS[0], KEYS[0], KEYS[1]):
        add(source, key, "adding/v/s0")
    add(target, KEYS[1], "adding/v/s0")
    add(target, KEYS[0], "adding/v/s0", "KILLED")
    run_command(source, "export", "study=s", f"file={tmp_path}/s.zip")
    run_command(target, "import", f"file={tmp_path}/s.zip")
    assert "2 runs brought in, 1 were there already" in capsys.readouterr().out
    assert Counter((t.tags["trial_key"], t.status) for t in target.trials("s")) == {
        (KEYS[0], "FINISHED"): 2,
        (KEYS[0], "KILLED"): 1,
        (KEYS[1], "FINISHED"): 1,
    }


class Stop(BaseException):
    """What may end a process at any moment."""


CALLS = ("create_run", "log_batch", "log_artifacts", "set_terminated", "delete_tag")


# Before the first request, in the midst of the files, and before the last one.
MOMENTS = [pytest.param(n, marks=[] if n in (1, 5, 9) else pytest.mark.slow) for n in range(1, 10)]


@pytest.mark.parametrize("number", MOMENTS)
def test_an_import_that_was_interrupted_anywhere_is_completed(exported, tmp_path, monkeypatch, number):
    """The process ends before the `number`th request that changes the store, of those for the first run."""
    source, file = exported
    target, count = new_store(tmp_path), 0
    client = target.client.client

    def counting(method):
        def call(*arguments, **named):
            nonlocal count
            count += 1
            if count == number:
                raise Stop
            return method(*arguments, **named)

        return call

    for name in CALLS:
        monkeypatch.setattr(client, name, counting(getattr(client, name)))
    with archive.Reader(file) as reader:
        receiver = Receiver(target, "s", reader.runs, tmp_path / "import.lock")
        for digest, record in reader.records():
            files = tmp_path / digest
            files.mkdir()
            reader.extract(record, files)
            try:
                receiver.take(record, digest, files)
            except Stop:
                break
    assert count == number
    monkeypatch.undo()
    left = [trial for trial in target.trials("s") if "importing" in trial.tags]
    assert len(left) == (number != 1)
    for trial in left:
        whole = trial.status == "FINISHED" or "code" in trial.tags
        assert not whole or (len(trial.metrics) == 4 and target.client.list_artifacts(trial.run_id))
    if number == 5:  # another sweep has been there
        target.mark_stale([target.experiment("s/adding")])
    run_command(target, "import", f"file={file}")
    assert content(target) == content(source)
    assert imported(target) == {"imported": 3} and len(target.trials("s")) == 3


def test_what_is_left_of_an_import_gives_way_to_a_trial_that_was_trained_meanwhile(exported, tmp_path):
    _, file = exported
    target = new_store(tmp_path)
    with archive.Reader(file) as reader:
        digest = next(digest for digest, record in reader.records() if record.key == KEYS[0])
    left = add(target, KEYS[0], "adding/v/s0", "KILLED", importing=digest)
    own = add(target, KEYS[0], "adding/v/s0")
    run_command(target, "import", f"file={file}")
    ids = {trial.run_id for trial in target.trials("s") if trial.tags["trial_key"] == KEYS[0]}
    assert ids == {own.id} and left.id != own.id


@pytest.mark.slow
def test_a_study_goes_through_a_server(exported, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    source, file = exported
    with server(tmp_path, port):
        remote = Store(f"http://127.0.0.1:{port}", str(tmp_path / "out"))
        place = f"tracking.uri={remote.uri}"
        run_command(remote, "import", f"file={file}", place)
        assert content(remote) == content(source)
        run_command(remote, "export", "study=s", f"file={tmp_path}/s.zip", place)
    back = new_store(tmp_path / "back")
    run_command(back, "import", f"file={tmp_path}/s.zip")
    assert content(back) == content(source)


def test_a_run_that_the_disk_does_not_take_leaves_nothing(exported, tmp_path):
    source, file = exported
    target = new_store(tmp_path)
    blocked = tmp_path / "artifacts" / "s" / "adding"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("no folder")
    with pytest.raises(UserError, match="adding/v/s. cannot be brought in .*the same command brings in the rest"):
        run_command(target, "import", f"file={file}")
    assert {trial.name for trial in target.trials("s")} <= {"parity/v/s0"}  # the one without artifacts
    blocked.unlink()
    run_command(target, "import", f"file={file}")
    assert content(target) == content(source) and len(target.trials("s")) == 3


def test_an_import_that_does_not_fit_on_the_disk_is_not_begun(exported, target, monkeypatch):
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: SimpleNamespace(free=150_000))
    with pytest.raises(UserError, match=r"needs 0.0 GB in .*, where 0.0 GB are free. Nothing was brought in"):
        run_command(target, "import", f"file={exported[1]}")
    assert target.studies() == []


def test_the_largest_that_a_store_takes_is_the_same_in_another_one(exported, tmp_path):
    largest = {
        "metrics": {"m" * 250: [[2**63 - 1, 2**63 - 1, 1e308], [1 - 2**63, 0, None]]},
        "params": {**PARAMS, "p" * 250: "\U0001f600" * 6000},
        "tags": {**TAGS, "t" * 250: "x" * 8000},
    }
    rewrite(exported[1], tmp_path / "s.zip", other_record(**largest))
    target = new_store(tmp_path / "target")
    run_command(target, "import", f"file={tmp_path}/s.zip")
    (run,) = [run for run in records(target, "s") if "m" * 250 in run.metrics]
    assert run.params == largest["params"] and run.tags.items() >= largest["tags"].items()
    assert [point[0] for point in run.metrics["m" * 250]] == [1 - 2**63, 2**63 - 1]
    run_command(target, "export", "study=s", f"file={tmp_path}/again.zip")


def rewrite(file, target, change):
    """A copy of an export whose members, by name, were changed."""
    with zipfile.ZipFile(file) as old:
        members = {name: old.read(name) for name in old.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(members, manifest)
    if members.get("manifest.json") is not None:
        members["manifest.json"] = json.dumps(manifest).encode().replace(b'"DEEP"', DEEP)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in members.items():
            if data is not None:
                new.writestr(name, data, zipfile.ZIP_LZMA if name.endswith("lzma") else None)


def first(members, ending):
    return next(name for name in members if name.endswith(ending))


def other_file(name):
    def change(members, manifest):
        members[name] = b"evil"
        manifest["files"][name] = archive.hashlib.sha256(b"evil").hexdigest()

    return change


def other_text(data, ending="run.json"):
    """Other bytes, or what is made of the present ones, with a checksum that fits."""

    def change(members, manifest):
        name = first(members, ending)
        members[name] = data(members[name]) if callable(data) else data
        manifest["files"][name] = archive.hashlib.sha256(members[name]).hexdigest()

    return change


def other_record(**values):
    return other_text(lambda text: json.dumps({**json.loads(text), **values}).encode())


def other_artifact(name):
    """Another file of a run that is there."""

    def change(members, manifest):
        other_file(first(members, "model.keras").removesuffix("model.keras") + name)(members, manifest)

    return change


DEEP = b"[" * 200_000 + b"]" * 200_000
PARAMS = {"variant": "v", "task": "adding", "seed": "0"}
TAGS = {"kind": "trial", "study": "s", "trial_key": KEYS[0]}


BROKEN = {
    "changed": (lambda m, _: m.update({first(m, "model.keras"): b"x"}), "model.keras was changed"),
    "missing": (lambda m, _: m.update({first(m, "notes.txt"): None}), "does not fit its content .runs/.*notes.txt"),
    "more": (lambda m, _: m.update({"runs/more": b"x"}), "does not fit its content .runs/more"),
    "no manifest": (lambda m, _: m.update({"manifest.json": None}), "no manifest that can be read"),
    "newer": (lambda _, f: f.update(format=4), "in format 4; this one reads 1, 2 and 3"),
    "foreign": (lambda _, f: f.clear(), "no manifest that can be read"),
    "no study": (lambda _, f: f.update(study="../up"), "names no study"),
    "other study": (lambda _, f: f.update(study="t"), "does not describe a run of a trial of study t"),
    "above": (other_file(f"runs/{'0' * 32}/artifacts/../../../up"), "a place outside"),
    "absolute": (other_file("/etc/evil"), "a place outside"),
    "backslash": (other_file(f"runs/{'0' * 32}/artifacts/..\\up"), "a place outside"),
    "elsewhere": (other_file("evil"), "no part of an export"),
    "task": (other_record(task="../up"), "does not describe a run"),
    "no tags": (other_record(tags={}), "does not describe a run"),
    "numbers": (other_record(metrics={"a": [["x", 0, 1.0]]}), "does not describe a run"),
    "fields": (other_record(more=1), "does not describe a run"),
    "run": (other_record(run_id="0" * 32), "does not describe a run"),
    "file and folder": (other_artifact("model.keras/more"), "a file and a folder of one name"),
    "long name": (other_artifact("x" * 300), "too long"),
    "long name of two bytes": (other_artifact("é" * 200), "too long"),
    "deep folders": (other_artifact("x/" * 1000 + "x"), "too long"),
    "half a character": (lambda m, f: f["files"].update({"runs/\ud800": "x"}), "no file system can write"),
    "artifacts alone": (other_file(f"runs/{'0' * 32}/artifacts/x"), "does not describe"),
    "other packing": (other_artifact("x.lzma"), "packed in a way"),
    "deep record": (other_text(DEEP), "does not describe a run .RecursionError"),
    "deep manifest": (lambda m, f: f.update(more="DEEP"), "no manifest that can be read"),
    "large record": (other_text(b" " * 40_000_000), "has 40,000,000 bytes"),
    "bomb": (other_text(bytes(120_000_000), "model.keras"), "would unpack to 0.1 GB"),
    "large step": (other_record(metrics={"a": [[2**63, 0, 1.0]]}), "at step 9223372036854775808"),
    "infinite step": (other_record(metrics={"a": [[math.inf, 0, 1.0]]}), "at step inf"),
    "long number": (other_text(b'{"run_id": 1' + b"0" * 5000 + b"}"), "does not describe a run"),
    "negative time": (other_record(metrics={"a": [[0, -1, 1.0]]}), "time -1"),
    "infinite value": (other_record(metrics={"a": [[0, 0, math.inf]]}), "value inf"),
    "long metric": (other_record(metrics={"a" * 251: [[0, 0, 1.0]]}), "of the name 'aaa"),
    "metric above": (other_record(metrics={"../a": [[0, 0, 1.0]]}), "of the name '../a'"),
    "metric with escape": (other_record(metrics={"\x1b[2J": [[0, 0, 1.0]]}), r"of the name '\\x1b\[2J'"),
    "long parameter": (other_record(params={**PARAMS, "a": "x" * 6001}), "parameter a' is no text of at most 6,000"),
    "long tag": (other_record(tags={**TAGS, "a": "x" * 8001}), "tag a' is no text of at most 8,000"),
    "zero byte": (other_record(tags={**TAGS, "a": "\0"}), "tag a' is no text"),
    "tag of import": (other_record(tags={**TAGS, "importing": "x"}), "tag importing, which only an import writes"),
    "dataset without a name": (other_record(datasets=[{}]), "dataset 0 name' is no text"),
    "more of a dataset": (other_record(datasets=[{**dict(DATASET), "more": "x"}]), "datasets have other fields than"),
    "no dataset": (other_record(datasets=["x"]), "does not describe a run"),
    "long task": (other_record(task="x" * 255), "does not describe a run"),
    "real time": (other_record(end_time=1e300), "ends at 1e.300"),
}


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return new_store(tmp_path_factory.mktemp("target"))


@pytest.mark.parametrize("case", BROKEN)
def test_files_with_anything_wrong_bring_nothing_in(exported, target, tmp_path, case):
    change, message = BROKEN[case]
    rewrite(exported[1], tmp_path / "b.zip", change)
    with pytest.raises(UserError, match=message):
        run_command(target, "import", f"file={tmp_path}/b.zip")
    assert target.studies() == []


def test_no_more_is_unpacked_than_a_file_declares(exported, target, tmp_path):
    rewrite(exported[1], tmp_path / "b.zip", other_text(bytes(50_000_000), "model.keras"))
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as changed:
        changed.getinfo(first(changed.namelist(), "model.keras")).file_size = 1000
        changed.writestr("more", "makes it write its contents anew")
    with pytest.raises(UserError, match="Nothing was brought in"):
        run_command(target, "import", f"file={tmp_path}/b.zip")
    assert target.studies() == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_files_that_were_cut_off_or_damaged_bring_nothing_in(exported, target, tmp_path, share):
    data = exported[1].read_bytes()
    file = tmp_path / "b.zip"
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="was cut off"):
        run_command(target, "import", f"file={file}")
    place = int(share * len(data))
    file.write_bytes(data[:place] + bytes(255 - byte for byte in data[place : place + 50]) + data[place + 50 :])
    with pytest.raises(UserError, match="Nothing was brought in"):
        run_command(target, "import", f"file={file}")
    assert target.studies() == []


def test_an_export_that_fails_leaves_no_file(exported, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.Writer, "add", full)
    with pytest.raises(UserError, match="cannot be written .No space left"):
        run_command(exported[0], "export", "study=s", f"file={tmp_path}/x.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "overrides",
    [
        ("variant=zoneout", "training.optimizer=sgd", "training.learning_rate=1e-05", "training.clipnorm=null"),
        ("variant=odyssey/coupled_gates", "variant.gate_activation={forget: hard_sigmoid}", "model.embedding=null"),
        ("variant=chrono", "task=char_lm", "task.limit=3000", "training.patience=3", "seed=7"),
        ("task=sunspots", "sweep.timeout_s=3", "tracking.uri=sqlite:///x.db", "data_dir=/data"),
    ],
)
def test_a_configuration_comes_back_from_its_plain_values(make_config, overrides):
    settings = make_config(*overrides)
    again = config.restored(plain(settings))
    assert again == settings and plain(again) == plain(settings)
    assert trial_key(again, "x") == trial_key(settings, "x")
    assert type(again.task) is tasks.schema(tasks.functions()[settings.task.function])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["task"].update(function="nonsense"), "task.function=nonsense: is no function marked @task"),
        (lambda v: v.update(task=None), "task.function=None: is no function marked @task"),
        (lambda v: v["task"].update(more=1), "cannot be used"),
        (lambda v: v["training"].update(epochs=0), "training.epochs=0: must be at least 1"),
        (lambda v: v["training"].update(optimizer="magic"), "cannot be used"),
    ],
)
def test_configurations_that_cannot_be_restored(make_config, change, message):
    values = plain(make_config())
    change(values)
    with pytest.raises(UserError, match=message):
        config.restored(values)


@pytest.mark.parametrize(
    ("again", "difference"),
    [
        ({}, ""),
        ({"loss": math.nextafter(0.25, 1)}, "loss: 0.25 and 0.25000000000000006"),
        ({"loss": -0.0, "more": 1.0}, "loss: 0.25 and -0.0"),
        ({"more": 1.0}, "more: absent and float64 ()"),
        ({"none": 0.5}, "none: nan and 0.5"),
        (
            {"kernel": np.float32([1.0, 2.0000002])},
            "kernel: 1 of 2 values differ, by 2.384185791015625e-07 at most",
        ),
        ({"kernel": np.float32([1.0, math.nan])}, "kernel: 1 of 2 values differ, by 0.0 at most"),
        ({"kernel": np.float32([-1.0, 2.0])}, "kernel: 1 of 2 values differ, by 2.0 at most"),
        ({"kernel": np.float32([[1.0, 2.0]])}, "kernel: float32 (2,) and float32 (1, 2)"),
    ],
)
def test_the_first_difference_of_two_trainings_is_told(again, difference):
    first = {"loss": np.array(0.25), "none": np.array(math.nan), "kernel": np.float32([1.0, 2.0])}
    assert (
        check.first_difference(first, first | {name: np.asarray(value) for name, value in again.items()}) == difference
    )


def test_every_nan_is_the_same_and_zeros_of_both_signs_are_not():
    assert check._bits(-math.nan).tobytes() == check._bits(math.nan).tobytes()
    assert check.first_difference({"a": np.zeros(2)}, {"a": -np.zeros(2)}) == "a: 2 of 2 values differ, by 0.0 at most"


@pytest.mark.slow
def test_a_trial_is_checked_and_what_the_store_has_of_it(train_here, tmp_path, capsys, monkeypatch):
    """Equal; then with another value in the store; then a difference that was to be expected."""
    interpreted = "training.jit_compile=false"
    assert train_here("variant=peephole", "model.dropout=0.2", *SMALL, interpreted).returncode == 0
    store = Store(None, f"{tmp_path}/out")
    (trial,) = store.trials("default")
    trainings, train_twice = [], check.train_twice

    def train_once(spec):
        trainings.append(trainings[0] if trainings else train_twice(spec))
        return trainings[0]

    monkeypatch.setattr(check, "train_twice", train_once)
    before = sorted((tmp_path / "out").rglob("*"))
    words = ("check", "adding/peephole/s0", "study=default")
    assert run_command(store, *words) == 0
    out = capsys.readouterr().out
    assert re.search(r"identical: 33 metrics of 2 epochs, \d+ tensors", out) and "equal to the store: 33 metrics" in out
    assert sorted((tmp_path / "out").rglob("*")) == before
    assert [run.run_id for run in store.trials("default")] == [trial.run_id]
    store.client.log_metric(trial.run_id, "val/mse", 0.5, step=2)
    assert run_command(store, words[0], trial.run_id, words[2]) == 1
    assert re.search(
        r"different from the store: epoch 2, val/mse: 0.5 and \d.*\(store first\)", capsys.readouterr().out
    )
    store.client.set_tag(trial.run_id, "code", "00000000")
    assert run_command(store, *words) == 0
    assert "a difference is expected, since these have changed: code that trains" in capsys.readouterr().out
