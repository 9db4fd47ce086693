"""What is known of a trial before it is trained."""

from dataclasses import dataclass, replace

from experiments.config.identity import trial_key
from experiments.config.schema import Config, Match, Model
from experiments.tasks import Metric, Task
from experiments.trial.source_digest import own_digest


@dataclass(frozen=True)
class TrialSpec:
    """A trial: computed once, before anything is trained, and handed down to whatever trains and records it.

    Attributes:
        config: Its checked configuration.
        overrides: The words of the command line that made it.
        key: What its numbers depend on, as 16 hexadecimal digits.
        digest: SHA-256 of its data, "" for generated ones.
        score: The metric of the test part by which trials of its task are compared.
        units: Units of each recurrent layer, which `model.match` may have chosen.
    """

    config: Config
    overrides: tuple[str, ...]
    key: str
    digest: str
    score: Metric
    units: int

    @classmethod
    def of(cls, config: Config, task: Task, overrides: tuple[str, ...] = ()) -> "TrialSpec":
        """The trial of a configuration and its data, with `model.units` until they are matched."""
        key = trial_key(config, task.digest, own_digest(config))
        return cls(config, overrides, key, task.digest, task.score, config.model.units)

    @property
    def name(self) -> str:
        """How runs and messages call it: task/variant/s<seed>."""
        return f"{self.config.task.name}/{self.config.variant.name}/s{self.config.seed}"

    @property
    def experiment(self) -> str:
        """The experiment of the store that its run belongs to: study/task."""
        return f"{self.config.study}/{self.config.task.name}"

    @property
    def model(self) -> Model:
        """The settings of its model, with nothing left to match."""
        return replace(self.config.model, units=self.units, match=Match.units)
