"""`python -m experiments.gates intervene TRIAL gate=input value=mean`: what a gate is needed for. See --help."""

import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from experiments.errors import UserError, first_line
from experiments.options import HELP, Field, StoreOptions, help_text, is_option, parse

if TYPE_CHECKING:
    from rich.table import Table

    from experiments.gates.interventions import Clamping
    from experiments.gates.trained_trial import TrainedTrial
    from experiments.tasks import Metric
    from experiments.tracking import Store, StoredRun
    from experiments.tracking.interventions import Intervention

USAGE = """\
Clamp a gate of trained trials while they are tested, and print how much worse they score without it.

  python -m experiments.gates intervene study=quickstart task=adding variant=standard gate=input value=mean
  python -m experiments.gates intervene adding/standard/s0 study=quickstart       everything that makes sense
  python -m experiments.gates intervene TRIAL TRIAL gate=forget value=1 unit=3    one unit of some trials

TRIAL is a word as for the gate browser; without one, all finished trials of the study that task= and variant= leave.
The loss is how much worse the score of the test part becomes, over the trials of a task and variant with the 95 %
interval of their paired differences (signed ranks; of fewer than 6 trials there is none). All numbers by trial are
added to OUTPUT_DIR/STUDY/interventions.csv, and the report of the study shows them.

  mean       of each unit, over the steps of the validation part
  shuffled   what the gate was, with the steps of each sequence in a random order
  a number   the same at each step: 0 shut, 1 open
"""
HEAD = ("layer", "gate", "clamped to", "unit", "score", "clamped", "loss", "trials")


@dataclass(frozen=True)
class Measured:
    """What was measured of the trials of a task and a variant.

    Attributes:
        metric: The score.
        interventions: The scores of each trial with a clamp and without.
    """

    metric: "Metric"
    interventions: list["Intervention"]


@dataclass(frozen=True, kw_only=True)
class InterveneOptions(StoreOptions):
    study: Annotated[str | None, Field("where to look for TRIAL (all studies), or whose trials", value="NAME")] = None
    task: Annotated[str | None, Field("only trials of this task", value="NAME")] = None
    variant: Annotated[str | None, Field("only trials of this variant", value="NAME")] = None
    gate: Annotated[
        str | None, Field("input, forget, output, candidate or cell_state (each by itself)", value="GATE")
    ] = None
    value: Annotated[
        str | None, Field("mean, shuffled or a number (mean, shuffled, and of gates 0 and 1)", value="VALUE")
    ] = None
    unit: Annotated[int | None, Field("only this unit, from 0 (all)", minimum=0, value="NUMBER")] = None
    layer: Annotated[str | None, Field("the recurrent layer (each by itself)", value="NAME")] = None
    data_dir: Annotated[str | None, Field("folder of fetched files", value="FOLDER")] = None


def main(arguments: Sequence[str]) -> None:
    """Clamp what a command line describes.

    Raises:
        UserError: for a mistake in it, or a trial or store that cannot be used.
    """
    if not arguments or HELP & set(arguments):
        print(USAGE, help_text(InterveneOptions), sep="\n", end="")
        return
    words = [word for word in arguments if not is_option(word)]
    options = parse(InterveneOptions, [word for word in arguments if is_option(word)])
    if not words and options.study is None:
        raise UserError("no trial is named: name one or more, or study=NAME for all of it. --help explains it")
    if words and (options.task or options.variant):
        raise UserError("task= and variant= choose among the trials of study=NAME, and do not go with names of trials")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from experiments.tracking import STORE_ERRORS, Store

    store = Store.of(options, wait_s=30.0)
    try:
        _intervene(store, words, options)
    except STORE_ERRORS as error:
        raise UserError(f"tracking.uri={store.uri}: the store failed ({first_line(error)})") from error


