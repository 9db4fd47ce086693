"""Formal languages that ask for a counter or a stack: which symbols may come next, at each step."""

from collections.abc import Callable, Sequence
from math import comb
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Metric, Predict, Split, Task, task
from experiments.tasks._generated import DataSeed, TestSize, TrainSize, ValidationSize
from experiments.tasks._padding import pad

BRACKETS = ("()", "[]")
LETTERS = "abc"

Word = list[int]  # symbols, the first one S = 0; T, which ends a word, is a target and never an input
Legal = Callable[[Word], list[list[bool]]]  # at each step, for each symbol but S: whether it may come next

ACCURACY = Metric("accuracy", "share of strings right at every step", better="higher")
CROSS_ENTROPY = Metric("cross_entropy", "cross-entropy per output", "nats", keras="binary_crossentropy")
OUTPUT_ACCURACY = Metric("output_accuracy", "share of right outputs", keras="binary_accuracy", better="higher")

TrainLargest = Annotated[int, Field("largest n of the training strings, drawn from 1 to it", minimum=1)]
ValidationLargest = Annotated[int, Field("largest n of the validation strings, each n after those once", minimum=2)]
TestLargest = Annotated[int, Field("largest n of the test strings, each n after those once", minimum=3)]


@task
def anbn(
    train_largest: TrainLargest = 10,
    validation_largest: ValidationLargest = 15,
    test_largest: TestLargest = 50,
    train_size: TrainSize = 1000,
    data_seed: DataSeed = 0,
) -> Task:
    """Predict the legal next symbols of strings S aⁿ bⁿ T, n > 0.

    At each step the target is the set of symbols that may come next: a after S, a or b after an a, then b until
    there are as many as a, then T. The n of training strings are drawn evenly up to `train_largest`; validation
    and test ask for greater ones, so that only a counter helps. A string is right if every output is right at
    every step. The score is the share of test strings that are right; `largest_n` is the greatest n up to which
    all strings are. The baseline knows the current symbol only and takes the majority of the training part.

    Source: Gers and Schmidhuber 2001 (LSTM recurrent networks learn simple context-free and context-sensitive
    languages).

    Raises:
        UserError: if the three largest n do not ascend.
    """
    return _counting_task(2, train_largest, validation_largest, test_largest, train_size, data_seed)


@task
def anbncn(
    train_largest: TrainLargest = 10,
    validation_largest: ValidationLargest = 15,
    test_largest: TestLargest = 40,
    train_size: TrainSize = 1000,
    data_seed: DataSeed = 0,
) -> Task:
    """Predict the legal next symbols of strings S aⁿ bⁿ cⁿ T, n > 0: a language that is not context-free.

    After the first b all symbols are determined; otherwise as `anbn`, with the same score and baseline.

    Source: Gers and Schmidhuber 2001 (LSTM recurrent networks learn simple context-free and context-sensitive
    languages).

    Raises:
        UserError: if the three largest n do not ascend.
    """
    return _counting_task(3, train_largest, validation_largest, test_largest, train_size, data_seed)


def _counting_task(
    letters: int, train_largest: int, validation_largest: int, test_largest: int, train_size: int, data_seed: int
) -> Task:
    if not train_largest < validation_largest < test_largest:
        raise UserError(
            f"task.train_largest={train_largest}, task.validation_largest={validation_largest}, "
            f"task.test_largest={test_largest}: each must be greater than the one before"
        )
    drawn = np.random.default_rng(data_seed).integers(1, train_largest, size=train_size, endpoint=True)
    words = [_counting_word(n, letters) for n in range(1, test_largest + 1)]
    train_words = [words[n - 1] for n in drawn]
    parts = (train_words, words[train_largest:validation_largest], words[validation_largest:])
    every = _split(words, _counting_legal)

    def measure(predict: Predict) -> dict[str, float]:
        solved = _right(predict(every), every)
        return {"accuracy": float(solved[validation_largest:].mean()), "largest_n": float(solved.cumprod().sum())}

    language = "".join(f"{letter}ⁿ" for letter in LETTERS[:letters])
    metric = Metric("largest_n", "greatest n up to which all strings are right", better="higher")
    splits = [_split(part, _counting_legal) for part in parts]
    return _legality_task(f"predict the legal next symbols of {language}", splits, metric, measure, LETTERS[:letters])


