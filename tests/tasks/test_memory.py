import numpy as np
import pytest

from experiments.errors import UserError
from tests.tasks.helpers import build

GENERATED = ["adding", "copy_memory", "temporal_order", "parity", "spike_delay", "timed_spikes"]
SMALL = {"length": 300, "train_size": 60, "validation_size": 50, "test_size": 40}


def parts(task):
    return task.train, task.validation, task.test


def test_adding_is_the_sum_of_two_marked_numbers():
    task = build("adding", length=20, train_size=500, validation_size=50, test_size=4000)
    for split in parts(task):
        values, marks = split.inputs[..., 0], split.inputs[..., 1]
        assert split.inputs.shape[1:] == (20, 2)
        assert (marks.sum(axis=1) == 2).all() and set(np.unique(marks)) == {0, 1}
        assert values.min() >= 0 and values.max() < 1
        expected = [float(v[m == 1].sum()) for v, m in zip(values, marks, strict=True)]
        np.testing.assert_allclose(split.targets[:, 0], expected, rtol=1e-6)
    positions = np.argwhere(task.test.inputs[..., 1])[:, 1]
    assert np.bincount(positions, minlength=20).min() > 0.8 * len(positions) / 20
    assert task.baseline == pytest.approx(1 / 6, rel=0.05)


@pytest.mark.parametrize("function", GENERATED)
def test_parts_are_apart_and_repeatable(function):
    first, again, other = (build(function, **SMALL, data_seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    np.testing.assert_array_equal(first.test.targets, again.test.targets)
    rows = [[row.tobytes() for row in s.inputs] for s in (*parts(first), other.train)]
    pairs = [len(set(rows[i]) & set(rows[j])) for i in range(4) for j in range(i)]
    assert pairs == [0] * 6
    assert [len(part) for part in parts(first)] == [60, 50, 40]


@pytest.mark.parametrize("function", GENERATED)
def test_the_size_of_one_part_leaves_the_others_as_they_are(function):
    few, more = (build(function, **SMALL | {"train_size": size}) for size in (60, 61))
    np.testing.assert_array_equal(few.validation.inputs, more.validation.inputs)
    np.testing.assert_array_equal(few.test.inputs, more.test.inputs)


@pytest.mark.parametrize("length", [1, 7, 100])
def test_copy_memory_shows_symbols_and_asks_for_them_later(length):
    task = build("copy_memory", length=length, train_size=300, validation_size=5, test_size=200)
    for split in parts(task):
        for shown, target in zip(split.inputs, split.targets, strict=True):
            symbols = list(shown[:10])
            assert 1 <= min(symbols) and max(symbols) <= 8
            assert list(shown[10:]) == [0] * (length - 1) + [9] + [0] * 10
            assert list(target) == [0] * (length + 10) + symbols
    assert np.bincount(task.train.inputs[:, :10].ravel())[1:].min() > 0.8 * 3000 / 8
    assert (task.vocabulary, task.outputs, task.per_step) == (10, 9, True)
    assert task.baseline == pytest.approx(10 * np.log(8) / (length + 20))


def test_copy_memory_recall_counts_the_asked_symbols_only():
    task = build("copy_memory", **SMALL)

    def predict(split):
        logits = np.eye(9, dtype="float32")[split.targets]
        logits[:, :-10] = 0  # wrong or right before the symbols
        logits[:, -4:] = np.eye(9)[0]  # blank where the last four are asked for
        return logits

    assert task.measure(predict) == {"recall": pytest.approx(0.6)}


@pytest.mark.parametrize(("symbols", "windows"), [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (30, 40), (60, 70)])])
def test_temporal_order_is_the_order_of_x_and_y(symbols, windows):
    task = build("temporal_order", length=100, symbols=symbols, train_size=4000, validation_size=50, test_size=500)
    steps = []
    for split in parts(task):
        for tokens, answer in zip(split.inputs, split.targets, strict=True):
            text = [task.tokens[token] for token in tokens]
            relevant = [step for step, symbol in enumerate(text) if symbol in "XY"]
            assert "".join(text[step] for step in relevant) == task.labels[answer]
            steps.append(relevant)
    for seen, (first, end) in zip(np.transpose(steps), windows, strict=True):
        assert set(seen) == set(range(first, end))
    counts = np.bincount(task.train.targets)
    assert len(counts) == task.outputs == 2**symbols and counts.min() > 0.8 * 4000 / 2**symbols
    assert task.baseline == np.mean(task.test.targets == list(counts).index(max(counts)))
    distractors = np.bincount(task.train.inputs.ravel())[:4]
    assert distractors.min() > 0.97 * distractors.max()


def test_temporal_order_fits_into_ten_steps():
    task = build("temporal_order", length=10, symbols=3, train_size=20, validation_size=5, test_size=5)
    assert (np.argwhere(task.train.inputs >= 4)[:, 1].reshape(-1, 3) == [1, 3, 6]).all()


@pytest.mark.parametrize("every_step", [True, False])
def test_parity_of_the_bits(every_step):
    task = build("parity", length=30, every_step=every_step, train_size=400, validation_size=50, test_size=300)
    for split in parts(task):
        for bits, answer in zip(split.inputs, split.targets, strict=True):
            odd = [sum(bits[: end + 1]) % 2 for end in range(30)]
            assert list(np.atleast_1d(answer)) == (odd if every_step else odd[-1:])
    assert task.per_step is every_step and task.outputs == task.vocabulary == 2
    often = int(task.train.targets.mean() > 0.5)
    share = task.test.targets.mean()
    assert task.baseline == pytest.approx(share if often else 1 - share)
    assert 0.45 < task.train.inputs.mean() < 0.55


@pytest.mark.parametrize(
    ("function", "parameters", "message"),
    [
        ("parity", {"length": 10}, "task.length=10: there are only 1024 such strings, .* at most 1% of the strings"),
        ("temporal_order", {"symbols": 4}, "task.symbols=4: must be at most 3"),
        ("temporal_order", {"length": 9}, "task.length=9: must be at least 10"),
        ("copy_memory", {"length": 0}, "task.length=0: must be at least 1"),
    ],
)
def test_what_cannot_be_used_is_refused(function, parameters, message):
    with pytest.raises(UserError, match=message):
        build(function, **parameters)
