"""The sequence that a page of the gate browser shows: one of the task, or a text of the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.errors import UserError
from experiments.tasks import Stream, Task

Array = np.ndarray

PARTS = ("train", "validation", "test")
UNKNOWN, END_OF_LINE = "<unk>", "<eos>"
MOST_LISTED = 100


@dataclass(frozen=True)
class Wanted:
    """Which sequence is asked for.

    Attributes:
        text: A text of the user's own; None: a sequence of the task.
        split: `train`, `validation` or `test`.
        sequence: Its number there, from 0; of a stream the number of pieces of `task.length` tokens before it.
        length: Steps that are shown, at most.
    """

    text: str | None = None
    split: str = "test"
    sequence: int = 0
    length: int = 500


@dataclass(frozen=True)
class Sequenced:
    """The sequence that a model reads.

    Attributes:
        title: Which one it is.
        inputs: Tokens `(time,)` or features `(time, features)`.
        mask: `(time,)`, False where the sequence has ended.
        targets: `(time, ...)` or, asked for at the end, `(...)`; None if they are not known.
        shown: How many of the first steps are shown.
    """

    title: str
    inputs: Array
    mask: Array
    targets: Array | None
    shown: int


def sequence(task: Task, name: str, wanted: Wanted) -> Sequenced:
    """The sequence that is asked for.

    Args:
        task: The task.
        name: What messages call it.
        wanted: Which sequence.

    Raises:
        UserError: if there is no such sequence, or the text cannot be read by the model.
    """
    if wanted.text is not None:
        return _own_text(task, name, wanted)
    part = getattr(task, wanted.split)
    if not 0 <= wanted.sequence < len(part):
        raise UserError(f"sequence={wanted.sequence}: the {wanted.split} part has {len(part)}, numbered from 0")
    title = f"{wanted.split} part, sequence {wanted.sequence}"
    if isinstance(part, Stream):
        start = wanted.sequence * part.length
        piece = part.tokens[start : start + wanted.length + 1]
        inputs, targets = piece[:-1], piece[1:]
        title = f"{wanted.split} part, tokens {start:,} to {start + len(inputs) - 1:,}"
        return Sequenced(title, inputs, np.ones(len(inputs), bool), targets, len(inputs))
    inputs = part.inputs[wanted.sequence]
    mask = np.ones(len(inputs), bool) if part.mask is None else part.mask[wanted.sequence]
    return Sequenced(title, inputs, mask, part.targets[wanted.sequence], min(len(inputs), wanted.length))


def _own_text(task: Task, name: str, wanted: Wanted) -> Sequenced:
    text = wanted.text or ""
    if task.vocabulary is None or not task.tokens:
        raise UserError(f"text=: the task {name} does not read text. Leave it out, and choose split= and sequence=")
    words = _words(text, task.tokens)[: wanted.length]
    if not words:
        raise UserError("text=: there is nothing to read in it")
    number = {token: k for k, token in enumerate(task.tokens)}
    unknown = list(dict.fromkeys(word for word in words if word not in number))
    if unknown:
        told = ", ".join(map(repr, unknown[:MOST_LISTED]))
        raise UserError(f"text=: a model of {name} does not know {told}. It knows {_known(task.tokens)}")
    inputs = np.array([number[word] for word in words], "int32")
    targets = np.append(inputs[1:], -1) if isinstance(task.train, Stream) else None
    return Sequenced("a text of your own", inputs, np.ones(len(inputs), bool), targets, len(inputs))


def _known(tokens: Sequence[str]) -> str:
    """The tokens that a text may have; of many words some."""
    known = sorted(token for token in tokens if token != UNKNOWN)
    if of_characters(tokens):
        return repr("".join(known))
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return " ".join(known[:MOST_LISTED]) + more


def _words(text: str, tokens: Sequence[str]) -> list[str]:
    """The tokens of a text: its characters, or for a task with longer tokens what white space separates."""
    if of_characters(tokens):
        return list(text)
    lines = text.splitlines()
    ends = [END_OF_LINE] if END_OF_LINE in tokens else []
    return [word for line in lines for word in (*line.split(), *ends)]


def of_characters(tokens: Sequence[str]) -> bool:
    """Whether each token is one character."""
    return all(len(token) == 1 for token in tokens if token != UNKNOWN)
