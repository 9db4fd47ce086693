"""`python -m experiments.gates.survey study=NAME`: probes of the hidden units of all trials of a study. See --help."""

import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from experiments import analysis
from experiments.analysis.format import interval
from experiments.config.names import study_folder
from experiments.errors import UserError, reported
from experiments.gates import probes
from experiments.gates.unit_scores import QUANTITIES, LayerTrace, symbol_numbers, unit_scores
from experiments.options import HELP, Field, StoreOptions, help_text, parse
from experiments.tasks import Split, Stream

if TYPE_CHECKING:
    from experiments.gates.trained_trial import TrainedTrial
    from experiments.tracking import Store, StoredRun

Array = np.ndarray
Layers = dict[str, list[dict[str, Array]]]  # by name, for each sequence the quantities `(time, units)`
Place = tuple[str, str, str]  # task, variant with the settings that vary, replicate

USAGE = """\
Look into the trained model of every finished trial of a study, and of the same model before training.

  python -m experiments.gates.survey study=counters

For each task and variant, mean over seeds and 95 % interval of

- count, depth, in_quotes, column: the squared correlation of the best unit's cell state with what a reader of the text
  has to remember (brackets that are open, ...); the unit is chosen on one half of the text and measured on the other;
- switch, toggle, counter: the best score of a unit, as the gate browser ranks them;
- forgets_and_writes: the correlation over time of 1 - f with |i z| at lags of -3 to 3 steps, mean over the units.
"""
SEQUENCES = 40
ORDER = ("forget_gate", "input_gate", "candidate")
STATES = ("trained", "untrained")


@dataclass(frozen=True, kw_only=True)
class SurveyOptions(StoreOptions):
    study: Annotated[str, Field("the study", value="NAME")]
    variant: Annotated[str | None, Field("only this one", value="NAME")] = None
    steps: Annotated[
        int,
        Field("steps of a text that are read; of short sequences 40 are read, whole", minimum=20, value="NUMBER"),
    ] = 2000
    out: Annotated[str | None, Field("all numbers by trial as CSV (OUTPUT_DIR/STUDY/survey.csv)", value="FILE")] = None
    data_dir: Annotated[str | None, Field("folder of fetched files", value="FOLDER")] = None


