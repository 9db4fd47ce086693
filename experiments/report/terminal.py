"""A report in the terminal: the answer in words, the table, what to know, where to look further."""

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from experiments.analysis import Verdict
from experiments.report import group_sequential, search, tuning
from experiments.report.findings import TaskFindings
from experiments.report.notes import notes
from experiments.report.results import Results
from experiments.report.runs import ui
from experiments.report.study import Study
from experiments.report.summary import across_tasks, answer, summary, task_summary
from experiments.report.tables import SO_FAR, marked_scores, verdict
from experiments.report.tuning import headline
from experiments.tracking import Store

COLUMNS = 3
MOST_NOTES = 8


def show(results: Results) -> None:
    """Print the answer in plain words, the table, and below it the figures behind it and what to know of them."""
    study, findings = results.study, results.findings
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"\n[bold]{escape(study.name)}[/bold]", highlight=False)
    _list(
        console,
        [*group_sequential.headline(study), *headline(study), *summary(study, findings), *answer(study, findings)],
    )
    console.print()
    print_tables(console, study, findings)
    console.print(legend(study, findings), highlight=False, markup=False)
    figures = [sentence for finding in findings if finding.can_conclude for sentence in task_summary(study, finding)]
    figures += [*across_tasks(study, results.across), *published(study)]
    figures += [sentence for result in results.searches for sentence in search.sentences(result)]
    remarks = notes(study)
    figures += remarks[:MOST_NOTES]
    if len(remarks) > MOST_NOTES:
        figures.append(f"{len(remarks) - MOST_NOTES} more remarks are in the report.")
    for result in results.searches:
        console.print(settings_table(result), highlight=False)
    if figures:
        console.print("\nIn figures:")
        _list(console, figures)


def _list(console: Console, sentences: list[str]) -> None:
    for sentence in sentences:
        console.print(f"- {sentence}", highlight=False, markup=False)


def legend(study: Study, findings: list[TaskFindings]) -> str:
    """What the marks in the table mean."""
    marks = f"median of the {study.replicate}s [95 % interval]; * best median of the task"
    if not study.compared:
        return marks
    verdicts = {finding.verdict(row) for finding in findings for row, _ in finding.comparisons}
    marks += f"; better, worse: than {study.opponent}, p < 0.05 after Holm"
    marks += "; equivalent: the interval of the difference lies within the margin" * (Verdict.EQUIVALENT in verdicts)
    marks += "; undecided: nothing is shown" * (Verdict.UNDECIDED in verdicts)
    marks += "; all rows share one learning rate, tuned for none of them" * all(
        task.shared_rate for task in study.tasks
    )
    early = any(verdict(finding, row).endswith(SO_FAR) for finding in findings for row, _ in finding.comparisons)
    return f"{marks};{SO_FAR}: many trials were still improving when their epochs ran out" if early else marks


def print_tables(console: Console, study: Study, findings: list[TaskFindings]) -> None:
    """Rows by tasks, three tasks side by side."""
    for start in range(0, len(findings), COLUMNS):
        console.print(_table(study, findings[start : start + COLUMNS]), highlight=False)


def _table(study: Study, findings: list[TaskFindings]) -> Table:
    tasks = [finding.results for finding in findings]
    heads = [Text(f"{task.task}\n{task.score.name}\n({task.score.better} is better)") for task in tasks]
    table = Table("\n\nvariant", *(Column(head, justify="right") for head in heads))
    *rows, baselines = zip(*(marked_scores(study, finding) for finding in findings), strict=True)
    for row, cells in zip(study.rows, rows, strict=True):
        table.add_row(Text(row), *cells)
    table.add_section()
    table.add_row("trivial baseline", *baselines)
    return table


def settings_table(result: search.SearchResults) -> Table:
    """What was chosen for each row of a task."""
    content = tuning.table(result.task, result.tunings)
    table = Table(*(Column(Text(head)) for head in content.head), title=Text(f"Settings, {result.task.task}"))
    for row in content.rows:
        table.add_row(*map(Text, row))
    return table


def published(study: Study) -> list[str]:
    """The published scores that the tasks name, a sentence each."""
    return [
        f"Published for {task.task}, by models of other sizes: "
        + "; ".join(f"{one['metric']} {one['score']} {one['model']} ({one['source']})" for one in task.references)
        for task in study.tasks
        if task.references
    ]


def print_links(store: Store, study: Study) -> None:
    """Say how to open the MLflow UI and where the runs are in it."""
    runs = ui(store, study)
    print(f"Curves and runs in the MLflow UI: {f'`{runs.command}`, then' if runs.command else ''}")
    width = max(map(len, runs.charts), default=0)
    for name, link in runs.charts.items():
        print(f"  {name:<{width}}  {link}")
