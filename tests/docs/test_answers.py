"""The pages of the answers: made from templates and results, with no claim or number of their own."""

import re

import numpy as np
import pytest

from docs.answers import __main__ as answers
from docs.answers import commands
from docs.answers.prose import CLAIMS, problems
from docs.answers.site import ROOT, Site
from experiments.analysis.format import interval
from experiments.errors import UserError
from experiments.report import tables
from experiments.report.results import analyse, load
from experiments.report.study import read
from experiments.tracking.metadata import Metric, Tag
from experiments.tracking.study_file import StudyFile
from tests.report.studies import MemoryStore, add, near
from tests.report.test_tuning import searched
from tests.stores import new_store

SITE = Site()
GATE = "gates/lstm/forget_gate/mean"
ROWS = {"standard": 0.5, "peephole": 0.4, "swapped": 0.5001, "chrono": 0.52}
EARLY = ("standard", "chrono")  # rows of which every trial was still improving


def fill(store):
    """On `adding` peephole is better, swapped equivalent and chrono worse so far; on `parity` all is equal."""
    for task, rows in {"adding": ROWS, "parity": dict(list(ROWS.items())[:2])}.items():
        for place, (variant, mean) in enumerate(rows.items()):
            for seed, score in enumerate(near(mean if task == "adding" else 0.5, 8, 0.0005 + 0.0001 * place)):
                best = 3 if task == "adding" and variant == "chrono" else 1
                metrics = {Metric.EPOCHS: 3, Metric.BEST_EPOCH: best, GATE: 0.7, "val/mse": score}
                tags = {Tag.MARGIN: "0.002", Tag.SCORE_SOLVED: "0.45"}
                add(store, variant, seed, score, task=task, curve={3: metrics}, **tags)


