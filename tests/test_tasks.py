import hashlib
import statistics

import numpy as np
import pytest

from experiments import tasks
from experiments.errors import UserError


def build(function, **parameters):
    return tasks.build(tasks.schema(tasks.functions()[function])(**parameters))


def test_adding_is_the_sum_of_two_marked_numbers():
    task = build("adding", length=20, train_size=500, validation_size=50, test_size=4000)
    for split in (task.train, task.validation, task.test):
        values, marks = split.inputs[..., 0], split.inputs[..., 1]
        assert split.inputs.shape[1:] == (20, 2)
        assert (marks.sum(axis=1) == 2).all() and set(np.unique(marks)) == {0, 1}
        assert values.min() >= 0 and values.max() < 1
        expected = [float(v[m == 1].sum()) for v, m in zip(values, marks, strict=True)]
        np.testing.assert_allclose(split.targets[:, 0], expected, rtol=1e-6)
    positions = np.argwhere(task.test.inputs[..., 1])[:, 1]
    assert np.bincount(positions, minlength=20).min() > 0.8 * len(positions) / 20
    assert task.baseline == pytest.approx(1 / 6, rel=0.05)


def test_adding_streams_are_apart_and_repeatable():
    small = {"length": 10, "train_size": 40, "validation_size": 40, "test_size": 40}
    first, again, other = (build("adding", **small, data_seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    rows = [{row.tobytes() for row in s.inputs} for s in (first.train, first.validation, first.test, other.train)]
    assert all(not rows[i] & rows[j] for i in range(4) for j in range(i))


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_char_lm_predicts_each_next_character_once(tmp_path):
    text = "the cat sat on the mat. " * 50
    task = build("char_lm", path=write(tmp_path / "t.txt", text), length=10, split=[0.8, 0.1, 0.1])
    assert (len(task.train), len(task.validation), len(task.test)) == (95, 11, 11)
    for split in (task.train, task.validation, task.test):
        np.testing.assert_array_equal(split.inputs[:, 1:], split.targets[:, :-1])
        np.testing.assert_array_equal(split.inputs[1:, 0], split.targets[:-1, -1])
    characters = sorted(set(text[:960]))
    decoded = "".join(characters[k - 1] for k in task.test.targets.ravel())
    assert decoded == text[1080 + 1 : 1080 + 111]
    assert task.vocabulary == task.outputs == len(characters) + 1
    assert task.digest == hashlib.sha256(text.encode()).hexdigest()


def test_char_lm_baseline_is_the_character_frequencies(tmp_path):
    text = "aaab" * 300
    task = build("char_lm", path=write(tmp_path / "t.txt", text), length=4, split=[0.5, 0.25, 0.25])
    counts = {"a": 450, "b": 150}  # targets of 150 sequences but the last: one character less
    p = {k: (v + 1) / 603 for k, v in counts.items()}
    expected = statistics.fmean(-np.log2(p[c]) for c in "aaab")
    assert task.baseline == pytest.approx(expected, rel=0.02)


def test_char_lm_unknown_characters_share_a_token(tmp_path):
    task = build("char_lm", path=write(tmp_path / "t.txt", "ab" * 90 + "xyzx" * 5), length=5)
    assert (task.test.targets == 0).any() and not (task.train.targets == 0).any()


def test_char_lm_reads_the_manual_of_python():
    task = build("char_lm", limit=20000)
    assert len(task.digest) == 64 and 50 < task.vocabulary < 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file"),
        (b"", "the file is empty"),
        (b"caf\xe9 au lait", "not UTF-8 text .byte 0xe9 at position 3.*iconv"),
        (b"short", r"the training part has 4 characters, and one sequence needs task.length \+ 1 = 101"),
    ],
)
def test_char_lm_refuses(tmp_path, content, message):
    path = tmp_path / "t.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        build("char_lm", path=str(path))


def series_csv(tmp_path, values, name="s.csv"):
    rows = [f"2020-01-01 {k // 60:02}:{k % 60:02},{value},7" for k, value in enumerate(values)]
    return write(tmp_path / name, "\n".join(["date,load,constant", *rows]) + "\n")


