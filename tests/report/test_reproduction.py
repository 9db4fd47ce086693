"""The command that a report prints trains the trials that the report is about: these, and no others."""

import shlex
from dataclasses import replace
from functools import cache

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from experiments.config.compose import GATED_LSTM, compose
from experiments.report.reproduction import commands
from experiments.tracking import metadata
from experiments.tracking.metadata import Param, Tag
from experiments.trial.spec import TrialSpec
from tests.cases import first_quick
from tests.report.studies import MemoryStore, add, add_0_1, study_of


@pytest.fixture
def store(tmp_path):
    return MemoryStore(tmp_path)


def jobs_of(words):
    """The overrides of each trial, as Hydra's sweeper makes them from the words of a command line."""
    (batch,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(list(words)), None)
    return batch


def values(job):
    """The overrides of a trial by key, whatever their order and quotes."""
    parsed = OverridesParser.create().parse_overrides(list(job))
    return frozenset((one.key_or_group, str(one.value())) for one in parsed if one.key_or_group != "study")


@cache
def composed(*words):
    return compose(words)


def record(store, words):
    """Write runs as a sweep records them. Returns the overrides of its trials."""
    jobs = jobs_of(words)
    for job in jobs:
        (seed,) = (int(word.removeprefix("seed=")) for word in job if word.startswith("seed="))
        config = replace(composed(*(word for word in job if not word.startswith("seed="))), seed=seed)
        layer = {**GATED_LSTM, **config.variant.switches(), **config.variant.arguments}
        layer.pop("chrono_time")  # which no layer has: it makes an initializer
        params = metadata.params(TrialSpec(config, tuple(job), "key", "", None, config.model.units), layer)
        experiment = "".join(word.partition("=")[2] for word in job if word.startswith("experiment="))
        tags = {Tag.TRIAL_KEY: str(sorted(job)), Tag.EXPERIMENT: experiment}
        params = {name: value for name, value in params.items() if name != Param.VARIANT}
        add(store, config.variant.name, config.seed, 0.5, task=config.task.name, params=params, **tags)
    return jobs


GRIDS = [
    ("variant=standard,peephole", "task=adding,parity", "seed=0,1"),
    ("variant=one_switch/hard_sigmoid_gates,odyssey/no_input_gate", "task=adding", "seed=range(3)"),
    ("variant=standard", "task=adding", "seed=0", "model.units=8,16", "training.learning_rate=0.01"),
    ("variant=standard", "task=adding", "seed=0,1", "variant.gate_activation={forget: hard_sigmoid}"),
    ("variant=standard", "task=adding", "seed=0", "variant.gate_activation=tanh,{forget: hard_sigmoid}"),
    ("variant=standard", "task=char_lm", "seed=0", "task.path='it\\'s my own, text.txt','c,d'"),
    ("variant=zoneout", "task=adding", "seed=0", "variant.arguments.zoneout_cell=0.25"),
    ("variant=standard,peephole", "task=adding", "seed=0,1", "experiment=counting"),
    ("variant=standard", "task=adding", "seed=0,1", "variant.chrono_time=5"),
    ("variant=standard,peephole", "task=adding", "seed=0", "variant.chrono_time=null,5"),
    ("variant=chrono", "task=adding", "seed=0", "variant.chrono_time=null"),
    ("variant=janet", "task=adding", "seed=0", "task.length=20,30"),
    ("variant=shared_kernel", "task=adding", "seed=0", "model.layers=1", "experiment=saturation"),
]


@pytest.mark.parametrize("words", first_quick(GRIDS, 6), ids=" ".join)
def test_the_command_for_a_grid_has_exactly_its_trials(store, words):
    jobs = record(store, words)
    train, report = commands(study_of(store))
    start, sweep = shlex.split(train)[:4], shlex.split(train)[4:]
    assert start == ["python", "-m", "experiments.train", "-m"]
    assert set(map(values, jobs_of(sweep))) == set(map(values, jobs))
    assert report == "python -m experiments.report study=s"


