"""One HTML file with everything in it: the values of gates and states, and the script that draws them."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from experiments.gates.answers import answers
from experiments.gates.sequence import Sequenced, of_characters
from experiments.gates.source import Traced
from experiments.gates.units import Bounds, Read, scores, symbols_of, worth_a_look

Array = np.ndarray

FOLDER = Path(__file__).parent
LARGEST = 65534  # the code of the upper end; one more means no value
DIGITS = 5
MOST_LINES = 4
FILES = ("page.css", "draw.js", "words.js", "page.js")


def render(read: Sequenced, traced: Sequence[Traced]) -> str:
    """The page for one trial, or for two side by side.

    Args:
        read: The sequence.
        traced: What each trial does with it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    files = {name: Markup((FOLDER / name).read_text(encoding="utf-8")) for name in FILES}
    data = {"input": _input(read, traced[0]), "panels": [_panel(read, each) for each in traced]}
    return environment.get_template("page.html.j2").render(
        task=traced[0].source.task,
        task_name=traced[0].source.settings.task.name,
        read=read,
        trials=[_about(read, each) for each in traced],
        data=data,
        files=files,
    )


def encode(values: Array, unbounded: bool, signed: bool) -> dict[str, Any]:
    """What the page has of a quantity: 16-bit codes, and what they stand for.

    Each unit has a size: 1, or its greatest absolute value if the quantity has no bounds or leaves -1 to 1. A code k up
    to 65534 stands for size * (low + k (1 - low) / 65534), so that the error is at most size / 65534; 65535 stands for
    NaN. `low` is -1 for a quantity with a sign, else 0.

    Args:
        values: `(time, units)`, NaN at masked steps.
        unbounded: Whether the quantity has no bounds.
        signed: Whether it has a sign.

    Returns:
        low; sizes `(units,)`; data, the codes `(units, time)`, little-endian, as base64.
    """
    greatest = np.nanmax(np.abs(values), axis=0).astype("float64")
    own = unbounded or greatest.max() > 1
    sizes = np.where(own & (greatest > 0), greatest, 1.0)
    low = -1.0 if signed else 0.0
    shares = (np.nan_to_num(values) / sizes - low) / (1 - low)
    codes = np.where(np.isnan(values), LARGEST + 1, np.rint(np.clip(shares, 0, 1) * LARGEST))
    data = base64.b64encode(np.ascontiguousarray(codes.T).astype("<u2").tobytes()).decode()
    return {"low": low, "sizes": [float(f"{size:.7g}") for size in sizes], "data": data}


def _input(read: Sequenced, traced: Traced) -> dict[str, Any]:
    task, inputs = traced.source.task, read.inputs[: read.shown]
    found: dict[str, Any] = {"mask": read.mask[: read.shown].astype(int).tolist(), "tokens": None, "channels": None}
    if task.vocabulary is None:
        names = _channel_names(traced, inputs.shape[1])
        found["channels"] = [
            {"name": name, "values": _short(column)} for name, column in zip(names, inputs.T, strict=True)
        ]
        return found
    tokens = task.tokens or tuple(map(str, range(task.vocabulary)))
    return {**found, "tokens": [tokens[k] for k in inputs], "characters": of_characters(tokens)}


def _short(values: Array) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _predicted(read: Sequenced, traced: Traced) -> list[dict[str, Any]]:
    """The outputs of a task that asks for numbers at every step, where they are few enough to be drawn."""
    task = traced.source.task
    if not task.per_step or task.loss != "mean_squared_error" or task.outputs > MOST_LINES:
        return []
    return [{"values": _short(output)} for output in traced.outputs[: read.shown].T]


def _channel_names(traced: Traced, count: int) -> list[str]:
    settings = vars(traced.source.settings.task)
    columns = settings.get("inputs") or settings.get("target")
    columns = [columns] if isinstance(columns, str) and columns != "all" else columns
    if isinstance(columns, list | tuple) and len(columns) == count:
        return [str(column) for column in columns]
    labels = traced.source.task.labels
    return list(labels) if len(labels) == count else [f"channel {k}" for k in range(count)]


def _panel(read: Sequenced, traced: Traced) -> dict[str, Any]:
    layers = {name: _read(read, traced, name) for name in traced.layers}
    every = {name: scores(each) for name, each in layers.items()}
    task = traced.source.task
    said = answers(task, traced.outputs, read.targets)
    return {
        "name": traced.source.trial.name,
        "activation": traced.source.settings.variant.output_activation,
        "answers": said[: read.shown] if task.per_step else None,
        "predicted": _predicted(read, traced),
        "worth": [{**vars(each), "value": round(each.value, DIGITS)} for each in worth_a_look(layers, every)],
        "layers": [_layer(name, traced, every[name]) for name in layers],
    }


def _read(read: Sequenced, traced: Traced, layer: str) -> Read:
    steps = np.flatnonzero(read.mask[: read.shown])
    steps = steps[::-1] if layer in traced.backwards else steps
    arrays = {quantity: values[steps] for quantity, values in traced.layers[layer].items()}
    return Read(arrays, symbols_of(read.inputs[steps]), steps, traced.bounds[layer])


def _layer(name: str, traced: Traced, found: dict[str, dict[str, Array]]) -> dict[str, Any]:
    arrays = traced.layers[name]
    return {
        "name": name,
        "units": arrays["cell_state"].shape[1],
        "backwards": name in traced.backwards,
        "scores": {
            score: {quantity: np.round(values, DIGITS).tolist() for quantity, values in each.items()}
            for score, each in found.items()
        },
        "quantities": {
            quantity: encode(values, quantity == "cell_state", _signed(traced.bounds[name], quantity, values))
            for quantity, values in arrays.items()
        },
    }


def _signed(bounds: Mapping[str, Bounds | None], quantity: str, values: Array) -> bool:
    if quantity in ("cell_state", "hidden_state"):
        return True
    found = bounds.get(quantity, (0.0, 1.0))
    return bool(np.nanmin(values) < 0) if found is None else found[0] < 0


def _about(read: Sequenced, traced: Traced) -> dict[str, Any]:
    """What the head of the page says of a trial."""
    source, tags, model = traced.source, traced.source.trial.tags, traced.source.settings.model
    unit = f" {tags['score_unit']}" if tags.get("score_unit") else ""
    return {
        "name": source.trial.name,
        "study": tags.get("study", ""),
        "run_id": source.trial.run_id,
        "variant": source.settings.variant.name,
        "score": f"{tags.get('score_title', '')} on the test part {source.trial.score:.4g}{unit}",
        "baseline": f"{tags.get('score_better', '')} is better; baseline {float(tags.get('baseline', 'nan')):.4g}",
        "size": f"{model.layers} x {model.units} units",
        "answer": None if source.task.per_step else answers(source.task, traced.outputs, read.targets)[0],
    }
