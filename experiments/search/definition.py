"""What a search is: its space, what is crossed with every draw, and the words of its trials."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from experiments.config.schema import Phase, Search
from experiments.errors import UserError
from experiments.search import halving
from experiments.search.halving import Stage
from experiments.search.samplers import LEARNING, Draw, Space

CROSSED = ("variant", "task", "seed")
MAY_GROW = ("trials", "confirm")  # more of them only add
NO_DRAW = (
    "a search needs a field to draw, such as training.learning_rate='tag(log, interval(1e-4, 1e-1))', that is not in "
    "search.grid; a sweep without one is hydra/sweeper=grid, or search.until=decided"
)


@dataclass(frozen=True)
class Cell:
    """What settings are chosen for: a variant on a task, and what else is crossed with every draw but the seed.

    Attributes:
        values: Its words by key.
        task: The name of its task.
        variant: That of its variant.
        name: How lines and tables call it.
        epochs: How many epochs its trials have at most.
        better: Whether `lower` or `higher` validation scores are better.
    """

    values: tuple[tuple[str, str], ...]
    task: str
    variant: str
    name: str
    epochs: int
    better: str


@dataclass(frozen=True)
class Definition:
    """A search, as the command line has it.

    Attributes:
        settings: The fields `search.*`.
        keys: Every key of the command line, in its order, with the sign that adds it.
        fixed: The words that all trials share, by key.
        grid: The words of the values that are crossed with every draw, by key.
        space: What is drawn.
        seed: The seed of trials where none is swept.
        base: The settings that are neither drawn nor crossed, as far as they must stay the same.
    """

    settings: Search
    keys: Mapping[str, str]
    fixed: Mapping[str, str]
    grid: Mapping[str, Sequence[str]]
    space: Space
    seed: int = 0
    base: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a search that cannot be.

        Raises:
            UserError: names the argument.
        """
        known = set(self.grid) | set(self.fixed)
        for key in self.settings.grid:
            if key in self.space or key not in known:
                swept = ", ".join(self.keys) or "none"
                raise UserError(f"search.grid: {key} has no list of values to be crossed with draws. Swept: {swept}")
        if not self.space and (self.settings.until is None or self.settings.halving.rungs):
            raise UserError(NO_DRAW)
        halving.check(self.settings.halving)
        if self.settings.halving.rungs:
            if "training.epochs" in self.space:
                raise UserError("training.epochs is drawn: with search.halving all draws must have the same epochs")
            if self.settings.halving.brackets > 1 and self.settings.sampler in LEARNING:
                raise UserError(
                    f"search.halving.brackets={self.settings.halving.brackets}: search.sampler="
                    f"{self.settings.sampler} learns from scores after the same epochs. Allowed: 1; or another sampler"
                )

    @cached_property
    def seeds(self) -> tuple[str, ...]:
        """Seeds of the search, in words."""
        return tuple(self.grid.get("seed", (str(self.seed),)))

    def fresh_seeds(self) -> list[str]:
        """Seeds that the search does not use: after its own, if it draws anything."""
        first = max(map(int, self.seeds)) + 1 if self.space else int(self.seeds[0])
        return [str(seed) for seed in range(first, first + self.settings.confirm)]

    def cells(self) -> list[tuple[tuple[str, str], ...]]:
        """The values of each cell."""
        lists = {key: values for key, values in self.grid.items() if key != "seed"}
        return [tuple(zip(lists, words, strict=True)) for words in product(*lists.values())]

    def words(
        self,
        cell: Sequence[tuple[str, str]],
        draw: Draw,
        seed: str,
        phase: Phase,
        stage: Stage = None,
        registered: str = "",
    ) -> tuple[str, ...]:
        """The overrides of a trial, in the order in which the keys were given."""
        values = {**dict(cell), **draw, "seed": seed}
        named = [
            self.fixed.get(key) or f"{element}={values[key]}" for key, element in self.keys.items() if key != "seed"
        ]
        own = [f"seed={seed}", f"sweep.drawn=[{','.join(self.space)}]", f"sweep.phase={phase}"]
        own += [] if stage is None else [f"sweep.pause_after={stage}"]
        return (*named, *own, *([f"sweep.registered='{registered}'"] if registered else []))

    def recorded(self) -> dict[str, Any]:
        """What must stay the same from one command to the next, and what may grow, as JSON has it."""
        settings = asdict(self.settings)
        return json.loads(
            json.dumps(
                {
                    **{f"search.{name}": value for name, value in settings.items() if name not in ("grid", "batch")},
                    "drawn": {key: repr(self.space[key]) for key in sorted(self.space)},
                    "seeds": list(self.seeds),
                    **self.base,
                    "optuna": version("optuna"),
                },
                default=str,
            )
        )


def begin(file: Path, definition: Definition, batch: int, is_new: bool) -> int:
    """Write what a search is before its first trial, or compare it with what the study was begun with.

    Args:
        file: Where it is written.
        definition: The search.
        batch: Draws that it would ask for at a time.
        is_new: Whether the study has no trials.

    Returns:
        Draws to ask for at a time: as many as when it was begun, since draws depend on it.

    Raises:
        UserError: if the study was begun otherwise; says what differs.
    """
    now = {**definition.recorded(), "batch": batch}
    study = file.parent.name
    if not file.exists():
        if not is_new:
            raise UserError(f"study={study}: has trials of a sweep that was no such search. Choose another study")
        _write(file, now)
        return batch
    try:
        before = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"study={study}: {file} cannot be read ({error}). Choose another study") from error
    differing = [
        name for name in sorted({*before, *now} - {"batch"}) if not _agrees(name, before.get(name), now.get(name))
    ]
    if differing:
        lines = [f"\n  {name}: {_short(before.get(name))} then, {_short(now.get(name))} now" for name in differing]
        raise UserError(
            f"study={study}: was begun with another search, and results are not mixed. Choose another study, or "
            f"repeat what it was begun with:{''.join(lines)}"
        )
    batch = definition.settings.batch or before.get("batch", batch)
    _write(file, {**now, "batch": batch})
    return batch


def _agrees(name: str, before: Any, now: Any) -> bool:
    grows = name.removeprefix("search.") in MAY_GROW and isinstance(before, int) and isinstance(now, int)
    return now >= before if grows else now == before


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with partial.open("w") as opened:
        json.dump(content, opened, indent=1)
        opened.flush()
        os.fsync(opened.fileno())
    partial.replace(file)
