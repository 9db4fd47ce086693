"""Tasks that ask for memory over many steps, generated from a seed."""

import itertools
from typing import Annotated

import numpy as np

from experiments.errors import UserError
from experiments.options import Field
from experiments.tasks import Metric, Predict, Split, Task, task
from experiments.tasks._classification import CROSS_ENTROPY, classification
from experiments.tasks._generated import MEAN_SQUARED_ERROR, DataSeed, TestSize, TrainSize, ValidationSize, three_parts

COPIED = 10  # symbols to copy
DELIMITER = 9
ORDER_WINDOWS = {2: (1, 5), 3: (1, 3, 6)}  # where the relevant symbols are: tenths of the sequence
ORDER_SYMBOLS = ("a", "b", "c", "d", "X", "Y")  # four distractors, two relevant ones
KNOWN_SHARE = 0.01  # of the bit strings that a test may meet again


@task
def adding(
    length: Annotated[int, Field("time steps of a sequence", minimum=2)] = 50,
    train_size: TrainSize = 5000,
    validation_size: ValidationSize = 1000,
    test_size: TestSize = 2000,
    data_seed: DataSeed = 0,
) -> Task:
    """Add the two marked numbers of a sequence.

    Each step shows a number drawn from U[0, 1] and a mark that is 1 at two distinct steps and 0 elsewhere; the
    target is the sum of the two marked numbers. Always answering 1 has the expected error 1/6, the variance of
    the sum (often quoted as 0.1767).

    Source: Hochreiter and Schmidhuber 1997, section 5.4, in the form of Le, Jaitly and Hinton 2015.
    """

    def draw(rng: np.random.Generator, size: int) -> Split:
        values = rng.random((size, length), dtype="float32")
        first = rng.integers(length, size=size)
        second = (first + rng.integers(1, length, size=size)) % length
        marks = np.zeros_like(values)
        rows = np.arange(size)
        marks[rows, first] = marks[rows, second] = 1
        return Split(np.stack([values, marks], axis=-1), (values * marks).sum(axis=1, keepdims=True))

    train, _, test = parts = three_parts(draw, (train_size, validation_size, test_size), data_seed)
    return Task(
        f"add the two marked numbers among {length}",
        *parts,
        outputs=1,
        per_step=False,
        loss="mean_squared_error",
        metrics=(MEAN_SQUARED_ERROR,),
        baseline=float(np.mean((test.targets - train.targets.mean()) ** 2)),
        baseline_title="always the mean of the training targets",
        solved=0.01,
    )


@task
def copy_memory(
    length: Annotated[int, Field("steps from the last symbol shown to the first target", minimum=1)] = 20,
    train_size: TrainSize = 10000,
    validation_size: ValidationSize = 500,
    test_size: TestSize = 1000,
    data_seed: DataSeed = 0,
) -> Task:
    """Repeat ten symbols after a pause.

    A sequence has `length + 20` steps: ten symbols drawn from 1 to 8, `length - 1` blanks (0), a delimiter (9), ten
    blanks. The target is blank for `length + 10` steps, then the ten symbols. The score is the cross-entropy over
    all steps; `recall` is the share of the ten symbols that are recalled. Who remembers nothing predicts
    blanks and then guesses among eight symbols, at a cost of 10 ln 8 / (length + 20).

    Source: Arjovsky, Shah and Bengio 2016 (Unitary evolution recurrent neural networks), section 4.1, after
    Hochreiter and Schmidhuber 1997.
    """

    def draw(rng: np.random.Generator, size: int) -> Split:
        inputs = np.zeros((size, length + 2 * COPIED), "int32")
        targets = np.zeros_like(inputs)
        inputs[:, :COPIED] = targets[:, -COPIED:] = rng.integers(1, DELIMITER, size=(size, COPIED), dtype="int32")
        inputs[:, -COPIED - 1] = DELIMITER
        return Split(inputs, targets)

    _, _, test = parts = three_parts(draw, (train_size, validation_size, test_size), data_seed)

    def measure(predict: Predict) -> dict[str, float]:
        answers = predict(test).argmax(axis=-1)
        return {"recall": float(np.mean((answers == test.targets)[:, -COPIED:]))}

    return Task(
        f"repeat {COPIED} symbols {length} steps later",
        *parts,
        outputs=DELIMITER,
        per_step=True,
        loss="sparse_categorical_crossentropy",
        metrics=(CROSS_ENTROPY, Metric("recall", "share of the symbols recalled", better="higher")),
        baseline=float(np.mean(test.targets > 0) * np.log(DELIMITER - 1)),
        baseline_title="blanks, then guesses among the eight symbols",
        vocabulary=DELIMITER + 1,
        measure=measure,
        tokens=("_", *"12345678", "|"),
        labels=("_", *"12345678"),
    )


