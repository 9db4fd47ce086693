import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from experiments.errors import UserError
from tests.tasks.helpers import build

REAL = Path(os.environ.get("GATELAB_DATA", "/nowhere"))
needs_vowels = pytest.mark.skipif(
    not (REAL / "JapaneseVowels_TRAIN.ts").exists(), reason="no JapaneseVowels: GATELAB_DATA names no folder with them"
)
LABELS = ["10", "9", "-1"]


def random_cases(seed, count, lengths=(3, 9), channels=2):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(*lengths, size=count) if isinstance(lengths, tuple) else [lengths] * count
    return [(rng.normal(3, 2, (size, channels)).round(6), LABELS[k % 3]) for k, size in enumerate(sizes)]


def write(file, cases):
    rows = [":".join([*(",".join(map(str, channel)) for channel in x.T), label]) for x, label in cases]
    file.write_text("\n".join(["@classLabel true 9 -1 10", "@data", *rows]) + "\n")
    return str(file)


@pytest.fixture
def pair(tmp_path):
    """Training and test series, in files beside each other."""
    cases = random_cases(1, 30), random_cases(2, 12, lengths=(3, 12))
    path, _ = write(tmp_path / "P_TRAIN.ts", cases[0]), write(tmp_path / "P_TEST.ts", cases[1])
    return path, *cases


def shape_of(x):
    """What scaling of the channels does not change."""
    return (x - x[0]) / (x[-1] - x[0])


def origin(split, cases):
    """Position of each sequence of a split among `cases`."""
    masks = split.mask if split.mask is not None else np.ones(split.inputs.shape[:2], bool)
    rows = [shape_of(x[mask].astype("float64")) for x, mask in zip(split.inputs, masks, strict=True)]
    shapes = [shape_of(x) for x, _ in cases]
    return [
        next(k for k, shape in enumerate(shapes) if shape.shape == row.shape and np.allclose(shape, row, rtol=1e-3))
        for row in rows
    ]


def test_every_series_is_in_one_part_with_its_class(pair):
    path, cases, test_cases = pair
    task = build("classify", path=path)
    assert task.labels == ("-1", "9", "10") and task.outputs == 3
    places = [origin(task.train, cases), origin(task.validation, cases), origin(task.test, test_cases)]
    assert sorted(places[0] + places[1]) == list(range(30))
    assert places[2] == list(range(12))
    parts = ((task.train, cases), (task.validation, cases), (task.test, test_cases))
    for (split, source), rows in zip(parts, places, strict=True):
        assert [task.labels[k] for k in split.targets] == [source[row][1] for row in rows]
        assert split.targets.dtype == "int32" and split.inputs.dtype == "float32"
    assert Counter(task.validation.targets) == {0: 2, 1: 2, 2: 2}


def test_channels_are_scaled_by_the_steps_of_training(pair):
    path, cases, test_cases = pair
    task = build("classify", path=path)
    steps = np.concatenate([cases[k][0] for k in origin(task.train, cases)])
    for split, source in ((task.train, cases), (task.validation, cases), (task.test, test_cases)):
        expected = np.concatenate([source[k][0] for k in origin(split, source)])
        expected = (expected - steps.mean(axis=0)) / steps.std(axis=0)
        np.testing.assert_allclose(split.inputs[split.mask], expected, atol=1e-5)


def test_masks_cover_the_steps_that_there_are_and_the_rest_is_zero(pair):
    path, _, test_cases = pair
    test = build("classify", path=path).test
    lengths = [len(x) for x, _ in test_cases]
    assert test.inputs.shape == (12, max(lengths), 2)
    for row, length in enumerate(lengths):
        assert test.mask[row].tolist() == [True] * length + [False] * (max(lengths) - length)
        assert not test.inputs[row, length:].any()


