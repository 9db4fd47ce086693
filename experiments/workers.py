"""The worker processes of a sweep, one pool of one process each, so that every worker is given what it is good at."""

import os
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pebble import ProcessPool

from experiments import worker
from experiments.errors import UserError
from experiments.schema import Config

STARTS = 5  # tries to begin a process


class Worker:
    """One process at a time: another one comes when it dies, hangs or has grown too large.

    Attributes:
        compiled: The model that its process has compiled last.
        began: When it was made.
    """

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self._open()

    def _open(self) -> None:
        self.compiled: Hashable = None
        self.pool = ProcessPool(max_workers=1, context=worker.SPAWN)

    def do(self, function: Callable[..., Any], *arguments: Any, timeout: float | None = None) -> Future:
        """Let the process call a function; it dies if that takes longer than `timeout` seconds."""
        for _ in range(STARTS):
            try:
                self.pool.schedule(worker.start)  # takes time in a fresh process only, not that of the function
                return self.pool.schedule(function, args=arguments, timeout=timeout)
            except RuntimeError:  # its process died while it had nothing to do
                self.renew()
        raise UserError(f"a worker process died {STARTS} times before it was given a trial")

    def renew(self) -> None:
        """Go on with a fresh process."""
        self.stop()
        self._open()

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.pool.stop()
        self.pool.join()


@contextmanager
def started(config: Config, count: int) -> Iterator[list[Worker]]:
    """Worker processes that begin to import at once, and are ended afterwards, whatever they do."""
    with worker.environment(config):
        workers = [Worker() for _ in range(count)]
        try:
            for each in workers:
                each.do(worker.start)
            yield workers
        finally:
            with ThreadPoolExecutor(count) as threads:
                list(threads.map(Worker.stop, workers))


def suitable_count(config: Config, trials: int) -> int:
    """As many as the configuration says or the cores allow, but no more than there are trials."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(config.sweep.workers or max(1, cores // config.training.threads), trials)
