"""Seeds until decided: what is registered before the first trial, and which trials each look needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version

from experiments import tasks
from experiments.analysis import Margin, parse_margin, sequential
from experiments.analysis.format import counted, listed
from experiments.config.schema import Config, Phase, Search
from experiments.errors import UserError
from experiments.report.group_sequential import Progress
from experiments.report.rows import follows_seed
from experiments.report.study import comparisons
from experiments.search.definition import Cell, Definition
from experiments.search.phases import Batch, Choice, Scores
from experiments.tracking.registration import Family, Registration

Launch = Callable[[Batch], Scores]
OF_THE_RULE = ("confirm", "until", "group", "max_seeds", "margin", "grid", "batch")  # which have their own place

Look = Callable[[], Mapping[str, Progress]]  # how the comparisons of each task stand, by what the store has


def check(settings: Search, grid: Sequence[str]) -> None:
    """Refuse seeds until decided that cannot be, and settings of them where no seeds are added.

    Raises:
        UserError: names the argument.
    """
    if settings.until is None:
        default = Search()
        for name in ("group", "max_seeds", "margin"):
            if getattr(settings, name) != getattr(default, name):
                raise UserError(f"search.{name}={getattr(settings, name)}: is for search.until=decided; add that")
        return
    if not settings.confirm:
        raise UserError("search.until=decided: needs the seeds of the first look, such as search.confirm=5")
    if settings.confirm > settings.max_seeds:
        raise UserError(f"search.confirm={settings.confirm}: must be at most search.max_seeds={settings.max_seeds}")
    if grid:
        raise UserError(f"search.grid={list(grid)}: with search.until=decided only variants and tasks are compared")
    if settings.margin is not None:
        _margin(str(settings.margin))


def _margin(text: str) -> Margin:
    try:
        return parse_margin(text)
    except UserError as error:
        raise UserError(f"search.{error}") from error


def plan(definition: Definition, configs: Mapping[Cell, Sequence[Config]], study: str) -> Registration:
    """What a study is going to compare, and by which rule.

    Args:
        definition: The search.
        configs: Of each cell the configurations of trials with two seeds.
        study: Its name.

    Raises:
        UserError: if there is nothing to compare, or so few seeds that nothing can be decided.
    """
    settings = definition.settings
    looks = sequential.looks(settings.confirm, settings.group, settings.max_seeds)
    margin = None if settings.margin is None else str(settings.margin)
    of_task = {name: [configs[cell] for cell in configs if cell.task == name] for name in (c.task for c in configs)}
    recorded = {name.removeprefix("search."): value for name, value in definition.recorded().items()}
    searched = [name for name in (*asdict(settings), "drawn") if name not in OF_THE_RULE]
    return Registration(
        study=study,
        tasks={task: _family(pairs, looks, margin) for task, pairs in of_task.items()},
        first_seed=int(definition.fresh_seeds()[0]),
        looks=looks,
        alpha=sequential.Rule(looks).alpha,
        rule=sequential.NAME,
        search={name: recorded[name] for name in searched} if definition.space else {},
        version=version("gatelab"),
    )


def _family(pairs: Sequence[Sequence[Config]], looks: tuple[int, ...], margin: str | None) -> Family:
    """The comparisons on one task."""
    first = pairs[0][0]
    name, task = first.task.name, tasks.build(first.task, first.data_dir)
    compared = comparisons({config.variant.name: config.variant.base or "" for config, _ in pairs})
    if not compared:
        raise UserError(f"search.until=decided: on {name} there is no variant to compare with another one")
    paired = follows_seed([(str(config.seed), _data_seed(config)) for config in pairs[0]])
    rule = sequential.Rule(looks, paired)
    if not rule.can_conclude(len(compared)):
        raise UserError(
            f"search.max_seeds={looks[-1]}: so few seeds cannot decide {counted(len(compared), 'comparison')} on "
            f"{name}, however large the differences. Give more"
        )
    if margin is None and first.task.margin is not None:
        margin = f"{first.task.margin:g}"
    levels = rule.levels(len(compared))
    return Family(compared, f"test/{task.score.name}", task.score.better, paired, margin, levels)


def _data_seed(config: Config) -> str | None:
    seed = getattr(config.task, "data_seed", None)
    return None if seed is None else str(seed)


def announcement(registration: Registration) -> str:
    """What is registered, in a line."""
    looks = registration.looks
    count = sum(len(family.comparisons) for family in registration.tasks.values())
    return (
        f"registered ({registration.short}): {counted(count, 'comparison')}, {looks[0]} to {looks[-1]} seeds from "
        f"{registration.first_seed} on until each is decided"
    )


def until_decided(
    definition: Definition, registration: Registration, choices: Sequence[Choice], launch: Launch, look: Look
) -> None:
    """Train seeds in groups until each comparison is decided, or there are no more seeds.

    Args:
        definition: The search.
        registration: What was registered.
        choices: The best setting of each cell.
        launch: Trains what the store does not have.
        look: How the comparisons of each task stand.
    """
    chosen = {(choice.cell.task, choice.cell.variant): choice for choice in choices if choice.draw is not None}
    needed = list(chosen)
    printed: set[tuple[str, str]] = set()
    seeds = 0
    for number, count in enumerate(registration.looks, 1):
        trials = [
            definition.words(choice.cell.values, choice.draw, str(seed), Phase.confirm, registered=registration.short)
            for seed in registration.seeds[seeds:count]
            for choice in map(chosen.__getitem__, needed)
            if choice.draw is not None
        ]
        if not trials:
            return
        launch(Batch(f"look {number} of at most {len(registration.looks)}, {count} seeds", trials))
        seen = look()
        for task, progress in seen.items():
            for row, decision in progress.decided.items():
                if (task, row) not in printed:
                    printed.add((task, row))
                    print(f"decided after {decision.seeds} seeds: {task}/{row} is {decision.verdict}", flush=True)
        late = [task for task in registration.tasks if seen[task].look < number and task in dict(needed)]
        if late:
            print(f"{listed(late)}: trials are without an end; the same command goes on", flush=True)
        going_on = {
            (task, name): None
            for task, family in registration.tasks.items()
            for pair in family.comparisons.items()
            if task not in late and pair[0] not in seen[task].decided and all((task, name) in chosen for name in pair)
            for name in pair
        }
        seeds, needed = count, [place for place in chosen if place in going_on]
    left = [f"{task}/{row}" for task, family in registration.tasks.items() for row in family.comparisons]
    left = [name for name in left if tuple(name.split("/", 1)) not in printed]
    if left:
        print(f"undecided with all {seeds} seeds: {listed(left)}", flush=True)