def _intervene(store: "Store", words: Sequence[str], options: InterveneOptions) -> None:
    from rich.console import Console

    from experiments.gates.interventions import clampings, gate_name, value_name
    from experiments.gates.survey import finished_trials
    from experiments.gates.trained_trial import load_trial
    from experiments.tracking import interventions
    from experiments.tracking.metadata import Param, Tag

    gate = None if options.gate is None else gate_name(options.gate)
    value = None if options.value is None else value_name(options.value)
    runs = _named(store, words, options.study) if words else _trials_of_study(store, options)
    files = {run.run_id: interventions.file_of(store.folder, run.tags.get(Tag.STUDY, "")) for run in runs}
    places = {run.run_id: (task, row) for (task, row, _), run in finished_trials(runs).items()}
    tables: dict[tuple[str, str], Measured] = {}
    for number, run in enumerate(runs, 1):
        trial = load_trial(store, run, options.data_dir)
        print(f"[{number}/{len(runs)}] {run.name}", flush=True)
        measured = list(_measure(trial, clampings(trial.model, options.layer, gate, value, options.unit)))
        interventions.write(files[run.run_id], measured)
        place = places.get(run.run_id, (run.params[Param.TASK], run.params[Param.VARIANT]))
        tables.setdefault(place, Measured(trial.task.score, [])).interventions.extend(measured)
    console = Console(width=None if sys.stdout.isatty() else 120)
    for (task, row), measured in tables.items():
        if measured.interventions:
            console.print(table(f"{task}, {row}", measured), highlight=False)
    if not any(measured.interventions for measured in tables.values()):
        raise UserError(f"gate={options.gate}: none of these trials has such a gate with a value of its own")
    print("All numbers:", *dict.fromkeys(map(str, files.values())))


def _named(store: "Store", words: Sequence[str], study: str | None) -> list["StoredRun"]:
    """The trials that words name, each once.

    Raises:
        UserError: for a word that names none, or one that has no score.
    """
    from experiments.tracking.lookup import described, find

    runs = {run.run_id: run for run in (described(find(store, word, study)) for word in words)}
    for run in runs.values():
        if run.status != "FINISHED" or not math.isfinite(run.score):
            raise UserError(f"{run.name}: its run {run.run_id} is {run.status} and has no score to compare with")
    return list(runs.values())


def _trials_of_study(store: "Store", options: InterveneOptions) -> list["StoredRun"]:
    """The finished trials of a study, of a search those that trained its best settings again.

    Raises:
        UserError: if there are none.
    """
    from experiments.config.schema import Phase
    from experiments.gates.survey import finished_trials
    from experiments.tracking.lookup import unknown_study
    from experiments.tracking.metadata import Param, Tag

    study = options.study or ""
    runs = store.trials(study)
    if not runs:
        raise unknown_study(store, study)
    confirmed = [run for run in runs if run.tags.get(Tag.PHASE) == Phase.confirm]
    finished = [run for run in finished_trials(confirmed or runs).values() if math.isfinite(run.score)]
    chosen = [
        run
        for run in finished
        if options.task in (None, run.params[Param.TASK]) and options.variant in (None, run.params[Param.VARIANT])
    ]
    if not chosen:
        words = " ".join(f"{name}={value}" for name in ("task", "variant") if (value := getattr(options, name)))
        names = ", ".join(sorted({run.name.rpartition("/")[0] for run in finished})) or "none"
        raise UserError(f"study={study}: it has no finished trial{f' of {words}' if words else ''}. It has {names}")
    return chosen


def _measure(trial: "TrainedTrial", chosen: Iterable["Clamping"]) -> Iterator["Intervention"]:
    """Score a trial with each clamp, and print what it scores."""
    from experiments.analysis.format import number
    from experiments.gates.interventions import ScoredTrial
    from experiments.tracking.interventions import Intervention

    scored, run, metric = ScoredTrial(trial), trial.run, trial.task.score
    for clamping in chosen:
        clamped = scored.clamped(clamping)
        print(f"    {clamping.text}: {metric.title} {number(scored.score)}, clamped {number(clamped)}", flush=True)
        unit = "" if clamping.unit is None else str(clamping.unit)
        place = (run.run_id, run.name, clamping.layer, clamping.gate, clamping.value, unit)
        yield Intervention(*place, score=scored.score, clamped=clamped)


def table(title: str, measured: Measured) -> "Table":
    """Medians without a clamp and with it, and the loss with its interval, over the trials."""
    from rich.table import Table

    from experiments import analysis
    from experiments.analysis.format import column
    from experiments.tracking.interventions import by_clamp

    better = measured.metric.better
    rows = Table(*HEAD, title=f"{title}: {measured.metric.title}, {better} is better", title_justify="left")
    groups = by_clamp(measured.interventions)
    losses = [analysis.loss(clamped, scores, better) for scores, clamped in groups.values()]
    medians = [[analysis.median(values, better).value for values in pair] for pair in groups.values()]
    columns = [*map(column, zip(*medians, strict=True)), column(losses), [str(loss.count) for loss in losses]]
    for place, cells in zip(groups, zip(*columns, strict=True), strict=True):
        rows.add_row(*place, *cells)
    return rows