def test_no_masks_where_all_series_are_equally_long(tmp_path):
    path = write(tmp_path / "p_train.ts", random_cases(1, 30, lengths=5))
    write(tmp_path / "p_test.ts", random_cases(2, 12, lengths=7))
    task = build("classify", path=path)
    assert [part.mask for part in (task.train, task.validation, task.test)] == [None] * 3
    assert task.train.inputs.shape[1] == 5 and task.test.inputs.shape[1] == 7


def test_validation_and_test_series_do_not_change_the_training_part(pair, tmp_path):
    path, cases, test_cases = pair
    first = build("classify", path=path)
    held_out = origin(first.validation, cases)
    moved = [(x + 100, label) if k in held_out else (x, label) for k, (x, label) in enumerate(cases)]
    other = write(tmp_path / "Q_TRAIN.ts", moved)
    second = build("classify", path=other, test_path=write(tmp_path / "other.ts", [(x * 9, c) for x, c in test_cases]))
    np.testing.assert_array_equal(first.train.inputs, second.train.inputs)
    assert not np.allclose(first.validation.inputs, second.validation.inputs)


def test_split_depends_on_the_seed_alone(pair):
    path, *_ = pair
    first, other, larger = (
        build("classify", path=path, **parameters) for parameters in ({}, {"data_seed": 1}, {"validation": 0.5})
    )
    assert first.validation.inputs.tobytes() != other.validation.inputs.tobytes()
    assert Counter(other.validation.targets) == {0: 2, 1: 2, 2: 2}
    assert Counter(larger.validation.targets) == Counter(larger.train.targets) == {0: 5, 1: 5, 2: 5}


def test_digest_is_of_both_files_and_of_where_they_part(tmp_path):
    rows = [f"{k % 2}\t{k}\t{k * k % 7}\n" for k in range(24)]
    digests = set()
    for cut, name in ((12, "a"), (14, "b"), (12, "c")):
        (tmp_path / f"{name}_TRAIN.tsv").write_text("".join(rows[:cut]))
        (tmp_path / f"{name}_TEST.tsv").write_text("".join(rows[cut:]))
        digests.add(build("classify", path=str(tmp_path / f"{name}_TRAIN.tsv")).digest)
    assert len(digests) == 2


def test_baseline_is_the_most_frequent_training_class(tmp_path):
    train, test = tmp_path / "a_TRAIN.tsv", tmp_path / "a_TEST.tsv"
    train.write_text("".join(f"{label}\t{k}\t{k % 5}\n" for k, label in enumerate("bbbbbbaaaac" + "bbbaa")))
    test.write_text("b\t1\t2\nb\t2\t2\na\t1\t1\na\t0\t0\na\t3\t0\n")
    task = build("classify", path=str(train))
    assert task.baseline == pytest.approx(2 / 5)
    assert task.labels == ("a", "b", "c")
    assert 2 in task.train.targets and 2 not in task.validation.targets, "the only series of a class is trained on"


def test_constant_channels_are_shifted_only(tmp_path):
    cases = [(np.column_stack([x[:, 0], np.full(len(x), 7.5)]), label) for x, label in random_cases(3, 30)]
    path = write(tmp_path / "P_TRAIN.ts", cases)
    write(tmp_path / "P_TEST.ts", [(x + 1, label) for x, label in cases])
    task = build("classify", path=path)
    assert not task.train.inputs[..., 1].any()
    np.testing.assert_array_equal(task.test.inputs[..., 1][task.test.mask], 1)


def test_models_do_not_see_the_padding(pair, make_config):
    import keras

    from experiments.trial import model

    path, *_ = pair
    for settings in ((), ("model.layers=2", "model.bidirectional=true")):
        config = make_config("task=classify", f"task.path={path}", "model.units=5", *settings)
        test = build("classify", path=path).test
        keras.utils.set_random_seed(0)
        network = model.build(build("classify", path=path), config.variant, config.model)
        garbage = np.where(test.mask[..., None], test.inputs, 1e3).astype("float32")
        outputs = [np.asarray(network({"inputs": x, "mask": test.mask})) for x in (test.inputs, garbage)]
        np.testing.assert_array_equal(*outputs)
        unmasked = np.asarray(network({"inputs": garbage, "mask": np.ones_like(test.mask)}))
        assert not np.allclose(outputs[0], unmasked)


