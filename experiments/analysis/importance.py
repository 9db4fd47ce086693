"""Which setting of a random search matters: functional analysis of variance on a random forest (fANOVA).

Method: F. Hutter, H. Hoos, K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014;
applied to LSTM variants by K. Greff et al., "LSTM: A Search Space Odyssey", 2017, section V.C, figures 4 and 5.

Every setting is replaced by its place among the draws, from 0 to 1: the share of the draws below its value plus half
the share of those that equal it. A uniform average over places is an average over what the search drew. So a setting
counts the same in whatever units it was drawn, be it log-uniform, from a list or among words.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import combinations

import numpy as np

from experiments.analysis.fanova import Boxes, leaves

LEAST_DRAWS = 20  # with fewer, a setting without effect may get a large share: docs/tuning.md
OPTUNA = 4  # hydra-optuna-sweeper 1.3 puts Optuna 2 in its place, which has other distributions
TREES, DEPTH = 64, 64  # the defaults of Optuna's evaluator; its forest and ours are then the same
LOG_SCORES = 10**1.5  # positive scores that differ by this factor are explained on a logarithmic scale


@dataclass(frozen=True)
class Share:
    """A part of the variance of the forest's predictions over the search.

    Attributes:
        settings: One setting, or two for what they explain only together.
        mean: Mean of the share over the trees, from 0 to 1.
        low, high: Between them are the shares of 95 % of the trees. They show how much the trees disagree; they do not
            contain the true share of a setting in 95 % of searches: docs/tuning.md says in how many.
    """

    settings: tuple[str, ...]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Importance:
    """What explains the scores of a search.

    Attributes:
        main: For each setting what it explains alone, largest first.
        pairs: For each two settings what they explain together beyond that, largest first.
    """

    main: list[Share]
    pairs: list[Share]

    def rest(self, parts: Collection[tuple[str, ...]]) -> float:
        """What is left of 1 without the shares of some settings and pairs. Noise of the scores adds to every share."""
        return max(0.0, 1 - sum(share.mean for share in [*self.main, *self.pairs] if share.settings in parts))


@dataclass(frozen=True)
class Marginal:
    """The predicted score for each value of one setting, averaged over the draws of all others.

    Attributes:
        setting: Its name.
        values: The values drawn, each once, in order: numbers, or texts for a setting that is not numeric.
        mean: Mean over the trees, `(values,)`.
        low, high: Mean minus and plus the standard deviation over the trees, `(values,)`.
    """

    setting: str
    values: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Interaction:
    """The predicted score for each pair of values of two settings, averaged over the draws of all others.

    Attributes:
        first, second: Names of the settings.
        rows, columns: Values of the first and the second setting, as in `Marginal`.
        total: Predicted score, `(rows, columns)`, on the scale of the forest: `log10` of the score if `Forest.log`.
        alone: `total` minus both marginals plus the mean: what only the two together explain. Its mean over the draws
            is 0.
    """

    first: str
    second: str
    rows: np.ndarray
    columns: np.ndarray
    total: np.ndarray
    alone: np.ndarray


class Forest:
    """A random forest that predicts the score of a draw from its settings.

    Args:
        draws: The swept settings of each finished trial, as text. All draws have the same keys.
        scores: Score of each draw, `(draws,)`. A diverged draw, whose score is not finite, gets the worst score of the
            others: left out, a learning rate at which all training diverges would seem not to matter.
        better: "lower" or "higher".
        log: Whether to predict `log10` of the score. Default: if all are positive and the largest is at least 32
            times the smallest. The "Search Space Odyssey" takes scores as they are.
        seed: Seed of the forest.

    Attributes:
        settings: Names of the settings that vary.
        constant: Names of those that do not, which therefore are not explained.
        diverged: Number of diverged draws.
        log: As above.

    Raises:
        ValueError: if the draws cannot say what matters: fewer than 20 finite scores, no setting that varies, equal
            scores, or settings that only some draws have.
    """

    def __init__(
        self,
        draws: Sequence[Mapping[str, str]],
        scores: np.ndarray,
        better: str = "lower",
        log: bool | None = None,
        seed: int = 0,
    ) -> None:
        scores = np.asarray(scores, "float64")
        finite = np.isfinite(scores)
        _check(draws, scores[finite])
        self.draws = draws
        self.diverged = int((~finite).sum())
        self.log = _wide(scores[finite]) if log is None else log
        self.scores = np.where(finite, scores, (max if better == "lower" else min)(scores[finite]))
        self.seed = seed
        self.settings = [name for name in draws[0] if len({draw[name] for draw in draws}) > 1]
        self.constant = [name for name in draws[0] if name not in self.settings]
        columns = [_placed([draw[name] for draw in draws]) for name in self.settings]
        self._values = [values for values, _, _ in columns]
        self._places = [places for _, places, _ in columns]
        self._encoded = np.stack([places[numbers] for _, places, numbers in columns], axis=1)
        self._target = np.log10(self.scores) if self.log else self.scores

    def drawn(self, setting: str) -> np.ndarray:
        """The value of each draw: numbers, or texts if one of them is not a finite number. `(draws,)`."""
        return _numbers([draw[setting] for draw in self.draws])

    @cached_property
    def _trees(self) -> list[Boxes]:
        from sklearn.ensemble import RandomForestRegressor  # takes a second

        forest = RandomForestRegressor(n_estimators=TREES, max_depth=DEPTH, random_state=self.seed)
        trees = [leaves(tree.tree_) for tree in forest.fit(self._encoded, self._target).estimators_]
        return [tree for tree in trees if tree.variance > 0]

    @cached_property
    def importance(self) -> Importance:
        """The shares of the settings, from Optuna's evaluator, and those of their pairs, from the same forest."""
        alone = np.array([[tree.variance_share([n]) for n in range(len(self.settings))] for tree in self._trees])
        means = self._optuna()
        main = [_share((name,), alone[:, n], means[name]) for n, name in enumerate(self.settings)]
        pairs = []
        for a, b in combinations(range(len(self.settings)), 2):
            together = np.array([tree.variance_share([a, b]) for tree in self._trees]) - alone[:, a] - alone[:, b]
            pairs.append(_share((self.settings[a], self.settings[b]), np.maximum(together, 0)))
        return Importance(sorted(main, key=_size), sorted(pairs, key=_size))

    def _optuna(self) -> dict[str, float]:
        """Mean over the trees of variance of the marginal / variance of the tree. Not normalised to a sum of 1."""
        import optuna  # takes a second

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study()
        uniform = dict.fromkeys(self.settings, optuna.distributions.FloatDistribution(0.0, 1.0))
        for row, value in zip(self._encoded.tolist(), self._target.tolist(), strict=True):
            place = dict(zip(self.settings, row, strict=True))
            study.add_trial(optuna.trial.create_trial(params=place, distributions=uniform, value=value))
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=self.seed)
        return evaluator.evaluate(study, params=self.settings)

    def marginal(self, setting: str) -> Marginal:
        """The predicted score as a function of one setting. With `log`, a geometric mean over the others."""
        number = self.settings.index(setting)
        curves = np.stack([tree.marginal([number], [self._places[number]]) for tree in self._trees])
        mean, deviation = curves.mean(0), curves.std(0)
        parts = [10**curve if self.log else curve for curve in (mean, mean - deviation, mean + deviation)]
        return Marginal(setting, self._values[number], *parts)

    def interaction(self, first: str, second: str) -> Interaction:
        """The predicted score as a function of two settings, and the part that neither explains alone."""
        numbers = [self.settings.index(first), self.settings.index(second)]
        places = [self._places[number] for number in numbers]
        total = np.mean([tree.marginal(numbers, places) for tree in self._trees], axis=0)
        rows, columns = (
            np.mean([tree.marginal([number], [self._places[number]]) for tree in self._trees], axis=0)
            for number in numbers
        )
        mean = np.mean([tree.mean for tree in self._trees])
        alone = total - rows[:, None] - columns[None, :] + mean
        return Interaction(first, second, *(self._values[number] for number in numbers), total, alone)