UNPRINTABLE = {
    "not a full grid": (("variant=standard,peephole", "seed=0"), ("variant=standard", "seed=1")),
    "a setting that only some have": (("variant=standard", "seed=0"), ("variant=peephole", "seed=0", "model.units=8")),
    "a value that is not recorded whole": (("variant=standard", "seed=0", f"task.path={'x' * 600}", "task=char_lm"),),
    "a variant without a file": (("variant=standard", "variant.name=mine", "seed=0"),),
    "two experiments": (
        ("variant=standard", "seed=0", "experiment=counting"),
        ("variant=standard", "seed=1", "experiment=counters"),
    ),
}


@pytest.mark.parametrize("sweeps", UNPRINTABLE.values(), ids=UNPRINTABLE)
def test_trials_that_no_single_sweep_has_are_not_printed_as_one(store, sweeps):
    for words in sweeps:
        record(store, [*([] if any(word.startswith("task=") for word in words) else ["task=adding"]), *words])
    train, _ = commands(study_of(store))
    assert train.startswith("# No single sweep has exactly these trials")


@pytest.mark.parametrize("experiment", ["of_someone_else", ""])
def test_a_file_that_is_not_there_any_more_gives_no_command(store, experiment):
    add(store, "standard", 0, 0.5, task="adding" if experiment else "of_someone_else", **{Tag.EXPERIMENT: experiment})
    assert commands(study_of(store))[0].startswith("# No single sweep has exactly these trials")


def test_the_command_for_trials_of_0_1_sets_what_they_recorded(store):
    for seed in range(2):
        add_0_1(store, "peephole", seed, 0.5, "model.units=16 'task.length=20'")
    assert commands(study_of(store))[0] == (
        "python -m experiments.train -m variant=peephole task=adding seed=0,1 model.units=16 task.length=20 "
        "training.epochs=3 training.learning_rate=0.001 study=s"
    )


def test_the_command_for_a_random_search_has_as_many_draws(store):
    for variant in ("standard", "peephole"):
        for rate in (0.1, 0.2, 0.3):
            for seed in range(2):
                drawn = {"drawn": "training.learning_rate", "experiment": "rates"}
                add(store, variant, seed, rate, settings={"training.learning_rate": rate}, phase="search", **drawn)
    command = "python -m experiments.train experiment=rates search.trials=3 study=s"
    assert commands(study_of(store))[0] == command
    for variant, rate in (("standard", 0.1), ("peephole", 0.3)):
        for seed in (2, 3, 4):
            add(store, variant, seed, rate, settings={"training.learning_rate": rate}, phase="confirm", **drawn)
    assert commands(study_of(store))[0] == command.replace("study=s", "search.confirm=3 study=s")


STRANGE = [
    "x; rm -rf ~",
    "$(id)",
    "`id`",
    "a'b\"c",
    "5",
    "[{}]",
    "9" * 5000,
    "../x",
    "x" * 300,
    "null",
    "a\nb",
    "a=b,c",
]


@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize("place", ["experiment", "drawn", "task", "variant"])
def test_what_a_stranger_has_recorded_is_one_word_of_a_command(store, text, place):
    """The shell reads it as it is; or there is no command."""
    experiment = text if place in ("experiment", "drawn") else "candidates"
    drawn = {"drawn": "training.learning_rate", "phase": "search"} if place == "drawn" else {}
    for seed in (0, 1):
        variant, task = (text if place == name else default for name, default in PLACES)
        settings = {"training.learning_rate": 10.0**-seed}
        add(store, variant, seed, 0.5, task=task, settings=settings, experiment=experiment, **drawn)
    train, _ = commands(study_of(store))
    if train.startswith("#"):
        assert place != "drawn"
        return
    words = shlex.split(train)
    assert words[:3] == ["python", "-m", "experiments.train"] and all("=" in word for word in words[3:])
    assert [word.partition("=")[0] for word in words[3:]] == ["experiment", "search.trials", "study"]


PLACES = (("variant", "standard"), ("task", "adding"))


def test_the_name_of_a_study_is_one_word(store):
    add(store, "standard", 0, 0.5, study="a b;c", experiment="")
    for command in commands(study_of(store, study="a b;c")):
        assert shlex.split(command)[-1] in ("study=a b;c", "study='a b;c'")
