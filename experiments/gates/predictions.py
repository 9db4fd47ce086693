"""Predictions of a model in words: next characters with their probabilities, classes, or numbers."""

from collections.abc import Sequence

import numpy as np

from experiments.tasks import Task

Array = np.ndarray

MOST_CLASSES = 3
MOST_NUMBERS = 8


def predictions(task: Task, outputs: Array, targets: Array | None) -> list[str]:
    """One line for each step that has a target: every step, or the last one only.

    Args:
        task: Gives the loss and the labels of the outputs.
        outputs: `(time, outputs)`, or `(outputs,)` for a task with a target at the end only.
        targets: What is right, for each of these steps; None if that is not known.
    """
    if not task.per_step:
        outputs, targets = outputs[None], None if targets is None else targets[None]
    targets = [None] * len(outputs) if targets is None else targets
    return [_prediction(task, output, target) for output, target in zip(outputs, targets, strict=True)]


def _prediction(task: Task, output: Array, target: Array | None) -> str:
    if task.loss.startswith("sparse"):
        return _classes(task.labels, output, None if target is None or target < 0 else int(target))
    if task.loss.startswith("binary"):
        text, right = _set(task.labels, output > 0), "" if target is None else _set(task.labels, target > 0)
    else:
        text, right = _numbers(output), "" if target is None else _numbers(target)
    return f"{text}; right: {right}" if right else text


def _classes(labels: Sequence[str], logits: Array, target: int | None) -> str:
    exponentials = np.exp(logits - logits.max())
    shares = exponentials / exponentials.sum()
    likeliest = np.argsort(-shares, kind="stable")[:MOST_CLASSES]
    right = "" if target is None else f"; right: {_label(labels, target)} {shares[target]:.0%}"
    return ", ".join(f"{_label(labels, k)} {shares[k]:.0%}" for k in likeliest) + right


def _label(labels: Sequence[str], number: int) -> str:
    label = labels[number] if number < len(labels) else str(number)
    return repr(label) if len(label) == 1 else label


def _set(labels: Sequence[str], members: Array) -> str:
    return " ".join(_label(labels, int(k)) for k in np.flatnonzero(members)) or "nothing"


def _numbers(values: Array) -> str:
    flat = np.ravel(values)
    return ", ".join(f"{value:.4g}" for value in flat[:MOST_NUMBERS]) + (", ..." if flat.size > MOST_NUMBERS else "")