ROWS = "1\t1\t2\n2\t3\t1\n" * 5


@pytest.mark.parametrize(
    ("train", "test", "parameters", "message"),
    [
        (None, ROWS, {}, r"a_TRAIN.tsv: cannot be read \(No such file"),
        (ROWS, None, {}, "task.path=.*a_TRAIN.tsv: no a_TEST.tsv is beside it. Give the test series: task.test_path"),
        (ROWS, ROWS, {"test_path": "none.tsv"}, "none.tsv: cannot be read"),
        (ROWS, "1\t1\n", {"path": "{}/a_TEST.tsv"}, "a_TEST.tsv: give the test series too, task.test_path=FILE"),
        (ROWS, "1\t1\n\n1\t2\n3\t1\n", {}, "a_TEST.tsv: series 3 is of the class '3', .*a_TRAIN.tsv .* classes: 1, 2"),
        (ROWS, "1\t1\tx\n", {}, "a_TEST.tsv, line 1, column 3: 'x' is not"),
        ("1\t1\n1\t2\n", ROWS, {}, "all series are of the class '1'"),
        ("1\t3\t3\n2\t3\t3\n" * 5, ROWS, {}, "all channels are constant over the training series"),
        ("1\t3\n2\t3\n", ROWS, {}, "task.validation=0.2 of .*a_TRAIN.tsv: no class has two series"),
        (ROWS, ROWS, {"validation": 0.1}, "task.validation=0.1 .* 1 of the 10 series, and each of the 2 classes"),
        (ROWS, ROWS, {"validation": 0.9}, "task.validation=0.9 .* 9 of the 10 series, and each of the 2 classes"),
        (ROWS, ROWS, {"validation": 0}, "task.validation=0: must be greater than 0"),
        (ROWS, ROWS, {"path": None}, "task.path and task.dataset are both null"),
        (ROWS, ROWS, {"path": None, "dataset": "iris"}, "task.dataset=iris: .* Allowed: japanese_vowels"),
        (
            ROWS,
            ROWS,
            {"path": None, "dataset": "japanese_vowels", "test_path": "x"},
            "task.test_path without task.path",
        ),
    ],
)
def test_classify_refuses(tmp_path, train, test, parameters, message):
    for name, content in (("a_TRAIN.tsv", train), ("a_TEST.tsv", test)):
        if content is not None:
            (tmp_path / name).write_text(content)
    parameters = {"path": "{}/a_TRAIN.tsv"} | parameters
    parameters["path"] = parameters["path"] and parameters["path"].format(tmp_path)
    with pytest.raises(UserError, match=message):
        build("classify", **parameters)


def test_channels_of_both_files_must_be_as_many(tmp_path):
    path = write(tmp_path / "P_TRAIN.ts", random_cases(1, 30))
    write(tmp_path / "P_TEST.ts", random_cases(1, 30, channels=3))
    with pytest.raises(UserError, match="P_TEST.ts: the series have 3 channels, and those of .*P_TRAIN.ts 2"):
        build("classify", path=path)


@needs_vowels
def test_japanese_vowels_are_as_published():
    task = build("classify", data_dir=str(REAL), dataset="japanese_vowels")
    lengths = np.concatenate([part.mask.sum(axis=1) for part in (task.train, task.validation, task.test)])
    assert (len(task.train) + len(task.validation), len(task.test)) == (270, 370)
    assert task.train.inputs.shape[2] == 12 and (lengths.min(), lengths.max()) == (7, 29)
    assert task.labels == tuple("123456789")
    assert Counter(task.train.targets) == dict.fromkeys(range(9), 24)
    assert Counter(task.validation.targets) == dict.fromkeys(range(9), 6)
    assert np.bincount(task.test.targets).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert task.baseline == pytest.approx(31 / 370)
