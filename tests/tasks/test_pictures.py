from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

from experiments import tasks
from experiments.errors import UserError
from tests.tasks.helpers import build


def pictures(split):
    return [(x.tobytes(), int(y)) for x, y in zip(split.inputs, split.targets, strict=True)]


def test_digits_are_in_one_part_each_with_equal_shares_of_classes():
    task = build("digits")
    parts = [task.train, task.validation, task.test]
    assert [len(part) for part in parts] == [1257, 180, 360]
    assert all(part.inputs.shape[1:] == (64, 1) and part.inputs.dtype == "float32" for part in parts)
    bundled = load_digits()
    everything = [((x / 16).astype("float32").tobytes(), y) for x, y in zip(bundled.data, bundled.target, strict=True)]
    assert Counter(sum(map(pictures, parts), [])) == Counter(everything)
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        np.testing.assert_allclose(np.bincount(part.targets), share * np.bincount(bundled.target), atol=1)
    assert task.baseline == (task.test.targets == np.bincount(task.train.targets).argmax()).mean() < 0.11


def test_digits_by_rows_are_the_same_pictures():
    pixels, rows, other = build("digits"), build("digits", rows=True), build("digits", data_seed=1)
    assert rows.train.inputs.shape == (1257, 8, 8)
    assert pictures(rows.test) == pictures(pixels.test) != pictures(other.test)
    assert pixels.digest == rows.digest


@pytest.fixture
def mnist(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for name, count in (("train", 20), ("test", 6)):
        arrays[f"x_{name}"] = rng.integers(256, size=(count, 28, 28)).astype("uint8")
        arrays[f"y_{name}"] = rng.integers(10, size=count).astype("uint8")
    np.savez(tmp_path / "mnist.npz", **arrays)
    return str(tmp_path / "mnist.npz"), arrays


def test_sequential_mnist_reads_row_by_row_and_validates_on_the_last_pictures(mnist):
    path, arrays = mnist
    task = build("sequential_mnist", path=path, validation_size=5)
    for split, name, part in (
        (task.train, "train", slice(15)),
        (task.validation, "train", slice(15, 20)),
        (task.test, "test", slice(6)),
    ):
        assert split.inputs.shape == (len(split), 784, 1) and split.mask is None
        expected = arrays[f"x_{name}"][part] / 255
        np.testing.assert_allclose(split.inputs.reshape(-1, 28, 28), expected, atol=1e-7)
        np.testing.assert_array_equal(split.targets, arrays[f"y_{name}"][part])
        assert split.inputs.dtype == "float32" and split.targets.dtype == "int32"


def test_permuted_mnist_has_one_order_for_all_pictures(mnist):
    path, arrays = mnist
    plain, permuted, again, other = (
        build("sequential_mnist", path=path, validation_size=parameters.pop("size", 5), **parameters)
        for parameters in (
            {},
            {"permuted": True},
            {"permuted": True, "size": 6},
            {"permuted": True, "data_seed": 1},
        )
    )
    columns = {plain.train.inputs[:, step, 0].tobytes(): step for step in range(784)}
    order = [columns[permuted.train.inputs[:, step, 0].tobytes()] for step in range(784)]
    assert sorted(order) == list(range(784)) != order
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(permuted, part).inputs, getattr(plain, part).inputs[:, order])
    np.testing.assert_array_equal(permuted.test.inputs, again.test.inputs)
    assert not np.array_equal(permuted.test.inputs, other.test.inputs)


def test_limited_training_leaves_the_other_parts_alone(mnist):
    path, _ = mnist
    everything, limited = (build("sequential_mnist", path=path, validation_size=5, limit=n) for n in (None, 4))
    np.testing.assert_array_equal(limited.train.inputs, everything.train.inputs[:4])
    assert pictures(limited.validation) == pictures(everything.validation)
    assert pictures(limited.test) == pictures(everything.test)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "mnist.npz: must have the arrays x_train, y_train, x_test, y_test. .*y_test"),
        ({"x_test": np.zeros((6, 784))}, r"x_test must have the shape \(6, 28, 28\), and has \(6, 784\)"),
        ({"y_train": np.zeros(19)}, r"x_train must have the shape \(19, 28, 28\), and has \(20, 28, 28\)"),
        ({"y_test": np.arange(6) + 7}, r"y_test must hold the digits 0 to 9, and has \[10 11 12\]"),
    ],
)
def test_sequential_mnist_refuses_other_arrays(mnist, changes, message):
    path, arrays = mnist
    changed = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(path, **changed)
    with pytest.raises(UserError, match=message):
        build("sequential_mnist", path=path, validation_size=5)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 broken"])
def test_sequential_mnist_refuses_other_files(tmp_path, content):
    (tmp_path / "m.npz").write_bytes(content)
    with pytest.raises(UserError, match="m.npz: not an .npz file that NumPy reads"):
        build("sequential_mnist", path=str(tmp_path / "m.npz"))


def test_sequential_mnist_refuses_parameters(mnist, tmp_path):
    path, _ = mnist
    np.save(tmp_path / "one.npy", np.zeros(3))
    for parameters, message in (
        ({"path": path}, "task.validation_size=10000: must be less than the 20 training pictures of .*mnist.npz"),
        ({"dataset": "emnist"}, "task.dataset=emnist: no pictures to fetch. Allowed: mnist"),
        ({"path": str(tmp_path / "one.npy")}, "one.npy: not an .npz file"),
        ({"path": "/nowhere.npz"}, "nowhere.npz: not an .npz file that NumPy reads .*No such file"),
    ):
        with pytest.raises(UserError, match=message):
            build("sequential_mnist", **parameters)


@pytest.mark.parametrize("name", ["sequential_mnist", "permuted_mnist"])
def test_published_scores_are_of_a_metric_that_the_task_has(mnist, make_config, name):
    settings = make_config(f"task={name}", f"task.path={mnist[0]}", "task.validation_size=5").task
    assert settings.permuted == (name == "permuted_mnist")
    names = {metric.name for metric in tasks.build(settings).metrics}
    assert settings.reference and {score["metric"] for score in settings.reference} <= names
    assert all(0.8 < row["score"] < 1 and row["model"] and row["source"] for row in settings.reference)
