"""How each command of the pages is run by a test: its settings made small, what it needs first, and what is not run."""

import re
from functools import cache

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep

from experiments.tasks.fetch import DATASETS
from tests.conftest import ROOT
from tests.docs.docs_pages import Command, commands, words

ENVIRONMENT = "makes the environment that the tests run in, as `make demo` does; downloads gigabytes"
INDEX = "installs a package of others, which would change the environment of the other tests"
RAY = "needs Ray, which needs an environment of its own"
POSTGRESQL = "sets up PostgreSQL for the whole machine"
WITHOUT_ARGUMENTS = "names the program; other commands give it arguments"

NOT_RUN = {
    "python -m venv .venv && . .venv/bin/activate": ENVIRONMENT,
    "python -m venv .venv-ray && . .venv-ray/bin/activate": ENVIRONMENT,
    ". .venv/bin/activate": ENVIRONMENT,
    "pip install -r requirements.lock": ENVIRONMENT,
    "pip install --no-deps --editable .": ENVIRONMENT,
    "pip install hydra-submitit-launcher==1.2.0": INDEX,
    "pip install psycopg2-binary uvloop": INDEX,
    'pip install hydra-ray-launcher==1.2.2 "joblib<1.6"': INDEX,
    "pip install Flask-WTF": INDEX,
    "pip install nvidia-ml-py": INDEX,
    "MLFLOW_AUTH_CONFIG_PATH=auth.ini MLFLOW_FLASK_SERVER_SECRET_KEY=SECRET mlflow server "
    "--app-name basic-auth": "needs Flask-WTF and users; tests.sweep.test_address has a server with a password",
    "MLFLOW_TRACKING_URI=sqlite:///outputs/mlflow.db mlflow models serve -m models:/adder/1 --env-manager local "
    "--port 5001": "serves until it is ended; tests.tracking.test_logged_model has one",
    "pip check": "is about the environment for Ray",
    "export RAY_AUTH_MODE=disabled RAY_USAGE_STATS_ENABLED=0": RAY,
    "ray start --head --port=6379 --num-cpus=16": RAY,
    "ray start --address=HEAD:6379 --num-cpus=16": RAY,
    "ray stop": RAY,
    "chgrp -R lab outputs && chmod -R g+rwX outputs && find outputs -type d -exec chmod g+s {} +": "needs the group",
    "umask 002": "is for the shell of a user; tests.sweep.test_faults has another user's files",
    "apt install postgresql": POSTGRESQL,
    "sudo -u postgres createuser --pwprompt mlflow": POSTGRESQL,
    "sudo -u postgres createdb --owner=mlflow mlflow": POSTGRESQL,
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --host 0.0.0.0 --port 5000 --workers 4 "
    "--allowed-hosts 'HOST,HOST:*' --backend-store-uri postgresql+psycopg2://mlflow:PASSWORD@localhost/mlflow "
    "--serve-artifacts --artifacts-destination /shared/gatelab/artifacts": "needs PostgreSQL",
    "python -m benchmarks.store --uri postgresql+psycopg2://mlflow@127.0.0.1/many": "needs PostgreSQL",
    "python -m benchmarks.server --uri http://127.0.0.1:5000": "needs a server, and takes minutes",
    "python -m experiments.report": WITHOUT_ARGUMENTS,
    "python -m experiments.sweep status": WITHOUT_ARGUMENTS,
    "python -m experiments.train -m": WITHOUT_ARGUMENTS,
}

KINDS = {
    "train": r"python -m experiments\.train\b",
    "lab": r"python -m (experiments|docs)\.",
    "benchmark": r"python (-m benchmarks\.|benchmarks/)\w+",
    "script": r"python (-m tests\.|-m pytest |docs/)",
    "make": r"make \w",
    "install": r"pip install '?\.(\[[\w,]+\])?'?$",
}

# What is left out of a training command: numbers that make it long, and machines that a test does not have.
REPLACED = ("training.epochs", "seed", "sweep.workers", "sweep.timeout_s", "output_dir", "tracking.uri", "data_dir")
OTHER_MACHINES = ("hydra/launcher", "hydra.launcher.partition")
SHORT = ["training.epochs=1", "seed=0", "sweep.workers=1"]
SHORT_DEFAULTS = ["training.jit_compile=false", "tracking.gates=0"]  # compiling takes longer than one epoch
SHORTER = {
    "python -m experiments.train experiment=fair_quickstart": ["variant=standard", "task=adding"],
    "python -m experiments.train experiment=random_search search.trials=40": ["variant=standard"],
    "python -m experiments.train experiment=random_search search.trials=8": ["variant=standard"],
}
SMALL_SEARCH = ["search.trials=2", "search.halving.rungs=[]", "search.confirm=1"]  # one epoch has no rungs
NARROW = "model.units=4"  # of models for fetched data, which are large

SMALLEST = {
    "coverage": ["--repetitions", "5", "--seeds", "5", "--resamples", "20"],
    "gates": ["--tasks", "adding", "--pairs", "1"],
    "importance": ["--repetitions", "1", "--draws", "20"],
    "input": ["--tasks", "adding", "--batches", "2", "--rounds", "1"],
    "layers": ["--sizes", "XS", "--variants", "standard", "--rounds", "1"],
    "search": ["--draws", "4", "--epochs", "3", "--kills", "1", "--tasks", "adding"],
    "report": ["--variants", "2", "--tasks", "1", "--seeds", "2", "--epochs", "2"],
    "store": ["--runs", "20", "--epochs", "2"],
    "sweep": ["--sizes", "XS", "--seeds", "1", "--epochs", "1", "--cores", "2"],
    "training_options": ["--sizes", "XS", "--rounds", "1"],
}

