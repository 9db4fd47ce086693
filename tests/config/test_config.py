"""From the command line to checked settings: every YAML file composes, every mistake is named."""

import pickle
import re
import subprocess
import sys

import pytest
from hydra.errors import HydraException

from experiments import tasks
from experiments.config.conf_files import choices
from experiments.config.help import TOPICS, help_text
from experiments.config.identity import plain, trial_key
from experiments.errors import UserError
from tests.conftest import ROOT


@pytest.mark.parametrize("name", choices("variant"))
def test_every_variant_composes_and_is_short(name, make_config):
    variant = make_config(f"variant={name}").variant
    assert variant.name == name.rpartition("/")[2]
    assert variant.base == {"odyssey": "peephole", "one_switch": "standard"}.get(name.partition("/")[0], variant.base)
    assert (variant.base is None) == (name in ("standard", "timing/no_peephole"))
    assert len((ROOT / f"conf/variant/{name}.yaml").read_text().splitlines()) <= 8


@pytest.mark.parametrize("name", choices("task"))
def test_every_task_composes(name, make_config):
    assert make_config(f"task={name}").task.name == name


def test_every_task_function_has_a_file(make_config):
    assert {make_config(f"task={name}").task.function for name in choices("task")} == set(tasks.functions())


def test_a_task_brings_its_defaults_and_the_command_line_wins(make_config):
    assert make_config("task=char_lm").model.units == 128
    assert make_config("task=char_lm", "model.units=7").model.units == 7


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+unknown=1", "unknown: there is no such field. Allowed: .*variant"),
        ("+model.unknown=1", "model.unknown: there is no such field. Allowed: bidirectional"),
        ("+task.unknown=1", "task.unknown: there is no such field. Allowed: data_seed"),
        ("+model.unitz=1", "model.unitz: there is no such field. Allowed: .*Did you mean units?"),
        ("model.units=0", "model.units=0: must be at least 1"),
        ("training.learning_rate=-1", "training.learning_rate=-1.0: must be greater than 0"),
        ("training.learning_rate=nan", "training.learning_rate=nan: must be a finite number"),
        ("seed=-1", "seed=-1: must be at least 0"),
        ("seed=99999999999", "seed=99999999999: must be at most"),
        ("task.length=1", "task.length=1: must be at least 2"),
        ("study=a/b", "study='a/b': must be letters"),
        ("variant.name=''", "variant.name='': must be letters"),
        ("study=..", r"study='..': must not begin with a dot"),
        ("study=.hidden", r"study='.hidden': must not begin with a dot"),
        ("study=Running", "study='Running': must be none of running, artifacts"),
        ("study=artifacts", "study='artifacts': must be none of running, artifacts"),
        ("task.name=report", "task.name='report': must be none of running, artifacts, report"),
        (f"study={'x' * 101}", "must have 100 characters and 200 bytes at most, and has 101"),
        (f"study='{'€' * 80}'", "must be letters"),
        (f"study='{'語' * 80}'", "must have 100 characters and 200 bytes at most, and has 80"),
    ],
)
def test_refused(override, message, make_config):
    with pytest.raises(UserError, match=message):
        make_config(override)


@pytest.mark.parametrize("reference", ["[8.45]", "[{metric: nll, score: 8.45}]"])
def test_a_published_score_must_be_complete(reference, make_config):
    with pytest.raises(UserError, match="task.reference: .* must have the fields metric, score, model, source"):
        tasks.build(make_config(f"task.reference={reference}").task)


@pytest.mark.parametrize("settings", ["{horizont: 24}", "24"])
def test_settings_of_a_published_score_are_fields_of_the_task(settings, make_config):
    score = f"[{{metric: mse, score: 0.1, model: LSTM, source: none, settings: {settings}}}]"
    with pytest.raises(UserError, match="in settings of .* is no field of this task"):
        tasks.build(make_config(f"task.reference={score}").task)


@pytest.mark.parametrize(("horizon", "scores"), [(24, [0.114]), (720, [0.683]), (12, [])])
def test_a_published_score_holds_for_its_settings_only(horizon, scores, make_config):
    settings = make_config("task=etth1", f"task.horizon={horizon}").task
    assert [one["score"] for one in tasks.published(settings)] == scores


