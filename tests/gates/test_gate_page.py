"""The pages of the gate browser in a real browser."""

import re
from dataclasses import replace

import numpy as np
import pytest

from experiments.gates.page import render
from experiments.gates.sequence import sequence_of_task
from experiments.gates.trained_trial import activations
from tests.gates.gate_trials import OF_TEXT, data, overrides, page_of, untrained, write_files
from tests.pages import violations


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder without trained trials."""
    folder = tmp_path_factory.mktemp("pages")
    write_files(folder)
    return folder


@pytest.fixture(scope="module")
def large(place):
    """A page of two layers of 128 units on 500 characters."""
    trial = untrained(place, *OF_TEXT, "model.units=128", f"task.path={place / 'text.txt'}")
    sequence = sequence_of_task(trial.task, "train", 0, 500)
    page = render(sequence, [activations(trial, sequence)])
    (place / "large.html").write_text(page)
    return page


def test_a_page_of_usual_size(large):
    content = data(large)
    assert len(content["input"]["tokens"]) == 500
    assert [layer["units"] for layer in content["panels"][0]["layers"]] == [128, 128]
    assert len(large.encode()) < 5e6


@pytest.fixture
def visit(place, chromium):
    """Open a page; in the end there was no request to the network and no error."""
    requests, errors, pages = [], [], []

    def go(name, width=1200, height=900):
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((place / name).as_uri())
        pages.append(page)
        return page

    yield go
    assert all(url.startswith(("file:", "data:")) for url in requests) and len(requests) == len(pages)
    assert not errors
    for page in pages:
        assert violations(page) == []
        page.close()


def write(place, file, *names, **options):
    (place / file).write_text(page_of(place, *names, **options))


def picture(page, which="canvas.map"):
    return page.locator(which).first.evaluate("canvas => canvas.toDataURL()")


def choose(page, label, value):
    page.get_by_label(label, exact=True).first.select_option(value)


def sums(page):
    return page.locator(".sum").all_text_contents()


def test_choices_change_the_picture(large, visit):
    page = visit("large.html")
    choose(page, "layer", "lstm_1")
    choose(page, "what is shown", "forget_gate")
    seen = {picture(page)}
    for label, value in {
        "layer": "lstm_2",
        "what is shown": "cell_state",
        "scale, if unbounded": "unit",
        "rows by": "similarity",
        "width": "8",
    }.items():
        choose(page, label, value)
        seen.add(picture(page))
    assert len(seen) == 6
    strip, colors = picture(page, "canvas >> nth=1"), page.locator(".text").inner_html()
    page.get_by_label("unit", exact=True).fill("77")
    page.keyboard.press("Enter")
    assert picture(page, "canvas >> nth=1") != strip and page.locator(".text").inner_html() != colors
    assert "unit 77: cell state c" in page.locator(".now").inner_text()


def test_a_click_on_a_character_shows_the_arithmetic(place, visit):
    write(place, "sums.html", "standard", length=70)
    page = visit("sums.html")
    page.get_by_label("unit", exact=True).fill("2")
    page.keyboard.press("Enter")
    page.locator('.text span[data-step="12"]').click()
    layer = page.get_by_label("layer", exact=True).input_value()
    trial = untrained(place, *overrides(place, "standard"))
    arrays = activations(trial, sequence_of_task(trial.task, "test", 0, 70)).layers[layer]
    i, f, z, o, c, h = (
        float(arrays[name][12, 2])
        for name in ("input_gate", "forget_gate", "candidate", "output_gate", "cell_state", "hidden_state")
    )
    numbers = [[float(number) for number in re.findall(r"-?\d+\.\d+", line)] for line in sums(page)]
    assert numbers[0] == pytest.approx([f, float(arrays["cell_state"][11, 2]), i, z, c], abs=1e-3)
    assert numbers[1] == pytest.approx([c], abs=1e-3)
    assert numbers[2] == pytest.approx([o, np.tanh(c), h], abs=1e-3)
    assert "The model predicts: " in page.locator(".panel").inner_text()


def test_keys_and_clicks_on_the_map_move(place, visit):
    write(place, "moves.html", "standard", "swapped", length=30)
    page = visit("moves.html")
    page.locator("canvas.map").first.click(position={"x": 3, "y": 3})
    assert page.get_by_label("step", exact=True).input_value() == "0"
    assert page.get_by_label("unit", exact=True).first.input_value() == "0"
    page.locator(".scroll").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert page.get_by_label("step", exact=True).input_value() == "2"
    assert page.get_by_label("unit", exact=True).first.input_value() == "1"
    lines = page.locator(".now").all_inner_texts()
    assert len(lines) == 2 and all(line.startswith("step 2 ") for line in lines), "time is linked"
    page.keyboard.press("End")
    assert page.get_by_label("step", exact=True).input_value() == "29"


def test_a_unit_worth_a_look_is_one_click_away(place, visit):
    trial = untrained(place, *overrides(place, "standard"))
    sequence = sequence_of_task(trial.task, "test", 0, 60)
    panel = activations(trial, sequence)
    gate = panel.layers["lstm_2"]["forget_gate"].copy()
    gate[:, 4] = np.arange(60) // 10 % 2
    layers = {**panel.layers, "lstm_2": {**panel.layers["lstm_2"], "forget_gate": gate}}
    (place / "top.html").write_text(render(sequence, [replace(panel, layers=layers)]))
    page = visit("top.html")
    choose(page, "layer", "lstm_1")
    choose(page, "what is shown", "candidate")
    page.locator("button.unit", has_text="lstm_2 unit 4: forget gate f").first.click()
    assert page.locator(".now").inner_text().startswith("step 10 ")
    assert "unit 4: forget gate f = 1.000" in page.locator(".now").inner_text()
    page.locator(".top .places button").nth(1).click()
    assert page.get_by_label("step", exact=True).input_value() == "20"


@pytest.mark.parametrize(
    "name", ["phone.html", *(pytest.param(name, marks=pytest.mark.slow) for name in ("large.html", "masks.html"))]
)
def test_on_a_phone_the_page_does_not_scroll_sideways(place, large, visit, name):
    write(place, "phone.html", "series")
    write(place, "masks.html", "masked")
    page = visit(name, width=380, height=800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    assert page.locator("canvas.map").bounding_box()["height"] > 40


def test_channels_are_chosen(place, visit):
    write(place, "channels.html", "series")
    page = visit("channels.html")
    before = picture(page, "canvas >> nth=1")
    page.get_by_label("channel 8", exact=True).check()
    assert picture(page, "canvas >> nth=1") != before
    assert page.locator(".channels input").count() == 10


def test_where_a_sequence_has_ended(place, visit):
    write(place, "ended.html", "masked")
    page = visit("ended.html")
    assert "hatched: the sequence has ended" in page.locator(".legend").inner_text()
    page.get_by_label("step", exact=True).fill("36")
    page.keyboard.press("Enter")
    assert "The sequence has ended" in page.locator(".panel").inner_text()
    choose(page, "layer", page.get_by_label("layer", exact=True).locator("option").last.get_attribute("value"))
    assert "backward" in page.get_by_label("layer", exact=True).input_value()


MARKUP = "<img/src=x/onerror=alert(1)>", "</script><script>alert(2)</script>", "<b onclick='alert(3)'>x</b>", 'a&b"c'


def test_labels_of_classes_with_markup_are_text(place, visit):
    series = "".join(f"{label}\t{k}.5\t2\t{k}\n" for k in range(4) for label in MARKUP)
    for part in ("TRAIN", "TEST"):
        (place / f"P_{part}.tsv").write_text(series)
    small = ("model.units=4", "task.validation=0.5")
    trial = untrained(place, "task=classify", f"task.path={place / 'P_TRAIN.tsv'}", *small)
    sequence = sequence_of_task(trial.task, "test", 0, 3)
    (place / "labels.html").write_text(render(sequence, [activations(trial, sequence)]))
    page = visit("labels.html")
    text = page.locator("body").inner_text()
    assert sorted(trial.task.labels) == sorted(MARKUP)
    assert sum(label in text for label in MARKUP) >= 3, "the likeliest classes and the right one"
    assert page.locator("img, b[onclick]").count() == 0 and page.locator("script").count() == 2


def test_names_of_columns_with_markup_are_text(place, visit):
    names = [name.replace(",", "") for name in MARKUP]
    head = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    rows = "".join(f"{k % 7},{k % 5},{k % 3},{k % 11}\n" for k in range(70))
    (place / "names.csv").write_text(f"{head}\n{rows}")
    quoted = ",".join("'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'" for name in names)
    words = ("task=forecast", f"task.path={place / 'names.csv'}", f"task.target=[{quoted}]", "task.window=12")
    trial = untrained(place, *words, "model.units=4")
    sequence = sequence_of_task(trial.task, "test", 0, 12)
    (place / "names.html").write_text(render(sequence, [activations(trial, sequence)]))
    page = visit("names.html")
    text = page.locator("body").inner_text()
    assert all(name in text for name in names)
    assert page.locator("img, b[onclick]").count() == 0 and page.locator("script").count() == 2


def test_a_script_that_is_not_the_pages_own_does_not_run(large, place, chromium):
    """Should a text ever come into the page as markup, its policy stops it, and any request."""
    foreign = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
    (place / "foreign.html").write_text(large.replace("<main", f"{foreign}<main", 1))
    page = chromium.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto((place / "foreign.html").as_uri())
    assert page.locator("canvas.map").count() and page.title().startswith("Gates of")
    assert len(refused) >= 2 and all("Content Security Policy" in text for text in refused)
    page.close()