# Of several commands that train a study, the one after which the page goes on.
STUDIES = {"random_search": "python -m experiments.train experiment=random_search search.trials=40"}
ANY_STUDY = "quickstart"  # of commands that name a trial only: it is the first that a reader has
PRODUCERS = {
    "file=gates.zip": "python -m experiments.sweep export study=gates file=gates.zip",
    "file=results.zip": "python -m experiments.sweep export study=gates file=results.zip artifacts=false",
}
PLACES = {
    "TRIAL": "char_lm/standard/s0",
    "study=NAME": "study=quickstart",
    "experiment=NAME": "experiment=quickstart",
}  # what a reader puts in place of a word


def kind(command: str) -> str | None:
    """How a command is run; None: not at all."""
    return next((name for name, pattern in KINDS.items() if re.match(pattern, command)), None)


@cache
def runnable(name: str) -> list[Command]:
    """The different commands of this kind that are to be run, each where it is first told."""
    chosen = [command for command in commands() if kind(command.text) == name and command.text not in NOT_RUN]
    return list({command.text: command for command in reversed(chosen)}.values())[::-1]


def key(word: str) -> str:
    return word.partition("=")[0]


def value(arguments: list[str], name: str) -> str | None:
    """What a command line gives to `name`; None: nothing."""
    return next((word.partition("=")[2] for word in arguments if key(word) == name), None)


def values(word: str) -> list[str]:
    """All values that `key=value` stands for; of an interval its lower end."""
    override = OverridesParser.create().parse_override(word)
    if not override.is_sweep_override():
        return [word.partition("=")[2]]
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        return [str(sweep.start)]
    return list(override.sweep_string_iterator())


def filled_in(command: str) -> list[str]:
    """The words of a command, with something in place of what a reader would fill in."""
    return [PLACES.get(word, word) for word in words(command)]


def one_trial(command: str) -> list[str]:
    """The settings of one trial of a training command: the first value of all that it sweeps, and Hydra left out."""
    settings = [word for word in filled_in(command)[3:] if not word.startswith(("-", "hydra"))]
    return [f"{key(word)}={values(word)[0]}" for word in settings]


def shortened(command: str) -> list[str]:
    """A training command made small enough for a test: one epoch, one seed, one worker, one task of a study."""
    arguments = filled_in(command)
    if "--help" in arguments:
        return arguments
    keys = {key(word) for word in arguments}
    others = [word for word in arguments if key(word) not in (*REPLACED, *OTHER_MACHINES)]
    experiment = value(arguments, "experiment")
    defaults = [*SHORT_DEFAULTS, *_one_task(experiment), *_small_search(experiment)]
    return [*others, *SHORT, *(word for word in defaults if key(word) not in keys), *SHORTER.get(command, [])]


def _one_task(experiment: str | None) -> list[str]:
    """Of a study of several variants on several tasks, the first task that needs no download."""
    swept = _swept(experiment)
    tasks = values(f"task={swept.get('task', 'adding')}")
    if experiment == ANY_STUDY or len(tasks) == 1 or len(values(f"variant={swept.get('variant')}")) == 1:
        return []
    return [f"task={next(name for name in tasks if not datasets([f'task={name}']))}"]


def _small_search(experiment: str | None) -> list[str]:
    """Of a study that searches by successive halving, few draws of two variants."""
    if "halving" not in _read(f"experiment/{experiment}").get("search", {}):
        return []
    variants = values(f"variant={_swept(experiment).get('variant')}")
    return [*SMALL_SEARCH, f"variant={','.join(variants[:2])}"]


def datasets(arguments: list[str]) -> set[str]:
    """Names of the fetched data that a training command reads."""
    if value(arguments, "task.path"):
        return set()
    names = value(arguments, "task") or _swept(value(arguments, "experiment")).get("task", "adding")
    tasks = (_read(f"task/{name}").get("task", {}) for name in values(f"task={names}"))
    return {task["dataset"] for task in tasks if task.get("dataset") in DATASETS}


def _swept(experiment: str | None) -> dict[str, str]:
    return _read(f"experiment/{experiment}").get("hydra", {}).get("sweeper", {}).get("params", {})


def _read(name: str) -> dict:
    """A file of conf/; empty if it is one that a page tells its reader to write."""
    file = ROOT / f"conf/{name}.yaml"
    return yaml.safe_load(file.read_text()) if file.exists() else {}


def smallest(name: str, options: list[str]) -> list[str]:
    """The options of a benchmark with its sizes and repetitions replaced by the smallest."""
    if "--help" in options:
        return options
    replaced = {word for word in SMALLEST[name] if word.startswith("--")}
    others, keep = [], True
    for word in options:
        keep = word not in replaced if word.startswith("--") else keep
        others += [word] if keep else []
    return [*others, *SMALLEST[name]]


def study_name(arguments: list[str]) -> str | None:
    """The study that a command looks at; None: it looks at none."""
    names_a_trial = any(re.fullmatch(r"\w+/\w+/s\d+", word) for word in arguments)
    return value(arguments, "study") or (ANY_STUDY if names_a_trial else None)


@cache
def trainer(study: str) -> str:
    """The command of the pages that trains a study, or that of its file in conf/experiment."""
    if study in STUDIES:
        return STUDIES[study]
    names = {f"experiment={study}", f"study={study}"}
    trainers = (command.text for command in runnable("train") if names & set(words(command.text)))
    return next(trainers, f"python -m experiments.train experiment={study}")
