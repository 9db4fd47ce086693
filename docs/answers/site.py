"""The pages of the answers, made of templates and of the results of studies."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from matplotlib.figure import Figure

from docs.answers.commands import of_experiment
from docs.answers.markdown import code
from docs.answers.measurements import Measurements
from docs.answers.prose import problems
from docs.answers.study_results import StudyResults
from experiments.analysis import parse_margin
from experiments.errors import UserError
from experiments.report.findings import parse_family
from experiments.report.page import svg
from experiments.report.results import analyse, load
from experiments.tracking.study_file import StudyFile

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"findings.md": "findings.md", "results.md": "results/README.md"}  # in the folder above that of the answers
ENDING = ".j2"
MADE = "<!-- Made by `python -m docs.answers` from {template}. Change that, not this page.{results} -->\n\n"


@dataclass
class Site:
    """Templates, results and pages.

    Attributes:
        templates: The folder of the templates.
        results: That of the files of results.
        pages: That of the pages.
        figures: What draws each figure that a page shows, by its file.
    """

    templates: Path = ROOT / "docs/answers/templates"
    results: Path = ROOT / "docs/results"
    pages: Path = ROOT / "docs/answers"
    figures: dict[Path, Callable[[], Figure]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._files: dict[str, StudyFile] = {}
        self._studies: dict[tuple[str | None, ...], StudyResults] = {}
        self._used: dict[str, str] = {}  # of the page that is being made: results and their checksums
        self.page = self.pages / "README.md"

    @cached_property
    def measurements(self) -> Measurements:
        """What surveys have measured."""
        return Measurements(self.results)

    @cached_property
    def environment(self) -> Environment:
        """Templates with the functions that they may call."""
        environment = Environment(
            loader=FileSystemLoader(self.templates),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.globals |= {
            "study": self.study,
            "has": self.has,
            "studies": self.studies,
            "command": lambda name: code([of_experiment(name)]),
            "mean": self.measurements.mean,
            "shifts": self.measurements.shifts,
            "measured": lambda name: (self.results / f"{name}.csv").exists(),
            "cited": cited,
        }
        return environment

    def render(self) -> dict[Path, str]:
        """The text of each page that has a template, by its file.

        Raises:
            UserError: names the template, and what is wrong with it: a claim that a study does not bear out, a number
                that no study gives, a study without results.
        """
        names = sorted(file.name for file in self.templates.glob(f"*.md{ENDING}"))
        return {self.place(name): self._render(name) for name in names}

    def place(self, template: str) -> Path:
        """The page of a template."""
        name = template.removesuffix(ENDING)
        return self.pages.parent / ELSEWHERE[name] if name in ELSEWHERE else self.pages / name

    def _render(self, name: str) -> str:
        self.page, self._used = self.place(name), {}
        try:
            wrong = problems(self.environment, (self.templates / name).read_text(encoding="utf-8"))
            if wrong:
                raise UserError("\n".join(wrong) + "\nLet an expression say it, such as study(...).claim(...)")
            text = self.environment.get_template(name).render()
        except (UserError, TemplateError) as error:
            line = f", line {error.lineno}" if getattr(error, "lineno", None) else ""
            raise UserError(f"{self.templates / name}{line}: {error}") from error
        used = ", ".join(f"{study} {digest}" for study, digest in sorted(self._used.items()))
        return MADE.format(template=name, results=f" Results: {used}." if used else "") + text

    def has(self, name: str) -> bool:
        """Whether there are results of a study."""
        return (self.results / f"{name}.zip").exists()

    def studies(self) -> list[str]:
        """The names of all studies of which there are results."""
        return sorted(file.stem for file in self.results.glob("*.zip"))

    def study(
        self, name: str, reference: str | None = None, margin: str | None = None, family: str = "task"
    ) -> StudyResults:
        """The results of a study, with the choices of its report."""
        key = name, reference, margin, family
        if key not in self._studies:
            self._studies[key] = self._read(*key)
        self._used[name] = hashlib.sha256((self.results / f"{name}.zip").read_bytes()).hexdigest()[:8]
        return self._studies[key]

    def _read(self, name: str, reference: str | None, margin: str | None, family: str) -> StudyResults:
        file = self.results / f"{name}.zip"
        if name not in self._files:
            if not self.has(name):
                raise UserError(
                    f"study({name!r}): there is no {file}. Make it by `python -m docs.answers results study={name}`, "
                    f"or ask has({name!r})"
                )
            self._files[name] = StudyFile.read(file)
        study = load(self._files[name], self._files[name].study, reference)
        chosen = {"reference": reference, "margin": margin, "family": None if family == "task" else family}
        options = tuple(f"{option}={value}" for option, value in chosen.items() if value is not None)
        if study.registration is not None and options:
            raise UserError(f"study({name!r}): registered what is compared; leave out {', '.join(options)}")
        results = analyse(study, None if margin is None else parse_margin(margin), parse_family(family))
        place = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        return StudyResults(results, options, str(place), self._files[name], partial(self._show, name))

    def _show(self, study: str, name: str, plot: Callable[[], Figure]) -> str:
        """Have a figure drawn for the page that is being made. Its title says what it shows."""
        file = self.pages / "images" / f"{study}-{name}.svg"
        self.figures[file] = plot
        title = " ".join(plot().get_suptitle().split())
        return f"![{title}]({Path(os.path.relpath(file, self.page.parent)).as_posix()})"

    def write(self) -> list[Path]:
        """Write all pages and their figures. Returns what has changed."""
        content = {page: text.encode() for page, text in self.render().items()}
        content |= {file: svg(plot()) for file, plot in self.figures.items()}
        changed = [file for file, data in content.items() if not file.exists() or file.read_bytes() != data]
        for file in changed:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content[file])
        return changed


def cited(number: str, source: str) -> str:
    """A number that somebody else has published, with its source: the only ones that a page may give by itself."""
    return f"{number} ({source})"
