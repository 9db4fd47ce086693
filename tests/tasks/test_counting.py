import itertools
from math import comb

import numpy as np
import pytest

from experiments.errors import UserError
from tests.tasks.helpers import build

PAIRS = {"(": ")", "[": "]"}


def examples(task, part):
    """The strings of a part, each with the legal next symbols at each step, both as text."""
    for tokens, targets, mask in zip(part.inputs, part.targets, part.mask, strict=True):
        steps = int(mask.sum())
        assert mask[:steps].all() and not tokens[steps:].any() and not targets[steps:].any()
        legal = [{task.labels[k] for k in np.flatnonzero(row)} for row in targets[:steps]]
        yield "".join(task.tokens[token] for token in tokens[:steps]), legal


def strings(task, part):
    return [text for text, _ in examples(task, part)]


def right_outputs(part):
    """Outputs that are right everywhere."""
    return np.where(part.targets > 0, 2.0, -2.0)


def without_memory(task):
    """Share of test strings for which the majority after each symbol, over the training part, is right."""
    seen = {}
    for text, legal in examples(task, task.train):
        for symbol, allowed in zip(text, legal, strict=True):
            seen.setdefault(symbol, []).append(allowed)
    answer = {
        s: {a for a in task.labels if sum(a in allowed for allowed in sets) > len(sets) / 2} for s, sets in seen.items()
    }
    return np.mean([[answer.get(s, set()) for s in text] == legal for text, legal in examples(task, task.test)])


@pytest.mark.parametrize(("function", "letters"), [("anbn", "ab"), ("anbncn", "abc")])
def test_counting_strings_and_what_may_follow(function, letters):
    task = build(function, train_largest=4, validation_largest=7, test_largest=12, train_size=400)
    language = {n: "".join(letter * n for letter in letters) for n in range(1, 40)}
    for part in (task.train, task.validation, task.test):
        for text, legal in examples(task, part):
            for step, allowed in enumerate(legal):
                start = text[1 : step + 1]
                following = {(word + "T")[step] for word in language.values() if (word + "T").startswith(start)}
                assert allowed == following, text[: step + 1]
    drawn = strings(task, task.train)
    assert {text: drawn.count(text) > 70 for text in drawn} == {"S" + language[n]: True for n in range(1, 5)}
    assert strings(task, task.validation) == ["S" + language[n] for n in range(5, 8)]
    assert strings(task, task.test) == ["S" + language[n] for n in range(8, 13)]
    assert task.baseline == without_memory(task) == 0


@pytest.mark.parametrize("function", ["anbn", "anbncn"])
def test_largest_n_and_accuracy_of_counting(function):
    task = build(function, train_largest=4, validation_largest=7, test_largest=12)
    assert task.measure(right_outputs) == {"accuracy": 1, "largest_n": 12}

    def wrong_for(*wrong):
        def predict(part):
            outputs = right_outputs(part)
            for row in np.flatnonzero(np.isin((part.inputs == 1).sum(axis=1), wrong)):
                outputs[row, int(part.mask[row].sum()) - 1, -1] *= -1  # misses the end
            return outputs

        return task.measure(predict)

    assert wrong_for(9) == {"accuracy": pytest.approx(4 / 5), "largest_n": 8}
    assert wrong_for(3, 8, 12) == {"accuracy": pytest.approx(3 / 5), "largest_n": 2}
    assert wrong_for(1) == {"accuracy": 1, "largest_n": 0}


def test_outputs_behind_the_end_of_a_string_do_not_count():
    task = build("anbn", train_largest=2, validation_largest=3, test_largest=5)
    measured = task.measure(lambda part: np.where(part.mask[..., None], right_outputs(part), 9.0))
    assert measured == {"accuracy": 1, "largest_n": 5}


def balanced(text):
    """What is still open after `text`; raises where a bracket does not match."""
    open_ = []
    for symbol in text:
        if symbol in PAIRS:
            open_.append(symbol)
        else:
            assert symbol == PAIRS[open_.pop()]
    return open_


