"""Many trials: what is to be done is checked first, then done in worker processes, a line for each trial."""

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, TimeoutError, wait
from dataclasses import dataclass, field

from pebble import ProcessExpired, ProcessPool

from experiments import report, tasks, worker
from experiments.errors import UserError
from experiments.identity import trial_key
from experiments.record import Outcome, find_or_train
from experiments.schema import Config
from experiments.tracking import Store

TRIALS_PER_WORKER = 25  # then a fresh process: each trial leaves some megabytes behind


@dataclass(frozen=True)
class Job:
    """A trial of a sweep: its configuration, and the overrides of the command line that made it."""

    config: Config
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.config.task.name}/{self.config.variant.name}/s{self.config.seed}"


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
    report.show(prepared.store, config.study, {prepared.keys[0]})
    return float("nan") if outcome.score is None else outcome.score


def run_sweep(jobs: Sequence[Job]) -> list[Outcome]:
    """Do every trial that the store does not have yet, and print the table of all.

    Raises:
        UserError: before anything is trained, for whatever is wrong in the configuration of any trial.
    """
    prepared = Prepared(jobs)
    outcomes = dict(prepared.stored)
    progress = Progress(jobs, outcomes)
    if len(outcomes) < len(jobs):
        try:
            _train(jobs, outcomes, progress)
        finally:
            prepared.mark_stale()
    for study in dict.fromkeys(job.config.study for job in jobs):
        report.show(prepared.store, study, set(prepared.keys))
    failed = [index for index in range(len(jobs)) if outcomes[index].score is None]
    for index in failed:
        print(f"{jobs[index].name} {outcomes[index].status}: {outcomes[index].error}")
    if failed:
        print(f"{len(failed)} of {len(jobs)} trials have no score. The same command tries them again.")
    return [outcomes[index] for index in range(len(jobs))]


