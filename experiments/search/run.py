"""A search from the command line to its report: checked as a whole, then phase by phase."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from experiments import tasks
from experiments.config.compose import compose
from experiments.config.names import study_folder
from experiments.config.schema import Config, Phase, Search
from experiments.errors import UserError
from experiments.options import problems
from experiments.search import definition as definitions
from experiments.search import halving, phases, space
from experiments.search.definition import CROSSED, Cell, Definition
from experiments.search.phases import Choice, Scores, Tuning
from experiments.search.samplers import Proposals
from experiments.sweep import plan
from experiments.sweep.workers import suitable_count

RUNTIME = ("study", "output_dir", "data_dir", "rerun", "experiment", *CROSSED)  # fields that are no setting of a search
OWN = ("sweep.pause_after", "sweep.drawn", "sweep.phase")  # which the search fills in

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
    cells = _cells(definition)
    batch = _batch(definition, config, len(cells))
    tuning = Tuning(definition, cells, batch, lambda batch: launch(batch.title, batch.trials))
    print(phases.announcement(definition, cells), flush=True)
    choices = tuning.run()
    for choice in choices:
        print(f"chosen on validation: {choice}", flush=True)
    confirmed = phases.confirmation(definition, choices)
    if confirmed.trials:
        launch(confirmed.title, confirmed.trials)
    return choices


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


def _cells(definition: Definition) -> list[Cell]:
    """The cells, each of which is composed once: so that nothing is trained if one cannot be."""
    first = Proposals(definition.settings.sampler, definition.space, definition.settings.seed).ask(1)[0]
    cells = []
    for values in definition.cells():
        config = compose(definition.words(values, first, definition.seeds[0], Phase.search))
        task = tasks.build(config.task, config.data_dir)
        if definition.settings.confirm and not task.chooses.keras:
            raise UserError(f"search.confirm: {config.task.name} has no validation score to choose settings by")
        cells.append(Cell(values, _name(config, values), config.training.epochs, task.chooses.better))
        halving.stages(definition.settings.halving, config.training.epochs, cells[-1].name)
    return cells


def _name(config: Config, values: Sequence[tuple[str, str]]) -> str:
    others = [f"{key}={value}" for key, value in values if key not in CROSSED]
    return " ".join([f"{config.task.name}/{config.variant.name}", *others])


def _batch(definition: Definition, config: DictConfig, cells: int) -> int:
    """Draws to ask for at a time, as many as when the study was begun."""
    workers = suitable_count(config, cells * len(definition.seeds) * 10**6)
    batch = definition.settings.batch or math.ceil(workers / (cells * len(definition.seeds)))
    folder = Path(config.output_dir).expanduser().resolve()
    file = study_folder(folder, config.study) / "search.json"
    return definitions.begin(file, definition, batch, is_new=not plan.file_of(folder, config.study).exists())