@pytest.mark.parametrize("name", choices("task"))
def test_published_scores_are_numbers_with_a_source(name, make_config):
    for reference in make_config(f"task={name}").task.reference:
        assert isinstance(reference["score"], float) and reference["source"] and reference["model"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("variant=foo", "Could not find 'variant/foo'"),
        ("task=foo", "Could not find 'task/foo'"),
        ("model.unit=3", "Key 'unit' not in 'Model'"),
        ("variant.peephole=foo", r"expected one of \[none, diagonal, full\]"),
        ("model.units=many", "could not be converted to Integer"),
        ("seed=", "could not be converted to Integer"),
    ],
)
def test_refused_by_hydra(override, message, make_config):
    with pytest.raises(HydraException) as told:
        make_config(override)
    assert re.search(message, f"{told.value} {told.value.__cause__}")


def test_all_mistakes_are_told_at_once(make_config):
    with pytest.raises(UserError) as told:
        make_config("model.units=0", "training.epochs=0", "+foo=1")
    assert all(word in str(told.value) for word in ("model.units=0", "training.epochs=0", "foo: there is no such"))


def test_settings_cross_process_boundaries(make_config):
    settings = make_config("task=forecast")
    assert plain(pickle.loads(pickle.dumps(settings))) == plain(settings)


def test_the_key_sees_what_changes_numbers_and_nothing_else(make_config):
    key = trial_key(make_config(), "digest")
    for override in ("seed=1", "model.units=9", "variant=swapped", "training.epochs=3", "task.length=60"):
        assert trial_key(make_config(override), "digest") != key, override
    assert trial_key(make_config(), "other data") != key
    for override in ("study=other", "rerun=true", "sweep.workers=1", "tracking.uri=sqlite:///x.db", "output_dir=x"):
        assert trial_key(make_config(override), "digest") == key, override


def test_keys_stay_when_a_field_is_added(make_config):
    """A change of the defaults in `conf/` may change this key, a field that nobody sets may not."""
    config = make_config("variant=peephole", "task=adding")
    assert trial_key(config, "digest") == "7b8e9d4e16640e60"
    assert trial_key(make_config("variant=peephole", "variant.recurrence=full"), "digest") != "7b8e9d4e16640e60"


def test_the_key_sees_the_content_of_a_file_not_its_path(make_config):
    first, moved = (make_config("task=char_lm", f"task.path={path}") for path in ("a.txt", "b.txt"))
    assert trial_key(first, "digest") == trial_key(moved, "digest")


HEAVY = {"tensorflow", "keras", "mlflow", "pandas", "scipy", "matplotlib", "optuna", "sqlalchemy", "statsmodels"}


def test_help_on_all_topics_lists_everything_and_imports_neither_tensorflow_nor_mlflow():
    code = (
        "import sys, runpy; sys.argv = ['train', '--help', 'all']\n"
        "try: runpy.run_module('experiments.train', run_name='__main__')\n"
        f"finally: print('HEAVY', sorted({HEAVY} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "HEAVY []" in done.stdout, done.stdout[-500:] + done.stderr
    for word in [*choices("variant"), *choices("task"), *choices("experiment"), "training.clipnorm", "task.horizon"]:
        assert word in done.stdout


def test_help_is_one_screen_and_its_topics_are_short():
    text = help_text("gatelab train")
    assert len(text.splitlines()) <= 32 and max(map(len, text.splitlines())) <= 120
    for topic in set(TOPICS) - {"all", "task=NAME"}:
        assert topic in text and 0 < len(help_text("gatelab train", [topic]).splitlines()) <= 32
    assert "odyssey/no_input_gate" in help_text("gatelab train", ["variant"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["task=forecast"], "task.horizon"),
        (["model.units=3", "variant.peephole=full"], "model.dropout"),
        (["seed=3"], "output_dir"),
    ],
)
def test_help_beside_settings_is_about_them(words, text):
    assert text in help_text("gatelab train", words)


def test_help_names_its_topics():
    with pytest.raises(UserError, match="--help modle: there is no such topic. Topics: variant, .* Did you mean model"):
        help_text("gatelab train", ["modle"])
