"""The input sequence of a page: one of the task, or a text of the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.errors import UserError
from experiments.tasks import Stream, Task

Array = np.ndarray

UNKNOWN, END_OF_LINE = "<unk>", "<eos>"
MOST_LISTED = 100


@dataclass(frozen=True)
class InputSequence:
    """A sequence that a model reads.

    Attributes:
        title: What it is.
        inputs: Tokens `(time,)` or features `(time, features)`.
        mask: `(time,)`, False where the sequence has ended.
        targets: `(time, ...)`, or `(...)` for a task with a target at the end only; None if they are not known.
        shown: How many of the first steps are shown.
    """

    title: str
    inputs: Array
    mask: Array
    targets: Array | None
    shown: int


def sequence_of_task(task: Task, split: str, number: int, length: int) -> InputSequence:
    """A sequence of the data of a task.

    Args:
        task: The task.
        split: `train`, `validation` or `test`.
        number: Its number there, from 0; of a stream the number of pieces of `task.length` tokens before it.
        length: Steps that are shown, at most.

    Raises:
        UserError: if the part has fewer sequences.
    """
    part = getattr(task, split)
    if not 0 <= number < len(part):
        raise UserError(f"sequence={number}: the {split} part has {len(part)}, numbered from 0")
    if isinstance(part, Stream):
        start = number * part.length
        piece = part.tokens[start : start + length + 1]
        inputs, targets = piece[:-1], piece[1:]
        title = f"{split} part, tokens {start:,} to {start + len(inputs) - 1:,}"
        return InputSequence(title, inputs, np.ones(len(inputs), bool), targets, len(inputs))
    inputs = part.inputs[number]
    mask = np.ones(len(inputs), bool) if part.mask is None else part.mask[number]
    title = f"{split} part, sequence {number}"
    return InputSequence(title, inputs, mask, part.targets[number], min(len(inputs), length))


def sequence_of_text(task: Task, name: str, text: str, length: int) -> InputSequence:
    """A text as tokens of a task.

    Args:
        task: The task.
        name: Its name, for messages.
        text: The text.
        length: Tokens that are read, at most.

    Raises:
        UserError: if the task does not read text, or the text is empty or has tokens that the task does not know.
    """
    if task.vocabulary is None or not task.tokens:
        raise UserError(f"text=: the task {name} does not read text. Leave it out, and choose split= and sequence=")
    words = _split(text, task.tokens)[:length]
    if not words:
        raise UserError("text=: there is nothing to read in it")
    numbers = {token: number for number, token in enumerate(task.tokens)}
    unknown = list(dict.fromkeys(word for word in words if word not in numbers))
    if unknown:
        listed = ", ".join(map(repr, unknown[:MOST_LISTED]))
        raise UserError(f"text=: a model of {name} does not know {listed}. It knows {_vocabulary(task.tokens)}")
    inputs = np.array([numbers[word] for word in words], "int32")
    targets = np.append(inputs[1:], -1) if isinstance(task.train, Stream) else None
    return InputSequence("a text of your own", inputs, np.ones(len(inputs), bool), targets, len(inputs))


def _vocabulary(tokens: Sequence[str]) -> str:
    """The tokens that a text may have; of many words some."""
    known = sorted(token for token in tokens if token != UNKNOWN)
    if is_character_level(tokens):
        return repr("".join(known))
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return " ".join(known[:MOST_LISTED]) + more


def _split(text: str, tokens: Sequence[str]) -> list[str]:
    """The tokens of a text: its characters, or for a task with longer tokens what white space separates."""
    if is_character_level(tokens):
        return list(text)
    ends = [END_OF_LINE] if END_OF_LINE in tokens else []
    return [word for line in text.splitlines() for word in (*line.split(), *ends)]


def is_character_level(tokens: Sequence[str]) -> bool:
    """Whether each token is one character."""
    return all(len(token) == 1 for token in tokens if token != UNKNOWN)
