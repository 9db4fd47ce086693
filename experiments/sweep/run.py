"""One trial or many: what is to be done is checked first, then done, then shown."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from experiments.errors import TrialFailed, UserError, first_line

if TYPE_CHECKING:
    from experiments.config.schema import Config
    from experiments.sweep.preflight import Sweep
    from experiments.sweep.run_trial import Outcome


def run_alone(config: "Config", overrides: tuple[str, ...]) -> float:
    """Train one trial in this process, with a progress bar, and return its validation score.

    Raises:
        UserError: before anything is trained, for whatever is wrong in the configuration.
        TrialFailed: if it ended without a score.
    """
    from experiments import tasks
    from experiments.sweep import worker
    from experiments.sweep.preflight import prepare
    from experiments.sweep.run_trial import TRACEBACK, run_trial, scratch_folder

    with worker.environment(config):
        sweep = prepare([config], [overrides], worker.check_layers)
        spec, outcome = sweep.specs[0], sweep.stored.get(0)
        if outcome is None:
            task = tasks.build(config.task, config.data_dir)
            print(f"{spec.name}: {task.title}. {len(task.train)} training sequences")
            sweep.describe_data()
            outcome = run_trial(spec, verbose=1 if sys.stdout.isatty() else 2)
        else:
            print(f"{spec.name} is in the store already; rerun=true trains it again")
    if outcome.status == "failed":
        file = scratch_folder(spec) / TRACEBACK
        rest = f" ({file} has the rest)" if file.exists() else ""
        raise TrialFailed(f"{spec.name} failed: {outcome.error}{rest}")
    _show(sweep, config.study, page=False)
    return outcome.validation


def run_elsewhere(config: "Config", overrides: tuple[str, ...]) -> float:
    """Train one trial of a sweep that another launcher of Hydra runs, and return its validation score.

    It prints a line: its output is in `trial.log` of its run, and the table is for when all trials are done.

    Raises:
        UserError: before it is trained, for whatever is wrong in the configuration.
        TrialFailed: if it ended without a score.
    """
    from experiments.sweep import worker
    from experiments.sweep.preflight import prepare

    with worker.environment(config):
        sweep = prepare([config], [overrides], worker.check_layers)
        spec = sweep.specs[0]
        outcome = sweep.stored.get(0) or worker.train(spec, wait=True)
    if outcome.score is None:
        raise TrialFailed(f"{spec.name} {outcome.status}: {outcome.error}")
    print(f"{spec.name}: {outcome.status}, score {outcome.score:.4g}", flush=True)
    return outcome.validation


def run_sweep(configs: "Sequence[Config]", overrides: Sequence[tuple[str, ...]]) -> "list[Outcome]":
    """Do every trial that the store does not have yet, and print the table of all.

    Args:
        configs: The configurations of the trials.
        overrides: The words of the command line that made each of them.

    Raises:
        UserError: before anything is trained, for whatever is wrong in the configuration of any trial.
    """
    from experiments.sweep.workers import check_layers, started, suitable_count

    if not configs:
        raise UserError("the sweep has no trials: one of the swept fields has no values")
    with ExitStack() as ended, started(configs[0], suitable_count(configs[0], len(configs))) as workers:
        from experiments.sweep.preflight import prepare  # takes a while, as it imports MLflow
        from experiments.sweep.scheduler import Scheduler

        sweep = prepare(configs, overrides, lambda configs: check_layers(workers, configs))
        ended.callback(_mark_stale, sweep)  # when the workers are gone
        if len(sweep.stored) < len(configs):
            sweep.describe_data()
        outcomes = Scheduler(sweep, workers).run()
    has_new = len(sweep.stored) < len(configs)  # else the page is as it was
    for study in dict.fromkeys(config.study for config in configs):
        _show(sweep, study, page=has_new)
    failed = [index for index in range(len(configs)) if outcomes[index].score is None]
    for index in failed:
        print(f"{sweep.specs[index].name} {outcomes[index].status}: {outcomes[index].error}")
    if failed:
        print(f"{len(failed)} of {len(configs)} trials have no score. The same command tries them again.")
    return [outcomes[index] for index in range(len(configs))]


def _mark_stale(sweep: "Sweep") -> None:
    from experiments.tracking import STORE_ERRORS

    try:
        sweep.mark_stale()
    except (UserError, *STORE_ERRORS) as error:
        print(f"Runs that were interrupted are marked by the next sweep ({first_line(error)})")


def _show(sweep: "Sweep", study: str, page: bool) -> None:
    from experiments.report import command

    try:
        command.report_study(sweep.store, study, keys={spec.key for spec in sweep.specs}, page=page)
    except Exception as error:  # the trials are done, and a report can be made again
        place = f"output_dir={sweep.store.folder}", f"tracking.uri={sweep.store.uri}"
        again = shlex.join(["python", "-m", "experiments.report", f"study={study}", *place])
        print(f"There is no report now ({first_line(error)}). Again: {again}")
