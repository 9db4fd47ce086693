"""The worker processes of a sweep, one pool of one process each, so that every worker is given what it is good at."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pebble import ProcessPool

from experiments import worker
from experiments.errors import UserError

STARTS = 5  # tries to begin a process


class Worker:
    """One process at a time: another one comes when it dies, hangs or has grown too large.

    Attributes:
        compiled: The model that its process has compiled last.
    """

    def __init__(self) -> None:
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


def stop_all(workers: list[Worker]) -> None:
    """End all processes, at the same time."""
    with ThreadPoolExecutor(len(workers)) as threads:
        list(threads.map(Worker.stop, workers))
