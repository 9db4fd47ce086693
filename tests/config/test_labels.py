"""The names of trials tell them apart, and say nothing in which they do not differ."""

import pytest

from experiments.config.labels import told_apart
from experiments.options import is_option
from experiments.sweep.preflight import prepare
from experiments.sweep.worker import LayerCheck
from tests.stores import put_store

SMALL = ("task.train_size=64", "task.validation_size=32", "task.test_size=32")


@pytest.fixture
def names(make_config, tmp_path):
    """The names of the trials of a sweep."""
    put_store(tmp_path / "out")

    def make(*trials):
        configs = [make_config(*words.split()) for words in trials]
        checks = lambda configs: [LayerCheck(config.model.units) for config in configs]  # noqa: E731
        return [spec.name for spec in prepare(configs, [(words,) for words in trials], checks).specs]

    return make


def test_variant_task_and_seed_alone_name_a_trial_of_a_plain_sweep(names):
    """Defaults that differ by task or variant are no choice of the sweep."""
    trials = [
        f"task={t} variant={v} seed={s}" for t in ("adding", "parity") for v in ("peephole", "janet") for s in "01"
    ]
    assert names(*trials)[:3] == ["adding/peephole/s0", "adding/peephole/s1", "adding/janet/s0"]
    assert names("seed=0 task.data_seed=0", "seed=1 task.data_seed=1") == ["adding/standard/s0", "adding/standard/s1"]


def test_every_swept_field_is_in_the_name(names):
    swept = [f"task.length={n} model.units={u}" for n in (51, 101) for u in (8, 16)]
    assert names(*swept)[1] == "adding[length=51]/standard[units=16]/s0" and len(set(names(*swept))) == 4
    assert names("seed=0 task.data_seed=7", "seed=0 task.data_seed=8") == [
        "adding[data_seed=7]/standard/s0",
        "adding[data_seed=8]/standard/s0",
    ]
    gates = "variant.gate_activation={forget:hard_sigmoid}"
    assert names(gates, "variant.gate_activation=null") == [
        "adding/standard[gate_activation={forget:hard_sigmoid}]/s0",
        "adding/standard[gate_activation=null]/s0",
    ]


def test_what_a_search_drew_is_in_the_name_of_a_single_trial_too(names):
    words = "sweep.drawn=[training.learning_rate] training.learning_rate=0.0123"
    assert names(words) == ["adding/standard[learning_rate=0.0123]/s0"]


def test_names_have_three_parts_whatever_the_values_are(make_config, tmp_path):
    """Of a path the file, of a long text a beginning that no other one shares."""
    files = []
    for folder in ("a", "b" * 60):
        (tmp_path / folder).mkdir()
        files += [tmp_path / folder / name for name in (f"{'x' * 50}.txt", f"{'x' * 51}.txt")]
    for file in files:
        file.write_text("a text\n" * 400)
    configs = [make_config("task=char_lm", f"task.path={file}") for file in files[:2]]
    values = [dict(settings)["task.path"] for settings in told_apart(configs)]
    assert len(set(values)) == 2 and all(value.startswith("xxxx") and len(value) < 50 for value in values)


@pytest.mark.parametrize(
    ("word", "is_one"),
    [
        ("study=s", True),
        ("tracking.uri=http://a/b", True),
        ("adding[length=5]/v/s0", False),
        ("v/x=1", False),
        ("a", False),
    ],
)
def test_a_name_with_settings_is_no_option(word, is_one):
    assert is_option(word) is is_one
