"""The parts of a task: data, metrics, head. Numbers only: nothing here knows of Keras or MLflow."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

TRANSFORMS = {"none": float, "root": math.sqrt, "exp": math.exp}


@dataclass(frozen=True)
class Split:
    """Sequences of one part of the data, each read from an empty state.

    Attributes:
        inputs: `(sequences, time, features)`, or tokens `(sequences, time)`.
        targets: `(sequences, ...)` at the last step, or `(sequences, time, ...)` at every step.
        mask: `(sequences, time)`, False where a sequence has ended and is padded; None if none is.
        weights: `(sequences, time)`, how much each target counts; None: 1, and 0 where the mask is False.
    """

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Stream:
    """One long text, each of whose tokens is predicted from all that come before it.

    It is read in as many streams side by side as a batch has rows, `length` tokens at a time, with the state carried
    from batch to batch; gradients go back at most `length` steps (truncated back-propagation through time).

    Attributes:
        tokens: `(tokens,)`, integers.
        length: Tokens of a sequence, that is between two updates.
    """

    tokens: np.ndarray
    length: int

    def __len__(self) -> int:
        return (len(self.tokens) - 1) // self.length


@dataclass(frozen=True)
class Metric:
    """A number by which trials are compared: a Keras metric made readable, or one that the task measures itself.

    Attributes:
        name: Short name, as in `test/<name>`.
        title: What it is called in a table.
        unit: Unit of the value, "" if it has none.
        keras: Name of the Keras metric of the model's output that it is computed from; "" if `Task.measure` gives it.
        scale: Factor from that metric to this one, applied after the transform.
        transform: `"none"`, `"root"` or `"exp"`.
        better: `"lower"` or `"higher"`.
    """

    name: str
    title: str
    unit: str = ""
    keras: str = ""
    scale: float = 1.0
    transform: str = "none"
    better: str = "lower"

    def value(self, quantity: float) -> float:
        """Compute this metric from the value of the Keras metric."""
        try:
            return TRANSFORMS[self.transform](quantity) * self.scale
        except OverflowError:
            return math.inf


Predict = Callable[[Split], np.ndarray]


@dataclass(frozen=True)
class Task:
    """Data, head, loss and score of a task.

    Attributes:
        title: What is to be predicted, in one line.
        train, validation, test: The three parts; they share no sequence's target and no random stream.
        outputs: Units of the dense head. Heads of classification give logits.
        per_step: Whether there is a target at every step, else at the last one.
        loss: Name of a Keras loss.
        metrics: The first one is the score.
        baseline: The score of the trivial predictor on the test part, computed.
        baseline_title: What the trivial predictor does.
        vocabulary: Number of different tokens; None if the inputs are features.
        solved: Score from which on a trial counts as solved: a bound of the literature, or everything right.
        digest: SHA-256 of the data that was read; "" for generated data.
        monitor: Metric whose validation value chooses the epoch whose weights count; None: the score.
        measure: From a function that gives the model's outputs for a split to the values, by name, of the metrics
            that have no Keras metric. Called once, after training.
        tokens: What each token stands for, to show examples.
        labels: What each output stands for, to show examples.
        description: What was read from the user's file, in lines, so that one look shows a mistake.
    """

    title: str
    train: Split | Stream
    validation: Split | Stream
    test: Split | Stream
    outputs: int
    per_step: bool
    loss: str
    metrics: tuple[Metric, ...]
    baseline: float
    baseline_title: str
    vocabulary: int | None = None
    solved: float | None = None
    digest: str = ""
    monitor: Metric | None = None
    measure: Callable[[Predict], dict[str, float]] | None = None
    tokens: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    description: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the numbers of all three parts, also of generated ones."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for value in vars(part).values():
                digest.update(f"{getattr(value, 'dtype', '')} {np.shape(value)} ".encode())
                digest.update(b"" if value is None else np.ascontiguousarray(value).data)
        return digest.hexdigest()

    @property
    def steps(self) -> int | None:
        """Time steps of a sequence, if all sequences have the same."""
        parts = [part for part in (self.train, self.validation, self.test) if isinstance(part, Split)]
        steps = {part.inputs.shape[1] for part in parts}
        return steps.pop() if len(steps) == 1 and parts[0].mask is None else None

    @property
    def score(self) -> Metric:
        return self.metrics[0]

    @property
    def chooses(self) -> Metric:
        """The metric that chooses the epoch whose weights count."""
        return self.monitor or self.score
