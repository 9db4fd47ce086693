"""What training has changed in a study: each measure of a survey, trained and untrained, over the replicates."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments import analysis
from experiments.analysis import Estimate, Verdict
from experiments.analysis.format import counted

STATES = ("trained", "untrained", "inputs")
PLACE = ["task", "variant", "layer"]
WORDS = {Verdict.BETTER: "higher", Verdict.WORSE: "lower", Verdict.UNDECIDED: "undecided"}


@dataclass(frozen=True)
class Effect:
    """A measure of a layer before and after training.

    Attributes:
        task, variant, layer, measure: What it is of.
        means: Mean over the replicates and 95 % interval of the trained model, the untrained one and inputs alone; of
            count 0 where there are none.
        difference: Trained - untrained, as `analysis.compare` estimates the shift.
        p: P-value of the difference, adjusted for all measures of the layer (Holm 1979).
        word: `higher` or `lower` if p is below 0.05, else `undecided`, which is not the same as "no difference".
    """

    task: str
    variant: str
    layer: str
    measure: str
    means: dict[str, Estimate]
    difference: Estimate
    p: float
    word: str


def training_effects(frame: pd.DataFrame) -> list[Effect]:
    """Compare the trained with the untrained models of a survey.

    Replicates are pairs, since a trained model has begun as its untrained one, if there are enough for the signed ranks
    to conclude; else the two count as independent groups.

    Args:
        frame: Columns task, variant, replicate, model, layer, measure and value, as a survey writes them.
    """
    frame = frame.fillna({"layer": ""})
    inputs, layers = frame[frame.layer == ""], frame[frame.layer != ""]
    effects = []
    for place, group in layers.groupby(PLACE, sort=False):
        alone = inputs[(inputs.task == place[0]) & (inputs.variant == place[1])]
        effects += _effects(place, pd.concat([group, alone]))
    return effects


def _effects(place: tuple[str, str, str], group: pd.DataFrame) -> Iterator[Effect]:
    """The effects of a layer, whose tests are a family."""
    values = group.pivot(index="replicate", columns=["measure", "model"], values="value")
    measures = list(dict.fromkeys(group.measure))
    scores = [[_column(values, measure, model) for model in STATES] for measure in measures]
    comparisons = [
        analysis.compare(trained, untrained, "higher", resampled=True, comparisons=len(measures))
        for trained, untrained, _ in scores
    ]
    adjusted = analysis.holm([comparison.p for comparison in comparisons])
    for measure, arrays, comparison, p in zip(measures, scores, comparisons, adjusted, strict=True):
        means = dict(zip(STATES, map(analysis.mean, arrays), strict=True))
        word = WORDS[analysis.conclude(comparison, p, None)]
        yield Effect(*place, measure, means, comparison.difference, float(p), word)


def _column(values: pd.DataFrame, measure: str, model: str) -> np.ndarray:
    """Values by replicate; NaN where there is none."""
    if (measure, model) not in values:
        return np.full(len(values), np.nan)
    return values[measure, model].to_numpy("float64")


def least_replicates(comparisons: int) -> int:
    """Replicates from which on a difference among so many can be shown at all."""
    return min(analysis.runs_to_conclude(comparisons), analysis.seeds_to_conclude(comparisons))


def caution(effects: list[Effect]) -> str:
    """What the number of replicates of a layer does not allow to say; "" if it is enough."""
    count, least = max(effect.difference.count for effect in effects), least_replicates(len(effects))
    if count >= least:
        return ""
    return (
        f"{counted(count, 'seed')} can show no difference among {len(effects)} measures, whatever its size: "
        f"that takes {least}. Undecided does not mean equal"
    )