def _counting_word(n: int, letters: int) -> Word:
    return [0, *(letter for letter in range(1, letters + 1) for _ in range(n))]


def _counting_legal(word: Word) -> list[list[bool]]:
    last = max(word)
    following = [*word[1:], last + 1]
    return [
        [symbol == after or (current == 1 and symbol <= 2) for symbol in range(1, last + 2)]
        for current, after in zip(word, following, strict=True)
    ]


@task
def dyck(
    kinds: Annotated[int, Field("kinds of brackets: 1 asks for a counter, 2 for a stack", minimum=1, maximum=2)] = 1,
    train_length: Annotated[int, Field("brackets of the longest training and validation strings", minimum=2)] = 30,
    test_length: Annotated[int, Field("brackets of the longest test string; all are longer than in training")] = 60,
    train_size: TrainSize = 2000,
    validation_size: ValidationSize = 500,
    test_size: TestSize = 500,
    data_seed: DataSeed = 0,
) -> Task:
    """Predict the legal next symbols of strings S w T, where w is a balanced sequence of brackets (Dyck language).

    At each step the target is the set of symbols that may come next: every opening bracket, the bracket that
    closes the innermost open one, and T if none is open. All strings of a part are different: the even length is
    drawn evenly, then the string evenly among those of this length. Training and validation strings have 2 to
    `train_length` brackets and share no string; test strings have more, up to `test_length`.

    A string is right if every output is right at every step. The score is the share of test strings that are
    right; `largest_length` is the number of brackets up to which all strings of all parts are. The baseline knows
    the current symbol only and takes the majority of the training part.

    Source: the language as in Chomsky and Schützenberger 1963, the question as in Gers and Schmidhuber 2001.

    Raises:
        UserError: for lengths that are odd or do not ascend, or if there are too few strings to draw from.
    """
    _check_lengths(kinds, train_length, test_length, train_size + validation_size, test_size)
    streams = [np.random.default_rng(stream) for stream in np.random.SeedSequence(data_seed).spawn(3)]
    test_words = _dyck_words(streams[2], test_size, (train_length + 2, test_length), kinds, set())
    seen: set[tuple[int, ...]] = set()
    train_words = _dyck_words(streams[0], train_size, (2, train_length), kinds, seen)
    validation_words = _dyck_words(streams[1], validation_size, (2, train_length), kinds, seen)
    words = (train_words, validation_words, test_words)
    parts = [_split(part, lambda word: _dyck_legal(word, kinds)) for part in words]
    lengths = [part.mask.sum(axis=1) - 1 for part in parts]

    def measure(predict: Predict) -> dict[str, float]:
        solved = [_right(predict(part), part) for part in parts]
        return {"accuracy": float(solved[2].mean()), "largest_length": _largest_length(solved, lengths)}

    title = f"predict the legal next symbols of balanced {' and '.join(BRACKETS[:kinds])}"
    metric = Metric("largest_length", "length up to which all strings are right", "brackets", better="higher")
    symbols = [pair[side] for side in (0, 1) for pair in BRACKETS[:kinds]]
    return _legality_task(title, parts, metric, measure, symbols)


