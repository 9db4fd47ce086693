"""Which runs of a store can be read as trials."""

import json
import math

from experiments.tracking import StoredRun
from experiments.tracking.lookup import unreadable
from experiments.tracking.metadata import Param, Tag

NEEDED = (Tag.TRIAL_KEY, Tag.SCORE_METRIC, Tag.SCORE_TITLE, Tag.SCORE_BETTER, Tag.BASELINE)  # else no score is read


def problem(trial: StoredRun) -> str:
    """Why a run cannot be read as a trial of gatelab; "" if it can."""
    tags = trial.tags
    if tags.get(Tag.KIND, "trial") != "trial":
        return f"its tag {Tag.KIND} is {tags[Tag.KIND]}, not trial"
    lacking = [str(tag) for tag in NEEDED if tag not in tags]
    if lacking:
        return f"not written by gatelab, or changed since: it has no tag {', '.join(lacking)}"
    if tags[Tag.SCORE_BETTER] not in ("lower", "higher"):
        return f"its tag {Tag.SCORE_BETTER} is {tags[Tag.SCORE_BETTER]}, neither lower nor higher"
    if not _are_scores(tags.get(Tag.REFERENCES, "[]")):
        return f"its tag {Tag.REFERENCES} cannot be read"
    texts = {Tag.BASELINE: tags[Tag.BASELINE], Tag.SCORE_SOLVED: tags.get(Tag.SCORE_SOLVED) or "0"}
    wrong = [f"tag {tag} is {text}" for tag, text in texts.items() if not is_number(text)]
    sizes = {param: trial.params.get(param, "0") for param in (Param.UNITS, Param.PARAMETERS)}
    wrong += [f"parameter {param} is {text}" for param, text in sizes.items() if not is_number(text, finite=True)]
    return f"its {wrong[0]}, no number" if wrong else unreadable(trial)


def _are_scores(text: str) -> bool:
    try:
        scores = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(scores, list) and all(isinstance(score, dict) for score in scores)


def is_number(text: str, finite: bool = False) -> bool:
    """Whether a recorded text is a number."""
    try:
        return math.isfinite(float(text)) or not finite
    except ValueError:
        return False
