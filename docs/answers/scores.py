"""The scores and comparisons of a study as text: the numbers and words that its report has."""

from dataclasses import dataclass

from experiments.analysis import Verdict
from experiments.analysis.format import chance, column, interval, number, sizes
from experiments.errors import UserError
from experiments.report import tables
from experiments.report.findings import Comparison, Finding, TaskFindings
from experiments.report.results import Results
from experiments.report.summary import answer, signed, task_summary
from experiments.report.tables import SO_FAR

CONFIRMED, CONTRADICTED = "confirmed", "contradicted"


@dataclass(frozen=True)
class Scores:
    """Scores and comparisons, with the choices of the report.

    Attributes:
        results: All that the report says.
        options: The words of the report that are not its defaults, such as `margin=5%`.
        file: The file of the results, as a command names it.
    """

    results: Results
    options: tuple[str, ...]
    file: str

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks, such as `forecast horizon=24`."""
        return [finding.results.task for finding in self.results.findings]

    def rows(self, task: str) -> list[str]:
        """The names of the rows of a task."""
        return [finding.row for finding in self._task(task).rows]

    def trials(self) -> str:
        """How many trials it has, those of a search included."""
        return f"{self.results.study.count:,}"

    def score(self, task: str) -> str:
        """What is compared, and which way is better."""
        score = self._task(task).results.score
        return f"{score.name}, {score.better} is better"

    def baseline(self, task: str) -> str:
        """The score of the trivial predictor."""
        return self._task(task).results.baseline_text

    def baseline_title(self, task: str) -> str:
        """What that predictor does."""
        return self._task(task).results.baseline_title

    def beating(self, task: str, row: str) -> str:
        """Such as `5 of 5`: trials with a better score than the trivial predictor."""
        results, trials = self._task(task).results, self._finding(task, row).median.count
        ranked, baseline = results.ranked()[results.rows.index(row)], results.baseline
        wins = ranked < baseline if results.score.better == "lower" else ranked > baseline
        return f"{int(wins.sum())} of {trials}"

    def published(self, task: str) -> str:
        """The published scores that a task names."""
        references = self._task(task).results.references
        if not references:
            raise self._error(f"task {task!r} names no published score")
        return "; ".join(f"{one['metric']} {one['score']} {one['model']} ({one['source']})" for one in references)

    def median(self, task: str, row: str) -> str:
        """Median of the test score with its interval; or that most trials diverged."""
        return column([tables.score(self._finding(task, row).median)])[0]

    def mean(self, task: str, row: str) -> str:
        """Mean of the scores of trials that did not diverge."""
        return number(self._finding(task, row).mean)

    def seeds(self, task: str, row: str) -> str:
        """How many trials the median is of."""
        return str(self._finding(task, row).median.count)

    def solved(self, task: str, row: str) -> str:
        """Such as `3 of 10`: trials that reached the score that counts as solved."""
        share = self._finding(task, row).solved
        if share is None:
            raise self._error(f"task {task!r} has no score that counts as solved")
        return share.text

    def improving(self, task: str, row: str) -> str:
        """Such as `3 of 10`: trials that were still improving when their epochs ran out."""
        return self._finding(task, row).improving.text

    def diverged(self, task: str, row: str) -> str:
        """Such as `1 of 10`."""
        results = self._task(task).results
        self._finding(task, row)
        counts = results.counts(results.rows.index(row))
        return f"{counts['diverged']} of {sum(counts.values())}"

    def parameters(self, task: str, row: str) -> str:
        """Trainable parameters of the model."""
        return sizes(self._finding(task, row).parameters)

    def reference(self, task: str, row: str) -> str:
        """What a row is compared with."""
        return self._comparison(task, row).reference

    def difference(self, task: str, row: str) -> str:
        """The shift from what it is compared with, and its interval."""
        return signed(self._comparison(task, row).test.difference)

    def ratio(self, task: str, row: str) -> str:
        """The same as a factor."""
        return interval(self._comparison(task, row).test.ratio)

    def improvement(self, task: str, row: str) -> str:
        """Probability that one of its runs is better, with interval."""
        return interval(self._comparison(task, row).test.improvement)

    def p(self, task: str, row: str) -> str:
        """Such as `p = 0.012`, after Holm's correction."""
        return chance(self._comparison(task, row).adjusted)

    def comparisons(self, task: str, row: str) -> str:
        """How many comparisons that correction is for."""
        return str(self._comparison(task, row).family)

    def margin(self, task: str, row: str) -> str:
        """The smallest difference that matters."""
        margin = self._comparison(task, row).margin
        if margin is None:
            raise self._error(f"task {task!r} has no margin; give study(..., margin=...)")
        return margin.text if margin.is_share else f"{margin.text}{self._task(task).results.score.short_unit}"

    def verdict(self, task: str, row: str) -> str:
        """Better, worse, equivalent or undecided, and `so far` if more epochs may change it."""
        self._comparison(task, row)
        return tables.verdict(self._task(task), row) or "not comparable"

    def claim(self, task: str, row: str, word: str) -> str:
        """Such as `worse than peephole`, if that is the verdict.

        Raises:
            UserError: if it is another one.
        """
        if word not in list(Verdict):
            raise self._error(f"claim {word!r}: must be one of {', '.join(Verdict)}")
        verdict, reference = self._task(task).verdict(row), self.reference(task, row)
        if verdict != word:
            raise self._error(
                f"a page claims that {row} is {word} on {task}; the report says {verdict or 'not comparable'} "
                f"(against {reference}: {self.difference(task, row)}, {self.p(task, row)})"
            )
        joint = {Verdict.EQUIVALENT: "to", Verdict.UNDECIDED: "against"}.get(verdict, "than")
        return f"{self.verdict(task, row)} {joint} {reference}"

    def finding(self, *expected: tuple[str, str, str]) -> str:
        """Whether a published finding is confirmed, contradicted or undecided.

        Args:
            expected: Task, row and the verdict that the finding expects there, or several: `better or equivalent`.

        Returns:
            Confirmed if all verdicts are as expected, contradicted if one is decided otherwise, else undecided; with
            `so far` if more epochs may change one of them.
        """
        verdicts, so_far = [], ""
        for task, row, words in expected:
            allowed = words.split(" or ")
            if wrong := [word for word in allowed if word not in list(Verdict)]:
                raise self._error(f"finding {wrong[0]!r}: must be one of {', '.join(Verdict)}")
            self._comparison(task, row)
            verdict = self._task(task).verdict(row) or Verdict.UNDECIDED
            so_far = so_far or SO_FAR * self.verdict(task, row).endswith(SO_FAR)
            is_known = verdict in allowed or verdict is Verdict.UNDECIDED
            verdicts.append(verdict if is_known and verdict not in allowed else verdict in allowed)
        if False in verdicts:
            return f"{CONTRADICTED}{so_far}"
        return f"{CONFIRMED}{so_far}" if all(verdict is True for verdict in verdicts) else str(Verdict.UNDECIDED)

    def answer(self, task: str | None = None) -> str:
        """The report's answer in words, for one task or all."""
        findings = self.results.findings if task is None else [self._task(task)]
        return " ".join(answer(self.results.study, findings))

    def numbers(self, task: str) -> str:
        """The report's sentences with effects, intervals and p-values of a task."""
        return " ".join(task_summary(self.results.study, self._task(task)))

    def _task(self, task: str) -> TaskFindings:
        by_name = {finding.results.task: finding for finding in self.results.findings}
        if task not in by_name:
            raise self._error(f"it has no task {task!r}. Tasks: {', '.join(by_name)}")
        return by_name[task]

    def _finding(self, task: str, row: str) -> Finding:
        finding = self._task(task).finding(row)
        if finding is None:
            raise self._error(f"task {task} has no row {row!r}. Rows: {', '.join(self.rows(task))}")
        return finding

    def _comparison(self, task: str, row: str) -> Comparison:
        comparison = self._finding(task, row).comparison
        if comparison is None:
            raise self._error(f"{row} is compared with nothing on {task}")
        return comparison

    def _error(self, reason: str) -> UserError:
        return UserError(f"study {self.results.study.name} ({self.file}): {reason}")