def test_forecast_windows_follow_the_series(tmp_path):
    values = np.arange(100.0) ** 1.5
    path = series_csv(tmp_path, values)
    task = build("forecast", path=path, target="load", date="date", window=5, horizon=3, split=[0.6, 0.2, 0.2])
    deviation = values[:60].std()
    scaled = (values - values[:60].mean()) / deviation
    assert (len(task.train), len(task.validation), len(task.test)) == (53, 18, 18)
    for split, start in ((task.train, 5), (task.validation, 60), (task.test, 80)):
        for k in (0, len(split) - 1):
            row = start + k
            np.testing.assert_allclose(split.inputs[k, :, 0], scaled[row - 5 : row], rtol=1e-6)
            np.testing.assert_allclose(split.targets[k], scaled[row : row + 3], rtol=1e-6)
    errors = [(scaled[r : r + 3] - scaled[r - 1]) ** 2 for r in range(80, 98)]
    assert task.baseline == pytest.approx(np.mean(errors), rel=1e-5)
    rmse = next(metric for metric in task.metrics if metric.name == "rmse")
    assert rmse.value(0.25) == pytest.approx(0.5 * deviation)


def test_forecast_scaler_and_training_windows_do_not_see_later_rows(tmp_path):
    values = np.sin(np.arange(100.0))
    first = build("forecast", path=series_csv(tmp_path, values), target="load", window=4, split=[0.6, 0.2, 0.2])
    values[60:] = 1e6
    second = build(
        "forecast", path=series_csv(tmp_path, values, "b.csv"), target="load", window=4, split=[0.6, 0.2, 0.2]
    )
    np.testing.assert_array_equal(first.train.inputs, second.train.inputs)
    np.testing.assert_array_equal(first.train.targets, second.train.targets)


def test_forecast_split_in_rows(tmp_path):
    task = build(
        "forecast", path=series_csv(tmp_path, np.sin(np.arange(100.0))), target="load", window=4, split=[50, 20, 20]
    )
    assert (len(task.train), len(task.validation), len(task.test)) == (46, 20, 20)


def test_sunspots_come_with_statsmodels(make_config):
    task = tasks.build(make_config("task=sunspots").task)
    assert len(task.train) + len(task.validation) + len(task.test) == 309 - 22


@pytest.mark.parametrize(
    ("csv", "parameters", "message"),
    [
        (None, {"target": "x"}, "cannot be read"),
        ("", {"target": "x"}, "the file is empty"),
        ("d,x\n", {"target": "x"}, "a header and no rows"),
        ("d,x\n1,2\n", {"target": "y"}, "task.target=y: no such column in .*Columns: d, x"),
        ("d,x\n1,2\n", {}, "task.target=null: no such column"),
        ("d,x\n1,2\n2,\n3,4\n", {"target": "x"}, "line 3, column 'x': the value is blank"),
        ("d,x\n1,2\n2,3\n3,n/a\n4,?\n", {"target": "x"}, r"line 4, column 'x': 'n/a' is not a number \(2 such rows"),
        ("d,x\n1,2\n\n3,4\n", {"target": "x"}, "line 3, column 'x': the value is blank"),
        ("d,x\n" + "1,2\n" * 100, {"target": "x"}, "column 'x' is constant"),
        ("d,x\n1,2\n2,3\n3,5\n", {"target": "x"}, "the training part is too short for one window"),
        ("d,x\n2020-01-02,2\n2020-01-01,3\n", {"target": "x", "date": "d"}, "line 3: the date '2020-01-01' does not"),
        ("d,x\n2020-01-02,2\nsoon,3\n", {"target": "x", "date": "d"}, "task.date=d: .* a value that is no date"),
        ("d,x\n1,2\n2,3\n3,5\n", {"target": "x", "split": [0.5, 0.5, 0.5]}, "must not sum to more than 1"),
        ("d,x\n1,2\n2,3\n3,5\n", {"target": "x", "split": [5, 5, 5]}, "asks for 15 rows, and .* has 3"),
    ],
)
def test_forecast_refuses(tmp_path, csv, parameters, message):
    path = tmp_path / "s.csv"
    if csv is not None:
        path.write_text(csv)
    with pytest.raises(UserError, match=message):
        build("forecast", path=str(path), **parameters)


def test_forecast_without_any_source():
    with pytest.raises(UserError, match="give a CSV file"):
        build("forecast")
    with pytest.raises(UserError, match="statsmodels has no such data set"):
        build("forecast", bundled="moonspots", target="x")
