"""The phases of a search, with a function in place of training."""

import math
import re
from dataclasses import replace

import pytest
from optuna.distributions import FloatDistribution

from experiments.config.schema import Halving, Sampler, Search
from experiments.errors import UserError
from experiments.search.definition import Cell, Definition, begin
from experiments.search.phases import Tuning, confirmation
from experiments.search.samplers import draws

KEYS = {key: key for key in ("variant", "x", "seed", "task.length")}
SPACE = {"x": FloatDistribution(-1, 1)}
HALVING = Halving(rungs=[1, 3])


def define(grid=None, **settings):
    grid = {"variant": ("standard", "swapped")} if grid is None else grid
    return Definition(Search(**settings), KEYS, {"task.length": "task.length=9"}, grid, SPACE, base={"words": ["a=1"]})


CELLS = [Cell((("variant", name),), "adding", name, f"adding/{name}", 9, "lower") for name in ("standard", "swapped")]


class Trainer:
    """Scores that are best at x = 0.5 for `standard` and at -0.5 for others; a short training adds noise."""

    def __init__(self, scores=None):
        self.batches, self.scores = [], scores or {}

    def __call__(self, batch):
        self.batches.append(batch)
        return [self.score(dict(word.split("=", 1) for word in words)) for words in batch.trials]

    def score(self, words):
        best = 0.5 if words["variant"] == "standard" else -0.5
        value = abs(float(words["x"]) - best) + 0.001 * int(words["seed"])
        return self.scores.get(words["variant"], lambda x: x)(value)


def tune(trainer, definition, batch=4):
    return Tuning(definition, CELLS, batch, trainer).run()


def test_every_variant_gets_the_same_draws_and_its_own_best_one():
    trainer = Trainer()
    standard, swapped = tune(trainer, define(trials=20))
    (batch,) = trainer.batches
    drawn = [draw["x"] for draw in draws(Sampler.random, SPACE, 0, 20)]
    assert [dict(word.split("=", 1) for word in trial)["x"] for trial in batch.trials] == [
        x for x in drawn for _ in "ab"
    ]
    assert standard.draw["x"] == min(drawn, key=lambda x: abs(float(x) - 0.5))
    assert swapped.draw["x"] == min(drawn, key=lambda x: abs(float(x) + 0.5))
    assert batch.trials[0] == (
        "variant=standard",
        f"x={drawn[0]}",
        "task.length=9",
        "seed=0",
        "sweep.drawn=[x]",
        "sweep.phase=search",
    )


def test_halving_trains_thirds_and_promotes_within_a_variant():
    """All scores of `swapped` are worse, and it still keeps its own third."""
    trainer = Trainer({"swapped": lambda score: score + 100})
    standard, swapped = tune(trainer, define(trials=9, halving=HALVING))
    assert [(batch.title, len(batch.trials)) for batch in trainer.batches] == [
        ("search rung 1 of 3", 18),
        ("search rung 2 of 3", 6),
        ("search rung 3 of 3", 2),
    ]
    stages = [{word for trial in batch.trials for word in trial if "pause" in word} for batch in trainer.batches]
    assert stages == [{"sweep.pause_after=1"}, {"sweep.pause_after=3"}, set()]
    assert swapped.score > 100 > standard.score


def test_a_bracket_begins_at_a_later_rung():
    trainer = Trainer()
    tune(trainer, define(trials=30, halving=Halving(rungs=[1, 3, 9], brackets=3)))
    counts = [len(batch.trials) // 2 for batch in trainer.batches]
    assert counts[0] < 30 and len(counts) == 3
    first, late = ({trial[1] for trial in trainer.batches[k].trials} for k in (0, 2))
    assert late - first, "some draws are trained to their end from the start"


@pytest.mark.parametrize("sampler", [Sampler.tpe, Sampler.random])
def test_the_same_answers_give_the_same_questions(sampler):
    definition = define(trials=24, sampler=sampler, halving=HALVING)
    once, again = Trainer(), Trainer()
    assert tune(once, definition) == tune(again, definition)
    assert once.batches == again.batches


def test_a_sampler_that_learns_searches_for_each_variant_by_itself():
    trainer = Trainer()
    tune(trainer, define(trials=22, sampler=Sampler.tpe))
    assert [len(batch.trials) for batch in trainer.batches] == [8] * 5 + [4], "equal budgets, in batches"
    last = [dict(word.split("=", 1) for word in trial) for batch in trainer.batches[-3:] for trial in batch.trials]
    means = {v: sum(float(w["x"]) for w in last if w["variant"] == v) / 10 for v in ("standard", "swapped")}
    assert means["standard"] > 0.2 and means["swapped"] < -0.2


def test_a_variant_of_which_every_draw_diverged_is_left_out():
    trainer = Trainer({"swapped": lambda score: math.nan})
    definition = define(trials=6, halving=HALVING, confirm=2)
    standard, swapped = tune(trainer, definition)
    assert swapped.draw is None and "none of its 6 draws has a score" in str(swapped)
    assert [trial[0] for trial in confirmation(definition, [standard, swapped]).trials] == ["variant=standard"] * 2


def test_scores_are_means_over_seeds_and_confirmation_has_other_seeds():
    definition = define({"variant": ("standard", "swapped"), "seed": ("0", "4")}, trials=3, confirm=3)
    trainer = Trainer({"standard": lambda score: score if score > 0.002 else None})
    standard, _ = tune(trainer, definition)
    assert standard.score == pytest.approx(abs(float(standard.draw["x"]) - 0.5) + 0.002)
    batch = confirmation(definition, [standard])
    assert [word for trial in batch.trials for word in trial if word.startswith("seed=")] == [
        "seed=5",
        "seed=6",
        "seed=7",
    ]
    assert all("sweep.phase=confirm" in trial and f"x={standard.draw['x']}" in trial for trial in batch.trials)


def test_a_study_that_was_begun_with_another_search_is_refused(tmp_path):
    file = tmp_path / "s/search.json"
    assert begin(file, define(trials=4), batch=2, is_new=True) == 2
    assert begin(file, define(trials=8, confirm=3), batch=5, is_new=False) == 2, "as when it was begun"
    for other, message in (
        (define(trials=8, confirm=3, seed=1), "search.seed: 0 then, 1 now"),
        (define(trials=4, confirm=3), "search.trials: 8 then, 4 now"),
        (define(trials=8, confirm=3, halving=HALVING), 'search.halving: {"rungs": []'),
        (replace(define(trials=8, confirm=3), base={"words": ["a=2"]}), 'words: ["a=1"] then, ["a=2"] now'),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            begin(file, other, batch=2, is_new=False)
    with pytest.raises(UserError, match="study=t: has trials of a sweep that was no such search"):
        begin(tmp_path / "t/search.json", define(), batch=2, is_new=False)
    assert not (tmp_path / "t").exists()
