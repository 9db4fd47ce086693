"""A study whose seeds are added until each comparison is decided: what a report says of it, and refuses."""

import json

import numpy as np
import pytest

from experiments.analysis import sequential
from experiments.errors import UserError
from experiments.report import group_sequential
from experiments.report.command import report_study
from experiments.report.files import write_files
from experiments.report.group_sequential import progress
from experiments.report.results import analyse, load
from experiments.report.summary import answer, task_summary
from experiments.tracking.registration import Family, Registration, file_of, register
from tests.report.studies import MemoryStore, add

RULE = sequential.Rule(sequential.looks(8, 3, 14))
PLAN = Registration(
    study="s",
    tasks={
        "adding": Family(
            {"peephole": "standard", "swapped": "standard"}, "test/mse", "lower", False, "0.05", RULE.levels(2)
        )
    },
    first_seed=1,
    looks=RULE.looks,
    alpha=RULE.alpha,
    rule=sequential.NAME,
    search={},
    version="0.2.0",
    time="2020-01-01T00:00:00+00:00",
)
NOISE = 0.1 * np.random.default_rng(1).normal(size=(3, 14))
FAR, NEAR = 3.0, 1.03  # of `peephole` and of `swapped`, where `standard` has 1


@pytest.fixture
def store(tmp_path):
    store = MemoryStore(tmp_path)
    register(file_of(tmp_path, "s"), PLAN)
    return store


def seeds(store, variant, mean, numbers, noise, status="FINISHED", plan=PLAN):
    for seed in numbers:
        score = mean + noise[seed - 1] if status == "FINISHED" else None
        add(store, variant, seed, score, status, phase="confirm", registered=plan.short)


def first_look(store):
    for variant, mean, noise in zip(("standard", "peephole", "swapped"), (1, FAR, NEAR), NOISE, strict=True):
        seeds(store, variant, mean, range(1, 9), noise)


def test_what_is_decided_needs_no_more_seeds(store):
    first_look(store)
    now = progress(load(store, "s"), PLAN)["adding"]
    assert (now.look, now.seeds, now.needed) == (1, 8, ("standard", "swapped"))
    assert {row: str(decision.verdict) for row, decision in now.decided.items()} == {"peephole": "worse"}


def test_a_look_waits_for_all_seeds_that_it_needs(store):
    """A failed trial has ended; one that is running or was killed has not."""
    assert progress(None, PLAN)["adding"].needed == ("standard", "peephole", "swapped")
    first_look(store)
    seeds(store, "standard", 1, range(9, 12), NOISE[0])
    seeds(store, "swapped", NEAR, range(9, 11), NOISE[2])
    assert progress(load(store, "s"), PLAN)["adding"].look == 1
    seeds(store, "swapped", NEAR, [11], NOISE[2], "KILLED")
    assert progress(load(store, "s"), PLAN)["adding"].look == 1
    seeds(store, "swapped", NEAR, [11], NOISE[2], "FAILED")
    assert progress(load(store, "s"), PLAN)["adding"].look == 2


def test_a_report_has_the_decisions_and_the_repeated_numbers(store, tmp_path):
    first_look(store)
    seeds(store, "standard", 1, range(9, 15), NOISE[0])
    seeds(store, "swapped", NEAR, range(9, 15), NOISE[2])
    results = analyse(load(store, "s"))
    (task,) = results.findings
    now = progress(results.study, PLAN)["adding"]
    assert now.look == 3 and now.needed == ()
    comparisons = dict(task.comparisons)
    for row, decision in now.stage.decisions.items():
        assert comparisons[row].verdict == decision.verdict and comparisons[row].adjusted == decision.adjusted
        assert comparisons[row].test == decision.comparison
    assert comparisons["peephole"].test.difference.count == 8, "seeds of its look, not those of standard"
    plain = progress(load(store, "s"), PLAN)["adding"].stage.decisions["swapped"].comparison
    assert plain.p > sequential.compare(NEAR + NOISE[2], 1 + NOISE[0], "lower", paired=False).p, "a price of looks"
    text = " ".join([*answer(results.study, results.findings), *task_summary(results.study, task)])
    assert "peephole is worse than standard" in text and "repeated interval and p" in text
    assert not any("missing" in word for row in task.rows for word in task.results.counts(task.rows.index(row)))
    page = write_files(results, store, tmp_path / "report").read_text()
    assert PLAN.short in page and "Looks at 8, 11, 14 seeds" in page


def test_what_is_undecided_is_said_with_its_seeds(store):
    first_look(store)
    results = analyse(load(store, "s"))
    (line,) = answer(results.study, results.findings)
    assert line.endswith("Undecided after 8 seeds of at most 14: swapped.")
    assert any("the sweep adds seeds" in sentence for sentence in task_summary(results.study, results.findings[0]))


def test_before_the_first_look_nothing_is_compared(store):
    seeds(store, "standard", 1, range(1, 8), NOISE[0])
    seeds(store, "peephole", FAR, range(1, 9), NOISE[1])
    results = analyse(load(store, "s"))
    assert results.findings[0].comparisons == []


def test_a_task_that_was_not_registered_is_not_compared_as_with_a_fixed_number_of_seeds(store):
    first_look(store)
    for variant, mean, noise in zip(("standard", "peephole"), (1, FAR), NOISE, strict=False):
        for seed in range(1, 9):
            tags = {"phase": "confirm", "registered": PLAN.short}
            add(store, variant, seed, mean + noise[seed - 1], task="parity", **tags)
    findings = {finding.results.task: finding for finding in analyse(load(store, "s")).findings}
    assert findings["parity"].comparisons == [] and findings["adding"].comparisons


def test_a_variant_without_a_setting_is_not_waited_for(store):
    """Each of its draws diverged, so that no seed of it was trained."""
    seeds(store, "standard", 1, range(1, 9), NOISE[0])
    seeds(store, "peephole", FAR, range(1, 9), NOISE[1])
    now = progress(load(store, "s"), PLAN)["adding"]
    assert now.look == 1 and list(now.decided) == ["peephole"] and "swapped" in now.needed
    results = analyse(load(store, "s"))
    assert list(dict(results.findings[0].comparisons)) == ["peephole"]


@pytest.mark.parametrize("option", [{"reference": "peephole"}, {"margin": "0.2"}, {"family": "study"}])
def test_other_comparisons_than_those_that_were_registered_are_refused(store, option):
    first_look(store)
    with pytest.raises(UserError, match=f"{next(iter(option))}=.*registered what is compared.*{PLAN.short}"):
        report_study(store, "s", page=False, **option)


def test_a_plan_that_is_not_there_is_missed(store, tmp_path):
    """Else its p-values would be those of a fixed number of seeds."""
    first_look(store)
    file_of(tmp_path, "s").unlink()
    (line,) = group_sequential.headline(load(store, "s"))
    assert PLAN.short in line and "do not allow for" in line


def test_a_plan_that_was_edited_stops_the_report(store, tmp_path):
    first_look(store)
    file = file_of(tmp_path, "s")
    content = json.loads(file.read_text())
    content["registration"]["tasks"]["adding"]["margin"] = "0.5"
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="was edited after it was written"):
        load(store, "s")
