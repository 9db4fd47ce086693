"""How often the 95 % intervals of experiments.analysis hold the truth, where the truth is known.

python -m benchmarks.coverage --help

Scores are drawn from a distribution, the same seeds for two variants, whose scores are correlated through them; each
column is the share of the repetitions in which an interval holds what it estimates. The distributions are normal,
heavy-tailed (Student's t with 3 degrees of freedom) and skewed (log-normal, by sigma).
"""

import argparse
from functools import partial

import numpy as np
from scipy import special

from experiments import analysis

DISTRIBUTIONS = {  # from standard normal scores
    "normal": lambda scores: scores,
    "t3": lambda scores: special.stdtrit(3, special.ndtr(scores)),
    "lognormal0.5": lambda scores: np.exp(0.5 * scores),
    "lognormal1": lambda scores: np.exp(scores),
}
SHARED = 0.5  # correlation, through the seeds, of the normal scores of two variants
LEVELS = np.array([1.0, 0.9, 0.8])  # mean normalised score of the variant on each of three tasks
NOISE = 0.1  # its deviation over seeds
THRESHOLD = 0.85


def population(transform):
    """Many scores, evenly spaced in probability: what holds for them holds for the distribution."""
    return transform(special.ndtri((np.arange(200_000) + 0.5) / 200_000))


def draw(generator, transform, shape, shared=0.0):
    """Scores of two variants, shape `(2, *shape)`, with the last axis the seeds."""
    common, apart = generator.normal(size=shape), generator.normal(size=(2, *shape))
    return transform(np.sqrt(shared) * common + np.sqrt(1 - shared) * apart)


def mean(generator, transform, seeds):
    """Mean of one variant."""
    truth = {"lognormal0.5": np.exp(0.125), "lognormal1": np.exp(0.5)}.get(_name(transform), 0.0)
    return truth, lambda: analysis.mean(draw(generator, transform, (seeds,))[0])


def interquartile_mean(generator, transform, seeds):
    """Interquartile mean of one variant."""
    return _middle(population(transform)), lambda: analysis.interquartile_mean(draw(generator, transform, (seeds,))[0])


def difference(generator, transform, seeds):
    """Mean paired difference, of two variants that differ by 0.5."""

    def estimate():
        variant, reference = draw(generator, transform, (seeds,), SHARED)
        return analysis.difference(variant + 0.5, reference)

    return 0.5, estimate


def improvement(generator, transform, seeds, shared=0.0, shift=1.0):
    """Probability of improvement, for two variants that differ by `shift`."""
    scores = population(transform)
    truth = 1 - np.searchsorted(scores, scores - shift).mean() / len(scores)

    def estimate():
        variant, reference = draw(generator, transform, (seeds,), shared)
        return analysis.improvement(variant - shift, reference, "lower")

    return truth, estimate


def aggregate(generator, transform, seeds, resamples):
    """Interquartile mean over three tasks of scores normalised by a reference with the same seeds."""
    standardise = _standardised(transform)

    def estimate():
        variant, reference = NOISE * standardise(draw(generator, transform, (len(LEVELS), seeds), SHARED))
        gains = np.stack([1 + reference, LEVELS[:, None] + variant], axis=1)
        _, estimate = analysis.aggregate(list(gains), 0, [0.0] * 3, ["higher"] * 3, generator, resamples)
        return estimate

    return _middle(_normalised_population(transform)), estimate


def profile(generator, transform, seeds):
    """Share of the runs of three tasks that score above a threshold, with the normalisation known."""
    standardise = _standardised(transform)

    def estimate():
        runs = LEVELS[:, None] + NOISE * standardise(draw(generator, transform, (len(LEVELS), seeds))[0])
        return analysis.performance_profile(list(runs), np.array([THRESHOLD]))

    return np.mean(_normalised_population(transform) > THRESHOLD), estimate


def _name(transform):
    return next(name for name, distribution in DISTRIBUTIONS.items() if distribution is transform)


def _middle(scores):
    ordered = np.sort(scores)
    return ordered[len(ordered) // 4 : -(len(ordered) // 4)].mean()


def _standardised(transform):
    scores = population(transform)
    return lambda drawn: (drawn - scores.mean()) / scores.std()


def _normalised_population(transform):
    return (LEVELS[:, None] + NOISE * _standardised(transform)(population(transform))).ravel()


def covered(truth, estimate, repetitions):
    """Share of the repetitions whose interval holds the truth."""
    intervals = [estimate() for _ in range(repetitions)]
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


def false_alarms(generator, repetitions, variants=9, seeds=10):
    """Share of comparisons of equal variants with the first in which any p-value is below 0.05 after Holm."""
    alarms = 0
    for _ in range(repetitions):
        scores = generator.normal(size=(variants, seeds)) + generator.normal(size=seeds)
        p_values = [analysis.wilcoxon(variant, scores[0]) for variant in scores[1:]]
        alarms += bool((analysis.holm(p_values) < 0.05).any())
    return alarms / repetitions


def estimators(resamples):
    """Columns of the table: what gives the truth and an interval from new scores."""
    return {
        "mean": mean,
        "IQM": interquartile_mean,
        "difference": difference,
        "improvement": improvement,
        "same, paired": partial(improvement, shared=SHARED),
        "aggregate": partial(aggregate, resamples=resamples),
        "profile": profile,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000, help="intervals per entry; 1000: entries ± 1.4 %%")
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 10, 20], help="numbers of seeds; default: 5 10 20")
    parser.add_argument("--distributions", nargs="+", default=list(DISTRIBUTIONS), choices=DISTRIBUTIONS)
    parser.add_argument("--resamples", type=int, default=500, help="of the bootstrap of `aggregate`; the report: 2000")
    parser.add_argument("--random-seed", type=int, default=0)
    arguments = parser.parse_args()
    generator = np.random.default_rng(arguments.random_seed)
    columns = estimators(arguments.resamples)
    print(f"{'scores':<14}{'seeds':>5}" + "".join(f"{name:>14}" for name in columns))
    for name in arguments.distributions:
        for seeds in arguments.seeds:
            print(f"{name:<14}{seeds:>5}", end="", flush=True)
            for column in columns.values():
                truth, estimate = column(generator, DISTRIBUTIONS[name], seeds)
                print(f"{covered(truth, estimate, arguments.repetitions):>14.1%}", end="", flush=True)
            print()
    share = false_alarms(generator, arguments.repetitions)
    print(f"\nFalse alarms after Holm, 9 equal variants, 10 seeds: {share:.1%} of the comparisons")


if __name__ == "__main__":
    main()
