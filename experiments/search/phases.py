"""The phases of a search: draws, rungs, fresh seeds. Each is a batch of trials, then a look at their scores."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from experiments.config.schema import Phase, Sampler
from experiments.search import halving
from experiments.search.definition import Cell, Definition
from experiments.search.halving import Stage
from experiments.search.samplers import LEARNING, Draw, Proposals, count_of, draws

MOST_CELLS = 4  # that are named in a line


@dataclass(frozen=True)
class Batch:
    """Trials that can be trained at the same time.

    Attributes:
        title: What phase of the search this is.
        trials: The overrides of each trial.
    """

    title: str
    trials: Sequence[tuple[str, ...]]


Scores = Sequence[float | None]
Launch = Callable[[Batch], Scores]  # validation scores: NaN of a trial that diverged, None of one that has failed


@dataclass(frozen=True)
class Choice:
    """The best setting of a cell.

    Attributes:
        cell: The cell.
        draw: Its words by key; None if no draw has a score.
        score: Its validation score, the mean over seeds.
        count: How many draws there were.
    """

    cell: Cell
    draw: Draw | None
    score: float
    count: int

    def __str__(self) -> str:
        if self.draw is None:
            return f"{self.cell.name}: none of its {self.count} draws has a score; it is left out of what follows"
        setting = " ".join(f"{key}={value}" for key, value in self.draw.items())
        return f"{self.cell.name}: {setting} (validation score {self.score:.4g}, the best of {self.count} draws)"


class Tuning:
    """Finds the best setting of each cell, by its validation score.

    A trial that is in the store is not trained again: so the same command asks the same questions, hears the same
    answers, and goes on where it was interrupted.

    Args:
        definition: The search.
        cells: What settings are chosen for.
        batch: Draws of a cell that a sampler that learns is asked for at a time.
        launch: Trains what the store does not have.
    """

    def __init__(self, definition: Definition, cells: Sequence[Cell], batch: int, launch: Launch) -> None:
        self.definition = definition
        self.settings = definition.settings
        self.cells = cells
        self.batch = batch
        self.launch = launch
        self.count = count_of(self.settings.sampler, definition.space, self.settings.trials)
        self.stages = {cell: halving.stages(self.settings.halving, cell.epochs, cell.name) for cell in cells}
        self.rungs = max(map(len, self.stages.values()))
        self.brackets = halving.brackets(self.settings.halving, self.count)
        self.draws: dict[Cell, dict[int, Draw]] = {cell: {} for cell in cells}

    def run(self) -> list[Choice]:
        """The best setting of each cell among the draws that were trained to their end."""
        scores = self._first_rung()
        for rung in range(1, self.rungs):
            scores = self._next_rung(rung, scores)
        return [self._choice(cell, scores[cell]) for cell in self.cells]

    def _first_rung(self) -> dict[Cell, dict[int, float | None]]:
        """Make all draws, and train those of the first bracket to the first rung."""
        if self.settings.sampler in LEARNING:
            return self._learn()
        drawn = draws(self.settings.sampler, self.definition.space, self.settings.seed, self.count)
        distinct = [number for number in range(self.count) if drawn[number] not in drawn[:number]]
        if len(distinct) < self.count:
            print(f"search: {self.count - len(distinct)} draws repeat an earlier one and are left out", flush=True)
        for cell in self.cells:
            self.draws[cell] = {number: drawn[number] for number in distinct}
        return self._train(self._title(0), 0, {cell: self._beginners(cell, 0) for cell in self.cells})

    def _beginners(self, cell: Cell, rung: int) -> list[int]:
        return [number for number in self.draws[cell] if self.brackets[number] == rung]

    def _learn(self) -> dict[Cell, dict[int, float | None]]:
        """Ask for some draws of each cell, tell their scores, ask for more."""
        settings, space = self.settings, self.definition.space
        proposals = {cell: Proposals(settings.sampler, space, settings.seed, cell.better) for cell in self.cells}
        scores: dict[Cell, dict[int, float | None]] = {cell: {} for cell in self.cells}
        for start in range(0, self.count, self.batch):
            numbers = range(start, min(start + self.batch, self.count))
            for cell in self.cells:
                self.draws[cell] |= zip(numbers, proposals[cell].ask(len(numbers)), strict=True)
            title = f"{self._title(0)}, draws {numbers[0] + 1} to {numbers[-1] + 1} of {self.count}"
            told = self._train(title, 0, dict.fromkeys(self.cells, numbers))
            for cell in self.cells:
                proposals[cell].tell([told[cell][number] for number in numbers])
                scores[cell] |= told[cell]
        return scores

    def _next_rung(self, rung: int, scores: dict[Cell, dict[int, float | None]]) -> dict[Cell, dict[int, float | None]]:
        """Train the best of each bracket further, and begin with the bracket that starts here."""
        numbers: dict[Cell, list[int]] = {}
        for cell in self.cells:
            if rung >= len(self.stages[cell]):  # of few epochs: trained to its end
                continue
            by_bracket: dict[int, dict[int, float | None]] = defaultdict(dict)
            drawn = list(self.draws[cell].values())
            for number, score in scores[cell].items():
                if drawn.index(self.draws[cell][number]) == list(self.draws[cell]).index(number):  # no repetition
                    by_bracket[self.brackets[number]][number] = score
            keep = self.settings.halving.keep
            best = [number for group in by_bracket.values() for number in halving.promoted(group, keep, cell.better)]
            numbers[cell] = sorted([*best, *self._beginners(cell, rung)])
        return {**scores, **self._train(self._title(rung), rung, numbers)}

    def _train(self, title: str, rung: int, numbers: dict[Cell, Sequence[int]]) -> dict[Cell, dict[int, float | None]]:
        """Train some draws of each cell with all seeds to a rung. Returns the means of their validation scores."""
        words = {
            (cell, number): [self._words(cell, number, seed, rung) for seed in self.definition.seeds]
            for number in sorted({number for chosen in numbers.values() for number in chosen})
            for cell, chosen in numbers.items()
            if number in chosen
        }
        trials = list(dict.fromkeys(trial for group in words.values() for trial in group))  # draws of choices repeat
        scores = dict(zip(trials, self.launch(Batch(title, trials)), strict=True)) if trials else {}
        return {
            cell: {number: _mean([scores[trial] for trial in words[cell, number]]) for number in chosen}
            for cell, chosen in numbers.items()
        }

    def _words(self, cell: Cell, number: int, seed: str, rung: int) -> tuple[str, ...]:
        stage: Stage = self.stages[cell][rung]
        return self.definition.words(cell.values, self.draws[cell][number], seed, Phase.search, stage)

    def _title(self, rung: int) -> str:
        return f"search rung {rung + 1} of {self.rungs}" if self.settings.halving.rungs else "search"

    def _choice(self, cell: Cell, scores: dict[int, float | None]) -> Choice:
        best = halving.ranked(scores, cell.better)[:1]
        if not best:
            return Choice(cell, None, math.nan, self.count)
        score = scores[best[0]]
        assert score is not None
        return Choice(cell, self.draws[cell][best[0]], score, self.count)


def confirmation(definition: Definition, choices: Sequence[Choice]) -> Batch:
    """The best setting of each cell with seeds that the search has not used, seed by seed."""
    trials = [
        definition.words(choice.cell.values, choice.draw, seed, Phase.confirm)
        for seed in definition.fresh_seeds()
        for choice in choices
        if choice.draw is not None
    ]
    return Batch(f"confirmation with {definition.settings.confirm} fresh seeds", trials)


def announcement(definition: Definition, cells: Sequence[Cell]) -> str:
    """What the search will do, in a line or two."""
    settings = definition.settings
    count = count_of(settings.sampler, definition.space, settings.trials)
    names = ", ".join(cell.name for cell in cells[:MOST_CELLS])
    more = f" and {len(cells) - MOST_CELLS} more" if len(cells) > MOST_CELLS else ""
    own = " of its own" if settings.sampler in LEARNING else ""
    seeds = f" with {len(definition.seeds)} seeds" if len(definition.seeds) > 1 else ""
    lines = [
        f"search: {count} draws{own} ({', '.join(sorted(definition.space))}; {settings.sampler}, seed {settings.seed})"
        f"{seeds} for each of {len(cells)}: {names}{more}"
    ]
    if settings.sampler is Sampler.tpe and count <= 10:
        lines.append("search: the first 10 draws of tpe are random ones; it learns from the 11th on")
    if settings.halving.rungs:
        rungs = ", ".join(map(str, settings.halving.rungs))
        lines.append(f"search: pauses after epochs {rungs}; the best {settings.halving.keep} of each go on")
    return "\n".join(lines)


def _mean(scores: Scores) -> float | None:
    """The mean over seeds: NaN if one diverged, None if one has failed."""
    known = [score for score in scores if score is not None]
    return fmean(known) if len(known) == len(scores) else None