def _check_lengths(kinds: int, train_length: int, test_length: int, short: int, long: int) -> None:
    lengths = f"task.train_length={train_length}, task.test_length={test_length}"
    if train_length % 2 or test_length % 2 or train_length >= test_length:
        raise UserError(f"{lengths}: must be even, the second one greater (strings of brackets that all close)")
    for size, first, last, part in (
        (short, 2, train_length, "task.train_size + task.validation_size"),
        (long, train_length + 2, test_length, "task.test_size"),
    ):
        # Half of them, since strings are drawn until enough of them are new.
        allowed = sum(comb(n, n // 2) // (n // 2 + 1) * kinds ** (n // 2) for n in range(first, last + 1, 2)) // 2
        if size > allowed:
            raise UserError(
                f"{part}={size}: must be at most {allowed}, half of the strings of {first} to {last} brackets "
                f"({lengths})"
            )


def _dyck_words(
    rng: np.random.Generator, size: int, lengths: tuple[int, int], kinds: int, seen: set[tuple[int, ...]]
) -> list[Word]:
    """Words that are not in `seen`, and are put there."""
    words = []
    while len(words) < size:
        pairs = int(rng.integers(lengths[0] // 2, lengths[1] // 2, endpoint=True))
        word = _dyck_word(rng, pairs, kinds)
        if tuple(word) not in seen:
            seen.add(tuple(word))
            words.append(word)
    return words


def _dyck_word(rng: np.random.Generator, pairs: int, kinds: int) -> Word:
    """A word drawn evenly among those with so many pairs.

    Of `pairs` steps up and `pairs + 1` steps down in any order exactly one rotation first goes below zero at its
    last step (cycle lemma); without this step it is a balanced sequence.
    """
    ups = rng.permutation(np.repeat([1, -1], [pairs, pairs + 1]))
    ups = np.roll(ups, -int(ups.cumsum().argmin()) - 1)[:-1]
    word, stack = [0], []
    for up, kind in zip(ups, rng.integers(1, kinds, size=2 * pairs, endpoint=True), strict=True):
        if up == 1:
            stack.append(int(kind))
            word.append(int(kind))
        else:
            word.append(kinds + stack.pop())
    return word


def _dyck_legal(word: Word, kinds: int) -> list[list[bool]]:
    stack: Word = []
    rows = []
    for symbol in word:
        if symbol > kinds:
            stack.pop()
        elif symbol:
            stack.append(symbol)
        closing = [bool(stack) and stack[-1] == kind for kind in range(1, kinds + 1)]
        rows.append([True] * kinds + closing + [not stack])
    return rows


def _largest_length(solved: list[np.ndarray], lengths: list[np.ndarray]) -> float:
    every, brackets = np.concatenate(solved), np.concatenate(lengths)
    return float(brackets.max() if every.all() else brackets[~every].min() - 2)


def _legality_task(
    title: str,
    parts: Sequence[Split],
    own_metric: Metric,
    measure: Callable[[Predict], dict[str, float]],
    symbols: Sequence[str],
) -> Task:
    """The task of predicting which of the symbols, and of S and T, may come next; `measure` gives `accuracy` too."""
    train, _, test = parts
    return Task(
        title,
        *parts,
        outputs=len(symbols) + 1,
        per_step=True,
        loss="binary_crossentropy",
        metrics=(ACCURACY, own_metric, CROSS_ENTROPY, OUTPUT_ACCURACY),
        baseline=_without_memory(train, test),
        baseline_title="what is legal most often after the current symbol",
        vocabulary=len(symbols) + 1,
        solved=1.0,
        monitor=CROSS_ENTROPY,
        measure=measure,
        tokens=("S", *symbols),
        labels=(*symbols, "T"),
    )


def _split(words: list[Word], legal: Legal) -> Split:
    """Words padded with zeros, their legal next symbols, and the mask of the words."""
    inputs, mask = pad([np.array(word, "int32") for word in words])
    targets, _ = pad([np.array(legal(word), "float32") for word in words])
    return Split(inputs, targets, mask)


def _right(logits: np.ndarray, part: Split) -> np.ndarray:
    """Which words are right in all outputs at all steps."""
    steps = ((logits > 0) == (part.targets > 0)).all(axis=-1)
    return (steps | ~part.mask).all(axis=1)


def _without_memory(train: Split, test: Split) -> float:
    """Share of test words right if a symbol is predicted when the majority of training steps has it legal."""
    shown, legal = train.inputs[train.mask], train.targets[train.mask]
    symbols = range(legal.shape[1])
    majority = np.stack([(legal[shown == symbol] - 0.5).sum(axis=0) for symbol in symbols])
    return float(_right(majority[test.inputs], test).mean())
