"""`python -m experiments.gates.survey study=NAME`: what the cell states of all trials of a study hold. See --help."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments import analysis
from experiments.errors import UserError, reported
from experiments.gates import probes, units
from experiments.options import STORE, options
from experiments.report.format import interval
from experiments.tasks import Split, Stream

if TYPE_CHECKING:
    from experiments.gates.source import Source

Layers = dict[str, list[dict[str, np.ndarray]]]  # by name, for each sequence the quantities `(time, units)`

USAGE = """\
Look into the trained model of every finished trial of a study, and of the same model before training.

  python -m experiments.gates.survey study=counters

For each task and variant, mean over seeds and 95 % interval of

- count, depth, in_quotes, column: the squared correlation of the best unit's cell state with what a reader of the text
  has to remember (brackets that are open, ...); the unit is chosen on one half of the text and measured on the other;
- switch, toggle, counter: the best score of a unit, as the gate browser ranks them;
- forgets_and_writes: the correlation over time of 1 - f with |i z| at lags of -3 to 3 steps, mean over the units.

Options:

  variant=NAME          only this one
  steps=NUMBER          steps of a text that are read (2000); of short sequences 40 are read, whole
  out=FILE              all numbers by trial as CSV (OUTPUT_DIR/STUDY/survey.csv)
  data_dir=FOLDER       folder of fetched files
  output_dir=FOLDER     folder of the store (outputs)
  tracking.uri=URI      another MLflow store
"""
OPTIONS = {"study": None, "variant": None, "steps": "2000", "out": None, "data_dir": None, **STORE}
SEQUENCES = 40
ORDER = ("forget_gate", "input_gate", "candidate")


def main(arguments: Sequence[str]) -> None:
    """Print the table, and write what it is made of.

    Raises:
        UserError: for a mistake in the arguments, or a study without a trained model.
    """
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(USAGE, end="")
        return
    given = options(arguments, OPTIONS, f"use {', '.join(f'{name}=' for name in OPTIONS)}")
    if given["study"] is None:
        raise UserError("which study? For example: python -m experiments.gates.survey study=counters")
    if not (given["steps"] or "").isdecimal() or int(given["steps"] or "0") < 20:
        raise UserError(f"steps={given['steps']}: must be a number of steps, at least 20")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from experiments.report.tables import write
    from experiments.tracking import Store

    store = Store(given["tracking.uri"], given["output_dir"] or "")
    rows = list(_rows(store, given))
    file = Path(given["out"]) if given["out"] else store.folder / given["study"] / "survey.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, rows)
    _show(rows)
    print(f"All numbers: {file}")


def _rows(store: Any, given: dict[str, str | None]) -> Iterator[dict[str, Any]]:
    from experiments.gates.source import load
    from experiments.report.command import load as read_study

    study = read_study(store, given["study"] or "")
    chosen = {place: trial for place, trial in study.runs.placed.items() if given["variant"] in (None, place.variant)}
    finished = [(place, trial) for place, trial in chosen.items() if np.isfinite(trial.score)]
    if not finished:
        raise UserError(f"study={given['study']}: it has no finished trial{_of(given['variant'])}")
    for number, (place, trial) in enumerate(finished, 1):
        print(f"[{number}/{len(finished)}] {trial.name}", flush=True)
        source = load(store, trial, given["data_dir"])
        where = {"task": place.task, "variant": place.row, "replicate": place.replicate}
        for state in ("trained", "untrained"):
            if state == "untrained":
                forget(source)
            for measure, value in measures(source, int(given["steps"] or "0")).items():
                yield {**where, "model": state, "measure": measure, "value": value}


def _of(variant: str | None) -> str:
    return f" of variant {variant}" if variant else ""


def forget(source: "Source") -> None:
    """Give the model the weights that it had before training."""
    import keras

    from experiments.trial import model

    keras.utils.set_random_seed(source.settings.seed)
    first = model.build(source.task, source.settings.variant, source.settings.model)
    model.with_weights_of(source.model, first)


def measures(source: "Source", steps: int) -> dict[str, float]:
    """Everything that is measured of one model: of several layers the best, the order of the gates in the first."""
    texts, layers = read(source, steps)
    found: dict[str, float] = {}
    for arrays in layers.values():
        for name, value in [*_scores(texts, arrays), *_held(source.task.tokens, texts, arrays)]:
            found[name] = max(found.get(name, 0.0), value)
    first = next(iter(layers.values()))
    orders = [probes.forgetting_and_writing(*map(each.get, ORDER)) for each in first]
    return found | {f"forgets_and_writes {lag:+d}": float(np.mean([o[lag] for o in orders])) for lag in probes.LAGS}


def read(source: "Source", steps: int) -> tuple[list[np.ndarray], Layers]:
    """Symbols `(time,)` of each sequence of the test part that is read, and what each layer did on it."""
    from variants import trace  # imports TensorFlow

    pieces = list(_pieces(source.task.test, steps))
    symbols = [units.symbols_of(inputs) for inputs, _ in pieces]
    layers: Layers = {}
    for inputs, mask in pieces:
        given = {"inputs": inputs[None], "mask": mask[None]} if len(source.model.inputs) > 1 else inputs[None]
        for name, arrays in trace(source.model, given).items():
            each = {quantity: arrays[quantity][0, mask] for quantity in units.QUANTITIES}
            layers.setdefault(name, []).append(each)
    return [each[mask] for each, (_, mask) in zip(symbols, pieces, strict=True)], layers


def _pieces(part: Split | Stream, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if isinstance(part, Stream):
        tokens = part.tokens[:steps]
        yield tokens, np.ones(len(tokens), bool)
        return
    for number in range(min(SEQUENCES, len(part))):
        inputs = part.inputs[number]
        yield inputs, np.ones(len(inputs), bool) if part.mask is None else part.mask[number]


def _joined(arrays: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {quantity: np.concatenate([each[quantity] for each in arrays]) for quantity in units.QUANTITIES}


def _scores(texts: list[np.ndarray], arrays: list[dict[str, np.ndarray]]) -> Iterator[tuple[str, float]]:
    symbols = np.concatenate(texts)
    whole = units.Read(_joined(arrays), symbols, np.arange(len(symbols)))
    for score, by_quantity in units.scores(whole).items():
        yield score, max(float(values.max()) for values in by_quantity.values())


def _held(
    tokens: Sequence[str], texts: list[np.ndarray], arrays: list[dict[str, np.ndarray]]
) -> Iterator[tuple[str, float]]:
    """How well the best unit holds what every text asks to be held."""
    if not tokens:
        return
    wanted = [probes.held([tokens[each] for each in text]) for text in texts]
    for name in set.intersection(*map(set, wanted)):
        states = np.concatenate([each["cell_state"] for each in arrays])
        yield name, probes.best_unit(states, np.concatenate([each[name] for each in wanted]))[1]


def _show(rows: Sequence[dict[str, Any]]) -> None:
    """Mean and interval of each measure, and of the same before training."""
    made = Table("task", "variant", "measure", "trained", "untrained", "seeds")
    groups: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows:
        place = (row["task"], row["variant"], row["measure"])
        groups.setdefault(place, {"trained": [], "untrained": []})[row["model"]].append(row["value"])
    for place, values in groups.items():
        each = [interval(analysis.mean(np.array(values[model]))) for model in ("trained", "untrained")]
        made.add_row(*place, *each, str(len(values["trained"])))
    Console(width=None if sys.stdout.isatty() else 120).print(made, highlight=False)


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
