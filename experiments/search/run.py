"""A search from the command line to its report: checked as a whole, then phase by phase."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from experiments import tasks
from experiments.config.compose import compose
from experiments.config.names import study_folder
from experiments.config.schema import Config, Phase, Search
from experiments.errors import UserError
from experiments.options import problems
from experiments.report.group_sequential import Progress, progress
from experiments.report.power import Power, power
from experiments.report.study import read
from experiments.search import definition as definitions
from experiments.search import group_sequential, halving, phases, space
from experiments.search.definition import CROSSED, Cell, Definition
from experiments.search.phases import Batch, Choice, Scores, Tuning
from experiments.search.samplers import Proposals
from experiments.sweep import plan
from experiments.sweep.workers import suitable_count
from experiments.tracking import Store
from experiments.tracking.registration import Registration, file_of, register
from experiments.trial.spec import TrialSpec

RUNTIME = ("study", "output_dir", "data_dir", "rerun", "experiment", *CROSSED)  # fields that are no setting of a search
OWN = ("sweep.pause_after", "sweep.drawn", "sweep.phase", "sweep.registered")  # which the search fills in

Launch = Callable[[str, Sequence[tuple[str, ...]]], Scores]  # title and overrides of trials to validation scores


def run(overrides: Mapping[str, Override], config: DictConfig, launch: Launch) -> list[Choice]:
    """Search, and confirm what was chosen.

    Args:
        overrides: Those of the command line and of the study, by key.
        config: The configuration without what is swept.
        launch: Trains what the store does not have.

    Raises:
        UserError: before anything is trained, for whatever is wrong.
    """
    definition = define(overrides, config)

    def train(batch: Batch) -> Scores:
        return launch(batch.title, batch.trials) if batch.trials else []

    configs = _configs(definition)
    cells = list(configs)
    registration = group_sequential.plan(definition, configs, config.study) if definition.settings.until else None
    batch = _batch(definition, config, len(cells))
    if definition.space:
        print(phases.announcement(definition, cells), flush=True)
    if registration is not None:
        registration = register(file_of(_folder(config), config.study), registration)
        print(group_sequential.announcement(registration), flush=True)
    elif definition.settings.confirm and (shown := _power(configs, definition.settings.confirm)):
        print(f"confirmation: {shown}", flush=True)
    choices = [Choice(cell, {}, math.nan, 0) for cell in cells]
    if definition.space:
        choices = Tuning(definition, cells, batch, train).run()
        for choice in choices:
            print(f"chosen on validation: {choice}", flush=True)
    if registration is not None:
        look = partial(_progress, config, registration)
        group_sequential.until_decided(definition, registration, choices, train, look)
    elif definition.settings.confirm:
        train(phases.confirmation(definition, choices))
    return choices


def _power(configs: Mapping[Cell, Sequence[Config]], seeds: int) -> Power | None:
    """What the comparison of the best settings can show."""
    every = [replace(config, sweep=replace(config.sweep, drawn=[])) for pair in configs.values() for config in pair]
    return power([TrialSpec.of(config, tasks.build(config.task, config.data_dir)) for config in every], seeds)


def _progress(config: DictConfig, registration: Registration) -> dict[str, Progress]:
    """How the registered comparisons stand by what the store has."""
    store = Store(config.tracking.uri, config.output_dir, config.tracking.wait_s)
    return progress(read(config.study, store.uri, store.runs(config.study), registration=registration), registration)


def define(overrides: Mapping[str, Override], config: DictConfig) -> Definition:
    """The search that the words of a command line make.

    Raises:
        UserError: for what is no search.
    """
    settings = OmegaConf.to_object(config.search)
    assert isinstance(settings, Search)
    _refuse(overrides, config, settings)
    crossed = {*CROSSED, *settings.grid}
    named = {key: override for key, override in overrides.items() if not key.startswith("search.")}
    swept = {key: override for key, override in named.items() if override.is_sweep_override()}
    fixed = {key: str(override.input_line) for key, override in named.items() if key not in swept and key != "seed"}
    model = OmegaConf.to_container(config.model, enum_to_str=True)
    training = OmegaConf.to_container(config.training, enum_to_str=True)
    lasting = [
        line for key, line in fixed.items() if key not in RUNTIME and not key.startswith(("sweep.", "tracking."))
    ]
    definition = Definition(
        settings=settings,
        keys={key: override.get_key_element() for key, override in named.items()},
        fixed=fixed,
        grid={key: space.values(override) for key, override in swept.items() if key in crossed},
        space={key: space.distribution(override) for key, override in swept.items() if key not in crossed},
        seed=config.seed,
        base={"words": sorted(lasting), "model": model, "training": training},
    )
    definition.check()
    group_sequential.check(settings, [key for key in settings.grid if key not in CROSSED])
    return definition


def _refuse(overrides: Mapping[str, Override], config: DictConfig, settings: Search) -> None:
    wrong = list(problems(settings, "search."))
    wrong += [
        f"{override.input_line}: a setting of the search cannot be swept"
        for key, override in overrides.items()
        if key.startswith(("search.", "hydra.")) and override.is_sweep_override()
    ]
    wrong += [f"{key}: hydra/sweeper=search fills it in; leave it out" for key in OWN if OmegaConf.select(config, key)]
    if config.rerun:
        wrong.append("rerun=true: would train each rung anew. Choose another study to search once more")
    if wrong:
        raise UserError("\n".join(wrong))


def _configs(definition: Definition) -> dict[Cell, list[Config]]:
    """The cells, with the configurations of two seeds of each: so that nothing is trained if one cannot be made."""
    first = Proposals(definition.settings.sampler, definition.space, definition.settings.seed).ask(1)[0]
    seeds = definition.seeds[0], str(max(map(int, definition.seeds)) + 1)
    configs = {}
    for values in definition.cells():
        pair = [compose(definition.words(values, first, seed, Phase.search)) for seed in seeds]
        config = pair[0]
        task = tasks.build(config.task, config.data_dir)
        if definition.settings.confirm and not task.chooses.keras:
            raise UserError(f"search.confirm: {config.task.name} has no validation score to choose settings by")
        names = config.task.name, config.variant.name, _name(config, values)
        cell = Cell(values, *names, config.training.epochs, task.chooses.better)
        halving.stages(definition.settings.halving, config.training.epochs, cell.name)
        configs[cell] = pair
    return configs


def _folder(config: DictConfig) -> Path:
    return Path(config.output_dir).expanduser().resolve()


def _name(config: Config, values: Sequence[tuple[str, str]]) -> str:
    others = [f"{key}={value}" for key, value in values if key not in CROSSED]
    return " ".join([f"{config.task.name}/{config.variant.name}", *others])


def _batch(definition: Definition, config: DictConfig, cells: int) -> int:
    """Draws to ask for at a time, as many as when the study was begun."""
    workers = suitable_count(config, cells * len(definition.seeds) * 10**6)
    batch = definition.settings.batch or math.ceil(workers / (cells * len(definition.seeds)))
    folder = _folder(config)
    file = study_folder(folder, config.study) / "search.json"
    return definitions.begin(file, definition, batch, is_new=not plan.file_of(folder, config.study).exists())
