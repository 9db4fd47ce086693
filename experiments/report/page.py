"""One self-contained HTML page: everything about a study, for a browser without a network, a phone or a printer."""

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments.analysis.format import number
from experiments.report import gates, group_sequential, interventions, introduction, search, tables
from experiments.report.across import Across
from experiments.report.findings import TaskFindings
from experiments.report.method import facts, method, settings
from experiments.report.notes import notes
from experiments.report.reproduction import commands
from experiments.report.results import Results
from experiments.report.runs import MOST_LINKS, Ui
from experiments.report.search import SearchResults
from experiments.report.study import Study
from experiments.report.summary import FEW_TASKS, across_tasks, answer, summary, task_summary
from experiments.report.task_results import TaskResults
from experiments.report.terminal import legend
from experiments.report.tuning import headline

HERE = Path(__file__).parent
DRAWING = {"svg.hashsalt": "gatelab", "axes.titlesize": 10}  # the same figure is the same file
METADATA = {"Date": None}


@dataclass(frozen=True)
class Picture:
    """A drawn figure.

    Attributes:
        name: Its file name, without the ending.
        title: What it shows.
        svg: The drawing.
    """

    name: str
    title: str
    svg: bytes

    @property
    def data(self) -> str:
        """As the data of an address."""
        return base64.b64encode(self.svg).decode()


def draw(name: str, figure: Figure, folder: Path) -> Picture:
    """Write a figure as SVG and PNG into a folder."""
    drawn = svg(figure)
    _save(figure, folder / f"{name}.png", dpi=130)
    (folder / f"{name}.svg").write_bytes(drawn)
    return Picture(name, figure.get_suptitle(), drawn)


def svg(figure: Figure) -> bytes:
    """A figure as SVG."""
    drawn = io.BytesIO()
    _save(figure, drawn, format="svg", metadata=METADATA)
    return drawn.getvalue()


def _save(figure: Figure, target: Any, **options: Any) -> None:
    with rc_context(DRAWING), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # of names in a script that the font does not have
        figure.savefig(target, **options)


def page(results: Results, pictures: dict[str, Picture], runs: Ui | None = None) -> str:
    """The page as text, with links to the runs if they are in a store."""
    study, across = results.study, results.across
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        study=study,
        style=(HERE / "page.css").read_text(),
        facts=facts(study),
        answer=_answer(results),
        compared={"Tasks": introduction.tasks(study), "Variants": introduction.variants(study)},
        overview=tables.overview(study, results.findings),
        legend=legend(study, results.findings),
        forest=pictures["forest"],
        notes=notes(study),
        left_out=tables.left_out(study),
        across=across and _across(study, across, pictures),
        tasks=[_task(study, finding, pictures, runs) for finding in results.findings],
        searches=[_search(study.search or study, result, pictures) for result in results.searches],
        method=method(study),
        settings=settings(study),
        commands=commands(study),
    )


def _answer(results: Results) -> list[str]:
    """What fits on a first screen: of many tasks what holds for all."""
    study, findings = results.study, results.findings
    first = [*group_sequential.headline(study), *headline(study)]
    rest = answer(study, findings) if len(findings) <= FEW_TASKS else across_tasks(study, results.across)
    return [*first, *summary(study, findings), *rest]


def _across(study: Study, across: Across, pictures: dict[str, Picture]) -> dict[str, Any]:
    return {
        "words": across_tasks(study, across),
        "table": tables.across(across),
        "images": [pictures[name] for name in ("ranks", "scaled") if name in pictures],
    }


def _search(study: Study, result: SearchResults, pictures: dict[str, Picture]) -> dict[str, Any]:
    names = [f"{result.task.file}-{kind}" for kind in ("budget", "importance", "marginals", "interaction")]
    return {
        "words": search.sentences(result),
        "tables": search.search_tables(study, result),
        "images": [picture for name, picture in pictures.items() if name.startswith(tuple(names))],
    }


def _task(study: Study, finding: TaskFindings, pictures: dict[str, Picture], runs: Ui | None) -> dict[str, Any]:
    task = finding.results
    solved = "" if task.solved is None else f" {number(task.solved)} counts as solved."
    names = [f"{task.file}-{kind}" for kind in ("curves", "scores", "costs")]
    failures = tables.without_score(task)
    return {
        "name": task.task,
        "words": task_summary(study, finding),
        "score": f"{task.score.name[:1].upper()}{task.score.name[1:]}, {task.score.better} is better",
        "baseline": f"Trivial baseline ({task.baseline_title}): {task.baseline_text}.{solved}",
        "table": tables.details(study, finding),
        "images": [pictures[name] for name in names if name in pictures],
        "gates": gates.table(task),
        "gate_images": [picture for name, picture in pictures.items() if name.startswith(f"{task.file}-gates-")],
        "interventions": interventions.table(interventions.losses(task, study.interventions)),
        "intervention_image": pictures.get(f"{task.file}-interventions"),
        "runs": _runs(runs, task) if runs and task.task_name in runs.experiments else None,
        "published": tables.published(task) if task.references else None,
        "failures": failures if failures.rows else None,
    }


def _runs(runs: Ui, task: TaskResults) -> dict[str, Any]:
    return {"hint": runs.hint, "charts": runs.charts[task.task_name], "rows": runs.runs(task), "most": MOST_LINKS}
