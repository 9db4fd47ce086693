"""What a model answers, in words: next characters with their probabilities, classes, or numbers."""

from collections.abc import Sequence

import numpy as np

from experiments.tasks import Task

Array = np.ndarray

BEST = 3
MOST_NUMBERS = 8


def answers(task: Task, outputs: Array, targets: Array | None) -> list[str]:
    """One line for each step that the task asks at: every step, or the last one only.

    Args:
        task: Gives the loss and the labels of the outputs.
        outputs: `(time, outputs)`, or `(outputs,)` for a task that asks at the end.
        targets: What is right, for each of these steps; None if that is not known.
    """
    if not task.per_step:
        outputs, targets = outputs[None], None if targets is None else targets[None]
    known = [None] * len(outputs) if targets is None else targets
    return [_answer(task, output, target) for output, target in zip(outputs, known, strict=True)]


def _answer(task: Task, output: Array, target: Array | None) -> str:
    if task.loss.startswith("sparse"):
        return _class(task.labels, output, None if target is None or target < 0 else int(target))
    if task.loss.startswith("binary"):
        said = _set(task.labels, output > 0)
        return said if target is None else f"{said}; right: {_set(task.labels, target > 0)}"
    said = _numbers(output)
    return said if target is None else f"{said}; right: {_numbers(target)}"


def _class(labels: Sequence[str], logits: Array, target: int | None) -> str:
    shifted = np.exp(logits - logits.max())
    chances = shifted / shifted.sum()
    best = [f"{_label(labels, k)} {chances[k]:.0%}" for k in np.argsort(-chances, kind="stable")[:BEST]]
    right = "" if target is None else f"; right: {_label(labels, target)} {chances[target]:.0%}"
    return ", ".join(best) + right


def _label(labels: Sequence[str], number: int) -> str:
    label = labels[number] if number < len(labels) else str(number)
    return repr(label) if len(label) == 1 else label


def _set(labels: Sequence[str], chosen: Array) -> str:
    return " ".join(_label(labels, int(k)) for k in np.flatnonzero(chosen)) or "nothing"


def _numbers(values: Array) -> str:
    flat = np.ravel(values)
    return ", ".join(f"{value:.4g}" for value in flat[:MOST_NUMBERS]) + (", ..." if flat.size > MOST_NUMBERS else "")
