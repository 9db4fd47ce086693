"""The registration of a study: written once, told when edited, and no other plan goes on under its name."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from experiments.analysis import sequential
from experiments.errors import UserError
from experiments.tracking import registration
from experiments.tracking.registration import Family, Registration, differences, file_of, parse, read, register, words

RULE = sequential.Rule(sequential.looks(5, 3, 11))
FAMILY = Family({"swapped": "standard", "peephole": "standard"}, "test/bpc", "lower", False, "0.02", RULE.levels(2))
PLAN = Registration(
    study="gates",
    tasks={"char_lm": FAMILY},
    first_seed=1,
    looks=RULE.looks,
    alpha=RULE.alpha,
    rule=sequential.NAME,
    search={"sampler": "tpe", "draws": 8, "rungs": [3, 9]},
    version="0.2.0",
    time="2026-11-29T03:20:00+00:00",
)


@pytest.fixture
def file(tmp_path):
    return file_of(tmp_path, "gates")


def test_what_was_registered_is_read_again(file):
    assert read(file) is None
    assert register(file, PLAN) == PLAN == read(file)
    assert file.parent.name == "gates" and not list(file.parent.glob("*.partial"))


def test_the_hash_is_that_of_the_canonical_content(file):
    """As anyone can compute it: sorted keys, no spaces."""
    register(file, PLAN)
    stored = json.loads(file.read_text())
    canonical = json.dumps(stored["registration"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert stored["sha256"] == PLAN.digest == hashlib.sha256(canonical.encode()).hexdigest()


def test_a_study_that_goes_on_keeps_its_first_registration(file):
    register(file, PLAN)
    before = file.read_bytes()
    later = replace(PLAN, time="2026-12-01T00:00:00+00:00", version="0.3.0")
    assert register(file, later) == PLAN and file.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 0.1}, "alpha: 0.05 registered, 0.1 now"),
        ({"looks": (5, 8)}, "looks: 5, 8, 11 registered, 5, 8 now"),
        ({"search": {"sampler": "random", "draws": 8, "rungs": [3, 9]}}, "search.sampler: tpe registered, random now"),
        ({"search": {"sampler": "tpe", "rungs": [3, 9]}}, "search.draws: 8 registered, nothing now"),
        ({"tasks": {"char_lm": replace(FAMILY, margin=None)}}, "tasks.char_lm.margin: 0.02 registered, nothing now"),
        (
            {"tasks": {"char_lm": replace(FAMILY, comparisons={"swapped": "standard"}, levels=RULE.levels(1))}},
            "tasks.char_lm.comparisons.peephole: standard registered, nothing now",
        ),
    ],
)
def test_another_plan_is_refused_with_what_differs(file, change, message):
    register(file, PLAN)
    before = file.read_bytes()
    with pytest.raises(UserError) as refusal:
        register(file, replace(PLAN, **change))
    assert f"registered 2026-11-29 03:20 UTC: {message}. Type" in str(refusal.value)
    assert file.read_bytes() == before


def test_other_levels_alone_are_a_difference():
    other = replace(PLAN, tasks={"char_lm": replace(FAMILY, levels=((0.05, 0.05, 0.05),) * 2)})
    (difference,) = differences(PLAN, other)
    assert difference.startswith("tasks.char_lm.levels: ")


def test_an_edited_file_is_told_and_neither_used_nor_replaced(file):
    register(file, PLAN)
    file.write_text(file.read_text().replace('"margin": "0.02"', '"margin": "0.05"'))
    for action in (lambda: read(file), lambda: register(file, PLAN)):
        with pytest.raises(UserError, match=f"was edited after it was written.* {PLAN.digest[:8]} was registered"):
            action()
    assert '"0.05"' in file.read_text()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 2}', '{"format": 1, "sha256": "0", "registration": {"alpha": NaN}}']
)
def test_what_is_no_registration_is_refused(file, text):
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(UserError, match="registration.json cannot be read"):
        register(file, PLAN)
    assert file.read_text() == text


def test_a_value_without_a_json_form_is_refused_before_anything_is_written(file):
    with pytest.raises(ValueError, match="JSON"):
        register(file, replace(PLAN, search={"rate": float("nan")}))
    assert not file.exists()


def test_of_many_at_once_one_registers(file):
    def attempt(number):
        try:
            return register(file, replace(PLAN, alpha=0.01 + number / 1000))
        except UserError:
            return None

    with ThreadPoolExecutor(8) as pool:
        registered = [plan for plan in pool.map(attempt, range(8)) if plan]
    assert registered == [read(file)]


def test_a_copy_in_a_store_is_read_like_the_file():
    assert parse(PLAN.text, "the artifact of a run") == PLAN
    with pytest.raises(UserError, match="the artifact of a run was edited"):
        parse(PLAN.text.replace("0.05", "0.06"), "the artifact of a run")


def test_words_say_what_was_registered_and_whether_before_the_first_trial():
    registered = datetime.fromisoformat(PLAN.time)
    early = words(PLAN, registered + timedelta(seconds=1))
    assert early == words(PLAN)
    assert early[0] == (
        f"Registered 2026-11-29 03:20 UTC before the first trial ({PLAN.digest[:8]}, gatelab 0.2.0): seeds are added "
        "until each comparison is decided."
    )
    assert "swapped with standard, peephole with standard, by test/bpc (lower is better; margin 0.02; " in early[1]
    assert early[2].startswith("Looks at 5, 8, 11 seeds, from 1 on; false alarms at most 5 %")
    assert early[3] == "Search: sampler=tpe, draws=8, rungs=3, 9."
    assert "AFTER the first trial" in words(PLAN, registered - timedelta(seconds=1))[0]


def test_the_time_is_that_of_now():
    fields = {name: getattr(PLAN, name) for name in registration.Registration.__dataclass_fields__ if name != "time"}
    assert abs(datetime.now(UTC) - datetime.fromisoformat(Registration(**fields).time)) < timedelta(minutes=1)
