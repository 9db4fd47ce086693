"""The trials of a sweep on the worker processes of this machine."""

import re
import time
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

import psutil

from experiments.errors import first_line
from experiments.sweep import worker
from experiments.sweep.preflight import Sweep
from experiments.sweep.progress import Progress, shares
from experiments.sweep.run_trial import Outcome
from experiments.sweep.workers import Worker, failure
from experiments.tracking import STORE_ERRORS
from experiments.trial.spec import TrialSpec

POLL_S = 2.0  # between two looks at a trial that another sweep is at work on
MEMORY_SHARE = 0.8  # of the machine, for all workers together


@dataclass
class Queue:
    """Trials that wait for a worker, in order.

    A worker goes on with trials whose model it has compiled already; else it begins with a model that no other worker
    is at; else it helps where most trials wait, which means compiling that model once more.

    Attributes:
        models: What the compiled model of each trial depends on.
        since: Trials that wait, in order, and from when on they may be taken.
    """

    models: Mapping[int, Hashable]
    since: dict[int, float] = field(default_factory=dict)

    def add(self, trial: int, since: float = 0.0) -> None:
        """Put a trial at the end."""
        self.since[trial] = since

    def take(self, now: float, compiled: Hashable, elsewhere: Collection[Hashable]) -> int | None:
        """The next trial of a worker, which is no longer waiting; None if there is none yet.

        Args:
            now: The time.
            compiled: The model that the worker has compiled last.
            elsewhere: Those of the other workers.
        """
        ready = [trial for trial, since in self.since.items() if since <= now]
        if not ready:
            return None
        known = [trial for trial in ready if self.models[trial] == compiled]
        new = [trial for trial in ready if self.models[trial] not in elsewhere]
        trial = (known or new or self._of_commonest_model(ready))[0]
        del self.since[trial]
        return trial

    def _of_commonest_model(self, trials: list[int]) -> list[int]:
        commonest = Counter(self.models[trial] for trial in trials).most_common(1)[0][0]
        return [trial for trial in trials if self.models[trial] == commonest]

    def __len__(self) -> int:
        return len(self.since)


class Scheduler:
    """Does what a checked sweep has left to do.

    A trial that fails is tried again after all others, `sweep.retries` times. A dead worker, a trial that takes too
    long or an exception costs that trial and no other.
    """

    def __init__(self, sweep: Sweep, workers: Sequence[Worker], title: str = "") -> None:
        self.sweep = sweep
        self.workers = workers
        self.specs = sweep.specs
        self.outcomes: dict[int, Outcome] = dict(sweep.stored)
        todo = [index for index in range(len(self.specs)) if index not in self.outcomes]
        self.settings = self.specs[0].config.sweep
        self.queue = Queue({index: _model(self.specs[index]) for index in todo})
        for index in todo:
            self.queue.add(index)
        self.tries = dict.fromkeys(todo, 0)
        self.running: dict[Future, tuple[Worker, int, float]] = {}
        self.first_errors: dict[int, str] = {}
        self.began = time.perf_counter() if workers[0].has_worked else workers[0].began
        self.progress = Progress(self.specs, self.outcomes, len(workers), title=title)

    def run(self) -> dict[int, Outcome]:
        """Train, and return the outcome of every trial of the sweep by its number."""
        if not self.queue:
            return self.outcomes
        with self.progress:
            while self.running or self.queue:
                self._hand_out()
                done, _ = wait(self.running, timeout=POLL_S if self.queue else None, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take_back(future)
                if self._hopeless():
                    break
                if not self.running and not done:
                    time.sleep(POLL_S)
        self._print_shares()
        return self.outcomes

    def _print_shares(self) -> None:
        new = [outcome for index, outcome in self.outcomes.items() if index in self.tries]
        line = shares(new, time.perf_counter() - self.began, len(self.workers))
        if line:
            self.progress.say(line)

    def _hand_out(self) -> None:
        busy = {id(process) for process, _, _ in self.running.values()}
        for free in [process for process in self.workers if id(process) not in busy]:
            elsewhere = {process.compiled for process in self.workers if process is not free}
            index = self.queue.take(time.monotonic(), free.compiled, elsewhere)
            if index is None:
                return
            free.compiled, free.has_worked = self.queue.models[index], True
            future = free.do(worker.train, self.specs[index], False, self.settings.timeout_s)
            self.running[future] = (free, index, time.perf_counter())
            self.progress.began(index)

    def _take_back(self, future: Future) -> None:
        process, index, began = self.running.pop(future)
        error = failure(future, self.settings.timeout_s)
        outcome = Outcome("failed", seconds=time.perf_counter() - began, error=error) if error else future.result()
        if outcome.memory_gb > self._memory_gb() or isinstance(future.exception(), BrokenProcessPool):
            process.renew()
        if outcome.status == "busy":
            self.progress.again(index, "")
            self.queue.add(index, time.monotonic() + POLL_S)
            return
        self.tries[index] += 1
        if outcome.has_failed:
            self.first_errors.setdefault(index, re.sub(r"[0-9a-f]{8,}|\d+", "#", outcome.error))
            if self.tries[index] <= self.settings.retries:
                self.progress.again(index, outcome.error)
                self.queue.add(index)
                return
            self._fail(index, outcome.error)
        self.outcomes[index] = outcome
        self.progress.ended(index)

    def _hopeless(self) -> bool:
        """Whether the first trials failed alike, so that the others would too; then they have failed now."""
        limit, alike = self.settings.stop_after_same_error, set(self.first_errors.values())
        succeeded = any(not self.outcomes[i].has_failed for i in self.tries if i in self.outcomes)
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
            self.sweep.fail(self.specs[index], reason)
        except STORE_ERRORS as error:
            self.progress.say(f"{self.specs[index].name}: its run could not be ended ({first_line(error)})")


def _model(spec: TrialSpec) -> str:
    """The same for trials that most likely have the same compiled model."""
    config = spec.config
    compiled = ("batch_size", "optimizer", "clipnorm", "jit_compile", "steps_per_execution")
    training = [getattr(config.training, name) for name in compiled]
    return str((config.task, config.variant, spec.model, training))