def forests(
    searches: Mapping[str, tuple[Sequence[Mapping[str, str]], np.ndarray]], better: str = "lower", seed: int = 0
) -> tuple[dict[str, Forest], dict[str, str]]:
    """A forest for each variant, all on one scale, so that they can be compared.

    Args:
        searches: Draws and scores of each variant, as for `Forest`.
        better: "lower" or "higher".
        seed: Seed of the forests.

    Returns:
        The forests, and why the variants that have none have none.
    """
    by_name, reasons = {}, {}
    scores = np.concatenate([np.asarray(values, "float64") for _, values in searches.values()])
    finite = scores[np.isfinite(scores)]
    log = _wide(finite)
    for name, (draws, values) in searches.items():
        try:
            by_name[name] = Forest(draws, values, better, log, seed)
        except ValueError as error:
            reasons[name] = str(error)
    return by_name, reasons


def _wide(values: np.ndarray) -> bool:
    return len(values) > 0 and bool(values.min() > 0 and values.max() >= LOG_SCORES * values.min())


def _check(draws: Sequence[Mapping[str, str]], finite: np.ndarray) -> None:
    if int(version("optuna").split(".")[0]) < OPTUNA:
        raise ValueError(f"Optuna {version('optuna')} is installed, importance needs {OPTUNA} or newer")
    if len(finite) < LEAST_DRAWS:
        raise ValueError(f"{len(finite)} draws have a score, at least {LEAST_DRAWS} are needed to say what matters")
    names = set().union(*draws)
    partial = sorted(name for name in names if not all(name in draw for draw in draws))
    if partial:
        raise ValueError(f"{', '.join(partial)}: swept in some of the draws only, which cannot be compared with others")
    if all(len({draw[name] for draw in draws}) == 1 for name in names):
        raise ValueError(f"no setting varies among the {len(draws)} draws")
    if finite.min() == finite.max():
        raise ValueError(f"all {len(finite)} draws have the same score, {finite[0]:.4g}: there is nothing to explain")


def _placed(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different values in order, the place of each, and the number of each draw's value."""
    values, numbers, counts = np.unique(_numbers(texts), return_inverse=True, return_counts=True)
    return values, (counts.cumsum() - counts / 2) / len(texts), numbers


def _numbers(texts: Sequence[str]) -> np.ndarray:
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        return np.array(texts)
    return numbers if np.isfinite(numbers).all() else np.array(texts)


def _share(settings: tuple[str, ...], shares: np.ndarray, mean: float | None = None) -> Share:
    low, high = np.percentile(shares, [2.5, 97.5])
    return Share(settings, float(shares.mean() if mean is None else mean), float(low), float(high))


def _size(share: Share) -> tuple[float, tuple[str, ...]]:
    return -share.mean, share.settings
