"""A project of one's own: its files are found from its folder, and what its code says counts in the key of a trial."""

import os
import subprocess
import sys

import pytest

from experiments.config.project import init
from experiments.errors import UserError
from tests.conftest import ROOT
from tests.stores import put_store

KEYS = """
from experiments import tasks
from experiments.config.compose import compose
from experiments.config.conf_files import choices
from experiments.trial.spec import TrialSpec
for group in ("variant", "task", "experiment"):
    assert "mine" in choices(group) and len(choices(group)) > 1
for words in (["variant=mine", "task=mine", "task.length=5"], ["task=mine", "task.length=5"], ["task=adding"]):
    config = compose(words)
    print(TrialSpec.of(config, tasks.build(config.task)).key)
import sys
assert not {"keras", "tensorflow"} & sys.modules.keys()
"""


SEND = """
import cloudpickle
from experiments.config.compose import _composed, compose
for number, words in enumerate((["variant=mine", "task=mine"], ["task=adding"])):
    with open(str(number), "wb") as file:
        cloudpickle.dump((_composed(words), compose(words)), file)
"""
RECEIVE = """
import cloudpickle
from experiments.config.compose import load
for number in range(2):
    with open(str(number), "rb") as file:
        composed, config = cloudpickle.load(file)
    assert load(composed) == config, (load(composed), config)
    print(config.task.function)
"""


@pytest.fixture
def project(tmp_path):
    init(tmp_path / "p")
    return tmp_path / "p"


def python(project, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True, timeout=300
    )


def keys(project):
    done = python(project, "-c", KEYS)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
def test_the_source_of_own_code_counts_in_the_key(project):
    before = keys(project)
    layer = project / "mine_layer.py"
    layer.write_text(layer.read_text().replace("* values", "* 2 * values") + "# a comment\n")
    after = keys(project)
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, True]
    (project / "helper.py").write_text("LIMIT = 0.5\n")
    task = project / "mine.py"
    task.write_text(task.read_text().replace("import numpy", "import helper\nimport numpy"))
    imports = keys(project)
    assert [a == b for a, b in zip(after, imports, strict=True)] == [False, False, True]
    (project / "helper.py").write_text("LIMIT = 0.6\n")
    assert [a == b for a, b in zip(imports, keys(project), strict=True)] == [False, False, True]


def test_a_configuration_reaches_processes_that_a_launcher_starts(project):
    """As submitit and Ray send it, by cloudpickle: the schema of the task comes as a copy, which is another class."""
    assert python(project, "-c", SEND).returncode == 0
    received = python(project, "-c", RECEIVE)
    assert received.stdout.split() == ["mine.majority", "adding"], received.stderr


def test_a_project_is_not_written_over(project):
    with pytest.raises(UserError, match="mine.py.* is there already. Choose another folder"):
        init(project)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "mine.py",
            "import numpy",
            "import nothing_there\nimport numpy",
            "mine.majority: cannot be imported (ModuleNot",
        ),
        pytest.param(
            *("mine.py", "import numpy", "import keras\nimport numpy", "Put layers into another module"),
            marks=pytest.mark.slow,  # a process that imports Keras first
        ),
        ("mine.py", "@task", "", "task.function=mine.majority: is no function marked @task"),
        ("conf/task/mine.yaml", "task/mine.majority@", "task/adding@", "are of another function. Write a file"),
    ],
)
def test_what_is_wrong_in_own_code_is_said(file, old, new, message, project):
    path = project / file
    path.write_text(path.read_text().replace(old, new))
    done = python(project, "-m", "experiments.train", "task=mine", "task.length=5")
    assert done.returncode and message in done.stderr and "Traceback" not in done.stderr


def test_a_file_with_the_name_of_one_of_ours_is_refused(project):
    (project / "conf/variant/peephole.yaml").write_text("name: peephole\n")
    done = python(project, "-m", "experiments.train", "variant=peephole")
    assert done.returncode == 2 and "conf/variant/peephole.yaml: the lab has such files in" in done.stderr


QUICK = ["training.epochs=1", "training.jit_compile=false", "tracking.gates=0", "model.units=4"]


@pytest.mark.slow
def test_own_code_is_trained_in_workers(project):
    put_store(project / "outputs")
    done = python(
        project, "-m", "experiments.train", "experiment=mine", "variant=mine", "seed=0", "task.length=5", *QUICK
    )
    assert done.returncode == 0, done.stderr
    assert "mine/mine/s0" in done.stdout and "accuracy" in done.stdout


@pytest.mark.slow
def test_the_gates_of_own_code_are_shown(project):
    python(project, "-m", "experiments.train", "variant=mine", "task=mine", "study=mine", "task.length=5", *QUICK)
    page = python(project, "-m", "experiments.gates", "mine/mine/s0", "study=mine")
    assert page.returncode == 0, page.stderr


@pytest.mark.slow
def test_a_series_of_ones_own_gets_a_verdict_by_four_commands(tmp_path):
    """`gatelab init p`, `cd p`, a copy of the file, and this sweep."""
    init(tmp_path / "p")
    rows = [f"{day},{day % 7},{day % 11}" for day in range(200)]
    (tmp_path / "p/FILE.csv").write_text("\n".join(["day,load,temperature", *rows, ""]))
    words = ["variant=standard,mine", "task=forecast", "task.path=FILE.csv", "task.target=load", "seed=0,1,2,3,4"]
    done = python(tmp_path / "p", "-m", "experiments.train", "-m", *words, *QUICK)
    assert done.returncode == 0 and "5 seeds" in done.stdout and "median of the seeds" in done.stdout, done.stdout


@pytest.mark.slow
def test_the_contract_of_a_project_passes(project):
    done = python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout
