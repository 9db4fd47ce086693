"""The worker processes of a sweep, one pool of one process each, so that every worker is given what it is good at."""

import os
import signal
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from pebble import ProcessExpired, ProcessPool

from experiments.config.schema import Config
from experiments.errors import UserError, first_line
from experiments.sweep import worker
from experiments.sweep.worker import LayerCheck

STARTS = 5  # tries to begin a process
OF_MEMORY = (signal.SIGKILL, signal.SIGABRT)  # by the kernel, and by C++ that gets none
LACKING = ", usually for lack of memory: fewer sweep.workers or a smaller model need less"
CHECKS = 3  # tries of a check, should workers die of it


class Worker:
    """One process at a time: another one comes when it dies, hangs or has grown too large.

    Attributes:
        compiled: The model that its process has compiled last.
        began: When it was made.
        has_worked: Whether it has trained anything.
    """

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.has_worked = False
        self._open()

    def _open(self) -> None:
        self.compiled: Hashable = None
        self.pool = ProcessPool(max_workers=1, context=worker.SPAWN)

    def do(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Let the process call a function."""
        for _ in range(STARTS):
            try:
                self.pool.schedule(worker.start)  # takes time in a fresh process only, not that of the function
                return self.pool.schedule(function, args=arguments)
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
    """Workers, which are ended afterwards, whatever they do.

    The process of the first one begins to import at once, while this process looks up what there is to do; the others
    begin when there is something.
    """
    with worker.environment(config):
        workers = [Worker() for _ in range(count)]
        try:
            workers[0].do(worker.start)
            yield workers
        finally:
            with ThreadPoolExecutor(count) as threads:
                list(threads.map(Worker.stop, workers))


def suitable_count(config: Config, trials: int) -> int:
    """As many as the configuration says or the cores allow, but no more than there are trials."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(config.sweep.workers or max(1, cores // config.training.threads), trials)


def check_layers(workers: Sequence[Worker], configs: Sequence[Config]) -> list[LayerCheck]:
    """Build the layers of configurations in worker processes: the process of the sweep does without TensorFlow.

    Raises:
        UserError: if the workers die of it.
    """
    for process in workers:
        process.do(worker.start)
    checks: dict[int, LayerCheck] = {}
    for _ in range(CHECKS):
        shares = {k: list(range(len(configs)))[k :: len(workers)] for k in range(len(workers))}
        shares = {k: [number for number in share if number not in checks] for k, share in shares.items()}
        futures = {
            k: workers[k].do(worker.check_layers, [configs[n] for n in share]) for k, share in shares.items() if share
        }
        wait(futures.values())
        for k, future in futures.items():
            if future.exception():
                workers[k].renew()
            else:
                checks |= zip(shares[k], future.result(), strict=True)
        if len(checks) == len(configs):
            return [checks[number] for number in range(len(configs))]
    reasons = sorted({failure(future, None) for future in futures.values() if future.exception()})
    raise UserError(f"the worker processes cannot be used: {'; '.join(reasons)}")


def failure(future: Future, timeout_s: float | None) -> str:
    """Why a function of a worker ended without a result."""
    try:
        future.result()
    except (ProcessExpired, BrokenProcessPool) as error:
        if isinstance(error, ProcessExpired) and error.exitcode == -signal.SIGALRM:
            return f"took longer than sweep.timeout_s={timeout_s:g}"
        code = f" (exit code {error.exitcode})" if isinstance(error, ProcessExpired) else ""
        return f"its worker process died{code}{LACKING if code and -error.exitcode in OF_MEMORY else ''}"
    except Exception as error:
        return f"{type(error).__name__}: {first_line(error)}"
    return ""
