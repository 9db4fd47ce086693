import subprocess
import sys

import numpy as np
import pytest

from experiments.errors import UserError
from experiments.tasks import Split, Task, _show
from experiments.tasks import __main__ as command
from experiments.tasks._listing import source
from experiments.tasks._settings import CONF, names, settings_of
from tests.conftest import ROOT

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def no_download(monkeypatch):
    def refuse(*_):
        raise AssertionError("a download")

    monkeypatch.setattr("experiments.tasks.fetch._retrieve", refuse)


def rows(text):
    """The words of each row of the table, which takes several lines."""
    found = {}
    for line in text.splitlines():
        if line[:1] == " " and line[1:2].strip():
            name = line.split()[0]
            found[name] = []
        if found:
            found[name] += line.split()
    return {name: " ".join(words) for name, words in found.items()}


def test_the_table_lists_every_task_and_downloads_nothing(no_download, tmp_path, capsys):
    command.main([f"data_dir={tmp_path}"])
    text = capsys.readouterr().out
    found = rows(text)
    assert set(names()) == {file.stem for file in CONF.glob("*.yaml")} <= set(found)
    for name, words in {
        "adding": ("5,000 / 1,000 / 2,000", "of 50 steps", "mse 0.16", "generated", "yes"),
        "dyck1": ("of 3-61 steps", "generated", "yes"),
        "sunspots": ("comes with statsmodels", "yes"),
        "char_lm": ("tokens, 100 at a time", "comes with Python", "bpc", "yes"),
        "digits": ("comes with scikit-learn", "yes"),
        "jsb_chorales": ("JSB_Chorales.mat", "8.1 (TCN)", "no: fetched at first"),
        "forecast": ("yours: task.path=FILE",),
    }.items():
        for word in words:
            assert word in found[name], found[name]
    assert f"Folder of fetched files: {tmp_path};" in text and list(tmp_path.iterdir()) == []


def test_a_task_that_cannot_be_built_says_so_in_its_row(no_download, tmp_path, capsys, monkeypatch):
    (tmp_path / "JSB_Chorales.mat").write_text("no music")
    monkeypatch.setattr("experiments.tasks._listing.names", lambda: ["jsb_chorales"])
    command.main([f"data_dir={tmp_path}"])
    assert "no: JSB_Chorales.mat:" in rows(capsys.readouterr().out)["jsb_chorales"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["adding", "task.length=12"],
        ["char_lm", "task.limit=20000"],
        ["sunspots", "task.horizon=3"],
        ["dyck2"],
        ["temporal_order"],
        ["spike_delay"],
        ["periodic_cos"],
        ["mackey_glass", "task.train_steps=100"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_show_draws_training_sequences(arguments, tmp_path, capsys):
    file = tmp_path / "new" / "picture.png"
    command.main(["show", *arguments, f"out={file}"])
    assert capsys.readouterr().out.endswith(f": {file}\n")
    assert file.read_bytes().startswith(PNG) and file.stat().st_size > 10_000


def test_show_draws_files_of_the_user(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("price: $5 and \\alpha $6, 日本\n" * 200)
    command.main(["show", "char_lm", f"task.path={text}", f"out={tmp_path}/text.svg"])
    rows = "\n".join(f"{k % 7},{k % 5}" for k in range(200))
    table = tmp_path / "table.csv"
    table.write_text(f"a,b\n{rows}\n")
    wide = "task.window=8", "task.inputs=[a, b]", "task.target=b"
    command.main(["show", "forecast", f"task.path={table}", *wide, f"out={tmp_path}/table.pdf"])
    assert (tmp_path / "text.svg").exists() and (tmp_path / "table.pdf").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show"], "show which task.*adding, "),
        (["show", "addition"], "addition: there is no such task. Tasks: adding, "),
        (["show", "adding", "task.lenght=3"], "task.lenght: there is no such field. Allowed: data_seed, "),
        (["show", "adding", "task.length=long"], "task.length=long: must be int"),
        (["show", "adding", "task.length=true"], "task.length=True: must be int"),
        (["show", "adding", "task.length=1"], "task.length=1: must be at least 2"),
        (["show", "adding", "task.length=["], r"task.length=\[: cannot be read as YAML"),
        (["show", "stocks", "task.values=logs"], "task.values=logs: must be one of levels, log_returns"),
        (["show", "adding", "out=picture.gif"], "out=picture.gif: the name must end with one of .png"),
        (["show", "adding", "out=/dev/null/a.png"], "out=/dev/null/a.png: cannot be written"),
        (["show", "adding", "seed=3"], r"seed=3: cannot be used here. Allowed: data_dir=..., out=..., task.PARAMETER="),
        (["adding"], r"adding: cannot be used here. Allowed: data_dir="),
        (["show", "forecast"], "give a CSV file"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UserError, match=message):
        command.main(arguments)


def test_settings_have_the_types_of_their_fields():
    settings = settings_of("forecast", {"split": "[0.5, 1e-1, 0.4]", "path": "2020", "values": "log_returns"})
    assert settings.path == "2020" and type(settings.values).__name__ == "Values"
    assert source(settings) == "2020"


@pytest.mark.parametrize("name", names())
def test_settings_are_those_of_the_command_line(name, make_config):
    assert vars(settings_of(name)) == vars(make_config(f"task={name}").task)


def test_a_file_may_build_on_another_one(tmp_path, monkeypatch):
    for name in ("adding", "char_lm"):
        (tmp_path / f"{name}.yaml").write_text((CONF / f"{name}.yaml").read_text())
    (tmp_path / "long.yaml").write_text("defaults: [adding, _self_]\ntask: {name: long, length: 400}\n")
    (tmp_path / "lost.yaml").write_text("defaults: [/schema/task/multiplying@task]\n")
    monkeypatch.setattr("experiments.tasks._settings.CONF", tmp_path)
    settings = settings_of("long")
    assert (settings.name, settings.function, settings.length) == ("long", "adding", 400)
    with pytest.raises(UserError, match="lost.yaml: its defaults must name one of /schema/task/adding, "):
        settings_of("lost")


def test_pictures_of_what_no_task_of_ours_has(tmp_path):
    """Classes at every step beside lines, sequences that end early, more than one output at the end."""
    rng = np.random.default_rng(0)
    mask = np.arange(20) < np.array([[20], [5], [9], [14], [12]])
    classes = Split(rng.random((5, 20, 3)), rng.integers(3, size=(5, 20)), mask)
    several = Split(rng.random((5, 20, 3)), rng.random((5, 2)), weights=np.ones((5, 20)))
    for number, (split, per_step, loss) in enumerate(
        ((classes, True, "sparse_categorical_crossentropy"), (several, False, "mean_squared_error"))
    ):
        task = Task("title", split, split, split, 3, per_step, loss, (), 0.0, "", labels=("a", "b", "c"))
        _show.save(_show.draw(task, None), tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").read_bytes().startswith(PNG)


def test_help_explains_both_forms():
    done = subprocess.run(
        [sys.executable, "-m", "experiments.tasks", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for words in ("python -m experiments.tasks ", "show TASK", "data_dir=FOLDER", "task.PARAMETER=VALUE"):
        assert words in done.stdout
    assert done.stderr == ""


def test_tasks_are_imported_without_what_only_some_need():
    code = """
import sys
from experiments import tasks
tasks.functions()
late = {"filelock", "matplotlib", "pandas", "pooch", "requests", "scipy", "sklearn", "tqdm"}
assert not late & set(sys.modules), late & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
