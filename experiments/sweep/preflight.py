"""Everything about a sweep that can be checked or looked up before its first trial."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import psutil

from experiments import tasks
from experiments.config.labels import told_apart
from experiments.config.schema import Config, Match
from experiments.errors import UserError
from experiments.sweep import plan
from experiments.sweep.reuse import reuse
from experiments.sweep.run_trial import RUNNING, Outcome, stored_outcome
from experiments.sweep.worker import LayerCheck
from experiments.tasks import Task
from experiments.tracking import Store, description, first_view
from experiments.tracking.database import check_writable
from experiments.tracking.metadata import Tag
from experiments.trial.spec import TrialSpec

UNRECORDED = ("sweep.notify=",)  # words that no plan and no run has: an address may be a secret
DESCRIBED = 5  # settings of tasks of which a sweep says what was read

CheckLayers = Callable[[Sequence[Config]], Sequence[LayerCheck]]


@dataclass(frozen=True)
class Sweep:
    """A sweep that has been checked.

    Attributes:
        specs: Its trials.
        store: Where they are recorded.
        experiments: The ids of the experiments of the store by name.
        stored: Outcomes that the store has already, by the number of the trial.
        descriptions: What was read from files of the user, a text for each distinct one.
        copied: Number of the trials that came from another study.
    """

    specs: list[TrialSpec]
    store: Store
    experiments: dict[str, str]
    stored: dict[int, Outcome]
    descriptions: Sequence[str] = ()
    copied: int = 0

    def describe_data(self) -> None:
        """Print what was read from files of the user, once for all trials; of many settings the first ones."""
        for text in self.descriptions[:DESCRIBED]:
            print(text)
        if len(self.descriptions) > DESCRIBED:
            print(f"(and {len(self.descriptions) - DESCRIBED} more settings of the task)")

    def describe_experiments(self) -> None:
        """Say in the store what its experiments ask and measure, where nothing says so yet."""
        with self.store.usable():
            for name, number in self.experiments.items():
                first_view.add(self.store.client, number)
                if self.store.client.get_experiment(number).tags.get(Tag.NOTE):
                    continue
                configs = {str(spec.config.task): spec.config for spec in self.specs if spec.experiment == name}
                prepared = [tasks.build(config.task, config.data_dir) for config in configs.values()]
                text = description.before_the_report(name.partition("/")[0], prepared)
                description.describe(self.store.client, number, text)

    def mark_stale(self) -> None:
        """Give runs whose process is gone their true end."""
        with self.store.usable():
            names = self.store.mark_stale(self.experiments.values())
        for name in names:
            print(f"{name} ended without saying so; its run is now marked KILLED")

    def fail(self, spec: TrialSpec, reason: str) -> None:
        """Give the run of a trial that failed its true end, if the trial could not do so itself."""
        runs = self.store.runs_of(self.experiments[spec.experiment], spec.key)
        if runs and runs[0].status in ("RUNNING", "KILLED"):
            self.store.fail(runs[0], reason)


def prepare(
    configs: Sequence[Config], overrides: Sequence[tuple[str, ...]], check_layers: CheckLayers, announces: bool = True
) -> Sweep:
    """Check a sweep as a whole, look up what the store has of it, and write its plan.

    Args:
        configs: The configurations of its trials.
        overrides: The words of the command line that made each of them.
        check_layers: Builds the layers of configurations, where TensorFlow is.
        announces: Whether to say which store it is.

    Raises:
        UserError: lists everything that is wrong in the configuration of any trial.
    """
    specs, descriptions = _specs(configs, overrides)
    first = configs[0]
    store = Store(first.tracking.uri, first.output_dir)
    if announces:
        store.announce(first.tracking.uri)
    check_writable(store.folder / RUNNING)
    studies = dict.fromkeys(spec.config.study for spec in specs)
    for study in studies:
        store.check_study(study, sorted({spec.config.task.name for spec in specs if spec.config.study == study}))
    experiments = {name: store.experiment(name) for name in sorted({spec.experiment for spec in specs})}
    stored = _stored(store, experiments, specs)
    with store.usable():
        copied = reuse(store, specs, stored)
    if copied:
        stored = _stored(store, experiments, specs)
    sweep = Sweep(specs, store, experiments, stored, descriptions, copied)
    sweep.mark_stale()
    sweep.describe_experiments()
    sweep.specs[:] = _checked(sweep, check_layers)
    for study in studies:
        try:
            plan.add(plan.file_of(store.folder, study), [spec for spec in specs if spec.config.study == study])
        except OSError as error:  # trials are worth more than a list of them
            print(f"no plan of study {study} is written: {error}")
    return sweep


def _specs(configs: Sequence[Config], overrides: Sequence[tuple[str, ...]]) -> tuple[list[TrialSpec], list[str]]:
    """The trials with the keys of their data, and the distinct descriptions of what was read."""
    problems, descriptions = [], {}
    if len({config.training.threads for config in configs}) > 1:
        problems.append("training.threads must be the same for all trials of a sweep")
    specs, refused = [], set()
    for config, words in zip(configs, overrides, strict=True):
        if str(config.task) in refused:
            continue
        try:
            task = tasks.build(config.task, config.data_dir)
        except UserError as error:
            refused.add(str(config.task))  # not tried again for each seed: a download may wait for its server
            problems.append(f"task={config.task.name}: {error}")
            continue
        problems += _data_problems(config, task)
        specs.append(TrialSpec.of(config, task, tuple(word for word in words if not word.startswith(UNRECORDED))))
        if task.description:
            descriptions["\n  ".join(task.description)] = None
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    settings = told_apart([spec.config for spec in specs])
    return [replace(spec, told_apart=own) for spec, own in zip(specs, settings, strict=True)], list(descriptions)


def _least_memory_gb(config: Config) -> float:
    """What one recurrent kernel of each layer and its gradient take: more than the machine has ends in its killer."""
    return 2 * 4 * config.model.units**2 * config.model.layers / 1e9


def _data_problems(config: Config, task: Task) -> list[str]:
    size, count, problems = config.training.batch_size, len(task.train), []
    least_gb, memory_gb = _least_memory_gb(config), psutil.virtual_memory().total / 1e9
    if least_gb > memory_gb:
        problems.append(
            f"model.units={config.model.units}: {config.model.layers} layers of them need more than "
            f"{least_gb:,.0f} GB, and this machine has {memory_gb:.0f} GB"
        )
    if size > count:
        problems.append(f"training.batch_size={size}: {config.task.name} has {count} training sequences")
    if config.model.bidirectional and task.per_step:
        problems.append(
            f"model.bidirectional=true: {config.task.name} asks for something at every step that later "
            "steps show; a layer that reads backwards would be told the answer"
        )
    return problems


def _stored(store: Store, experiments: dict[str, str], specs: Sequence[TrialSpec]) -> dict[int, Outcome]:
    """Trials that the store has as far as they are to be trained."""
    keys = {name: {spec.key for spec in specs if spec.experiment == name} for name in experiments}
    pauses = any(spec.config.sweep.pause_after for spec in specs)
    runs = {name: store.ended(experiment, keys[name], pauses) for name, experiment in experiments.items()}
    stored = {}
    for index, spec in enumerate(specs):
        outcomes = [stored_outcome(run, spec) for run in runs[spec.experiment].get(spec.key, [])]
        known = [outcome for outcome in outcomes if outcome is not None]
        if known and not spec.config.rerun:
            stored[index] = known[0]
    return stored


def _checked(sweep: Sweep, check_layers: CheckLayers) -> list[TrialSpec]:
    """The trials with the units of their layers, after the layers have accepted what is not in the store yet."""
    todo = [spec.config for index, spec in enumerate(sweep.specs) if index not in sweep.stored]
    distinct = {_layers(config): config for config in todo}
    checks = dict(zip(distinct, check_layers(list(distinct.values())), strict=True)) if distinct else {}
    problems = dict.fromkeys(check.problem for check in checks.values() if check.problem)
    if problems:
        raise UserError("\n".join(problems))
    return [
        spec if index in sweep.stored else replace(spec, units=checks[_layers(spec.config)].units)
        for index, spec in enumerate(sweep.specs)
    ]


def _layers(config: Config) -> str:
    """The same for trials that the layers accept or refuse alike."""
    if config.model.match is Match.units:
        return str((config.variant, config.model.units))
    return str((config.variant, config.task, config.model, config.data_dir))
