"""A run in the store: one that is being recorded, and one that is read."""

import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import entities
from mlflow.entities import Dataset, Metric, Param, RunTag

from experiments.errors import first_line
from experiments.tracking import datasets, metadata
from experiments.tracking.client import STORE_ERRORS, Client, is_away
from experiments.tracking.metadata import RUNG, Tag, recorded_number, rung_tag
from experiments.tracking.process import is_alive

MOST_METRICS = 1000  # of one request
CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)  # what moves the cursor of a terminal or worse, but tab and line feed


def shown(text: str) -> str:
    """A text of a store that anyone may have written, with control characters written out."""
    return CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


@dataclass(frozen=True)
class StoredRun:
    """A run as the store holds it: parameters and tags as text, the last value of each metric."""

    run_id: str
    name: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    start_time: int = 0  # milliseconds since 1970

    @classmethod
    def of(cls, run: entities.Run) -> "StoredRun":
        """The run that MLflow has read."""
        info, data = run.info, run.data
        about = data.params, data.tags, data.metrics
        return cls.printable(info.run_id, info.run_name or "", info.status, *about, info.start_time)

    @classmethod
    def printable(
        cls,
        run_id: str,
        name: str,
        status: str,
        params: dict[str, str],
        tags: dict[str, str],
        metrics: dict[str, float],
        start_time: int | None,
    ) -> "StoredRun":
        """A run with texts that can be printed."""
        if CONTROL.search("".join([name, *params.values(), *tags.values()])):
            name = shown(name)
            params, tags = ({key: shown(text) for key, text in texts.items()} for texts in (params, tags))
        return cls(run_id, name, status, params, tags, metrics, start_time or 0)

    @property
    def score(self) -> float:
        """The test score; NaN if there is none."""
        return self.metrics.get(self.tags.get(Tag.SCORE_METRIC, ""), math.nan)

    @property
    def validation(self) -> float:
        """The validation score of the epoch that was kept; NaN if there is none."""
        return self.metrics.get(self.tags.get(Tag.CHOSEN_METRIC, ""), math.nan)

    def validation_after(self, epoch: int) -> float | None:
        """The best validation score until an epoch, of a trial that paused there; None if it did not."""
        text = self.tags.get(rung_tag(epoch))
        return None if text is None else recorded_number(text)

    @property
    def validation_so_far(self) -> float:
        """The best validation score until the last epoch after which the trial paused; NaN if it never did."""
        rungs = [name for name in self.tags if RUNG.fullmatch(name)]
        last = max(rungs, key=lambda name: int(name.rpartition("_")[2]), default="")
        return recorded_number(self.tags.get(last))

    @property
    def alive(self) -> bool:
        """Whether a process is at work on a running trial."""
        return is_alive(self.tags)


class Run:
    """A run that is being recorded.

    Args:
        client: The store.
        run_id: The run.
        logged: Last step of each metric that the store has already; earlier ones are not recorded again.
    """

    def __init__(self, client: Client, run_id: str, logged: Mapping[str, int] | None = None) -> None:
        self.client = client
        self.id = run_id
        self.logged = dict(logged or {})
        self.pending: list[Metric] = []
        self.seconds = 0.0

    def log(self, by_step: Mapping[int, Mapping[str, float]]) -> None:
        """Record metrics by step and name. What is not finite becomes NaN, since SQL stores have no infinity.

        A store that does not answer is not waited for: they are kept until the next call.
        """
        self.keep(by_step)
        try:
            self._send(self.client.hurried)
        except STORE_ERRORS as error:
            if not is_away(error):
                raise
            print(f"the store does not answer; {len(self.pending)} values are kept ({first_line(error)})", flush=True)

    def keep(self, by_step: Mapping[int, Mapping[str, float]], model_id: str | None = None) -> None:
        """Record metrics with the next call, perhaps as those of a logged model too."""
        now = int(time.time() * 1000)
        for step, metrics in by_step.items():
            for name, value in metrics.items():
                if step > self.logged.get(name, -1):
                    self.logged[name] = step
                    number = value if math.isfinite(value) else math.nan
                    self.pending.append(Metric(name, number, now, step, model_id))

    def describe(self, params: Mapping[str, Any] | None = None, tags: Mapping[str, Any] | None = None) -> None:
        """Record parameters and tags, and metrics that were kept."""
        self._send(
            self.client,
            params=[Param(str(name), str(value)) for name, value in (params or {}).items()],
            tags=[RunTag(str(name), str(value)) for name, value in (tags or {}).items()],
        )

    def add_dataset(self, dataset: Dataset) -> None:
        """Record which data it trains on; a repeated request adds nothing."""
        with self.timed():
            self.client.log_inputs(self.id, datasets.inputs([dataset]))

    def add_files(self, files: Iterable[Path]) -> None:
        """Record files as artifacts."""
        with self.timed():
            for file in files:
                self.client.log_artifact(self.id, str(file))

    def add_image(self, key: str, step: int, image: Any) -> None:
        """Record an image of Pillow; the MLflow UI shows those of a key by step, with a slider."""
        with self.timed():
            self.client.log_image(self.id, image, key=key, step=step)

    def end(self, status: str, wait: bool = True) -> None:
        """End as FINISHED, FAILED or KILLED; without waiting, for a store that does not answer, if it must be."""
        client = self.client if wait else self.client.hurried
        if self.pending:
            self._send(client)
        with self.timed():
            client.set_terminated(self.id, status)

    def pause(self, epoch: int, validation: float, train_s: float) -> None:
        """Wait for a sweep to go on with the trial after an epoch, with its best validation score until then.

        The score is a tag for each rung, so that a search can be repeated when trials have gone on.
        """
        self.keep({epoch: {metadata.Metric.TRAIN_S: train_s}})
        self.describe(tags={rung_tag(epoch): repr(float(validation)), Tag.PAUSED: epoch})
        with self.timed():
            self.client.update_run(self.id, status="SCHEDULED")

    def _send(self, client: Client, **described: Any) -> None:
        """In one request if it can be, with a sign of life. A repeated request adds nothing: times are the same."""
        with self.timed():
            while self.pending or described:
                part = self.pending[:MOST_METRICS]
                tags = [*described.pop("tags", []), RunTag(str(Tag.HEARTBEAT), str(int(time.time())))]
                client.log_batch(self.id, metrics=part, tags=tags, params=described.pop("params", []))
                del self.pending[: len(part)]

    @contextmanager
    def timed(self) -> Iterator[None]:
        """What is done meanwhile counts as the recording of the run."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