@task
def temporal_order(
    length: Annotated[int, Field("time steps of a sequence", minimum=10)] = 50,
    symbols: Annotated[int, Field("relevant symbols in a sequence", minimum=2, maximum=3)] = 2,
    train_size: TrainSize = 10000,
    validation_size: ValidationSize = 500,
    test_size: TestSize = 1000,
    data_seed: DataSeed = 0,
) -> Task:
    """Tell in which order relevant symbols came, among distractors.

    All steps show one of four distractors but for two (three), which show X or Y. These are at a random step of
    the second and of the sixth tenth of the sequence (three: of the second, fourth and seventh). The class is
    their order: XX, XY, YX, YY, of three symbols one of eight. The score is the accuracy; the baseline is the
    share, in the test part, of the most frequent class of the training part.

    Source: Hochreiter and Schmidhuber 1997, section 5.6, experiments 6a and 6b, with places that scale with the
    length and without the symbols for beginning and end.
    """

    def draw(rng: np.random.Generator, size: int) -> Split:
        inputs = rng.integers(4, size=(size, length), dtype="int32")
        classes = np.zeros(size, "int32")
        for tenth in ORDER_WINDOWS[symbols]:
            steps = rng.integers(tenth * length // 10, (tenth + 1) * length // 10, size=size)
            relevant = rng.integers(2, size=size, dtype="int32")
            inputs[np.arange(size), steps] = 4 + relevant
            classes = 2 * classes + relevant
        return Split(inputs, classes)

    parts = three_parts(draw, (train_size, validation_size, test_size), data_seed)
    labels = ["".join(order) for order in itertools.product("XY", repeat=symbols)]
    title = f"tell the order of {symbols} symbols among {length}"
    return classification(title, parts, labels, tokens=ORDER_SYMBOLS, solved=1.0)


@task
def parity(
    length: Annotated[int, Field("bits of a sequence", minimum=1)] = 50,
    every_step: Annotated[bool, Field("ask for the parity of the bits so far; false: of all bits, at the end")] = True,
    train_size: TrainSize = 5000,
    validation_size: ValidationSize = 500,
    test_size: TestSize = 1000,
    data_seed: DataSeed = 0,
) -> Task:
    """Tell whether the number of ones among random bits is odd.

    With `every_step` the parity of the bits so far is asked for at each step, which gradient descent can learn;
    without it only the parity of the whole sequence counts, which is far harder to find: no shorter beginning
    tells anything about it. The score is the accuracy over all targets; the baseline is the share, in the test
    part, of the most frequent class of the training part.

    Source: Hochreiter and Schmidhuber 1996 (Bridging long time lags by weight guessing and "Long Short-Term
    Memory"), where only the end of a sequence has a target.

    Raises:
        UserError: if there are so few bit strings of this length that the test part would repeat the training part.
    """
    if train_size > KNOWN_SHARE * 2.0**length:
        raise UserError(
            f"task.length={length}: there are only {2**length} such strings, of which task.train_size={train_size} "
            f"are trained on, so that the test part would repeat them. Allowed: task.train_size of at most "
            f"{KNOWN_SHARE:.0%} of the strings, or a greater length"
        )

    def draw(rng: np.random.Generator, size: int) -> Split:
        bits = rng.integers(2, size=(size, length), dtype="int32")
        parities = bits.cumsum(axis=1, dtype="int32") % 2
        return Split(bits, parities if every_step else parities[:, -1])

    parts = three_parts(draw, (train_size, validation_size, test_size), data_seed)
    title = f"tell the parity of {'up to ' if every_step else ''}{length} bits"
    return classification(title, parts, ("even", "odd"), tokens=("0", "1"), per_step=every_step, solved=1.0)
