import os
from pathlib import Path

import numpy as np
import pytest

from experiments import tasks
from experiments.errors import UserError
from tests.tasks.helpers import build

REAL = Path(os.environ.get("GATELAB_DATA", "/nowhere"))
SPLIT = [0.6, 0.2, 0.2]


def csv(tmp_path, *columns, name="s.csv"):
    """A file with a row for each minute, and the columns a, b, ..."""
    names = "abcdef"[: len(columns)]
    rows = [
        f"2020-01-01 {k // 60:02}:{k % 60:02}," + ",".join(str(v) for v in values)
        for k, values in enumerate(zip(*columns, strict=True))
    ]
    (tmp_path / name).write_text("\n".join([f"date,{','.join(names)}", *rows]) + "\n")
    return str(tmp_path / name)


def scaled(values, rows=60):
    return (values - values[:rows].mean()) / values[:rows].std()


def test_windows_follow_the_series(tmp_path):
    values = np.arange(100.0) ** 1.5
    task = build("forecast", path=csv(tmp_path, values), target="a", date="date", window=5, horizon=3, split=SPLIT)
    series = scaled(values)
    assert (len(task.train), len(task.validation), len(task.test)) == (53, 18, 18)
    for split, start in ((task.train, 5), (task.validation, 60), (task.test, 80)):
        for k in (0, len(split) - 1):
            row = start + k
            np.testing.assert_allclose(split.inputs[k, :, 0], series[row - 5 : row], rtol=1e-6)
            np.testing.assert_allclose(split.targets[k], series[row : row + 3], rtol=1e-6)
    errors = [(series[r : r + 3] - series[r - 1]) ** 2 for r in range(80, 98)]
    assert task.baseline == pytest.approx(np.mean(errors), rel=1e-5)
    assert task.baseline_title == "the last value again"


def test_metrics_in_units_of_the_series(tmp_path):
    values = np.arange(100.0) ** 1.5
    task = build("forecast", path=csv(tmp_path, values), target="a", split=SPLIT)
    value = {metric.name: metric.value(0.25) for metric in task.metrics}
    deviation = values[:60].std()
    assert value == pytest.approx(
        {"mse": 0.25, "mae": 0.25, "series_rmse": 0.5 * deviation, "series_mae": 0.25 * deviation}
    )


def test_baseline_is_the_better_of_two(tmp_path):
    values = np.random.default_rng(0).normal(size=200)
    task = build("forecast", path=csv(tmp_path, values), target="a", window=4, split=SPLIT)
    assert task.baseline_title == "the mean of the training rows"
    assert task.baseline == pytest.approx(np.mean(scaled(values, 120)[160:] ** 2), rel=1e-5)


def test_relative_windows_forget_the_level_and_keep_the_errors(tmp_path):
    values = np.cumsum(np.random.default_rng(0).normal(size=100))
    settings = {"path": csv(tmp_path, values), "target": "a", "window": 6, "horizon": 2, "split": SPLIT}
    plain, relative = build("forecast", **settings), build("forecast", **settings, relative=True)
    last = plain.test.inputs[:, -1:, :]
    np.testing.assert_allclose(relative.test.inputs, plain.test.inputs - last, atol=1e-6)
    np.testing.assert_allclose(relative.test.targets, plain.test.targets - last[:, 0], atol=1e-6)
    assert relative.baseline == plain.baseline


def test_several_columns(tmp_path):
    a, b, c = np.random.default_rng(0).normal(size=(3, 100))
    path = csv(tmp_path, a, b, c)
    task = build("forecast", path=path, target="all", date="date", window=4, horizon=2, split=SPLIT)
    assert (task.train.inputs.shape[2], task.outputs, len(task.metrics)) == (3, 6, 2)
    expected = np.stack([scaled(x)[60:62] for x in (a, b, c)], axis=1)
    np.testing.assert_allclose(task.validation.targets[0].reshape(2, 3), expected, rtol=1e-5)
    one = build("forecast", path=path, target="b", inputs=["c", "a"], window=4, split=SPLIT)
    np.testing.assert_allclose(one.test.inputs[0], np.stack([scaled(c), scaled(a)], axis=1)[76:80], rtol=1e-5)
    np.testing.assert_allclose(one.test.targets[0], scaled(b)[80:81], rtol=1e-5)


def test_log_returns(tmp_path):
    prices = np.exp(np.cumsum(np.random.default_rng(0).normal(size=101)) / 50)
    task = build("forecast", path=csv(tmp_path, prices), target="a", values="log_returns", window=3, split=SPLIT)
    returns = 100 * np.diff(np.log(prices))
    np.testing.assert_allclose(task.test.targets[:, 0], scaled(returns)[80:], rtol=1e-4)
    prices[40] = 0
    with pytest.raises(UserError, match="line 42, column 'a': 0 has no logarithm"):
        build("forecast", path=csv(tmp_path, prices, name="b.csv"), target="a", values="log_returns")


