"""`python -m experiments.report study=quickstart`: what a study found, from the store alone."""

import json
import math
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Column, Table

from experiments.analysis import Spread, spread
from experiments.arguments import STORE, options
from experiments.errors import UserError, reported
from experiments.tracking import Store, Trial, charts_link

MOST_COLUMNS = 4
SERVER = "http://127.0.0.1:5000"


def newest(trials: Iterable[Trial]) -> list[Trial]:
    """One run per trial: the newest finished one, else the newest. `trials` come newest first.

    Sorted by task, variant, settings and seed, as workers begin them in no certain order.
    """
    kept: dict[str, Trial] = {}
    for trial in map(_described, trials):
        key = trial.tags.get("trial_key", trial.run_id)
        if key not in kept or (trial.status == "FINISHED" != kept[key].status):
            kept[key] = trial
    return sorted(kept.values(), key=_place)


def _described(trial: Trial) -> Trial:
    """With parameters from its name, if its process died before it had said more."""
    if trial.params:
        return trial
    task, variant, seed = trial.name.split("/")
    return replace(trial, params={"task": task, "variant": variant, "seed": seed.removeprefix("s")})


def _place(trial: Trial) -> tuple[Any, ...]:
    variant = trial.params["variant"]
    return trial.params["task"], variant != "standard", variant, trial.params.get("settings", ""), trial.params["seed"]


def labels(trials: Sequence[Trial]) -> dict[str, str]:
    """The row of each run: its variant, and the settings that not all runs have in common."""
    each = {trial.run_id: shlex.split(trial.params.get("settings", "")) for trial in trials}
    common = set.intersection(*(set(words) for words in each.values())) if each else set()
    return {
        trial.run_id: " ".join([trial.params["variant"], *(w for w in each[trial.run_id] if w not in common)])
        for trial in trials
    }


def table(trials: Sequence[Trial]) -> Table:
    """Variants by tasks: mean and standard deviation of the test score over seeds, and the trivial baseline.

    More than four tasks are a row each, as there is no room for as many columns.
    """
    names = labels(trials)
    rows = list(dict.fromkeys(names.values()))
    columns = [_Column(trials, names, rows, task) for task in dict.fromkeys(t.params["task"] for t in trials)]
    if len(columns) > MOST_COLUMNS:
        made = Table("task", "score", *(Column(row, justify="right") for row in rows), "trivial baseline")
        for each in columns:
            made.add_row(each.task, each.score, *each.cells, each.baseline)
        return made
    made = Table("variant", *(Column(f"{each.task}\n{each.score}", justify="right") for each in columns))
    for number, row in enumerate(rows):
        made.add_row(row, *(each.cells[number] for each in columns))
    made.add_section()
    made.add_row("trivial baseline", *(each.baseline for each in columns))
    return made


class _Column:
    """What a study found on one task."""

    def __init__(self, trials: Sequence[Trial], names: dict[str, str], rows: Sequence[str], task: str) -> None:
        of_task = [trial for trial in trials if trial.params["task"] == task]
        tags = of_task[0].tags
        unit = f", {tags['score_unit']}" if tags["score_unit"] else ""
        groups = {row: [t for t in of_task if names[t.run_id] == row] for row in rows}
        spreads = {row: spread(np.array([t.score for t in group])) for row, group in groups.items()}
        best = _best(spreads, tags["score_better"])
        self.task = task
        self.score = f"{tags['score_title']}{unit}\n({tags['score_better']} is better)"
        self.cells = [_cell(groups[row], spreads[row], row == best) for row in rows]
        self.baseline = f"{float(tags['baseline']):.4g}  "


def headline(study: str, trials: Sequence[Trial]) -> str:
    """Say what the table of a study shows."""
    several = len({trial.params["seed"] for trial in trials}) > 1
    return f"{study}: test score{', mean ± standard deviation over seeds' if several else ''}"


