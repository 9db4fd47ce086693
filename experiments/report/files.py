"""The files of a report: page, figures and tables."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from experiments.config.names import file_name
from experiments.report import gates, interventions, tables, tuning
from experiments.report.figures import across as over_tasks
from experiments.report.figures import gates as saturated
from experiments.report.figures import importance
from experiments.report.figures.budget import budget
from experiments.report.figures.costs import costs
from experiments.report.figures.curves import Curve, curves
from experiments.report.figures.forest import forest
from experiments.report.figures.interventions import interventions as clamped
from experiments.report.figures.scores import scores
from experiments.report.figures.style import label
from experiments.report.page import Picture, draw, page
from experiments.report.results import Results
from experiments.report.runs import ui
from experiments.report.task_results import TaskResults
from experiments.tracking import Store
from experiments.tracking.study_file import StudyFile

MOST_CURVES = 10  # runs of each row whose learning curves are read: 15 ms each in an SQLite store of 5,000 trials
LAST_EPOCH = 100_000  # a step beyond it is none of ours: any number can be written into a shared store
MOST_GATES = 5  # the same of gates, which have six metrics for each layer


def write_files(results: Results, store: Store | StudyFile, folder: Path) -> Path:
    """Write the page, the figures and the CSV files of a report.

    Args:
        results: Estimates and comparisons.
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
    runs = None if isinstance(store, StudyFile) else ui(store, results.study)
    file.write_text(page(results, pictures, runs), encoding="utf-8")
    return file


def _pictures(results: Results, store: Store | StudyFile, folder: Path) -> dict[str, Picture]:
    return {name: draw(name, plot(), folder) for name, plot in figures(results, store)}


def figures(results: Results, store: Store | StudyFile) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Names of figures, and what draws each, one after the other: there may be a hundred."""
    study, across = results.study, results.across
    rows = tuple(dict.fromkeys((*study.rows, *(study.search.rows if study.search else ()))))
    yield "forest", partial(forest, study, results.findings)
    if across is not None:
        yield "ranks", partial(over_tasks.ranks, across)
        if across.scaled is not None:
            yield "scaled", partial(over_tasks.scaled, study, across, across.scaled)
    for finding in results.findings:
        task = finding.results
        histories = _histories(store, task, task.score.metric.replace("test/", "val/", 1), MOST_CURVES)
        if any(histories.values()):
            yield f"{task.file}-curves", partial(curves, study, finding, histories)
        yield f"{task.file}-scores", partial(scores, study, finding)
        yield f"{task.file}-costs", partial(costs, study, finding)
        yield from _gates(results, store, task)
        if losses := interventions.losses(task, study.interventions):
            yield f"{task.file}-interventions", partial(clamped, study, task, losses)
    for result in results.searches:
        task = result.task
        if any(tuned.setting for tuned in result.tunings):
            yield f"{task.file}-budget", partial(budget, task.task, rows, result.tunings, tuning.better(task))
        for name, figure in importance.figures(task.task, result.forests, label(task.score)).items():
            yield f"{task.file}-{name}", lambda figure=figure: figure


def _gates(results: Results, store: Store | StudyFile, task: TaskResults) -> Iterator[tuple[str, Callable[[], Figure]]]:
    for layer in gates.layers(task):
        names = [f"{gate}/{side}" for gate in gates.GATES for side in saturated.SIDES]
        histories = {name: _histories(store, task, f"{gates.PREFIX}{layer}/{name}", MOST_GATES) for name in names}
        present = {name: by_row for name, by_row in histories.items() if any(by_row.values())}
        if present:
            yield (
                f"{task.file}-gates-{file_name(layer)}",
                partial(saturated.saturation, results.study, task, layer, present),
            )


def _histories(store: Store | StudyFile, task: TaskResults, metric: str, most: int) -> dict[str, list[Curve]]:
    """Values of a metric by epoch, of so many runs of each row."""
    histories: dict[str, list[Curve]] = {row: [] for row in task.rows}
    for (row, _), trial in task.trials.items():
        if trial.status == "FINISHED" and metric in trial.metrics and len(histories[row]) < most:
            history = store.history(trial.run_id, metric)
            histories[row].append({step: value for step, value in history.items() if step <= LAST_EPOCH})
            if max(history, default=0) > LAST_EPOCH:
                print(f"run {trial.run_id} ({trial.name}): values of {metric} after epoch {LAST_EPOCH:,} are left out")
    return histories
