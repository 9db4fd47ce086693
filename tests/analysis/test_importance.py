"""Importance of settings, on searches whose answer is known."""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from experiments.analysis.fanova import leaves
from experiments.analysis.importance import Forest, forests
from experiments.report.figures.importance import figures


def texts(**columns):
    return [dict(zip(columns, map(str, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def uniform(seed, draws, count):
    return np.random.default_rng(seed).random((count, draws))


def main(forest):
    return {share.settings[0]: share.mean for share in forest.importance.main}


@pytest.mark.slow
def test_additive_settings_have_their_shares_of_the_variance():
    x, y, unused = uniform(0, 200, 3)
    forest = Forest(texts(x=x, y=y, unused=unused), 3 * x + y)
    shares = main(forest)
    assert shares["x"] == pytest.approx(0.9, abs=0.04)  # Var(3x) / Var(3x + y) = 9 / 10
    assert shares["y"] == pytest.approx(0.1, abs=0.05)
    assert shares["unused"] < 0.01
    assert [share.settings for share in forest.importance.main] == [("x",), ("y",), ("unused",)]
    assert all(share.mean < 0.03 for share in forest.importance.pairs)


@pytest.mark.slow
def test_a_pure_interaction_is_the_pairs_not_the_settings():
    x, y, unused = uniform(0, 300, 3)
    forest = Forest(texts(x=x, y=y, unused=unused), np.sign((x - 0.5) * (y - 0.5)))
    assert max(main(forest).values()) < 0.15
    largest, second, _ = forest.importance.pairs
    assert largest.settings == ("x", "y")
    assert largest.mean > 0.7
    assert second.mean < 0.1
    interaction = forest.interaction("x", "y")
    for row in (0.25, 0.75):
        for column in (0.25, 0.75):
            cell = interaction.alone[
                np.abs(interaction.rows - row).argmin(), np.abs(interaction.columns - column).argmin()
            ]
            assert cell == pytest.approx(1.0 if row == column else -1.0, abs=0.3)


def test_interactions_average_to_zero_along_both_settings():
    x, y = uniform(3, 60, 2)
    interaction = Forest(texts(x=x, y=y), x + y + x * y).interaction("x", "y")
    np.testing.assert_allclose(interaction.alone.mean(0), 0, atol=0.01)
    np.testing.assert_allclose(interaction.alone.mean(1), 0, atol=0.01)
    assert interaction.total.shape == (60, 60)


def test_shares_of_optuna_and_of_the_boxes_add_up():
    """Two settings and their pair explain all. The settings' shares are Optuna's, that of the pair is not."""
    x, y = uniform(4, 60, 2)
    importance = Forest(texts(x=x, y=np.floor(4 * y)), np.exp(x) * (1 + y)).importance
    assert sum(share.mean for share in importance.main) + importance.pairs[0].mean == pytest.approx(1, abs=1e-6)
    for share in [*importance.main, *importance.pairs]:
        assert share.low <= share.mean <= share.high


def test_boxes_average_a_tree_exactly():
    points = np.random.default_rng(5).random((40, 2))
    tree = DecisionTreeRegressor(random_state=0).fit(points, points[:, 0] * np.sin(6 * points[:, 1]))
    boxes = leaves(tree.tree_)
    grid = (np.arange(1000) + 0.5) / 1000
    mesh = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    values = tree.predict(mesh.reshape(-1, 2)).reshape(1000, 1000)
    assert boxes.mean == pytest.approx(values.mean(), abs=2e-3)
    assert boxes.variance == pytest.approx(values.var(), abs=2e-3)
    np.testing.assert_allclose(boxes.marginal([0], [grid]), values.mean(1), atol=5e-3)
    np.testing.assert_allclose(boxes.marginal([0, 1], [grid[::50], grid[::50]]), values[::50, ::50], atol=1e-12)
    assert boxes.variance_share([1]) == pytest.approx(values.mean(0).var() / values.var(), abs=5e-3)
    assert boxes.variance_share([0, 1]) == pytest.approx(1)


def test_the_best_learning_rate_is_found_on_its_logarithmic_scale():
    rate, units = uniform(6, 120, 2)
    rate, units = 10 ** (-5 + 4 * rate), np.floor(8 + 56 * units)
    scores = 0.1 + (np.log10(rate) + 2.5) ** 2 + 0.002 * units
    forest = Forest(texts(rate=rate, units=units), scores, log=False)
    marginal = forest.marginal("rate")
    best = marginal.values[marginal.mean.argmin()]
    assert 10**-2.5 / 2 < best < 10**-2.5 * 2
    expected = 0.1 + (np.log10(marginal.values) + 2.5) ** 2 + 0.002 * units.mean()
    assert np.abs(marginal.mean - expected).mean() < 0.05
    assert (marginal.low <= marginal.mean).all() and (marginal.mean <= marginal.high).all()


def test_a_setting_counts_the_same_in_any_units():
    """A log-uniform setting, drawn 10 times more often below its middle than a linear average would have it."""
    x, y = uniform(7, 50, 2)
    plain = Forest(texts(x=x, y=y), x + 2 * y)
    warped = Forest(texts(x=10 ** (6 * x), y=y), x + 2 * y)
    assert main(plain) == main(warped)


@pytest.mark.slow
def test_scores_over_decades_are_explained_as_logarithms():
    x, y = uniform(8, 150, 2)
    scores = 10 ** (-3 * x - y)
    forest = Forest(texts(x=x, y=y), scores)
    assert forest.log
    assert main(forest)["x"] == pytest.approx(0.9, abs=0.04)
    marginal = forest.marginal("x")
    middle = np.abs(marginal.values - 0.5).argmin()
    assert marginal.mean[middle] == pytest.approx(10**-2, rel=0.25)  # geometric mean over y: 10 ** (-1.5 - .5)
    assert not Forest(texts(x=x, y=y), scores, log=False).log
    assert not Forest(texts(x=x, y=y), 1 + x).log


def test_words_are_categories_of_equal_standing():
    random = np.random.default_rng(9)
    optimizer, nesterov = random.choice(["adam", "rmsprop", "sgd"], 120), random.choice(["true", "false"], 120)
    effect = {"adam": 0.0, "rmsprop": 3.0, "sgd": 0.0}  # neither first nor last in the alphabet
    scores = np.array([effect[name] for name in optimizer]) + (nesterov == "true")
    forest = Forest(texts(optimizer=optimizer, nesterov=nesterov), scores, log=False)
    share = 2 / (2 + 0.25)  # variances 2/9 * 9 and 1/4
    assert main(forest)["optimizer"] == pytest.approx(share, abs=0.04)
    assert main(forest)["nesterov"] == pytest.approx(1 - share, abs=0.04)
    marginal = forest.marginal("optimizer")
    assert marginal.values.tolist() == ["adam", "rmsprop", "sgd"]
    np.testing.assert_allclose(marginal.mean, [0.5, 3.5, 0.5], atol=0.1)


@pytest.mark.parametrize("better, worst", [("lower", 1.0), ("higher", 0.0)])
def test_diverged_draws_count_as_the_worst(better, worst):
    """Only the learning rate decides whether training diverges; the score says nothing of it else."""
    rate, noise = uniform(10, 100, 2)
    rate[:3], noise[:2] = (0.2, 0.2, 0.9), (0.0, 1.0)
    scores = np.where(rate < 0.7, noise, np.nan)
    scores[2] = np.inf
    forest = Forest(texts(rate=rate, other=uniform(11, 100, 1)[0]), scores, better)
    assert forest.diverged == (rate >= 0.7).sum()
    assert (forest.scores[rate >= 0.7] == worst).all()
    assert main(forest)["rate"] > main(forest)["other"]


def test_the_same_input_has_the_same_output():
    x, y = uniform(12, 40, 2)
    draws, scores = texts(x=x, y=y), x * y
    first, second, other = Forest(draws, scores), Forest(draws, scores), Forest(draws, scores, seed=1)
    assert first.importance == second.importance != other.importance
    np.testing.assert_array_equal(first.marginal("x").mean, second.marginal("x").mean)


def test_constant_settings_are_left_out_and_named():
    x = uniform(13, 30, 1)[0]
    forest = Forest(texts(x=x, layers=np.ones(30)), x)
    assert forest.settings == ["x"]
    assert forest.constant == ["layers"]


def test_one_setting_explains_all_that_is_explained():
    x = uniform(14, 30, 1)[0]
    importance = Forest(texts(x=x), x**2).importance
    assert importance.main[0].mean == pytest.approx(1)
    assert importance.pairs == []


@pytest.mark.parametrize(
    "draws, scores, reason",
    [
        (texts(x=range(25)), [*range(19), *[np.nan] * 6], "19 draws have a score, at least 20"),
        ([], [], "0 draws have a score"),
        (texts(x=[1] * 20), range(20), "no setting varies among the 20 draws"),
        (texts(x=range(20)), [0.5] * 20, "all 20 draws have the same score, 0.5"),
        ([*texts(x=range(20)), {"x": "1", "y": "2"}], range(21), "y: swept in some of the draws only"),
    ],
)
def test_why_a_search_says_nothing(draws, scores, reason):
    with pytest.raises(ValueError, match=reason):
        Forest(draws, np.array(scores, "float64"))
    by_name, reasons = forests({"standard": (draws, np.array(scores, "float64"))})
    assert by_name == {}
    assert reason in reasons["standard"]


def test_variants_are_compared_on_one_scale():
    x = uniform(15, 30, 1)[0]
    by_name, reasons = forests({"narrow": (texts(x=x), 1 + x), "wide": (texts(x=x), 10 ** (-3 * x))})
    assert reasons == {}
    assert by_name["narrow"].log and by_name["wide"].log


def search(seed):
    x, rate = uniform(seed, 25, 2)
    words = np.random.default_rng(seed).choice(["adam", "sgd"], 25)
    scores = (rate - 0.5) ** 2 + 0.1 * x * (words == "sgd")
    scores[0] = np.nan
    return texts(**{"model.units": np.floor(64 * x), "training.learning_rate": 10 ** (-4 * rate), "opt": words}), scores


@pytest.mark.slow
def test_figures_show_numbers_names_and_units(tmp_path):
    by_name, _ = forests({name: search(seed) for seed, name in enumerate(["standard", "peephole", "a", "b", "c"])})
    drawn = figures("adding", by_name, "error, mm (lower is better)")
    assert list(drawn) == ["importance", "marginals-1", "marginals-2", "interaction"]
    for name, figure in drawn.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert figure.get_size_inches()[0] <= 9
    bars = {axes.get_title(): axes for axes in drawn["importance"].axes}
    share = main(by_name["standard"])["training.learning_rate"]
    assert f" {100 * share:.0f} %" in {text.get_text() for text in bars["learning rate"].texts}
    curves = {axes.get_xlabel(): axes for axes in drawn["marginals-1"].axes}
    assert curves["learning rate"].get_xscale() == "log"
    assert curves["units"].get_xscale() == "linear"
    assert {text.get_text() for text in curves["units"].texts} == {"standard", "peephole", "a", "b"}
    assert [label.get_text() for label in curves["opt"].get_xticklabels()] == ["adam", "sgd"]
    assert drawn["marginals-1"].get_supylabel() == "error, mm (lower is better)"
    assert "standard 1 of 25" in drawn["importance"].get_supxlabel()


def test_no_interaction_is_drawn_of_one_setting():
    x = uniform(16, 30, 1)[0]
    by_name, _ = forests({"standard": (texts(x=x), x)})
    assert list(figures("adding", by_name, "error")) == ["importance", "marginals"]
    assert figures("adding", {}, "error") == {}
