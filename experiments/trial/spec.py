"""What is known of a trial before it is trained."""

from dataclasses import dataclass, replace

from experiments.config.identity import trial_key
from experiments.config.labels import Settings, label
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
        told_apart: The fields that tell it from others of its sweep, with their values.
    """

    config: Config
    overrides: tuple[str, ...]
    key: str
    digest: str
    score: Metric
    units: int
    told_apart: Settings = ()

    @classmethod
    def of(cls, config: Config, task: Task, overrides: tuple[str, ...] = ()) -> "TrialSpec":
        """The trial of a configuration and its data, with `model.units` until they are matched."""
        key = trial_key(config, task.digest, own_digest(config))
        return cls(config, overrides, key, task.digest, task.score, config.model.units)

    @property
    def name(self) -> str:
        """How runs and messages call it: task/variant/s<seed>, such as `adding[length=101]/standard[units=8]/s0`."""
        task, variant = label(self.told_apart, "task"), label(self.told_apart, "variant", "model", "training")
        return f"{self.config.task.name}{task}/{self.config.variant.name}{variant}/s{self.config.seed}"

    @property
    def experiment(self) -> str:
        """The experiment of the store that its run belongs to: study/task."""
        return f"{self.config.study}/{self.config.task.name}"

    @property
    def model(self) -> Model:
        """The settings of its model, with nothing left to match."""
        return replace(self.config.model, units=self.units, match=Match.units)