def test_scaler_and_training_windows_do_not_see_later_rows(tmp_path):
    values = np.sin(np.arange(100.0))
    settings = {"target": "a", "window": 4, "split": SPLIT, "relative": True}
    first = build("forecast", path=csv(tmp_path, values), **settings)
    values[60:] = 1e6
    second = build("forecast", path=csv(tmp_path, values, name="b.csv"), **settings)
    np.testing.assert_array_equal(first.train.inputs, second.train.inputs)
    np.testing.assert_array_equal(first.train.targets, second.train.targets)


def test_split_in_rows(tmp_path):
    task = build("forecast", path=csv(tmp_path, np.sin(np.arange(100.0))), target="a", window=4, split=[50, 20, 20])
    assert (len(task.train), len(task.validation), len(task.test)) == (46, 20, 20)


@pytest.mark.parametrize(("name", "rows"), [("sunspots", 309), ("co2", 2284), ("elnino", 732)])
def test_series_that_come_with_statsmodels(make_config, name, rows):
    config = make_config(f"task={name}")
    task = tasks.build(config.task)
    windows = len(task.train) + len(task.validation) + len(task.test)
    assert windows == rows - config.task.window - 3 * (config.task.horizon - 1)
    assert np.isfinite(task.train.inputs).all()


@pytest.mark.parametrize(
    ("csv", "parameters", "message"),
    [
        (None, {"target": "x"}, "cannot be read"),
        ("", {"target": "x"}, "the file is empty"),
        ("d,x\n", {"target": "x"}, "a header and no rows"),
        ("d,x\n1,2\n", {"target": "y"}, "task.target=y: no such column in .*Columns: d, x"),
        ("d,x\n1,2\n", {"target": "x", "inputs": ["y"]}, "task.inputs=y: no such column"),
        ("d,x\n1,2\n", {}, "task.target=null: name the column to forecast.*Columns: d, x"),
        ("d,x\n1,2\n2,\n3,4\n", {"target": "x"}, "line 3, column 'x': the value is blank"),
        ("d,x\n1,2\n2,3\n3,n/a\n4,?\n", {"target": "x"}, r"line 4, column 'x': 'n/a' is not a number \(2 such rows"),
        ("d,x\n1,2\n\n3,4\n", {"target": "x"}, "line 3: the line is blank, and rows come"),
        ("d,x\n" + "1,2\n" * 100, {"target": "x"}, "column 'x' is constant"),
        ("d,x\n1,2\n2,3\n3,5\n", {"target": "x"}, "the training part, .* is too short for one window"),
        ("d,x\n" + "1,2\n2,3\n" * 50, {"target": "x", "horizon": 11}, "the validation part, .* at least 11 in the"),
        (
            "d,x\n2020-01-02,2\n2020-01-01,3\n2020-01-03,3\n",
            {"target": "x", "date": "d"},
            "line 3: the date '2020-01-01' does not",
        ),
        ("d,x\n2020-01-02,2\n2020-01-02,3\n", {"target": "x", "date": "d"}, "line 3: .*remove duplicates"),
        (
            "d,x\n2020-01-02,2\nsoon,3\n",
            {"target": "x", "date": "d"},
            "line 3, column 'd': 'soon': not a date as in ISO 8601",
        ),
        ("d,x\n1,2\n2,3\n3,5\n", {"target": "x", "split": [0.5, 0.5, 0.5]}, "must not sum to more than 1"),
        ("d,x\n1,2\n2,3\n3,5\n", {"target": "x", "split": [5, 5, 5]}, "asks for 15 rows, and .* has 3"),
    ],
)
def test_refuses(tmp_path, csv, parameters, message):
    path = tmp_path / "s.csv"
    if csv is not None:
        path.write_text(csv)
    with pytest.raises(UserError, match=message):
        build("forecast", path=str(path), **parameters)


def test_refuses_to_have_no_source():
    with pytest.raises(UserError, match="give a CSV file"):
        build("forecast", target="x")
    with pytest.raises(UserError, match="statsmodels has no such data set"):
        build("forecast", bundled="moonspots", target="x")


@pytest.mark.skipif(not (REAL / "ETTh1.csv").exists(), reason="no ETT: GATELAB_DATA names no folder that has it")
@pytest.mark.parametrize(("name", "rows"), [("etth1", 8640), ("ettm1", 34560)])
def test_electricity_transformers_are_split_in_months(make_config, name, rows):
    """12, 4 and 4 months of 30 days (Zhou et al. 2021), of 17,420 hours or four times as many quarters."""
    config = make_config(f"task={name}")
    task = tasks.build(config.task, str(REAL))
    assert len(task.train) == rows - 96 - 23
    assert len(task.validation) == len(task.test) == rows // 3 - 23
    every = build("forecast", data_dir=str(REAL), dataset=name, target="all", date="date", split=[0.7, 0.1, 0.2])
    assert every.train.inputs.shape[2] == 7
    assert len(every.train) + len(every.validation) + len(every.test) == {"etth1": 17420, "ettm1": 69680}[name] - 24
