"""One trial or many: what is to be done is checked first, then done, then shown."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from experiments.errors import TrialFailed, UserError, first_line

if TYPE_CHECKING:
    from experiments.config.schema import Config
    from experiments.sweep.notification import Batch
    from experiments.sweep.preflight import Sweep
    from experiments.sweep.run_trial import Outcome
    from experiments.sweep.workers import Worker
    from experiments.tracking import Store


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
    if outcome.has_failed:
        file = scratch_folder(spec) / TRACEBACK
        rest = f" ({file} has the rest)" if file.exists() else ""
        raise TrialFailed(f"{spec.name} failed: {outcome.error}{rest}")
    if outcome.status == "paused":
        print(f"{spec.name}: paused; without sweep.pause_after={config.sweep.pause_after} it goes on")
    _show(sweep.store, config.study, _keys(sweep), page=False)
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
    if outcome.has_failed:
        raise TrialFailed(f"{spec.name} {outcome.status}: {outcome.error}")
    score = "" if outcome.score is None else f", score {outcome.score:.4g}"
    print(f"{spec.name}: {outcome.status}{score}", flush=True)
    return outcome.validation


class Crew:
    """The worker processes of the phases of a sweep, which stay from one batch of trials to the next."""

    def __init__(self) -> None:
        self.ended = ExitStack()
        self.workers: list[Worker] = []
        self.sweep: Sweep | None = None
        self.has_new = False
        self.batches: list[Batch] = []

    def __enter__(self) -> "Crew":
        self.ended.callback(lambda: self.sweep and _mark_stale(self.sweep))  # when the workers are gone
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.ended.close()
        if kind is not None:
            self.tell("interrupted" if issubclass(kind, KeyboardInterrupt) else "given up")

    def of(self, config: "Config", trials: int) -> "list[Worker]":
        """As many workers as suit so many trials, or more."""
        from experiments.sweep.workers import started, suitable_count

        lacking = suitable_count(config, trials) - len(self.workers)
        if lacking > 0:
            self.workers += self.ended.enter_context(started(config, lacking))
        return self.workers

    def show(self, study: str) -> None:
        """Print the table of a study, and write its page if there is anything new."""
        if self.sweep is not None:
            _show(self.sweep.store, study, page=self.has_new)

    def tell(self, end: str = "") -> None:
        """Send `sweep.notify` word of how it ended, by default by the outcomes; not of a sweep that was refused."""
        from experiments.sweep.notification import notice, send

        if self.batches:
            config = self.batches[0].specs[0].config
            has_failed = any(outcome.has_failed for batch in self.batches for outcome in batch.outcomes.values())
            if config.sweep.notify:
                send(
                    config.sweep.notify,
                    notice(config, end or ("with failures" if has_failed else "finished"), self.batches),
                )


def run_sweep(
    configs: "Sequence[Config]", overrides: Sequence[tuple[str, ...]], crew: Crew | None = None, title: str = ""
) -> "list[Outcome]":
    """Do every trial that the store does not have yet, and print the table of all.

    Args:
        configs: The configurations of the trials.
        overrides: The words of the command line that made each of them.
        crew: The worker processes of a sweep that has several phases, which prints its table at its end.
        title: What phase this is.

    Raises:
        UserError: before anything is trained, for whatever is wrong in the configuration of any trial.
    """
    if not configs:
        raise UserError("the sweep has no trials: one of the swept fields has no values")
    if crew is not None:
        outcomes = _do(configs, overrides, crew, title)
    else:
        with Crew() as crew:
            outcomes = _do(configs, overrides, crew, title)
        assert crew.sweep is not None
        for study in dict.fromkeys(config.study for config in configs):
            _show(
                crew.sweep.store, study, _keys(crew.sweep), page=crew.has_new
            )  # without anything new the page is as it was
        crew.tell()
    assert crew.sweep is not None
    failed = [index for index, outcome in enumerate(outcomes) if outcome.has_failed]
    for index in failed:
        print(f"{crew.sweep.specs[index].name} {outcomes[index].status}: {outcomes[index].error}")
    if failed:
        print(f"{len(failed)} of {len(configs)} trials have no score. The same command tries them again.")
    return outcomes


def _do(configs: "Sequence[Config]", overrides: Sequence[tuple[str, ...]], crew: Crew, title: str) -> "list[Outcome]":
    from experiments.sweep.workers import check_layers

    workers = crew.of(configs[0], len(configs))
    from experiments.sweep.announcement import announcement  # take a while, as they import MLflow and SciPy
    from experiments.sweep.notification import Batch
    from experiments.sweep.preflight import prepare
    from experiments.sweep.scheduler import Scheduler

    is_first = crew.sweep is None
    crew.sweep = sweep = prepare(configs, overrides, lambda configs: check_layers(workers, configs), is_first)
    crew.has_new |= len(sweep.stored) < len(configs) or sweep.copied > 0
    if len(sweep.stored) < len(configs):
        if not title:
            print(announcement(sweep, len(workers)), flush=True)
        sweep.describe_data()
    scheduler = Scheduler(sweep, workers, title)
    crew.batches.append(Batch(sweep.specs, scheduler.outcomes))
    outcomes = scheduler.run()
    return [outcomes[index] for index in range(len(configs))]


def _mark_stale(sweep: "Sweep") -> None:
    from experiments.tracking import STORE_ERRORS

    try:
        sweep.mark_stale()
    except (UserError, *STORE_ERRORS) as error:
        print(f"Runs that were interrupted are marked by the next sweep ({first_line(error)})")


def show_elsewhere(configs: "Sequence[Config]", failed: int) -> None:
    """Print the tables of what another launcher has trained, write the pages, and send `sweep.notify` word of it.

    Args:
        configs: Of the trials.
        failed: How many of them have failed.
    """
    from experiments.sweep.notification import described, send
    from experiments.tracking import Store

    for config in {config.study: config for config in configs}.values():
        _show(Store(config.tracking.uri, config.output_dir), config.study, page=True)
    if configs and configs[0].sweep.notify:
        end = "with failures" if failed else "finished"
        send(configs[0].sweep.notify, described(configs[0], end, len(configs), len(configs) - failed, failed))


def _keys(sweep: "Sweep") -> set[str]:
    return {spec.key for spec in sweep.specs}


def _show(store: "Store", study: str, keys: set[str] | None = None, *, page: bool) -> None:
    """Print the table of a study, or of some of its trials; a report that fails costs no trial."""
    from experiments.report import command

    try:
        command.report_study(store, study, keys=keys, page=page)
    except Exception as error:  # the trials are done, and a report can be made again
        place = f"output_dir={store.folder}", f"tracking.uri={store.uri}"
        again = shlex.join(["python", "-m", "experiments.report", f"study={study}", *place])
        print(f"There is no report now ({first_line(error)}). Again: {again}")
