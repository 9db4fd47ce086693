"""The page of a report, its figures and its files, from stores with scores of every shape."""

import base64
import csv
import math
import re
from html.parser import HTMLParser

import matplotlib.text
import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.report.command import report_study
from experiments.report.figures import style
from experiments.report.figures.across import ranks, scaled
from experiments.report.figures.costs import costs
from experiments.report.figures.curves import curves, filled
from experiments.report.figures.forest import forest
from experiments.report.figures.scores import scores
from experiments.report.results import load
from experiments.report.runs import SERVER
from experiments.report.summary import answer, task_summary
from experiments.report.tables import across, details, overview
from experiments.tracking import charts_link, first_view
from tests.pages import violations
from tests.report.studies import MemoryStore, add, add_foreign, analysed, fill, published
from tests.stores import new_store

NAN = float("nan")
ODD = (
    "<script>alert(1)</script>",
    "a$b_c$",
    "$\\frac{1}$",
    "50%_off",
    "x" * 120,
    "_hidden",
    "gate={forget: hard_sigmoid}",
    'a&b"',
)


class Page(HTMLParser):
    """Tags with their attributes, and the text, of a page."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def around(mean, count=3, spread=0.05, seed=0):
    return list(map(float, mean + spread * np.random.default_rng(seed).normal(size=count)))


@pytest.fixture
def store(tmp_path):
    return MemoryStore(tmp_path / "out")


def page_of(store, reference=None):
    """The page of study `s`, as its source and parsed."""
    report_study(store, "s", reference=reference)
    folder = store.folder / "s" / "report"
    source = (folder / "report.html").read_text(encoding="utf-8")
    return folder, source, Page(source)


def add_usual(store):
    """Two tasks, three variants, a trial that diverged, one that failed, one that someone else wrote."""
    shapes = {"adding": (0.5, 0.55, 0.9), "digits": (0.4, 0.3, 0.41)}
    for number, (task, means) in enumerate(shapes.items()):
        by_variant = {
            variant: around(mean, 4, 0.02, 10 * number + row)
            for row, (variant, mean) in enumerate(zip(("standard", "peephole", "swapped"), means, strict=True))
        }
        fill(store, {task: by_variant}, references=published(0.45, "about 3"))
    add(store, "swapped", 4, NAN, diverged="true", curve={1: {"val/mse": NAN}})
    add(store, "peephole", 4, status="FAILED", task="digits", error="ValueError: <b>no</b>")
    add_foreign(store, "s/adding")


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    store = new_store(tmp_path_factory.mktemp("usual"))
    add_usual(store)
    for experiment in store.experiments().values():
        first_view.add(store.client, experiment)  # as a sweep does before its first trial
    return store, *page_of(store)


def test_the_page_needs_nothing_but_itself(usual):
    _, _, source, page = usual
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object", "base")]
    links = [a["href"] for tag, a in page.tags if tag == "a" and not a["href"].startswith("#")]  # followed if clicked
    assert links and all(link.startswith(f"{SERVER}/#/experiments/") for link in links)
    addresses = [a[name] for _, a in page.tags for name in ("src", "href", "srcset", "action") if name in a]
    addresses = [address for address in addresses if address not in links]
    assert addresses and all(address.startswith(("data:image/svg+xml;base64,", "#")) for address in addresses)
    assert "url(" not in source and "@import" not in source
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {address[1:] for address in addresses if address.startswith("#")} <= anchors


def test_the_page_has_every_figure_with_a_text_that_says_what_it_shows(usual):
    _, folder, _, page = usual
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    drawn = {base64.b64decode(image["src"].partition(",")[2]) for image in images}
    files = {file.read_bytes() for file in (folder / "figures").glob("*.svg")}
    names = {
        "forest",
        "ranks",
        "scaled",
        *(f"{t}-{k}" for t in ("adding", "digits") for k in ("curves", "scores", "costs")),
    }
    assert drawn == files and {file.stem for file in (folder / "figures").glob("*.svg")} == names
    assert {file.stem for file in (folder / "figures").glob("*.png")} == names
    assert all(len(image["alt"]) > 10 for image in images)
    assert all(b"<script" not in svg and b'href="http' not in svg for svg in drawn)


def test_the_page_has_the_answer_the_remarks_and_the_reasons(usual):
    store, _, _, page = usual
    results = analysed(store)
    for task in results.findings:
        assert all(" ".join(sentence.split()) in page.text for sentence in task_summary(results.study, task))
    for words in (
        "adding, swapped: 1 of 5 diverged; without a score.",
        "digits, peephole: 1 of 5 failed; without a score.",
        "1 run left out: not written by gatelab, or changed since: it has no tag trial_key",
        "ValueError: <b>no</b>",
        "the loss stopped being finite",
        "about 3",
        "Mean rank over 2 tasks",
    ):
        assert words in page.text, words


def test_tables_read_back_equal_the_scores(usual):
    store, folder, _, _ = usual
    with (folder / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    stored = {trial.run_id: trial for trial in store.trials("s")}
    assert len(rows) == len(stored) == 26
    for row in rows:
        trial = stored[row["run_id"]]
        assert (row["task"], row["variant"]) == (trial.params["task"], trial.params["variant"])
        assert float(row["score"]) == pytest.approx(trial.score, rel=0, abs=0, nan_ok=True)
    assert sorted(row["state"] for row in rows) == ["diverged", "failed", *["finished"] * 24]
    with (folder / "comparisons.csv").open(newline="") as file:
        compared = list(csv.DictReader(file))
    for row in compared:
        of_row = [float(r["score"]) for r in rows if r["task"] == row["task"] and r["variant"] == row["variant"]]
        assert float(row["mean"]) == pytest.approx(np.nanmean(of_row))


def test_each_column_of_a_table_has_one_format_and_intervals_stay_in_the_range_of_the_score(store):
    """Accuracies near 1 and losses near 0, whose spreads differ by a factor of a thousand."""
    high = {"standard": around(0.999, 8, 1e-4), "peephole": [1.0] * 7 + [0.4], "swapped": around(0.7, 8, 0.1)}
    low = {"standard": around(1e-4, 8, 1e-5), "peephole": [0.0] * 6 + [0.2, 0.5], "swapped": around(0.3, 8, 0.05)}
    fill(store, {"accuracy": high}, score_better="higher", baseline=0.1)
    fill(store, {"loss": low})
    results = analysed(store)
    for finding, top in zip(results.findings, (1.0, math.inf), strict=True):
        assert all(0 <= row.median.low <= row.median.high <= top for row in finding.rows)
    study, findings = results.study, results.findings
    for table in (
        overview(study, findings),
        *(details(study, finding) for finding in findings),
        across(results.across),
    ):
        for head, cells in zip(table.head, zip(*table.rows, strict=True), strict=True):
            numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?(?![\w])", " ".join(cells))
            formats = {(len(number.partition("e")[0].partition(".")[2]), "e" in number) for number in numbers}
            assert len(formats) <= 1 or "seeds" in head, (head, cells)


def test_each_trial_has_a_link_to_its_run(usual):
    store, _, source, page = usual
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    experiments = store.experiments()
    for trial in store.trials("s"):
        experiment = experiments[f"s/{trial.params['task']}"]
        assert links.count(f"{SERVER}/#/experiments/{experiment}/runs/{trial.run_id}") == 1
    assert {charts_link(store.client, experiments[f"s/{task}"], SERVER) for task in ("adding", "digits")} <= set(links)
    assert "seed=4 (diverged)</a>" in source and "seed=4 (failed)</a>" in source
    assert f"With `make ui STORE={store.uri}` running" in page.text


def test_the_report_is_recorded_and_is_no_trial_of_the_next(usual):
    store, folder, _, _ = usual
    (run,) = store.client.search_runs([store.experiment("s/report")])
    assert (run.data.tags["kind"], run.data.tags["study"], run.info.status) == ("report", "s", "FINISHED")
    recorded = {artifact.path for artifact in store.client.list_artifacts(run.info.run_id)}
    assert recorded == {"report.html", "trials.csv", "comparisons.csv", "figures"}
    assert len(store.client.list_artifacts(run.info.run_id, "figures")) == len(list((folder / "figures").iterdir()))
    study = load(store, "s")
    assert len(study.trials) == 26 and {task.task for task in study.tasks} == {"adding", "digits"}


def test_the_next_report_takes_its_place_and_says_in_the_store_what_it_says(usual):
    store, folder, _, _ = usual
    report_study(store, "s")
    (run,) = store.client.search_runs([store.experiment("s/report")])
    results = analysed(store)
    assert all(sentence in run.data.tags["mlflow.note.content"] for sentence in answer(results.study, results.findings))
    (adding, _) = results.findings
    compared = {row: comparison.test.difference.value for row, comparison in adding.comparisons}
    recorded = {name: value for name, value in run.data.metrics.items() if name.startswith("difference/adding ")}
    assert recorded == {f"difference/adding {row}": value for row, value in compared.items()} and len(recorded) == 2
    note = store.client.get_experiment(store.experiment("s/adding")).tags["mlflow.note.content"]
    assert "lower is better. Baseline (the mean of the training part): 1" in note and "- **swapped**: " in note
    assert f"/runs/{run.info.run_id}/artifacts?workflowType=machine_learning), {folder}/report.html" in note

    store.client.set_experiment_tag(store.experiment("s/adding"), "mlflow.note.content", "of a person")
    report_study(store, "s")
    assert store.client.get_experiment(store.experiment("s/adding")).tags["mlflow.note.content"] == "of a person"


def test_the_same_store_gives_the_same_page(usual):
    store, folder, source, _ = usual
    report_study(store, "s", keys=["adding standard 0 "])  # the page is about all trials, whichever are printed
    again = (folder / "report.html").read_text(encoding="utf-8")
    undated = [re.sub(r"Written [\d-]+ [\d:]+ UTC", "", page) for page in (source, again)]
    assert undated[0] == undated[1] != source


@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_shows_the_page_without_asking_anyone(usual, chromium, width):
    _, folder, _, parsed = usual
    requests, problems = [], []
    page = chromium.new_page(viewport={"width": width, "height": 844})
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((folder / "report.html").as_uri())
    shown = page.evaluate("[...document.images].filter(each => each.complete && each.naturalWidth > 100).length")
    assert shown == sum(tag == "img" for tag, _ in parsed.tags)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    sizes = page.evaluate(
        "[...document.querySelectorAll('p, li, td, th, dd')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    assert violations(page) == []
    page.close()
    assert problems == [] and all(url.startswith(("file:", "data:")) for url in requests)


def test_what_is_wider_than_a_phone_scrolls_by_keys(usual, chromium):
    _, folder, _, _ = usual
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.goto((folder / "report.html").as_uri())
    places = page.locator(".scroll").filter(has=page.locator("table")).all()
    wide = next(place for place in places if place.evaluate("e => e.scrollWidth > e.clientWidth"))
    for _ in range(200):
        if wide.evaluate("e => e === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("e => e.scrollLeft > 0", arg=wide.element_handle())
    page.close()


def test_names_and_titles_that_mean_something_in_html_or_tex(store):
    fill(
        store,
        {"b$_c$<i>": {name: around(0.5, seed=row) for row, name in enumerate(("standard", *ODD))}},
        score_title="a $x_1$ <b> \\frac",
        score_unit="$^%_",
        baseline_title="<script>x</script>",
        references='[{"metric": "mse", "score": 0.5, "model": "$^<b>", "source": "<script>alert(2)</script>"}]',
    )
    _, source, page = page_of(store)
    assert not [tag for tag, _ in page.tags if tag in ("script", "i", "b")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert all(name in page.text for name in ("b$_c$<i>", *ODD))
    assert "A $x_1$ <b> \\frac, $^%_, lower is better" in page.text
    assert "<script>alert(2)</script>" in page.text


def test_a_browser_takes_strange_names_as_text_and_runs_no_script(store, chromium):
    """Nor would it, should a name ever come into the page as markup: the policy of the page stops it."""
    fill(store, {"<img src=x onerror=alert(1)>": {name: around(0.5) for name in ("standard", *ODD)}})
    folder, source, _ = page_of(store)
    foreign = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\"><h1"
    (folder / "foreign.html").write_text(source.replace("<h1", foreign, 1))
    page = chromium.new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.goto((folder / "report.html").as_uri())
    assert not problems and page.title() == "s: report"
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    page.goto((folder / "foreign.html").as_uri())
    assert page.title() == "s: report"
    assert len(problems) >= 2 and all("Content Security Policy" in text for text in problems)
    page.close()


def test_no_cell_of_a_table_is_a_formula(store):
    formulas = ['=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)"]
    fill(store, {"=cmd": {name: around(0.5) for name in ("standard", *formulas)}})
    folder, _, _ = page_of(store)
    for file in ("trials.csv", "comparisons.csv"):
        rows = list(csv.DictReader((folder / file).read_text(encoding="utf-8").splitlines()))
        assert {row["variant"] for row in rows} == {"standard", *(f"'{formula}" for formula in formulas)}
        assert {row["task"] for row in rows} == {"'=cmd"}
        numbers = [cell for row in rows for cell in row.values() if cell.startswith(("-", "+"))]
        assert file == "trials.csv" or len(list(map(float, numbers))) > 3, "numbers stay numbers"


@pytest.mark.slow
def test_scores_of_every_size(store):
    sizes = {
        "zero": ([0.0] * 3, [0.0] * 3),
        "partly": ([0.0] * 3, around(0.5)),
        "negative": (around(-5), around(-5, seed=1)),
        "both": (around(1e-12, spread=1e-13), around(1e9, spread=1e8)),
        "absurd": (around(1e100, spread=1e99), [1e200] * 3),
    }
    for task, by_variant in sizes.items():
        for variant, values in zip(("standard", "peephole"), by_variant, strict=True):
            for seed, score in enumerate(values):
                add(store, variant, seed, score, task=task, params={"parameters": 100})
    _, _, page = page_of(store)
    assert all(task in page.text for task in sizes) and "absurd, peephole: 3 of 3 diverged" in page.text


@pytest.mark.parametrize("score", [None, pytest.param(NAN, marks=pytest.mark.slow)])
def test_a_study_without_any_score(store, score):
    for task in ("adding", "digits") if score is None else ("adding",):
        for variant in ("standard", "peephole", "swapped"):
            add(store, variant, 0, score, "FAILED" if score is None else "FINISHED", task, curve={1: {"val/mse": NAN}})
    _, _, page = page_of(store)
    words = "adding and digits: No trial has a score." if score is None else "adding: Undecided: peephole and swapped."
    assert words in page.text
    assert f"adding, swapped: 1 of 1 {'failed' if score is None else 'diverged'}; without a score." in page.text


@pytest.mark.parametrize("variants", [("standard",), pytest.param(("standard", "peephole"), marks=pytest.mark.slow)])
def test_one_seed_of_everything(store, variants):
    fill(store, {"adding": {variant: [0.5] for variant in variants}})
    _, _, page = page_of(store)
    assert ("1 seed cannot show any difference" in page.text) == (len(variants) == 2)


@pytest.mark.slow
def test_tasks_that_only_some_variants_have(store):
    fill(store, {"a": {"standard": around(0.5), "peephole": around(0.6)}, "b": {"standard": around(0.5)}})
    fill(store, {"c": {"peephole": around(0.5), "swapped": [NAN, NAN, NAN]}})
    _, _, page = page_of(store)
    for words in ("b: no trials of peephole, swapped.", "c: no trials of standard.", "c, swapped: 3 of 3 diverged"):
        assert words in page.text
    figure = forest(*_compared(store))
    texts = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    assert {"no trials", "no trials of the reference"} <= set(texts)


@pytest.mark.parametrize(("worst", "scale"), [(300.0, "symlog"), (0.9, "linear")])
def test_one_wide_comparison_hides_no_other(store, worst, scale):
    """The axis is linear as far as most comparisons reach, and says where it is not."""
    scores = {"standard": 0.5, "peephole": 0.6, "swapped": 0.45, "chrono": 0.55}
    fill(store, {"a": {**{variant: around(score) for variant, score in scores.items()}, "janet": around(worst)}})
    (axes,) = forest(*_compared(store)).axes
    assert axes.get_xscale() == scale
    assert ("logarithmic beyond" in axes.get_xlabel()) == (scale == "symlog")
    if scale == "symlog":
        spread = np.diff(axes.transData.transform([(0, 0), (0.1, 0)])[:, 0])[0]
        assert spread > axes.bbox.width / 30


def _compared(store):
    results = analysed(store)
    return results.study, results.findings


@pytest.mark.slow
def test_metrics_and_baselines_that_are_not_numbers(store):
    for task, baseline in (("a", NAN), ("b", float("inf"))):
        for variant in ("standard", "peephole"):
            for seed in range(3):
                curve = {1: {"val/mse": NAN}, 2: {"val/mse": 0.3, "time/step_ms": NAN}, 3: {"val/mse": NAN}}
                tags = {"baseline": baseline, "score_solved": baseline, "references": published("about 3", None, True)}
                add(store, variant, seed, 0.4 + 0.1 * seed, task=task, curve=curve, **tags)
    _, _, page = page_of(store)
    assert "Not on a scale from the trivial baseline to standard: a and b" in page.text and "about 3" in page.text


@pytest.mark.slow
def test_forty_variants(store):
    fill(store, {"adding": {f"variant_number_{row}": [0.5 + row / 100] for row in range(40)}})
    _, _, page = page_of(store)
    assert page.text.count("variant_number_39") >= 2


@pytest.mark.slow
def test_twenty_five_tasks(store, tmp_path, capsys):
    for task in range(25):
        for row, variant in enumerate(("standard", "peephole")):
            add(store, variant, 0, 0.5 + row / 9, task=f"task_{task}")
    report_study(store, "s", page=False)
    results = analysed(store)
    assert capsys.readouterr().out.count("task_24") >= 3
    drawn = [forest(results.study, results.findings), ranks(results.across)]
    for figure in drawn:
        figure.savefig(tmp_path / "figure.svg")
    assert len(drawn[0].axes) == 25 and all(axes.get_window_extent().height > 20 for axes in drawn[0].axes)


def figures(store):
    """Every figure of a study by name."""
    results = analysed(store)
    study, across = results.study, results.across
    drawn = {"forest": forest(study, results.findings)}
    for findings in results.findings:
        task = findings.results
        histories = {row: [{1: 0.9, 2: 0.5, 3: 0.4}, {1: 0.8, 2: 0.5}] for row in task.rows}
        drawn |= {
            "curves": curves(study, results.findings[0], histories),
            "scores": scores(study, findings),
            "costs": costs(study, findings),
        }
    if across is not None:
        drawn |= {"ranks": ranks(across), "scaled": scaled(study, across, across.scaled)}
    return drawn


SHAPES = {
    "one row": {"adding": {"standard": around(0.5)}},
    "few": {task: {"standard": around(0.5, 2), "peephole": around(0.6, 2), "swapped": [0.4, 0.5]} for task in "ab"},
    "many": {task: {f"variant_number_{row}": [0.5 + row / 9] for row in range(20)} for task in "ab"},
}


@pytest.mark.parametrize("shape", ["few", *(pytest.param(s, marks=pytest.mark.slow) for s in ("one row", "many"))])
def test_every_figure_says_what_it_shows_in_letters_that_can_be_read(store, shape, tmp_path):
    fill(store, SHAPES[shape])
    rows = len(next(iter(SHAPES[shape].values())))
    drawn = figures(store)
    assert set(drawn) == {"forest", "curves", "scores", "costs"} | ({"ranks", "scaled"} if rows > 1 else set())
    for name, figure in drawn.items():
        figure.savefig(tmp_path / "figure.svg")
        assert isinstance(figure, Figure) and figure.get_suptitle()
        texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_visible() and text.get_text()]
        shown = min(1, 760 / 96 / figure.get_figwidth())  # inches of the page over those of the figure
        assert min(text.get_fontsize() for text in texts) * shown >= 7.5, name
        if name != "ranks":
            assert all(axes.get_xlabel() for axes in figure.axes), name
            assert figure.axes[0].get_ylabel() or len(figure.axes[0].get_yticklabels()) == len(
                figure.axes[0].get_yticks()
            )
        if name in ("curves", "costs", "scaled"):
            (legend,) = figure.legends
            assert len(legend.get_texts()) == rows
            box, whole = legend.get_window_extent(), figure.bbox
            assert box.width <= whole.width and box.height <= 0.7 * whole.height, name
        assert all(axes.get_window_extent().height > 60 for axes in figure.axes), name


def test_thirty_rows_are_drawn_thirty_ways():
    looks = style.looks([str(row) for row in range(30)])
    assert len({(look.color, look.marker, str(look.line)) for look in looks.values()}) == 30


def test_long_names_keep_their_ends_in_figures():
    name = "standard gate_activation={forget: hard_sigmoid} model.units=16"
    assert style.short("standard") == "standard"
    assert len(style.short(name)) == style.LONGEST
    assert style.short(name).startswith("standard gate") and style.short(name).endswith("model.units=16")


def test_curves_keep_the_last_value_of_a_run_that_ended():
    values = filled([{1: 3.0, 2: 2.0, 3: 1.0}, {1: 5.0}, {2: 4.0, 3: math.inf}, {1: NAN, 2: 1e200}])
    assert values[0].tolist() == [3, 2, 1] and values[1].tolist() == [5, 5, 5]
    assert math.isnan(values[2, 0]) and values[2, 1:].tolist() == [4, 4] and np.isnan(values[3]).all()