def main(arguments: Sequence[str]) -> None:
    """Print the table, and write what it is made of.

    Raises:
        UserError: for a mistake in the arguments, or a study without a trained model.
    """
    if not arguments or HELP & set(arguments):
        print(USAGE, help_text(SurveyOptions), sep="\n", end="")
        return
    options = parse(SurveyOptions, arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from experiments.tracking import Store

    store = Store.of(options)
    frame = pd.DataFrame(_rows(store, options))
    file = Path(options.out).expanduser() if options.out else study_folder(store.folder, options.study) / "survey.csv"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(file, index=False)
    except OSError as error:
        raise UserError(f"out={file}: cannot be written ({error.strerror or error}). Name another file") from error
    Console(width=None if sys.stdout.isatty() else 120).print(table(frame), highlight=False)
    print(f"All numbers: {file}")


def _rows(store: "Store", options: SurveyOptions) -> Iterator[dict[str, Any]]:
    from experiments.gates.trained_trial import load_trial
    from experiments.tracking.lookup import unknown_study
    from experiments.tracking.metadata import Param

    runs = store.trials(options.study)
    if not runs:
        raise unknown_study(store, options.study)
    finished = {
        place: run
        for place, run in finished_trials(runs).items()
        if np.isfinite(run.score) and options.variant in (None, run.params[Param.VARIANT])
    }
    if not finished:
        variant = f" of variant {options.variant}" if options.variant else ""
        raise UserError(f"study={options.study}: it has no finished trial{variant}")
    for number, ((task, variant, replicate), run) in enumerate(finished.items(), 1):
        print(f"[{number}/{len(finished)}] {run.name}", flush=True)
        trial = load_trial(store, run, options.data_dir)
        columns = {"task": task, "variant": variant, "replicate": replicate}
        for state in STATES:
            if state == "untrained":
                restore_initial_weights(trial)
            for measure, value in measures(trial, options.steps).items():
                yield {**columns, "model": state, "measure": measure, "value": value}


def finished_trials(runs: Iterable["StoredRun"]) -> dict[Place, "StoredRun"]:
    """The newest finished run of each trial of a study.

    Trials of a task and variant are told apart by the settings in which they differ: those that a search drew belong
    to the replicate, as the seed does, the others to the row of a table.

    Args:
        runs: Runs, newest first.
    """
    from experiments.tracking.lookup import newest
    from experiments.tracking.metadata import Param, Tag, fields

    finished = [run for run in newest(runs) if run.status == "FINISHED"]
    values: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for run in finished:
        for name, value in fields(run.params).items():
            values[run.params[Param.TASK], run.params[Param.VARIANT], name].add(value)
    places: dict[Place, StoredRun] = {}
    for run in finished:
        task, variant = run.params[Param.TASK], run.params[Param.VARIANT]
        varying = {name: value for name, value in fields(run.params).items() if len(values[task, variant, name]) > 1}
        drawn = run.tags.get(Tag.DRAWN, "").split(",")
        settings = [f"{name}={value}" for name, value in varying.items() if name not in drawn]
        draw = [f"{name}={value}" for name, value in varying.items() if name in drawn]
        replicate = " ".join([*draw, f"seed={run.params[Param.SEED]}"])
        places.setdefault((task, " ".join([variant, *settings]), replicate), run)
    return places


def restore_initial_weights(trial: "TrainedTrial") -> None:
    """Give the model of a trial the weights that it had before training."""
    import keras

    from experiments.trial import model

    keras.utils.set_random_seed(trial.config.seed)
    initial = model.build(trial.task, trial.config.variant, trial.spec.model)
    model.with_weights_of(trial.model, initial)


def measures(trial: "TrainedTrial", steps: int) -> dict[str, float]:
    """Everything that is measured of one model: of several layers the best, the order of the gates in the first."""
    symbols, layers = trace_test_part(trial, steps)
    best: dict[str, float] = {}
    for traces in layers.values():
        for name, value in [*_unit_scores(symbols, traces), *_probe_scores(trial.task.tokens, symbols, traces)]:
            best[name] = max(best.get(name, 0.0), value)
    first = next(iter(layers.values()))
    orders = [probes.forget_write_correlation(*map(arrays.get, ORDER)) for arrays in first]
    lags = {lag: float(np.mean([order[lag] for order in orders])) for lag in probes.LAGS}
    return best | {f"forgets_and_writes {lag:+d}": value for lag, value in lags.items()}


def trace_test_part(trial: "TrainedTrial", steps: int) -> tuple[list[Array], Layers]:
    """Symbols `(time,)` of each sequence of the test part that is read, and the gates and states of each layer."""
    from experiments.gates.trained_trial import model_inputs
    from variants import trace

    symbols: list[Array] = []
    layers: Layers = {}
    for inputs, mask in _sequences(trial.task.test, steps):
        symbols.append(symbol_numbers(inputs)[mask])
        for name, arrays in trace(trial.model, model_inputs(trial.model, inputs, mask)).items():
            layers.setdefault(name, []).append({quantity: arrays[quantity][0, mask] for quantity in QUANTITIES})
    return symbols, layers


def _sequences(part: Split | Stream, steps: int) -> Iterator[tuple[Array, Array]]:
    """Inputs and masks: the beginning of a stream, or the first sequences."""
    if isinstance(part, Stream):
        tokens = part.tokens[:steps]
        yield tokens, np.ones(len(tokens), bool)
        return
    for number in range(min(SEQUENCES, len(part))):
        inputs = part.inputs[number]
        yield inputs, np.ones(len(inputs), bool) if part.mask is None else part.mask[number]


def _unit_scores(symbols: list[Array], traces: list[dict[str, Array]]) -> Iterator[tuple[str, float]]:
    """The best unit's score of each kind over all sequences, one after the other."""
    arrays = {quantity: np.concatenate([trace[quantity] for trace in traces]) for quantity in QUANTITIES}
    inputs = np.concatenate(symbols)
    for score, by_quantity in unit_scores(LayerTrace(arrays, inputs, np.arange(len(inputs)))).items():
        yield score, max(float(values.max()) for values in by_quantity.values())


def _probe_scores(
    tokens: Sequence[str], symbols: list[Array], traces: list[dict[str, Array]]
) -> Iterator[tuple[str, float]]:
    """How well the best unit holds each target that all sequences have."""
    if not tokens:
        return
    targets = [probes.probe_targets([tokens[number] for number in text]) for text in symbols]
    states = np.concatenate([trace["cell_state"] for trace in traces])
    for name in set.intersection(*map(set, targets)):
        yield name, probes.best_unit(states, np.concatenate([by_name[name] for by_name in targets]))[1]


def table(frame: pd.DataFrame) -> Table:
    """Mean and interval over the replicates of each measure, and of the same before training."""
    rows = Table("task", "variant", "measure", *STATES, "seeds")
    for place, group in frame.groupby(["task", "variant", "measure"], sort=False):
        values = [group.value[group.model == state].to_numpy() for state in STATES]
        rows.add_row(*place, *(interval(analysis.mean(replicates)) for replicates in values), str(len(values[0])))
    return rows


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
