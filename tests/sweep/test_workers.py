"""What is told of a worker process that dies, and that another one comes."""

import os
import signal

import pytest

from experiments.sweep.workers import Worker, failure


@pytest.mark.parametrize(
    ("name", "advice"),
    [("SIGKILL", "lack of memory: fewer sweep.workers"), ("SIGABRT", "lack of memory"), ("SIGSEGV", "")],
)
def test_a_worker_that_dies_says_of_what_and_is_replaced(name, advice):
    number = signal.Signals[name]
    process = Worker()
    try:
        died = failure(process.pool.schedule(signal.raise_signal, args=[number]), None)
        assert died.startswith(f"its worker process died (exit code {-number})")
        assert advice in died and ("memory" in died) == bool(advice)
        assert process.pool.schedule(os.getpid).result() != os.getpid()
    finally:
        process.stop()