@pytest.mark.parametrize("kinds", [1, 2])
def test_dyck_strings_and_what_may_follow(kinds):
    task = build(
        "dyck", kinds=kinds, train_length=16, test_length=22, train_size=300, validation_size=80, test_size=100
    )
    for part in (task.train, task.validation, task.test):
        for text, legal in examples(task, part):
            assert text[0] == "S" and not balanced(text[1:])
            for step, allowed in enumerate(legal):
                still_open = balanced(text[1 : step + 1])
                end = PAIRS[still_open[-1]] if still_open else "T"
                assert allowed == {*"(["[:kinds], end}
    train, validation, test = (strings(task, part) for part in (task.train, task.validation, task.test))
    assert len({*train, *validation, *test}) == 300 + 80 + 100
    assert {len(text) - 1 for text in train} == set(range(2, 17, 2))
    assert {len(text) - 1 for text in test} == {18, 20, 22}
    assert task.baseline == without_memory(task)
    assert task.tokens == (("S", "(", ")") if kinds == 1 else ("S", "(", "[", ")", "]"))


def test_dyck_strings_of_one_length_are_equally_likely():
    """Of 5 pairs there are 42; a part has each at most once, so parts of many seeds are counted."""
    counts = {}
    for seed in range(150):
        sizes = {"train_size": 1, "validation_size": 1, "test_size": 8}
        task = build("dyck", train_length=8, test_length=10, **sizes, data_seed=seed)
        for text in strings(task, task.test):
            counts[text] = counts.get(text, 0) + 1
    assert len(counts) == comb(10, 5) // 6
    expected = 150 * 8 / 42
    assert 0.5 * expected < min(counts.values()) and max(counts.values()) < 1.5 * expected


def test_largest_length_of_dyck_looks_at_all_parts():
    task = build("dyck", train_length=12, test_length=18, train_size=40, validation_size=10, test_size=30)
    assert task.measure(right_outputs) == {
        "accuracy": 1,
        "largest_length": max(len(t) - 1 for t in strings(task, task.test)),
    }

    def wrong_from(length, of):
        def predict(part):
            outputs = right_outputs(part)
            if part is of:
                outputs[part.mask.sum(axis=1) - 1 >= length] *= -1
            return outputs

        return task.measure(predict)

    assert wrong_from(8, task.train) == {"accuracy": 1, "largest_length": 6}
    assert wrong_from(12, task.validation) == {"accuracy": 1, "largest_length": 10}
    lengths = np.array([len(text) - 1 for text in strings(task, task.test)])
    assert wrong_from(16, task.test) == {"accuracy": pytest.approx(np.mean(lengths < 16)), "largest_length": 14}


def test_baseline_when_training_never_shows_a_symbol():
    sizes = {"train_size": 1, "validation_size": 1, "test_size": 20}
    lots = [build("dyck", kinds=2, train_length=4, test_length=6, **sizes, data_seed=seed) for seed in range(10)]
    missing = [task for task in lots if "]" not in strings(task, task.train)[0]]
    assert missing and all("]" in "".join(strings(task, task.test)) for task in missing)
    assert [task.baseline for task in missing] == [without_memory(task) for task in missing]


def test_seeds_draw_other_strings():
    first, again, other = (build("dyck", train_size=30, data_seed=seed) for seed in (0, 0, 1))
    assert strings(first, first.train) == strings(again, again.train) != strings(other, other.train)


@pytest.mark.parametrize(
    ("function", "parameters", "message"),
    [
        ("anbn", {"train_largest": 15}, "task.train_largest=15, task.validation_largest=15, .* must be greater than"),
        ("anbncn", {"test_largest": 12}, "task.test_largest=12: each must be greater than the one before"),
        ("dyck", {"train_length": 31}, "task.train_length=31, task.test_length=60: must be even, the second"),
        ("dyck", {"test_length": 30}, "task.train_length=30, task.test_length=30: must be even, the second"),
        ("dyck", {"train_length": 8}, r"train_size \+ task.validation_size=2500: must be at most 11, half of the"),
        ("dyck", {"train_length": 16, "test_length": 18, "train_size": 9, "test_size": 9999}, "at most 2431, half of"),
        ("dyck", {"kinds": 3}, "task.kinds=3: must be at most 2"),
    ],
)
def test_what_cannot_be_used_is_refused(function, parameters, message):
    with pytest.raises(UserError, match=message):
        build(function, **parameters)


def test_the_most_strings_allowed_can_be_drawn():
    for kinds, more in itertools.product((1, 2), (0, 1)):
        most = (1 + 2 + 5) // 2 if kinds == 1 else (2 + 8 + 40) // 2
        sizes = {"train_size": most - 1 + more, "validation_size": 1, "test_size": 5}
        if more:
            with pytest.raises(UserError, match=f"at most {most}"):
                build("dyck", kinds=kinds, train_length=6, test_length=10, **sizes)
        else:
            task = build("dyck", kinds=kinds, train_length=6, test_length=10, **sizes)
            assert len(set(strings(task, task.train))) == most - 1