class Prepared:
    """The data, the store and the keys of a sweep, all checked, and what the store has of it already."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            raise UserError("the sweep has no trials: one of the swept fields has no values")
        problems = []
        if len({job.config.training.threads for job in jobs}) > 1:
            problems.append("training.threads must be the same for all trials of a sweep")
        self.keys = []
        refused = set()
        for job in jobs:
            if str(job.config.task) in refused:
                continue
            try:
                task = tasks.build(job.config.task, job.config.data_dir)
            except UserError as error:
                refused.add(str(job.config.task))  # not tried again for each seed: a download may wait for its server
                problems.append(f"task={job.config.task.name}: {error}")
                continue
            size, count = job.config.training.batch_size, len(task.train)
            if size > count:
                problems.append(f"training.batch_size={size}: {job.config.task.name} has {count} training sequences")
            if job.config.model.bidirectional and task.per_step:
                problems.append(
                    f"model.bidirectional=true: {job.config.task.name} asks for something at every step that later "
                    "steps show; a layer that reads backwards would be told the answer"
                )
            self.keys.append(trial_key(job.config, task.digest))
        if problems:
            raise UserError("\n".join(dict.fromkeys(problems)))
        first = jobs[0].config
        self.store = Store(first.tracking.uri, first.output_dir)
        names = {f"{job.config.study}/{job.config.task.name}" for job in jobs}
        self.experiments = {name: self.store.experiment(name) for name in sorted(names)}
        self.mark_stale()
        self.stored: dict[int, Outcome] = {}
        for index, (job, key) in enumerate(zip(jobs, self.keys, strict=True)):
            experiment = self.experiments[f"{job.config.study}/{job.config.task.name}"]
            found = None if job.config.rerun else self.store.finished(experiment, key)
            if found is not None:
                self.stored[index] = Outcome("stored", found.score, 0.0, found.run_id)

    def mark_stale(self) -> None:
        """Give runs whose process is gone their true end."""
        for name in self.store.mark_stale(self.experiments.values()):
            print(f"{name} ended without saying so; its run is now marked KILLED")


@dataclass
class Progress:
    """Prints a line for each finished trial: which, score, time, how many are left, time left."""

    jobs: Sequence[Job]
    outcomes: dict[int, Outcome]
    workers: int = field(init=False)

    def __post_init__(self) -> None:
        config = self.jobs[0].config
        cores = max(1, (os.cpu_count() or 1) // config.training.threads)
        self.workers = min(config.sweep.workers or cores, len(self.jobs))
        study, total, stored = self.jobs[0].config.study, len(self.jobs), len(self.outcomes)
        todo = f"{total - stored} to train on {self.workers} workers" if stored < total else "nothing to train"
        print(f"{study}: {total} trials, {stored} in the store already, {todo}", flush=True)

    def line(self, index: int) -> None:
        """Say how a trial ended."""
        job, outcome = self.jobs[index], self.outcomes[index]
        score = outcome.error or outcome.status
        if outcome.status == "finished":
            metric = tasks.build(job.config.task, job.config.data_dir).score
            score = f"{metric.name} {outcome.score:.4g}"
        left = len(self.jobs) - len(self.outcomes)
        end = f"{left} left, about {_duration(self._seconds_left())}" if left else "all done"
        width = len(str(len(self.jobs)))
        count = f"[{len(self.outcomes):>{width}}/{len(self.jobs)}]"
        print(f"{count} {job.name:<32} {score:<16} {_duration(outcome.seconds):>8}   {end}", flush=True)

    def _seconds_left(self) -> float:
        """From the mean time of the finished trials of the same task, or of all while there is none."""
        times: dict[str, list[float]] = {}
        for index, outcome in self.outcomes.items():
            if outcome.status != "stored":
                times.setdefault(self.jobs[index].config.task.name, []).append(outcome.seconds)
        everything = [second for seconds in times.values() for second in seconds]
        left = [job for index, job in enumerate(self.jobs) if index not in self.outcomes]
        means = (times.get(job.config.task.name, everything) for job in left)
        return sum(sum(seconds) / len(seconds) for seconds in means) / self.workers


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _train(jobs: Sequence[Job], outcomes: dict[int, Outcome], progress: Progress) -> None:
    todo = [index for index in range(len(jobs)) if index not in outcomes]
    workers = {"max_workers": progress.workers, "max_tasks": TRIALS_PER_WORKER, "context": worker.SPAWN}
    with worker.environment(jobs[0].config), ProcessPool(**workers) as pool:
        try:
            _check(pool, [jobs[index].config for index in todo])
            _train_in(pool, jobs, todo, outcomes, progress)
        except BaseException:
            pool.stop()
            pool.join()
            raise


def _check(pool: ProcessPool, configs: Sequence[Config]) -> None:
    """Refuse what only the layers themselves can refuse, in a worker: this process does without TensorFlow."""
    distinct = {str(config.variant): config for config in configs}
    found = [pool.schedule(worker.problem, args=[config]) for config in distinct.values()]
    problems = [text for text in (future.result() for future in found) if text]
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))


def _train_in(
    pool: ProcessPool, jobs: Sequence[Job], todo: Sequence[int], outcomes: dict[int, Outcome], progress: Progress
) -> None:
    tries = dict.fromkeys(todo, 0)
    started = dict.fromkeys(todo, 0.0)
    running: dict[Future, int] = {}

    def schedule(index: int) -> None:
        started[index] = time.perf_counter()
        job = jobs[index]
        future = pool.schedule(worker.train, args=[job.config, job.overrides], timeout=job.config.sweep.timeout_s)
        running[future] = index

    for index in todo:
        schedule(index)
    while running:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            index = running.pop(future)
            tries[index] += 1
            if isinstance(future.exception(), ProcessExpired) and tries[index] <= jobs[index].config.sweep.retries:
                schedule(index)
                continue
            outcomes[index] = _outcome(future, jobs[index], time.perf_counter() - started[index])
            progress.line(index)


def _outcome(future: Future, job: Job, seconds: float) -> Outcome:
    try:
        return future.result()
    except TimeoutError:
        limit = job.config.sweep.timeout_s
        return Outcome("failed", seconds=seconds, error=f"took longer than sweep.timeout_s={limit:g}")
    except ProcessExpired as error:
        return Outcome("failed", seconds=seconds, error=f"its worker process died (exit code {error.exitcode})")
    except Exception as error:
        return Outcome("failed", seconds=seconds, error=f"{type(error).__name__}: {error}")
