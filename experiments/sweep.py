"""One trial or many: what is to be done is checked first, then done, then shown.

`python -m experiments.sweep` has the commands for sweeps that are under way or have ended.
"""

import sys
from collections.abc import Sequence

from experiments import report, tasks, worker
from experiments.dispatch import Dispatch
from experiments.errors import UserError
from experiments.job import Job
from experiments.prepare import Prepared
from experiments.record import Outcome, find_or_train
from experiments.tracking import STORE_ERRORS


def run_alone(job: Job) -> float:
    """Train one trial in this process, with a progress bar. Returns its score; exits with 1 if it failed."""
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
        print(f"{job.name} failed: {outcome.error} (traceback.txt of the run in the store has the rest)")
        raise SystemExit(1)
    _show(prepared, config.study)
    return float("nan") if outcome.score is None else outcome.score


def run_sweep(jobs: Sequence[Job]) -> list[Outcome]:
    """Do every trial that the store does not have yet, and print the table of all.

    Raises:
        UserError: before anything is trained, for whatever is wrong in the configuration of any trial.
    """
    prepared = Prepared(jobs)
    outcomes = Dispatch(prepared).run()
    for study in dict.fromkeys(job.config.study for job in jobs):
        _show(prepared, study)
    failed = [index for index in range(len(jobs)) if outcomes[index].score is None]
    for index in failed:
        print(f"{jobs[index].name} {outcomes[index].status}: {outcomes[index].error}")
    if failed:
        print(f"{len(failed)} of {len(jobs)} trials have no score. The same command tries them again.")
    return [outcomes[index] for index in range(len(jobs))]


def _show(prepared: Prepared, study: str) -> None:
    try:
        report.show(prepared.store, study, set(prepared.keys))
    except (UserError, *STORE_ERRORS) as error:
        print(f"There is no table now: {error}")
