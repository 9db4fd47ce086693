"""From the store to files: the report of a study."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from experiments.report import tables
from experiments.report.figures import across as over_tasks
from experiments.report.figures import gates as saturated
from experiments.report.figures import importance
from experiments.report.figures.costs import costs
from experiments.report.figures.curves import Curve, curves
from experiments.report.figures.forest import forest
from experiments.report.figures.scores import scores
from experiments.report.gates import GATES, PREFIX, gates
from experiments.report.page import Picture, draw, page
from experiments.report.results import Results
from experiments.report.study import TaskResults
from experiments.tracking import Store

MOST_CURVES = 10  # runs of each row whose learning curves are read: 15 ms each in an SQLite store of 5,000 trials
MOST_GATES = 5  # the same of gates, which have six metrics for each layer


def write_files(results: Results, store: Store, folder: Path) -> Path:
    """Write the page, the figures and the CSV files of a report.

    Args:
        results: What was found.
        store: Where the learning curves are.
        folder: For the files; those of an earlier report are overwritten.

    Returns:
        The page.
    """
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for earlier in (*folder.glob("figures/*.svg"), *folder.glob("figures/*.png")):
        earlier.unlink()
    pictures = _pictures(results, store, folder / "figures")
    tables.write(folder / "trials.csv", tables.trials(results.study))
    tables.write(folder / "comparisons.csv", tables.comparisons(results.findings))
    file = folder / "report.html"
    file.write_text(page(results, pictures), encoding="utf-8")
    return file


def _pictures(results: Results, store: Store, folder: Path) -> dict[str, Picture]:
    return {name: draw(name, make(), folder) for name, make in _figures(results, store)}


def _figures(results: Results, store: Store) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Names of figures, and what draws each, one after the other: there may be a hundred."""
    study, found = results.study, results.across
    yield "forest", partial(forest, study, results.findings)
    if found is not None:
        yield "ranks", partial(over_tasks.ranks, found)
        if found.scaled is not None:
            yield "scaled", partial(over_tasks.scaled, study, found, found.scaled)
    for each in results.findings:
        task = each.results
        histories = _histories(store, task, task.score.metric.replace("test/", "val/", 1), MOST_CURVES)
        if any(histories.values()):
            yield f"{task.task}-curves", partial(curves, study, task, histories)
        yield f"{task.task}-scores", partial(scores, study, each)
        yield f"{task.task}-costs", partial(costs, study, each)
        yield from _gates(results, store, task)
    for searched in results.searches:
        for name, figure in importance.figures(searched.task.task, searched.forests, searched.axis).items():
            yield f"{searched.task.task}-{name}", lambda figure=figure: figure


def _gates(results: Results, store: Store, task: TaskResults) -> Iterator[tuple[str, Callable[[], Figure]]]:
    found = gates(task)
    for layer in found.layers if found else ():
        names = [f"{gate}/{side}" for gate in GATES for side in saturated.SIDES]
        histories = {name: _histories(store, task, f"{PREFIX}{layer}/{name}", MOST_GATES) for name in names}
        present = {name: each for name, each in histories.items() if any(each.values())}
        if present:
            yield f"{task.task}-gates-{layer}", partial(saturated.saturation, results.study, task, layer, present)


def _histories(store: Store, task: TaskResults, metric: str, most: int) -> dict[str, list[Curve]]:
    """Values of a metric by epoch, of so many runs of each row."""
    found: dict[str, list[Curve]] = {row: [] for row in task.rows}
    for (row, _), trial in task.trials.items():
        if trial.status == "FINISHED" and metric in trial.metrics and len(found[row]) < most:
            found[row].append(store.history(trial.run_id, metric))
    return found
