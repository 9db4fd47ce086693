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
from rich.table import Column, Table

from experiments.analysis import Estimate
from experiments.analysis.format import counted, interval, number
from experiments.config.names import study_folder
from experiments.errors import UserError, reported
from experiments.gates.training_effect import STATES, Effect, caution, training_effects
from experiments.options import HELP, Field, StoreOptions, help_text, parse

if TYPE_CHECKING:
    from experiments.gates.measures import Measures, ReadText
    from experiments.gates.trained_trial import TrainedTrial
    from experiments.tracking import Store, StoredRun

WIDTH = 150  # of a table in a file
Place = tuple[str, str, str]  # task, variant with the settings that vary, replicate or layer

USAGE = """\
Look into the trained model of every finished trial of a study, and of the same model before training.

  python -m experiments.gates.survey study=counters

The whole test part is read. For each task, variant and layer, the mean over seeds and 95 % interval of

- count, depth, in_quotes, column: the share of the variance of what a reader of the text has to remember (brackets that
  are open, ...) that a linear probe explains, in parts of the text that it has not seen: /unit from the cell state of
  the best unit, /probe from all units together, /control the same for targets that the text does not decide,
  /selectivity the difference;
- switch, toggle, counter: the best score of a unit, as the gate browser ranks them, on the first 2,000 steps;
- forgets_and_writes: the correlation over time of 1 - f with |i z| at lags of -3 to 3 steps, on the same;
- GATE/left_saturated, right_saturated, unsaturated: the share of the steps, and GATE/mostly_shut, mostly_open: the
  share of the units that are so at more than 90 % of the steps;

and what inputs alone give, the last five symbols; and whether training has changed it.
"""


@dataclass(frozen=True, kw_only=True)
class SurveyOptions(StoreOptions):
    study: Annotated[str, Field("the study", value="NAME")]
    variant: Annotated[str | None, Field("only this one", value="NAME")] = None
    steps: Annotated[
        int | None,
        Field(
            "steps of the test part that are read, of sequences as many whole ones (all)", minimum=20, value="NUMBER"
        ),
    ] = None
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
    file = Path(options.out).expanduser() if options.out else study_folder(store.folder, options.study) / "survey.csv"
    frame = pd.DataFrame()
    for rows in _trials(store, options):
        frame = pd.concat([frame, pd.DataFrame(rows)], ignore_index=True)
        _write(frame, file)  # after each trial, so that an interrupted survey keeps what it has measured
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    for effects in by_layer(training_effects(frame)):
        console.print(table(effects), highlight=False)
    print(f"All numbers: {file}")


def _write(frame: pd.DataFrame, file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(file, index=False)
    except OSError as error:
        raise UserError(f"out={file}: cannot be written ({error.strerror or error}). Name another file") from error


def _trials(store: "Store", options: SurveyOptions) -> Iterator[list[dict[str, Any]]]:
    """The lines of the file, trial by trial."""
    from experiments.gates.measures import ReadText
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
    text = None
    for count, ((task, variant, replicate), run) in enumerate(finished.items(), 1):
        print(f"[{count}/{len(finished)}] {run.name}", flush=True)
        trial = load_trial(store, run, options.data_dir)
        last, text = text, ReadText(trial, options.steps)
        if last and text.equals(last):
            text = last  # whose inputs have been measured
        place = {"task": task, "variant": variant, "replicate": replicate}
        yield [
            {**place, "model": state, "layer": layer, "measure": name, "value": value}
            for state, measures in _states(trial, text)
            for (layer, name), value in measures.items()
        ]


def _states(trial: "TrainedTrial", text: "ReadText") -> Iterator[tuple[str, "Measures"]]:
    from experiments.gates.measures import model_measures

    yield "inputs", text.input_measures
    yield "trained", model_measures(trial, text)
    restore_initial_weights(trial)
    yield "untrained", model_measures(trial, text)


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


def by_layer(effects: Sequence[Effect]) -> list[list[Effect]]:
    """The effects of each layer of each task and variant."""
    groups: dict[Place, list[Effect]] = defaultdict(list)
    for effect in effects:
        groups[effect.task, effect.variant, effect.layer].append(effect)
    return list(groups.values())


def table(effects: Sequence[Effect]) -> Table:
    """What training has changed in a layer."""
    first = effects[0]
    seeds = counted(max(effect.difference.count for effect in effects), "seed")
    title, caption = f"{first.task}, {first.variant}, {first.layer} ({seeds})", caution(effects)
    measure = Column("measure", no_wrap=True)
    rows = Table(measure, *STATES, "trained - untrained", "", title=title, caption=caption or None)
    for effect in effects:
        rows.add_row(effect.measure, *map(_mean, effect.means.values()), interval(effect.difference), effect.word)
    return rows


def _mean(mean: Estimate) -> str:
    if not mean.count:
        return ""
    return number(mean.value) if mean.low == mean.high else interval(mean)


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
