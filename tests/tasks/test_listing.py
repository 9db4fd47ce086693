import shutil
import subprocess
import sys

import numpy as np
import pytest

from experiments.config.compose import compose
from experiments.config.conf_files import CONF, choices
from experiments.errors import UserError
from experiments.tasks import Split, Task, _figure
from experiments.tasks import __main__ as command
from experiments.tasks._listing import source
from tests.conftest import ROOT

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def no_download(monkeypatch):
    def refuse(*_):
        raise AssertionError("a download")

    monkeypatch.setattr("experiments.tasks.fetch._retrieve", refuse)


def rows(text):
    """The words of each row of the table, which takes several lines."""
    words = {}
    for line in text.splitlines():
        if line[:1] == " " and line[1:2].strip():
            name = line.split()[0]
            words[name] = []
        if words:
            words[name] += line.split()
    return {name: " ".join(row) for name, row in words.items()}


def test_the_table_lists_every_task_and_downloads_nothing(no_download, tmp_path, capsys):
    command.main([f"data_dir={tmp_path}"])
    text = capsys.readouterr().out
    table = rows(text)
    assert set(choices("task")) == {file.stem for file in (CONF / "task").glob("*.yaml")} <= set(table)
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
            assert word in table[name], table[name]
    assert f"Folder of fetched files: {tmp_path};" in text and list(tmp_path.iterdir()) == []


def test_a_task_that_cannot_be_built_says_so_in_its_row(no_download, tmp_path, capsys, monkeypatch):
    (tmp_path / "JSB_Chorales.mat").write_text("no music")
    monkeypatch.setattr("experiments.config.conf_files.choices", lambda group: ["jsb_chorales"])
    command.main([f"data_dir={tmp_path}"])
    assert "no: JSB_Chorales.mat:" in rows(capsys.readouterr().out)["jsb_chorales"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["adding", "task.length=12"],
        ["sunspots", "task.horizon=3"],
        ["dyck2"],
        *(
            pytest.param(arguments, marks=pytest.mark.slow)
            for arguments in (
                ["char_lm", "task.limit=20000"],
                ["temporal_order"],
                ["spike_delay"],
                ["periodic_cos"],
                ["mackey_glass", "task.train_steps=100"],
            )
        ),
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
        (["show", "adding", "task.length=long"], "task.length=long: Value 'long' .* could not be converted to Integer"),
        (["show", "adding", "task.length=true"], "task.length=true: Value 'True' .* could not be converted to Integer"),
        (["show", "adding", "task.length=1"], "task.length=1: must be at least 2"),
        (["show", "adding", "task.length=["], r"task.length=\[: no viable alternative"),
        (["show", "stocks", "task.values=logs"], r"task.values=logs: .* expected one of \[levels, log_returns\]"),
        (["show", "adding", "out=picture.gif"], "out=picture.gif: the name must end with one of .png"),
        (["show", "adding", "out=/dev/null/a.png"], "out=/dev/null/a.png: cannot be written"),
        (
            ["show", "adding", "seed=3"],
            "seed=3: there is no such option here. Options: data_dir=, out=, task.PARAMETER=",
        ),
        (["adding"], "adding: there is no such option here. Options: data_dir="),
        (["show", "forecast"], "give a CSV file"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UserError, match=message):
        command.main(arguments)


def test_the_source_is_a_file_of_the_user(tmp_path):
    words = ("task=forecast", "task.split=[0.5, 1e-1, 0.4]", "task.path=2020", "task.values=log_returns")
    assert source(compose(words).task) == "2020"


def test_a_file_may_build_on_another_one(tmp_path, monkeypatch):
    conf = shutil.copytree(CONF, tmp_path / "conf")
    head = "# @package _global_\n"
    (conf / "task/long.yaml").write_text(f"{head}defaults: [adding, _self_]\ntask: {{name: long, length: 400}}\n")
    (conf / "task/lost.yaml").write_text(f"{head}defaults: [/schema/task/multiplying@task]\n")
    for module in ("compose", "conf_files"):
        monkeypatch.setattr(f"experiments.config.{module}.CONF", conf)
    monkeypatch.chdir(tmp_path)
    command.main(["show", "long", "task.train_size=9", f"out={tmp_path}/long.png"])
    assert (tmp_path / "long.png").exists()
    with pytest.raises(UserError, match="task=lost: In 'task/lost': Could not load 'schema/task/multiplying'"):
        command.main(["show", "lost"])


@pytest.mark.slow
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
        _figure.save(_figure.draw(task, None), tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").read_bytes().startswith(PNG)


def test_help_explains_both_forms():
    code = "import sys; from experiments.tasks.__main__ import main; main(['--help']); " + (
        "assert not {'tensorflow', 'keras', 'mlflow', 'hydra'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for words in ("python -m experiments.tasks ", "show TASK", "data_dir=FOLDER", "task.PARAMETER=VALUE"):
        assert words in done.stdout
    assert done.stderr == ""


def test_tasks_are_imported_without_what_only_some_need():
    code = """
import sys
from experiments import tasks
tasks.functions()
late = {"experiments.config", "hydra", "mlflow", "tensorflow", "filelock", "matplotlib", "pandas", "pooch", "requests"}
late |= {"scipy", "sklearn", "tqdm"}
assert not late & set(sys.modules), late & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
