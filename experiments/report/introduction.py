"""What a study compares, in words for a reader who did not make it: what tasks ask, and what variants change."""

from collections.abc import Mapping

from experiments.report.study import Study
from experiments.tracking.metadata import NULL, Tag, fields, task_title

VARIANT = "variant."


def tasks(study: Study) -> list[tuple[str, str]]:
    """Each task, with what it asks and how that is scored."""
    texts = []
    for task in study.tasks:
        titles = {task_title(trial.tags.get(Tag.NOTE, "")) for trial in task.trials.values()} - {""}
        asked = f"{'; or '.join(sorted(titles))}. " if titles else ""
        score = f"{task.score.name[:1].upper()}{task.score.name[1:]}, {task.score.better} is better."
        texts.append((task.task, f"{asked[:1].upper()}{asked[1:]}{score}"))
    return texts


def variants(study: Study) -> list[tuple[str, str]]:
    """Each row, with what differs in its variant from that with which it is compared."""
    switches: dict[str, Mapping[str, str]] = {}
    for place, trial in study.runs.placed.items():
        switches.setdefault(place.row, _switches(fields(trial.params)))
    return [(row, _role(study, row) or _change(switches, row, study.compared[row])) for row in study.rows]


def _role(study: Study, row: str) -> str:
    """What a row is that is compared with no other; "" if it is compared with one."""
    if row in study.compared:
        return ""
    return "What others are compared with." if row in study.compared.values() else "Compared with no other."


def _switches(values: Mapping[str, str]) -> dict[str, str]:
    """The fields of a variant that are set, without their prefix."""
    return {
        name.removeprefix(VARIANT): value
        for name, value in values.items()
        if name.startswith(VARIANT) and value != NULL
    }


def _change(switches: Mapping[str, Mapping[str, str]], row: str, other: str) -> str:
    here, there = switches[row], switches.get(other, {})
    changed = [name for name in here | there if here.get(name) != there.get(name)]
    parts = [f"{name}={_value(here.get(name))} instead of {_value(there.get(name))}" for name in changed]
    return f"As {other}, with {'; '.join(parts)}." if parts else f"The variant of {other}, with other settings."


def _value(text: str | None) -> str:
    return "its default" if text is None else text