def caption(trials: Sequence[Trial]) -> str:
    """Explain the star of the table, and warn of few seeds."""
    seeds = len({trial.params["seed"] for trial in trials})
    if len({trial.params["variant"] for trial in trials}) == 1:
        return ""
    caution = ", too few to call a difference real" if seeds < 5 else ""
    return f"* best mean of the task; {seeds} seed{'s' if seeds > 1 else ''}{caution}"


def references(trials: Sequence[Trial]) -> str:
    """The published scores that the tasks of a study name, a line each; "" if there are none."""
    of_task = {trial.params["task"]: json.loads(trial.tags.get("references", "[]")) for trial in trials}
    rows = [(name, each) for name, references in of_task.items() for each in references]
    width = max((len(name) for name, _ in rows), default=0)
    lines = [
        f"  {name:<{width}}  {each['metric']} {each['score']:<8} {each['model']} ({each['source']})"
        for name, each in rows
    ]
    return "\n".join(["Published scores, by models of other sizes:", *lines]) if lines else ""


def _best(spreads: dict[str, Spread], better: str) -> str | None:
    means = {row: each.mean for row, each in spreads.items() if not math.isnan(each.mean)}
    choose = min if better == "lower" else max
    return choose(means, key=lambda row: means[row]) if len(means) > 1 else None


def _cell(group: Sequence[Trial], found: Spread, best: bool) -> str:
    if not group:
        return "-"
    lines = []
    if found.count:
        deviation = "" if math.isnan(found.deviation) else f" ± {found.deviation:.2g}"
        lines.append(f"{found.mean:.4g}{deviation} {'*' if best else ' '}")
    counts = {
        "diverged": sum(trial.tags.get("diverged") == "true" for trial in group),
        "failed": sum(trial.status == "FAILED" for trial in group),
        "killed": sum(trial.status == "KILLED" for trial in group),
        "running": sum(trial.status == "RUNNING" for trial in group),
    }
    lines += [f"{count} of {len(group)} {what}" for what, count in counts.items() if count]
    return "\n".join(lines)


def show(store: Store, study: str, keys: set[str] | None = None) -> None:
    """Print the table of a study, or of some of its trials, and where to look further."""
    trials = newest(trial for trial in store.trials(study) if keys is None or trial.tags.get("trial_key") in keys)
    if not trials:
        raise unknown(store, study)
    console = Console(width=None if sys.stdout.isatty() else 120)
    for part in (headline(study, trials), table(trials), caption(trials), references(trials)):
        if part:
            console.print(part, highlight=False)
    print_links(store, study, list(dict.fromkeys(trial.params["task"] for trial in trials)))


def unknown(store: Store, study: str) -> UserError:
    """The error of naming a study that the store does not have."""
    known = ", ".join(store.studies()) or "none"
    return UserError(f"study={study}: the store {store.uri} has no trials of it. Studies: {known}")


def print_links(store: Store, study: str, task_names: Sequence[str]) -> None:
    """Say how to open the MLflow UI and where the runs are in it."""
    if not store.local:
        server, hint = store.uri.rstrip("/"), ""
    else:
        default = store.uri.endswith("/outputs/mlflow.db")
        server, hint = SERVER, "make ui" if default else f"make ui STORE={store.uri}"
    print(f"Curves and runs in the MLflow UI: {f'`{hint}`, then' if hint else ''}")
    width = max(map(len, task_names))
    for name in task_names:
        print(f"  {name:<{width}}  {charts_link(store.experiment(f'{study}/{name}'), server)}")


def main(arguments: Sequence[str]) -> None:
    """Print the table of the study named on the command line."""
    use = "use study=NAME, and where needed output_dir=FOLDER or tracking.uri=URI"
    given = options(arguments, {"study": None, **STORE}, use)
    if given["study"] is None:
        raise UserError("which study? For example: python -m experiments.report study=quickstart")
    show(Store(given["tracking.uri"], given["output_dir"]), given["study"])


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
