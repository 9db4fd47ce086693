"""One HTML file with everything in it: the values of gates and states, and the script that draws them."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from experiments.gates.predictions import predictions
from experiments.gates.sequence import InputSequence, is_character_level
from experiments.gates.trained_trial import Activations, TrainedTrial
from experiments.gates.unit_scores import LayerTrace, Scores, symbol_numbers, top_units, unit_scores
from experiments.tracking.metadata import Tag, recorded_number
from experiments.trial.gate_statistics import Bounds

Array = np.ndarray

FOLDER = Path(__file__).parent
LARGEST = 65534  # the code of the upper end; one more means no value
DIGITS = 5
MOST_LINES = 4
SCRIPTS = ("draw.js", "explanations.js", "page.js")


def render(sequence: InputSequence, panels: Sequence[Activations]) -> str:
    """The page for one trial, or for two side by side.

    Args:
        sequence: The sequence.
        panels: The activations of each trial on it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    first = panels[0].trial
    script = "\n".join(_file(name) for name in SCRIPTS)
    return environment.get_template("page.html.j2").render(
        task=first.task,
        task_name=first.config.task.name,
        sequence=sequence,
        trials=[_summary(sequence, panel) for panel in panels],
        data={"input": _input(sequence, first), "panels": [_panel(sequence, panel) for panel in panels]},
        style=Markup(_file("page.css")),
        script=Markup(script),
        script_digest=Markup(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
    )


def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def encode(values: Array, unbounded: bool, signed: bool) -> dict[str, Any]:
    """Encode a quantity for the page: 16-bit codes, and what they stand for.

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


def _input(sequence: InputSequence, trial: TrainedTrial) -> dict[str, Any]:
    task, inputs = trial.task, sequence.inputs[: sequence.shown]
    mask = sequence.mask[: sequence.shown].astype(int).tolist()
    if task.vocabulary is None:
        names = _channel_names(trial, inputs.shape[1])
        channels = [{"name": name, "values": _short(column)} for name, column in zip(names, inputs.T, strict=True)]
        return {"mask": mask, "tokens": None, "channels": channels}
    tokens = task.tokens or tuple(map(str, range(task.vocabulary)))
    characters = is_character_level(tokens)
    return {"mask": mask, "tokens": [tokens[k] for k in inputs], "characters": characters, "channels": None}


def _short(values: Array) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _predicted_series(sequence: InputSequence, activations: Activations) -> list[dict[str, Any]]:
    """The outputs of a task with numbers as targets of every step, where they are few enough to be drawn."""
    task = activations.trial.task
    if not task.per_step or task.loss != "mean_squared_error" or task.outputs > MOST_LINES:
        return []
    return [{"values": _short(output)} for output in activations.outputs[: sequence.shown].T]


def _channel_names(trial: TrainedTrial, count: int) -> list[str]:
    settings = vars(trial.config.task)
    columns = settings.get("inputs") or settings.get("target")
    columns = [columns] if isinstance(columns, str) and columns != "all" else columns
    if isinstance(columns, list | tuple) and len(columns) == count:
        return [str(column) for column in columns]
    labels = trial.task.labels
    return list(labels) if len(labels) == count else [f"channel {k}" for k in range(count)]


def _panel(sequence: InputSequence, activations: Activations) -> dict[str, Any]:
    traces = {layer: _trace(sequence, activations, layer) for layer in activations.layers}
    scores = {layer: unit_scores(trace) for layer, trace in traces.items()}
    task = activations.trial.task
    lines = predictions(task, activations.outputs, sequence.targets)
    return {
        "name": activations.trial.run.name,
        "activation": activations.output_activation,
        "predictions": lines[: sequence.shown] if task.per_step else None,
        "predictedSeries": _predicted_series(sequence, activations),
        "topUnits": [{**vars(unit), "value": round(unit.value, DIGITS)} for unit in top_units(traces, scores)],
        "layers": [_layer(layer, activations, scores[layer]) for layer in traces],
    }


def _trace(sequence: InputSequence, activations: Activations, layer: str) -> LayerTrace:
    steps = np.flatnonzero(sequence.mask[: sequence.shown])
    steps = steps[::-1] if layer in activations.backwards else steps
    arrays = {quantity: values[steps] for quantity, values in activations.layers[layer].items()}
    return LayerTrace(arrays, symbol_numbers(sequence.inputs[steps]), steps, activations.bounds[layer])


def _layer(name: str, activations: Activations, scores: Scores) -> dict[str, Any]:
    arrays, bounds = activations.layers[name], activations.bounds[name]
    return {
        "name": name,
        "units": arrays["cell_state"].shape[1],
        "backwards": name in activations.backwards,
        "scores": {
            score: {quantity: np.round(values, DIGITS).tolist() for quantity, values in by_quantity.items()}
            for score, by_quantity in scores.items()
        },
        "quantities": {
            quantity: encode(values, quantity == "cell_state", _is_signed(bounds, quantity, values))
            for quantity, values in arrays.items()
        },
    }


def _is_signed(bounds: Mapping[str, Bounds | None], quantity: str, values: Array) -> bool:
    if quantity in ("cell_state", "hidden_state"):
        return True
    low_high = bounds.get(quantity, (0.0, 1.0))
    return bool(np.nanmin(values) < 0) if low_high is None else low_high[0] < 0


def _summary(sequence: InputSequence, activations: Activations) -> dict[str, Any]:
    """The lines on a trial in the head of the page."""
    trial, run, tags = activations.trial, activations.trial.run, activations.trial.run.tags
    baseline = recorded_number(tags.get(Tag.BASELINE))
    unit = f" {tags[Tag.SCORE_UNIT]}" if tags.get(Tag.SCORE_UNIT) else ""
    lines = predictions(trial.task, activations.outputs, sequence.targets)
    return {
        "name": run.name,
        "study": tags.get(Tag.STUDY, ""),
        "run_id": run.run_id,
        "variant": trial.config.variant.name,
        "score": f"{tags.get(Tag.SCORE_TITLE, '')} on the test part {run.score:.4g}{unit}",
        "baseline": f"{tags.get(Tag.SCORE_BETTER, '')} is better; baseline {baseline:.4g}",
        "size": f"{trial.spec.model.layers} x {trial.spec.model.units} units",
        "prediction": None if trial.task.per_step else lines[0],
    }
