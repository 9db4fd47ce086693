"""What a sweep shows while it runs: a line for each trial that ended, and on a terminal where it stands."""

import math
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from experiments.sweep.run_trial import Outcome
from experiments.trial.spec import TrialSpec


class Progress:
    """Trials done, running and failed, the best so far of each task, and the time left.

    Args:
        specs: All trials of the sweep.
        outcomes: Those that have ended, which grows.
        workers: Number of worker processes.
        console: Where to print; by default standard output.
        title: What phase of the sweep this is.
    """

    def __init__(
        self,
        specs: Sequence[TrialSpec],
        outcomes: Mapping[int, Outcome],
        workers: int,
        console: Console | None = None,
        title: str = "",
    ) -> None:
        self.title = title
        self.specs = specs
        self.outcomes = outcomes
        self.workers = workers
        self.width = max([32, *(len(spec.name) for spec in specs)])
        self.running: dict[int, float] = {}
        self.started = False
        self.console = console or Console(width=None if sys.stdout.isatty() else 160, highlight=False)
        self.live = Live(get_renderable=self._panel, console=self.console, refresh_per_second=2, transient=True)
        total, stored = len(specs), len(outcomes)
        todo = (
            f"{total - stored} to train on {workers} worker{'s' if workers > 1 else ''}"
            if stored < total
            else "nothing to train"
        )
        self.say(f"{title or specs[0].config.study}: {total} trials, {stored} in the store already, {todo}")

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def say(self, text: str) -> None:
        """Print a line, above whatever is shown live."""
        self.console.print(Text(text), soft_wrap=True)

    def began(self, index: int) -> None:
        """A worker has been given a trial."""
        self.running[index] = time.monotonic()
        self.started = True

    def again(self, index: int, reason: str) -> None:
        """A trial will be tried once more."""
        del self.running[index]
        if reason:
            self.say(f"{self.specs[index].name}: {reason}; it will be tried again")

    def ended(self, index: int) -> None:
        """A trial has its outcome: say its score or what went wrong, how many are left, and how long they may take."""
        self.running.pop(index, None)
        spec, outcome = self.specs[index], self.outcomes[index]
        score = outcome.error or outcome.status
        if outcome.status == "paused":
            score = f"paused, {outcome.validation:.4g}"
        if outcome.status == "finished":
            score = f"{spec.score.name} {outcome.score:.4g}"
        left = len(self.specs) - len(self.outcomes)
        end = f"{left} left, about {duration(self.seconds_left())}" if left else "all done"
        width = len(str(len(self.specs)))
        count = f"[{len(self.outcomes):>{width}}/{len(self.specs)}]"
        self.say(f"{count} {spec.name:<{self.width}} {score:<16} {duration(outcome.seconds):>8}   {end}")

    def seconds_left(self) -> float:
        """From the mean time of the trials of the same task, or of all while there is none."""
        times: dict[str, list[float]] = {}
        for index, outcome in self.outcomes.items():
            if outcome.status != "stored":
                times.setdefault(self.specs[index].config.task.name, []).append(outcome.seconds)
        everything = [second for seconds in times.values() for second in seconds]
        if not everything:
            return math.nan
        left = [index for index in range(len(self.specs)) if index not in self.outcomes]
        means = {index: _mean(times.get(self.specs[index].config.task.name, everything)) for index in left}
        now = time.monotonic()
        done = sum(min(now - began, means[index]) for index, began in self.running.items() if index in means)
        return (sum(means.values()) - done) / self.workers

    def _panel(self) -> Group:
        ended = Counter("failed" if outcome.has_failed else "done" for outcome in self.outcomes.values())
        left = duration(self.seconds_left())
        counts = f"{ended['done']} done, {len(self.running)} running, {ended['failed']} failed"
        if not self.running and not self.started:
            counts = "the workers are starting"
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=len(self.specs), completed=len(self.outcomes), width=30)
        title = f"{self.title}: " if self.title else ""
        head.add_row(
            f"{title}{len(self.outcomes)} of {len(self.specs)} trials",
            bar,
            counts,
            f"about {left} left" if left else "",
        )
        body = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for index, began in list(self.running.items()):
            body.add_row("running", self.specs[index].name, duration(now - began))
        for task, text in best(self.specs, self.outcomes):
            body.add_row("best", task, text)
        return Group(head, body)


def best(specs: Sequence[TrialSpec], outcomes: Mapping[int, Outcome]) -> Iterable[tuple[str, str]]:
    """For each task its best score so far, with variant and seed."""
    leading: dict[str, tuple[float, int]] = {}
    for index, outcome in list(outcomes.items()):
        if outcome.score is None or math.isnan(outcome.score):
            continue
        spec = specs[index]
        sign = 1 if spec.score.better == "lower" else -1
        leading[spec.config.task.name] = min(
            leading.get(spec.config.task.name, (math.inf, index)), (sign * outcome.score, index)
        )
    for task, (_, index) in leading.items():
        spec, score = specs[index], outcomes[index].score
        yield task, f"{spec.score.name} {score:.4g}   {spec.config.variant.name}, seed {spec.config.seed}"


def shares(outcomes: Iterable[Outcome], seconds: float, workers: int) -> str:
    """Where the time of the workers went, in percent; "" if nothing was trained.

    Args:
        outcomes: Of the trials that were trained now.
        seconds: From the first process to the last outcome.
        workers: Number of workers.
    """
    parts: Counter[str] = Counter()
    for outcome in outcomes:
        parts.update({**outcome.parts, "all": outcome.seconds})
    # When a process began is told by a clock that is good to a second, so that the parts may be longer than the whole.
    total = max(seconds * workers, parts["all"] + parts["start"])
    if not total or not parts["train"]:
        return ""
    named = {
        "training": parts["train"],
        "compiling": parts["compile"],
        "recording": parts["record"],
        "building and evaluating": max(parts["all"] - parts["train"] - parts["compile"] - parts["record"], 0.0),
        "starting": parts["start"],
        "idle": total - (parts["all"] + parts["start"]),
    }
    percent = ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in named.items())
    return f"{duration(seconds)} on {workers} worker{'s' if workers > 1 else ''}: {percent}"


def duration(seconds: float) -> str:
    """Seconds as people say them; "" for NaN."""
    if math.isnan(seconds):
        return ""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
