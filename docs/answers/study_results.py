"""What templates say of one study: numbers and words that its report has, as text for a page of Markdown."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from docs.answers import markdown
from docs.answers.commands import training
from docs.answers.contrasts import Contrasts
from docs.answers.scores import Scores
from experiments.analysis.format import interval, listed, number
from experiments.errors import UserError
from experiments.report import gates, search, tables, tuning
from experiments.report.files import figures
from experiments.report.readable import is_number
from experiments.report.search import SearchResults
from experiments.tracking import StoredRun
from experiments.tracking.metadata import fields
from experiments.tracking.study_file import StudyFile

MOST_VALUES = 8  # of a setting
# The columns of a table: how the headings of the report's own table begin.
COLUMNS = {
    "median": "median",
    "mean": "mean",
    "deviation": "standard deviation",
    "seeds": ("seeds", "draws"),
    "solved": "solved",
    "improving": "still improving",
    "compared": "compared with",
    "difference": "minus ",
    "ratio": "times ",
    "improvement": "probability of improvement",
    "p": "p",
    "holm": "p (Holm)",
    "verdict": "verdict",
    "rate": "learning rate",
    "units": "units",
    "parameters": "parameters",
    "step": "step time, ms",
}
USUAL = ("median", "seeds", "solved", "compared", "difference", "holm", "verdict")
BARE = ("p", "mean", "units", "parameters")  # of which other headings have the beginning


@dataclass(frozen=True)
class StudyResults(Scores):
    """All that a template may say of a study.

    Attributes:
        source: Where learning curves are.
        show: Puts a figure of a name onto the page; gives the Markdown.
    """

    source: StudyFile
    show: Callable[[str, Callable[[], Figure]], str]

    def table(
        self, task: str, rows: Sequence[str] | Mapping[str, str] | None = None, columns: Sequence[str] = USUAL
    ) -> str:
        """The report's table of a task, some rows and columns of it. Rows may have labels: `{row: label}`."""
        wide = tables.details(self.results.study, self._task(task))
        heads = [" ".join(head.split()) for head in wide.head]
        names = list(self.rows(task) if rows is None else rows)
        for row in names:
            self._finding(task, row)
        labels = dict(rows) if isinstance(rows, Mapping) else {row: f"`{row}`" for row in names}
        places = [place for column in columns if (place := _place(heads, column)) is not None]
        cells = {line[0]: line for line in wide.rows}
        body = [[labels[row], *(cells[row][place] for place in places)] for row in names]
        return markdown.table(["variant", *(heads[place] for place in places)], body)

    def contrasts(self, row: str, pairs: Mapping[str, tuple[str, str]]) -> Contrasts:
        """A row on the first task of each pair against it on the second, by label: its `table` and `claim`."""
        for one, other in pairs.values():
            self._finding(one, row), self._finding(other, row)
        return Contrasts(row, {label: (self._task(one), self._task(other)) for label, (one, other) in pairs.items()})

    def overview(self) -> str:
        """Rows by tasks: medians with intervals and verdicts."""
        table = tables.overview(self.results.study, self.results.findings)
        return markdown.table(table.head, [[f"`{row[0]}`", *row[1:]] for row in table.rows])

    def figure(self, name: str, task: str | None = None) -> str:
        """A figure of the report: `forest`, `ranks`, `scaled`, or of a task `curves`, `scores`, `costs`, `budget`, ...

        Raises:
            UserError: if the report has no such figure.
        """
        full = name if task is None else f"{self._task(task).results.file}-{name}"
        plots = dict(figures(self.results, self.source))
        if full not in plots:
            raise self._error(f"there is no figure {full!r}. Figures: {', '.join(plots)}")
        return self.show("-".join([full, *(word.replace("=", "-") for word in self.options)]), plots[full])

    def gates(self, task: str, row: str, quantity: str, layer: str | None = None) -> str:
        """Mean over seeds, with interval, of what a gate did at the last look: `forget_gate/mean`, `time_scale`, ..."""
        results = self._task(task).results
        self._finding(task, row)
        layers = gates.layers(results)
        if quantity not in gates.COLUMNS or not layers:
            raise self._error(f"gates {quantity!r}: must be one of {', '.join(gates.COLUMNS)}, recorded by the trials")
        if layer not in (*layers, None) or (layer is None and len(layers) > 1):
            raise self._error(f"gates: layer {layer!r} must be one of {', '.join(layers)}")
        metric = f"{gates.PREFIX}{layer or layers[0]}/{quantity}"
        mean = gates.estimate(results, results.rows.index(row), metric, quantity)
        if not mean.count:
            raise self._error(f"no trial of {row} on {task} has {metric}")
        return interval(mean)

    def metric(self, task: str, row: str, metric: str) -> str:
        """Mean over seeds, with interval, of the last value of any recorded metric, such as `test/mae`."""
        results = self._task(task).results
        self._finding(task, row)
        mean = gates.estimate(results, results.rows.index(row), metric, metric)
        if not mean.count:
            raise self._error(f"no trial of {row} on {task} has the metric {metric!r}")
        return interval(mean)

    def setting(self, name: str, task: str | None = None, row: str | None = None) -> str:
        """The value of a setting, such as `model.units`, in all trials that are compared, or those of a task or row."""
        values = {fields(run.params).get(name, run.params.get(name)) for run in self._runs(task, row)}
        if None in values:
            raise self._error(f"setting {name!r}: not every trial has it")
        if len(values) > MOST_VALUES:
            raise self._error(f"setting {name!r} has {len(values)} values; name a task and a row")
        return listed([_plain(value) for value in sorted(map(str, values), key=_order)])

    def chosen(self, task: str, row: str) -> str:
        """The settings that the search chose for a row."""
        (tuned,) = [tuned for tuned in self._search(task).tunings if tuned.row == row] or [None]
        if tuned is None or not tuned.setting:
            raise self._error(f"the search chose no setting for {row} on {task}")
        return tuning.short(tuned.setting)

    def draws(self, task: str, row: str) -> str:
        """How many settings the search drew for a row."""
        counts = {tuned.row: tuned.draws for tuned in self._search(task).tunings}
        if row not in counts:
            raise self._error(f"the search of {task} has no row {row!r}. Rows: {', '.join(counts)}")
        return str(counts[row])

    def cost(self, task: str) -> str:
        """The report's sentences on a search: draws, epochs, hours, and the setting that explains most."""
        return " ".join(search.sentences(self._search(task)))

    def importance(self, task: str) -> str:
        """A table of the share of the variance of the score that each setting explains alone, by row (fANOVA)."""
        forests = self._search(task).forests
        if not forests:
            raise self._error(f"importance of {task}: {'; '.join(set(self._search(task).reasons.values()))}")
        names = list(dict.fromkeys(name for forest in forests.values() for name in forest.settings))
        body = [[f"`{row}`", *(self._share(task, row, name) for name in names)] for row in forests]
        return markdown.table(["variant", *(f"`{name}`" for name in names)], body)

    def share(self, task: str, row: str, setting: str) -> str:
        """The share of the variance that one setting explains alone for a row, such as `57 %`."""
        text = self._share(task, row, setting)
        if not text:
            raise self._error(f"the search of {task} says nothing of {setting} for {row}")
        return text

    def commands(self) -> str:
        """The commands that train the trials and make the report, as a block."""
        return markdown.code([self.train_command(), self.report_command()])

    def train_command(self) -> str:
        """The command that trains exactly these trials."""
        return training(self.results.study)

    def report_command(self) -> str:
        """The command that makes the report from the file of results."""
        return shlex.join(["python", "-m", "experiments.report", f"file={self.file}", *self.options])

    def _runs(self, task: str | None, row: str | None) -> list[StoredRun]:
        findings = self.results.findings if task is None else [self._task(task)]
        runs = [run for one in findings for (name, _), run in one.results.trials.items() if row in (None, name)]
        if not runs:
            raise self._error(f"it has no trials of {row!r}")
        return runs

    def _search(self, task: str) -> SearchResults:
        self._task(task)
        by_name = {result.task.task: result for result in self.results.searches}
        if task not in by_name:
            raise self._error(f"no settings were searched for on {task}")
        return by_name[task]

    def _share(self, task: str, row: str, setting: str) -> str:
        forest = self._search(task).forests.get(row)
        shares = {share.settings[0]: share for share in forest.importance.main} if forest else {}
        return f"{100 * shares[setting].mean:.0f} %" if setting in shares else ""


def _place(heads: Sequence[str], column: str) -> int | None:
    """The place of a column of the report; None if this table has none."""
    if column not in COLUMNS:
        raise UserError(f"columns={column}: must be some of {', '.join(COLUMNS)}")
    beginning = COLUMNS[column]
    fits = (lambda head: head == beginning) if column in BARE else (lambda head: head.startswith(beginning))
    return next((place for place, head in enumerate(heads) if place and fits(head)), None)


def _plain(value: str) -> str:
    """A recorded setting as people write it."""
    if not is_number(value, finite=True):
        return value
    return f"{float(value):,.0f}" if float(value).is_integer() else number(float(value))


def _order(value: str) -> tuple[bool, float, str]:
    is_text = not is_number(value, finite=True)
    return is_text, 0.0 if is_text else float(value), value
