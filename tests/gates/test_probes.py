"""Probes of states, where what they hold is known."""

import numpy as np
import pytest

from experiments.gates.probes import CONTROLS, Probe, ProbeTargets, input_scores, probe_targets

RANDOM = np.random.default_rng(0)
QUOTED = "".join(f'{"word " * RANDOM.integers(1, 20)}"{"said " * RANDOM.integers(1, 20)}"' for _ in range(60))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def strings(largest):
    """Texts a^n b^n."""
    return ["S" + "a" * n + "b" * n for n in range(1, largest + 1)]


def scores(targets, states, pieces=3):
    probe = Probe(targets, states.shape[1])
    for part in np.array_split(states, pieces):
        probe.add(part)
    return probe.scores()


def target(targets, name):
    return targets.columns[:, targets.names.index(name) * (1 + CONTROLS), None]


def test_targets():
    text = 'a(b[c])\n)x"y\n\nz"'
    targets = probe_targets(text)
    assert list(targets) == ["depth", "in_quotes", "column"]
    np.testing.assert_array_equal(targets["depth"], [0, 1, 1, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(targets["in_quotes"], [0] * 10 + [1, 1, 1, 0, 0, 1])
    np.testing.assert_array_equal(targets["column"], [1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 0, 0, 1, 2])
    assert list(probe_targets("abba")) == ["count"]
    np.testing.assert_array_equal(probe_targets("Saabb")["count"], [0, 1, 2, 1, 0])
    assert list(probe_targets("none", alphabet="none(")) == ["depth"]


def test_a_count_that_two_units_hold_together():
    targets = ProbeTargets(strings(40))
    count, other = target(targets, "count"), 100 * noise(len(targets.block), 1)
    values = scores(targets, np.column_stack([count + other, -other, noise(len(count), 3, seed=1)]))
    assert values["count/probe"] == pytest.approx(1, abs=1e-3)
    assert values["count/unit"] < 0.1
    assert abs(values["count/control"]) < 0.02
    assert values["count/selectivity"] == pytest.approx(1, abs=0.02)


def test_a_toggle():
    targets = ProbeTargets([QUOTED])
    inside = target(targets, "in_quotes")
    values = scores(targets, np.column_stack([noise(len(inside), 4), 3 - inside + 0.1 * noise(len(inside), 1, seed=1)]))
    assert values["in_quotes/unit"] > 0.9 and values["in_quotes/probe"] > 0.9
    assert values["in_quotes/selectivity"] > 0.9


@pytest.mark.parametrize("steps", [150, 3000])
def test_nothing_is_held(steps):
    """Nor do many units find anything in few steps, where they would explain a third of what they are fitted to."""
    targets = ProbeTargets([QUOTED[:steps]])
    values = scores(targets, noise(len(targets.block), 50))
    assert all(abs(value) < 0.06 for value in values.values()), values


def test_states_that_drift_are_no_memory():
    """Slow states go along with a slow target by chance, and as much with the controls."""
    targets = ProbeTargets([QUOTED])
    walks = [noise(len(targets.block), 10, seed=seed).cumsum(axis=0) for seed in range(5)]
    assert np.mean([scores(targets, states)["in_quotes/selectivity"] for states in walks]) < 0.05


def test_a_probe_that_is_worse_than_the_mean_explains_nothing():
    """A state that goes another way in one part of the text is off by any amount there."""
    targets = ProbeTargets([QUOTED])
    inside, last = target(targets, "in_quotes"), targets.block[:, None] == 4
    values = scores(targets, np.where(last, -1000 * inside, inside))
    assert values["in_quotes/unit"] == values["in_quotes/probe"] == 0
    assert values == pytest.approx(dict.fromkeys(values, 0), abs=1e-3)


def test_controls_have_the_values_of_the_target_and_its_runs_and_not_its_place():
    targets = ProbeTargets([QUOTED])
    inside, *controls = targets.columns.T
    assert len(controls) == CONTROLS
    for control in controls:
        assert control.sum() == inside.sum()
        assert abs(np.abs(np.diff(control)).sum() - np.abs(np.diff(inside)).sum()) <= 1
        assert abs(np.corrcoef(control, inside)[0, 1]) < 0.3


def test_blocks_are_contiguous_in_a_text_and_whole_sequences_else():
    assert (np.diff(ProbeTargets([QUOTED]).block) >= 0).all()
    targets = ProbeTargets(strings(7))
    np.testing.assert_array_equal(targets.block, np.repeat([0, 1, 2, 3, 4, 0, 1], [3, 5, 7, 9, 11, 13, 15]))


def test_what_cannot_be_probed():
    assert not ProbeTargets(strings(2)).is_probed  # two sequences: none is left to choose the penalty in
    assert not ProbeTargets(["letters"]).is_probed
    constant = ProbeTargets(["abc(" + "x" * 200])  # but for its first steps
    assert set(scores(constant, noise(204, 3))) <= {f"depth/{s}" for s in ("unit", "probe", "control", "selectivity")}


def test_inputs_alone():
    """The last symbols tell whether a bracket is open at once, and not whether a long quotation has ended."""

    def inputs(text):
        numbers = np.unique(list(text), return_inverse=True)[1]
        return input_scores([numbers], ProbeTargets([text]))

    assert inputs("(a)b" * 100)["depth/probe"] == pytest.approx(1, abs=0.01)
    assert inputs(QUOTED.replace("said", "word"))["in_quotes/probe"] < 0.3
    assert set(inputs("(a)b" * 100)) == {"depth/probe", "depth/control", "depth/selectivity"}


def test_inputs_alone_see_five_symbols_of_their_own_sequence():
    texts = [np.array([0, 1, 1, 1, 1, 1, 1])] * 6
    targets = ProbeTargets(["Saaaaaa"] * 6)
    exact = np.tile([0, 1, 2, 3, 4, 5, 6], 6)
    assert input_scores(texts, targets)["count/probe"] == pytest.approx(
        1 - 0.5 / ((exact - 3) ** 2).sum() * 6, abs=0.01
    )
