"""One trial or many: what is to be done is checked first, then done, then shown.

`python -m experiments.sweep` has the commands for sweeps that are under way or have ended.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from experiments.errors import TrialFailed, UserError, first_line, reported

if TYPE_CHECKING:
    from experiments.job import Job
    from experiments.prepare import Prepared
    from experiments.record import Outcome


def run_alone(job: "Job") -> float:
    """Train one trial in this process, with a progress bar, and return its validation score.

    Raises:
        UserError: before anything is trained, for whatever is wrong in the configuration.
        TrialFailed: if it ended without a score.
    """
    from experiments import tasks, worker
    from experiments.prepare import Prepared
    from experiments.record import find_or_train

    prepared = Prepared([job])
    config = job.config
    outcome = prepared.stored.get(0)
    if outcome is None:
        task = tasks.build(config.task, config.data_dir)
        print(f"{job.name}: {task.title}. {len(task.train)} training sequences. Store: {prepared.store.uri}")
        with worker.environment(config):
            worker.check(config)
            outcome = find_or_train(config, job.overrides, verbose=1 if sys.stdout.isatty() else 2)
    else:
        print(f"{job.name} is in the store already; rerun=true trains it again")
    if outcome.status == "failed":
        raise TrialFailed(f"{job.name} failed: {outcome.error} (traceback.txt of the run in the store has the rest)")
    _show(prepared, config.study, page=False)
    return outcome.validation


def run_elsewhere(job: "Job") -> float:
    """Train one trial of a sweep that another launcher of Hydra runs, and return its validation score.

    It prints a line: its output is in `trial.log` of its run, and the table is for when all trials are done.

    Raises:
        UserError: before it is trained, for whatever is wrong in the configuration.
        TrialFailed: if it ended without a score.
    """
    from experiments import worker
    from experiments.prepare import Prepared

    prepared = Prepared([job])
    outcome = prepared.stored.get(0)
    if outcome is None:
        with worker.environment(job.config):
            worker.check(job.config)
            outcome = worker.train(job.config, job.overrides, wait=True)
    if outcome.score is None:
        raise TrialFailed(f"{job.name} {outcome.status}: {outcome.error}")
    print(f"{job.name}: {outcome.status}, score {outcome.score:.4g}", flush=True)
    return outcome.validation


def run_sweep(jobs: "Sequence[Job]") -> "list[Outcome]":
    """Do every trial that the store does not have yet, and print the table of all.

    Raises:
        UserError: before anything is trained, for whatever is wrong in the configuration of any trial.
    """
    from experiments.workers import started, suitable_count

    if not jobs:
        raise UserError("the sweep has no trials: one of the swept fields has no values")
    config = jobs[0].config
    with ExitStack() as ended, started(config, suitable_count(config, len(jobs))) as workers:
        from experiments.dispatch import Dispatch  # takes a while, as it imports MLflow
        from experiments.prepare import Prepared

        prepared = Prepared(jobs)
        ended.callback(_mark_stale, prepared)  # when the workers are gone
        outcomes = Dispatch(prepared, workers).run()
    for study in dict.fromkeys(job.config.study for job in jobs):
        _show(prepared, study, page=True)
    failed = [index for index in range(len(jobs)) if outcomes[index].score is None]
    for index in failed:
        print(f"{jobs[index].name} {outcomes[index].status}: {outcomes[index].error}")
    if failed:
        print(f"{len(failed)} of {len(jobs)} trials have no score. The same command tries them again.")
    return [outcomes[index] for index in range(len(jobs))]


def _mark_stale(prepared: "Prepared") -> None:
    from experiments.tracking import STORE_ERRORS

    try:
        prepared.mark_stale()
    except (UserError, *STORE_ERRORS) as error:
        print(f"Runs that were interrupted are marked by the next sweep ({first_line(error)})")


def _show(prepared: "Prepared", study: str, page: bool) -> None:
    from experiments.report import command
    from experiments.tracking import STORE_ERRORS

    try:
        shown = command.show(prepared.store, study, keys=set(prepared.keys))
    except (UserError, *STORE_ERRORS) as error:
        print(f"There is no table now: {first_line(error)}")
        return
    try:
        if page:
            command.write(prepared.store, shown)
    except Exception as error:  # the trials are done, and a page can be made again
        print(f"There is no report now ({first_line(error)}). Again: python -m experiments.report study={study}")


if __name__ == "__main__":
    from experiments.manage import main

    with reported():
        sys.exit(main(sys.argv[1:]))