def draw(store):
    """Scores that the learning rate explains, and the dropout does not."""
    for place in range(24):
        settings = {"training.learning_rate": (place + 1) / 100, "model.dropout": place * 7 % 5 / 10}
        drawn = {"phase": "search", "drawn": ",".join(settings)}
        add(store, "standard", 0, (place - 8) ** 2 / 100, settings=settings, **drawn)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder of results of studies, one tuned, one of draws alone."""
    folder = tmp_path_factory.mktemp("answers")
    for name, make in {"small": fill, "tuned": searched, "drawn": draw}.items():
        make(new_store(folder / name))
        options = answers.ResultsOptions(study="s", output_dir=str(folder / name))
        answers.write_results(options, folder / "results")
        for kind in ("zip", "csv"):
            (folder / "results" / f"s.{kind}").rename(folder / "results" / f"{name}.{kind}")
    return folder / "results"


@pytest.fixture
def site(results, tmp_path):
    (tmp_path / "templates").mkdir()
    return Site(tmp_path / "templates", results, tmp_path / "docs" / "answers")


def rendered(site, text, name="page.md"):
    (site.templates / f"{name}.j2").write_text(text)
    return site.render()[site.place(f"{name}.j2")]


def said(site, expression, study="small"):
    """What one expression on a study, `s`, gives."""
    page = rendered(site, f"{{% set s = study({study!r}) %}}{{{{ {expression} }}}}")
    return page.split("-->\n\n", 1)[1]


def test_pages_are_what_the_command_makes():
    """`python -m docs.answers` after a change of templates or results."""
    for page, text in SITE.render().items():
        assert page.read_text(encoding="utf-8") == text, f"{page} is stale: python -m docs.answers"
    assert not [file for file in SITE.figures if not file.exists()]


@pytest.mark.parametrize("file", sorted(SITE.results.glob("*.zip")), ids=lambda file: file.stem)
def test_tables_beside_the_results_are_theirs(file, tmp_path):
    source = StudyFile.read(file)
    tables.write(tmp_path / "trials.csv", tables.trials(load(source, source.study)))
    assert (tmp_path / "trials.csv").read_bytes() == file.with_suffix(".csv").read_bytes()


def test_numbers_are_those_of_the_report(site, results):
    """Of one that is made from the store."""
    source = StudyFile.read(results / "small.zip")
    (task, _) = analyse(load(source, "s")).findings
    test = dict(task.comparisons)["peephole"].test
    assert said(site, "s.difference('adding', 'peephole')") == interval(test.difference)
    assert said(site, "s.median('adding', 'peephole')").startswith(f"{np.median(near(0.4, 8, 0.0006)):.5f} [")
    assert said(site, "s.ratio('adding', 'peephole')") == interval(test.ratio)
    assert said(site, "s.p('adding', 'peephole')") == "p = 0.023"
    assert said(site, "s.comparisons('adding', 'peephole')") == "3"
    assert said(site, "s.margin('adding', 'peephole')") == "0.002"
    assert said(site, "s.solved('adding', 'peephole')") == "8 of 8"
    assert said(site, "s.improving('adding', 'chrono')") == "8 of 8"
    assert said(site, "s.seeds('adding', 'chrono')") == "8"
    assert said(site, "s.baseline('adding')") == "1"
    assert said(site, "s.setting('model.units')") == "8"
    assert said(site, "s.gates('adding', 'chrono', 'forget_gate/mean')").startswith("0.7")
    assert said(site, "s.answer('adding')").startswith("adding: peephole is better than standard (0.8 times")


def test_a_table_is_that_of_the_report(site):
    lines = said(site, "s.table('adding', {'peephole': 'with peepholes', 'chrono': 'chrono'})").split("\n")
    assert lines[0] == (
        "| variant | median [95 % interval] | seeds | solved | minus standard [95 % interval] | p (Holm) | verdict |"
    )
    assert re.match(
        r"\| with peepholes \| 0\.40\d+ \[.*\] \| 8 \| 8 of 8 \| -0\.09\d* \[.*\| 0.023 \| better \|", lines[2]
    )
    assert lines[3].endswith("| worse so far |") and len(lines) == 4
    assert "| `standard` |" in said(site, "s.overview()")
    assert said(site, "s.table('adding', ['chrono'], ['ratio', 'p'])").split("\n")[0].count("|") == 4


@pytest.mark.parametrize(
    ("row", "word", "words"),
    [
        ("peephole", "better", "better than standard"),
        ("swapped", "equivalent", "equivalent to standard"),
        ("chrono", "worse", "worse so far than standard"),
    ],
)
def test_a_claim_is_the_verdict_or_stops_the_page(site, row, word, words):
    assert said(site, f"s.claim('adding', '{row}', '{word}')") == words
    for other in {"better", "worse", "equivalent", "undecided"} - {word}:
        with pytest.raises(
            UserError, match=rf"page.md.j2: study s .*small.zip.*claims that {row} is {other} on adding; .* {word}"
        ):
            said(site, f"s.claim('adding', '{row}', '{other}')")


@pytest.mark.parametrize(
    ("expected", "verdict"),
    [
        ("('adding', 'peephole', 'better')", "confirmed"),
        ("('adding', 'peephole', 'better'), ('adding', 'swapped', 'equivalent')", "confirmed"),
        ("('adding', 'swapped', 'better or equivalent')", "confirmed"),
        ("('adding', 'chrono', 'worse')", "confirmed so far"),
        ("('adding', 'peephole', 'worse')", "contradicted"),
        ("('adding', 'peephole', 'better'), ('adding', 'swapped', 'worse')", "contradicted"),
    ],
)
def test_a_published_finding_is_judged_by_verdicts(site, expected, verdict):
    assert said(site, f"s.finding({expected})") == verdict


def test_what_is_undecided_confirms_nothing(site):
    page = "{% set s = study('small', margin='1e-9') %}{{ s.finding(('parity', 'peephole', 'worse')) }}"
    assert rendered(site, page).endswith("undecided")
    both = page.replace("'worse')", "'worse'), ('adding', 'peephole', 'better')")
    assert rendered(site, both).endswith("undecided")


def test_a_row_on_one_task_against_another(site):
    """That of p of the exact test, 8 runs against 8, all of one below all of the other, twice, for two pairs."""
    pairs = "{'one': ('adding', 'parity'), 'two': ('adding', 'parity')}"
    assert said(site, f"s.contrasts('peephole', {pairs}).claim('better')") == "better"
    with pytest.raises(UserError, match="a page claims that each contrast is worse; they are better, better"):
        said(site, f"s.contrasts('peephole', {pairs}).claim('worse')")
    lines = said(site, f"s.contrasts('peephole', {pairs}).table(['a', 'b', 'c'])").split("\n")
    assert lines[0] == "| a | b | c | difference | times | p (Holm) | verdict of the first |"
    assert re.match(r"\| one \| 0\.40.* \| 0\.50.* \| -0\.10.* \| 0\.8.* \| < 0.001 \| better \|", lines[2])
    assert said(site, "s.beating('adding', 'peephole')") == "8 of 8"


def test_what_a_search_has_chosen(site):
    assert said(site, "s.chosen('adding', 'peephole')", "tuned") == "learning_rate=0.03"
    assert said(site, "s.draws('adding', 'standard')", "tuned") == "3"
    assert said(site, "s.setting('training.learning_rate', 'adding', 'standard')", "tuned") == "0.01"
    assert said(site, "s.cost('adding')", "tuned").startswith("On adding, the search trained 6 draws")
    with pytest.raises(UserError, match="importance of adding: .* at least 20 are needed"):
        said(site, "s.importance('adding')", "tuned")
    with pytest.raises(UserError, match="no settings were searched for on adding"):
        said(site, "s.chosen('adding', 'peephole')")


def test_what_a_setting_explains(site):
    shares = said(site, "s.importance('adding')", "drawn").split("\n")
    assert shares[0] == "| variant | `model.dropout` | `training.learning_rate` |" and len(shares) == 3
    rate = said(site, "s.share('adding', 'standard', 'training.learning_rate')", "drawn")
    assert int(rate.removesuffix(" %")) > 60 and f"| {rate} |" in shares[2]


def test_pages_and_figures_are_written_once(site):
    text = "{% set s = study('small', margin='5%') %}{{ s.figure('forest') }}\n\n{{ s.commands() }}\n"
    page = rendered(site, text, "findings.md")
    (figure,) = re.findall(r"!\[Test score minus.*\]\((.*)\)", page)
    changed = site.write()
    assert changed[0] == site.pages.parent / "findings.md"
    assert (changed[0].parent / figure) == changed[1] and changed[1].read_text().startswith("<?xml")
    assert "file=" in page and "margin=5%" in page and site.write() == []


def test_the_folder_of_results_has_a_list(site):
    page = rendered(site, (SITE.templates / "results.md.j2").read_text(), "results.md")
    assert site.place("results.md.j2") == site.pages.parent / "results" / "README.md"
    assert "| [small](small.csv) | 48 | adding, parity | standard, chrono, peephole, swapped |" in page
    assert re.search(r"^    python -m experiments.report file=.*/drawn.zip$", page, re.MULTILINE)


def test_results_replace_those_of_before(results, tmp_path):
    options = answers.ResultsOptions(study="s", output_dir=str(results.parent / "drawn"))
    for _ in range(2):
        answers.write_results(options, tmp_path)
    assert (tmp_path / "s.zip").read_bytes() == (results / "drawn.zip").read_bytes(), "the same trials, the same file"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["s.csv", "s.zip"]


def test_a_study_that_was_not_run_says_so(site):
    page = "{% if has('nothing') %}x{% else %}Not run:\n\n{{ command('quickstart') }}{% endif %}"
    assert rendered(site, page).endswith("Not run:\n\n    python -m experiments.train experiment=quickstart")


def test_measurements_are_means_of_a_column(site):
    (site.results / "survey.csv").write_text("task,model,value\na,t,1\na,t,2\na,u,9\n")
    assert rendered(site, "{{ mean('survey', task='a', model='u') }}").endswith("9")
    assert rendered(site, "{{ mean('survey', task='a', model='t') }}").endswith("1.5 [-4.9, 7.9]")
    with pytest.raises(UserError, match="no line has model='x'"):
        rendered(site, "{{ mean('survey', model='x') }}")


LAYERS = "{'input': ({'layer': '1', 'gate': 'i'}, {'layer': '2', 'gate': 'i'})}"


@pytest.mark.parametrize(
    ("first", "verdict", "word"),
    [(0.9, "confirmed", "higher"), (0.1, "contradicted", "lower"), (None, "undecided", "undecided")],
)
def test_layers_are_compared_over_seeds(site, first, verdict, word):
    """All of one layer beyond all of the other, 5 against 5: p of the exact test is 2 / 252."""
    one = [0.5 + 0.01 * seed * (-1) ** seed for seed in range(5)] if first is None else [first] * 5
    lines = [f"{layer},i,seed={seed},{value}" for seed in range(5) for layer, value in ((1, one[seed]), (2, 0.5))]
    (site.results / "layers.csv").write_text("\n".join(["layer,gate,replicate,value", *lines]))
    page = "{% set s = shifts('layers', " + LAYERS + ") %}{{ s.finding('higher') }}, {{ s.text() }}, {{ s.p() }}"
    text = rendered(site, page).split("-->\n\n")[1]
    assert text.startswith(f"{verdict}, input: ") and f" {word}, p" in text
    assert first is None or text.endswith("p = 0.0079")


def test_a_measure_has_one_value_for_each_seed(site):
    (site.results / "twice.csv").write_text("layer,gate,replicate,value\n1,i,0,1\n1,i,0,2\n2,i,0,1\n")
    with pytest.raises(UserError, match="shifts.'twice'.: layer='1', gate='i' has several values of one replicate"):
        rendered(site, "{{ shifts('twice', " + LAYERS + ").text() }}")


def test_the_answers_in_the_readme_are_those_of_their_list():
    """The one-line answers, each with a link, which README.md has too."""
    lists = []
    for page in (ROOT / "README.md", SITE.pages / "README.md"):
        text = page.read_text(encoding="utf-8")
        items = re.findall(r"^- (\[[^\]]+\?\]\((?:docs/answers/)?\w+\.md\).*(?:\n  .*)*)", text, re.MULTILINE)
        lists.append(sorted(" ".join(item.replace("](docs/answers/", "](").split()) for item in items))
    assert lists[0] == lists[1] and len(lists[0]) >= 2


MISTAKES = {
    "study('none')": "page.md.j2: study.'none'.: there is no .*none.zip. Make it by `python -m docs.answers results",
    "s.median('text', 'peephole')": "it has no task 'text'. Tasks: adding, parity",
    "s.median('adding', 'janet')": "task adding has no row 'janet'. Rows: standard, chrono, peephole, swapped",
    "s.p('adding', 'standard')": "standard is compared with nothing on adding",
    "s.figure('pie')": "there is no figure 'pie'. Figures: forest",
    "s.gates('adding', 'chrono', 'mood')": "gates 'mood': must be one of input_gate/mean",
    "s.setting('model.mood')": "setting 'model.mood': not every trial has it",
    "s.mood()": "page.md.j2: .* has no attribute 'mood'",
    "shifts('none', {'a': ({}, {})}).text()": "there is no .*none.csv",
    "command('none')": "there is no conf/experiment/none.yaml",
}


@pytest.mark.parametrize("expression", MISTAKES)
def test_mistakes_are_named(site, expression):
    with pytest.raises(UserError, match=MISTAKES[expression]):
        said(site, expression)


@pytest.mark.parametrize(
    "text",
    [
        *(f"It is {word} than that." for word in CLAIMS),
        "It has 0.35 of it.",
        "A share of 12 % is lost.",
        "It takes 2.0 times as long.",
        "5 of 10 are lost.",
        "Lost (p = {{ x }}).",
        "{{ 'worse' }}",
        "{% set x = 'worse' %}{{ x }}",
        "{{ 0.35 }}",
        "{% for x in ['12 %'] %}{{ x }}{% endfor %}",
    ],
)
def test_claims_and_numbers_of_the_prose_are_found(text):
    (problem, *_) = problems(SITE.environment, f"A line.\n\n{text}\n")
    assert problem.startswith("line 3: ")


@pytest.mark.parametrize(
    "text",
    [
        "{{ s.claim('a', 'b', 'worse') }} in 10 seeds of 2 units, after Gers (2002, section 4)",
        "{% set s = study('x', margin='0.5%') %}{{ s.difference('forecast share=0.5', 'b') }}",
        "Type `margin=0.02`, which is {{ s.margin('a', 'b') }}.\n\n    python -m x margin=5%\n\n```\n0.5\n```\n",
        "{# worse #}See [this](https://arxiv.org/abs/1503.04069).",
        "{{ cited('0.114', 'Zhou et al. 2021') }}",
    ],
)
def test_what_expressions_and_commands_say_is_no_prose(text):
    assert problems(SITE.environment, text) == []


def test_a_template_with_a_claim_of_its_own_is_not_rendered(site):
    with pytest.raises(UserError, match="page.md.j2: line 1: 'better' claims"):
        rendered(site, "It is better.")


@pytest.mark.parametrize(("seeds", "is_short"), [("0,1", True), ("0", False)])
def test_a_command_is_short_if_the_file_of_its_study_says_the_rest(monkeypatch, tmp_path, seeds, is_short):
    text = "study: small\nhydra: {sweeper: {params: {variant: standard, task: adding, seed: range(2)}}}\n"
    (tmp_path / "small.yaml").write_text(text)
    monkeypatch.setattr(commands, "STUDIES", tmp_path)
    start = "python -m experiments.train"
    long = f"{start} -m experiment=small variant=standard task=adding seed={seeds} study=small"
    monkeypatch.setattr(commands, "commands", lambda study: [long, ""])
    store = MemoryStore(tmp_path)
    add(store, "standard", 0, 0.5, experiment="small")
    command = commands.training(read("s", "", store.runs("s")))
    assert command == (f"{start} experiment=small" if is_short else long)
