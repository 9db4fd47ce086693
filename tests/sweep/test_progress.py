"""What a sweep shows while it runs."""

import io
import math
from types import SimpleNamespace

import pytest
from rich.console import Console

from experiments.sweep import progress
from experiments.sweep.progress import Progress, duration, shares
from experiments.sweep.run_trial import Outcome
from tests.conftest import spec_of


@pytest.fixture
def specs(make_config):
    small = ("task.train_size=64", "task.validation_size=32", "task.test_size=32")
    trials = [("adding", 0), ("adding", 1), ("anbn", 0)]
    return [
        spec_of(make_config(f"task={task}", f"seed={seed}", *small[: 3 if task == "adding" else 1]))
        for task, seed in trials
    ]


@pytest.fixture
def clock(monkeypatch):
    time = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: time.now)
    return time


def shown(specs, outcomes, terminal=False):
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal, color_system=None)
    return Progress(specs, outcomes, 2, console), console.file


def test_a_line_for_each_trial_where_there_is_no_terminal(specs, clock):
    outcomes = {}
    shows, printed = shown(specs, outcomes)
    with shows:
        shows.began(0)
        shows.began(1)
        outcomes[0] = Outcome("finished", 0.125, seconds=61.0)
        shows.ended(0)
        shows.again(1, "its worker process died")
        outcomes[1] = Outcome("failed", error="MemoryError: no memory", seconds=2.0)
        shows.ended(1)
        outcomes[2] = Outcome("diverged", math.nan, seconds=3.0)
        shows.ended(2)
    lines = [" ".join(line.split()) for line in printed.getvalue().splitlines()]
    assert lines == [
        "default: 3 trials, 0 in the store already, 3 to train on 2 workers",
        "[1/3] adding/standard/s0 mse 0.125 1 min 1 s 2 left, about 1 min 1 s",
        "adding/standard/s1: its worker process died; it will be tried again",
        "[2/3] adding/standard/s1 MemoryError: no memory 2 s 1 left, about 16 s",
        "[3/3] anbn/standard/s0 diverged 3 s all done",
    ]


def test_on_a_terminal_it_says_what_runs_and_what_was_best(specs, clock):
    outcomes = {0: Outcome("stored", 0.5)}
    shows, printed = shown(specs, outcomes, terminal=True)
    with shows:
        shows.began(1)
        shows.began(2)
        outcomes[1] = Outcome("finished", 0.25, seconds=10.0)
        shows.ended(1)
        clock.now += 4.0
    text = printed.getvalue()
    assert "2/3" in text and "2 done, 1 running, 0 failed" in text and "about 3 s left" in text
    assert "running  anbn/standard/s0  4 s" in text
    assert "mse 0.25   standard, seed 1" in text


def test_the_time_left_counts_trials_of_the_same_task(specs, clock):
    outcomes = {0: Outcome("finished", 0.5, seconds=10.0)}
    shows, _ = shown(specs, outcomes)
    assert shows.seconds_left() == (10 + 10) / 2
    shows.began(1)
    clock.now += 6
    assert shows.seconds_left() == (10 + 10 - 6) / 2
    clock.now += 600
    assert shows.seconds_left() == (10 + 10 - 10) / 2


def test_shares_of_the_time_add_up():
    parts = {"train": 10.0, "compile": 2.0, "record": 1.0, "start": 3.0}
    outcomes = [Outcome("finished", 0.5, 15.0, parts=parts), Outcome("failed", seconds=1.0)]
    assert shares(outcomes, 10.0, 2) == (
        "10 s on 2 workers: training 50 %, compiling 10 %, recording 5 %, building and evaluating 15 %, "
        "starting 15 %, idle 5 %"
    )
    assert shares([], 10.0, 2) == ""


def test_no_share_is_negative_where_clocks_disagree():
    """The start of a process is told a little longer than the workers have run, a part than the whole, by rounding."""
    outcome = Outcome("finished", 0.5, 0.3, parts={"train": 0.1, "compile": 0.2, "record": 1e-17, "start": 1.7})
    assert shares([outcome], 1.6, 1) == (
        "2 s on 1 worker: training 5 %, compiling 10 %, recording 0 %, building and evaluating 0 %, "
        "starting 85 %, idle 0 %"
    )


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (3725, "1 h 2 min"), (math.nan, "")])
def test_durations(seconds, text):
    assert duration(seconds) == text
