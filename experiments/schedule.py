"""Which trial a worker does next."""

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field


@dataclass
class Waiting:
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
        chosen = (known or new or _of_the_most(ready, self.models))[0]
        del self.since[chosen]
        return chosen

    def __len__(self) -> int:
        return len(self.since)


def _of_the_most(trials: list[int], models: Mapping[int, Hashable]) -> list[int]:
    most = Counter(models[trial] for trial in trials).most_common(1)[0][0]
    return [trial for trial in trials if models[trial] == most]
