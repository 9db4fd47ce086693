"""The trials of a sweep on the worker processes of this machine."""

import re
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, TimeoutError, wait
from concurrent.futures.process import BrokenProcessPool

import psutil
from pebble import ProcessExpired

from experiments import worker
from experiments.errors import UserError, first_line
from experiments.job import Job
from experiments.prepare import Prepared
from experiments.progress import Progress, shares
from experiments.record import Outcome
from experiments.schedule import Waiting
from experiments.schema import Config, Match
from experiments.tracking import STORE_ERRORS
from experiments.workers import Worker

POLL_S = 2.0  # between two looks at a trial that another sweep is at work on
CHECKS = 3  # times to ask, should workers die of it
MEMORY_SHARE = 0.8  # of the machine, for all workers together


class Dispatch:
    """Does what a prepared sweep has left to do.

    A trial that fails is tried again after all others, `sweep.retries` times. A dead worker, a trial that takes too
    long or an exception costs that trial and no other.
    """

    def __init__(self, prepared: Prepared, workers: Sequence[Worker]) -> None:
        self.prepared = prepared
        self.workers = workers
        self.jobs = prepared.jobs
        self.outcomes: dict[int, Outcome] = dict(prepared.stored)
        todo = [index for index in range(len(self.jobs)) if index not in self.outcomes]
        self.settings = self.jobs[0].config.sweep
        self.waiting = Waiting({index: _model(self.jobs[index]) for index in todo})
        for index in todo:
            self.waiting.add(index)
        self.tries = dict.fromkeys(todo, 0)
        self.running: dict[Future, tuple[Worker, int, float]] = {}
        self.first_errors: dict[int, str] = {}
        self.progress = Progress(self.jobs, self.outcomes, len(workers))

    def run(self) -> dict[int, Outcome]:
        """Train, and return the outcome of every trial of the sweep by its number."""
        if not self.waiting:
            return self.outcomes
        with self.progress:
            self._check()
            while self.running or self.waiting:
                self._hand_out()
                done, _ = wait(self.running, timeout=POLL_S if self.waiting else None, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take_back(future)
                if self._hopeless():
                    break
                if not self.running and not done:
                    time.sleep(POLL_S)
        self._say_shares()
        return self.outcomes

    def _say_shares(self) -> None:
        new = [outcome for index, outcome in self.outcomes.items() if index in self.tries]
        used = shares(new, time.perf_counter() - self.workers[0].began, len(self.workers))
        if used:
            self.progress.say(used)

    def _check(self) -> None:
        """Refuse what only the layers themselves can refuse, in the workers: this process does without TensorFlow."""
        distinct = list({_checked(self.jobs[i].config): self.jobs[i].config for i in self.tries}.values())
        asked = [(self.workers[k % len(self.workers)], config) for k, config in enumerate(distinct)]
        for _ in range(CHECKS):
            futures = [(each, config, each.do(worker.problem, config)) for each, config in asked]
            wait([future for _, _, future in futures])
            problems = [future.result() for _, _, future in futures if not future.exception()]
            if any(problems):
                raise UserError("\n".join(dict.fromkeys(text for text in problems if text)))
            asked = [(each, config) for each, config, future in futures if future.exception()]
            for died in dict.fromkeys(each for each, _ in asked):
                died.renew()
            if not asked:
                return
        reasons = {_outcome(future, self.jobs[0], 0.0).error for _, _, future in futures if future.exception()}
        raise UserError(f"the worker processes cannot be used: {'; '.join(sorted(reasons))}")

    def _hand_out(self) -> None:
        busy = {id(each) for each, _, _ in self.running.values()}
        for free in [each for each in self.workers if id(each) not in busy]:
            elsewhere = {each.compiled for each in self.workers if each is not free}
            index = self.waiting.take(time.monotonic(), free.compiled, elsewhere)
            if index is None:
                return
            job = self.jobs[index]
            free.compiled = self.waiting.models[index]
            future = free.do(worker.train, job.config, job.overrides, timeout=self.settings.timeout_s)
            self.running[future] = (free, index, time.perf_counter())
            self.progress.began(index)

    def _take_back(self, future: Future) -> None:
        used, index, began = self.running.pop(future)
        outcome = _outcome(future, self.jobs[index], time.perf_counter() - began)
        if outcome.memory_gb > self._memory_gb() or isinstance(future.exception(), BrokenProcessPool):
            used.renew()
        if outcome.status == "busy":
            self.progress.again(index, "")
            self.waiting.add(index, time.monotonic() + POLL_S)
            return
        self.tries[index] += 1
        if outcome.score is None:
            self.first_errors.setdefault(index, re.sub(r"[0-9a-f]{8,}|\d+", "#", outcome.error))
            if self.tries[index] <= self.settings.retries:
                self.progress.again(index, outcome.error)
                self.waiting.add(index)
                return
            self._fail(index, outcome.error)
        self.outcomes[index] = outcome
        self.progress.ended(index)

    def _hopeless(self) -> bool:
        """Whether the first trials failed alike, so that the others would too; then they have failed now."""
        limit, alike = self.settings.stop_after_same_error, set(self.first_errors.values())
        succeeded = any(self.outcomes[i].score is not None for i in self.tries if i in self.outcomes)
        if limit is None or succeeded or len(self.first_errors) < limit or len(alike) > 1:
            return False
        reason = f"not tried: the first {len(self.first_errors)} trials failed alike"
        for index in self.tries:
            self.outcomes.setdefault(index, Outcome("failed", error=reason))
        self.progress.say(f"{reason} ({alike.pop()}). sweep.stop_after_same_error=null would go on")
        return True

    def _memory_gb(self) -> float:
        return self.settings.worker_memory_gb or MEMORY_SHARE * psutil.virtual_memory().total / 1e9 / len(self.workers)

    def _fail(self, index: int, reason: str) -> None:
        try:
            self.prepared.fail(index, reason)
        except STORE_ERRORS as error:
            self.progress.say(f"{self.jobs[index].name}: its run could not be ended ({first_line(error)})")


def _outcome(future: Future, job: Job, seconds: float) -> Outcome:
    try:
        return future.result()
    except TimeoutError:
        limit = job.config.sweep.timeout_s
        return Outcome("failed", seconds=seconds, error=f"took longer than sweep.timeout_s={limit:g}")
    except (ProcessExpired, BrokenProcessPool) as error:
        code = f" (exit code {error.exitcode})" if isinstance(error, ProcessExpired) else ""
        return Outcome("failed", seconds=seconds, error=f"its worker process died{code}")
    except Exception as error:
        return Outcome("failed", seconds=seconds, error=f"{type(error).__name__}: {first_line(error)}")


def _checked(config: Config) -> str:
    """The same for trials that the layers refuse alike."""
    if config.model.match is Match.units:
        return str(config.variant)
    return str((config.variant, config.task, config.model, config.data_dir))


def _model(job: Job) -> str:
    """The same for trials that most likely have the same compiled model."""
    config = job.config
    compiled = ("batch_size", "optimizer", "clipnorm", "jit_compile", "steps_per_execution")
    training = [getattr(config.training, name) for name in compiled]
    return str((config.task, config.variant, config.model, training))
