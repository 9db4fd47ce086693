"""A trial of a sweep."""

from dataclasses import dataclass

from experiments.schema import Config


@dataclass(frozen=True)
class Job:
    """A configuration, and the overrides of the command line that made it."""

    config: Config
    overrides: tuple[str, ...]

    @property
    def name(self) -> str:
        """How runs and messages call it: task/variant/s<seed>."""
        return f"{self.config.task.name}/{self.config.variant.name}/s{self.config.seed}"
