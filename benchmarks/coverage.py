"""How a comparison of two variants errs, where the truth is known: coverage, false alarms and power of the rank tests.

python -m benchmarks.coverage --help

Scores of two variants with the same seeds are drawn from a distribution: normal, log-normal (sigma 1), heavy-tailed
(Student's t with 2 degrees of freedom), or normal of which each run diverges with probability 1/5. Their correlation
through the seeds is 0 or 0.5. Columns:

- alarms: share of comparisons of equal variants with p < 0.05, by the rule of the report (a choice between independent
  runs and pairs);
- covers: share of 95 % intervals of the shift that hold 0 there;
- improves: the same of the probability of improvement, 1/2 there;
- median: share of intervals of the median of one variant that hold it;
- pairs: share of comparisons that were made seed by seed;
- power: share with p < 0.05 in the right direction for a shift of 1 and of 2 standard deviations (of the normal scores
  from which all others are made), by the rule, and beside it by the tests that were not chosen: signed ranks, and
  Student's paired t.

Below it: how often a family of 8 comparisons of equal variants raises a false alarm after Holm's correction; and how
often the intervals over three tasks, which the section `Across tasks` of a report has, hold the truth, for scores
without diverged ones.
"""

import argparse

import numpy as np
from scipy import special, stats

from experiments import analysis

DISTRIBUTIONS = {  # from standard normal scores
    "normal": lambda scores, _: scores,
    "log-normal": lambda scores, _: np.exp(scores),
    "heavy tails": lambda scores, _: special.stdtrit(2, special.ndtr(scores)),
    "1 in 5 diverges": lambda scores, generator: np.where(generator.random(scores.shape) < 0.2, np.inf, scores),
}
STANDARDISED = ("normal", "log-normal")  # that have a deviation
LEVELS = np.array([1.0, 0.9, 0.8])  # mean normalised score of the variant on each of three tasks
NOISE = 0.1  # its deviation over seeds
SHARED = 0.5  # correlation, through the seeds, of the scores of two variants
THRESHOLD = 0.85
MEDIANS = {"normal": 0.0, "log-normal": 1.0, "heavy tails": 0.0, "1 in 5 diverges": special.ndtri(0.5 / 0.8)}
SHIFTS = (1.0, 2.0)


def draw(generator, transform, seeds, correlation, shift=0.0):
    """Scores of a variant and its reference, of the same seeds, lower the better; the variant's are better by it."""
    common, apart = generator.normal(size=seeds), generator.normal(size=(2, seeds))
    scores = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * apart
    return transform(scores - [[shift], [0.0]], generator)


def alone(p, variant, reference):
    """Whether a test shows that the variant is better, judged by its own p-value and the sign of the mean."""
    return p < 0.05 and np.mean(variant) < np.mean(reference)


def other_tests(variant, reference):
    """What the signed-rank test and the paired t test would have shown, of runs that did not diverge."""
    both = np.isfinite(variant) & np.isfinite(reference)
    variant, reference = variant[both], reference[both]
    if both.sum() < 2 or np.ptp(variant - reference) == 0:
        return False, False
    ranks, student = stats.wilcoxon(variant, reference), stats.ttest_rel(variant, reference)
    return alone(ranks.pvalue, variant, reference), alone(student.pvalue, variant, reference)


def holds(estimate, truth):
    """Whether an interval holds the truth."""
    return estimate.low <= truth <= estimate.high


def equal_variants(generator, name, seeds, correlation, repetitions):
    """Shares of alarms and of intervals that hold the truth; and of comparisons that were made pair by pair."""
    counts = np.zeros(5)
    for _ in range(repetitions):
        variant, reference = draw(generator, DISTRIBUTIONS[name], seeds, correlation)
        result = analysis.compare(variant, reference, "lower")
        middle = analysis.median(variant, "lower")
        intervals = holds(result.difference, 0), holds(result.improvement, 0.5), holds(middle, MEDIANS[name])
        counts += [result.p < 0.05, *intervals, result.paired]
    return counts / repetitions


def power(generator, name, seeds, correlation, repetitions, shift):
    """Shares of comparisons that show a shift: by the rule, by signed ranks, by Student's paired t."""
    counts = np.zeros(3)
    for _ in range(repetitions):
        variant, reference = draw(generator, DISTRIBUTIONS[name], seeds, correlation, shift)
        result = analysis.compare(variant, reference, "lower")
        counts += [result.p < 0.05 and result.better, *other_tests(variant, reference)]
    return counts / repetitions


def population(name):
    """Many scores, evenly spaced in probability, of mean 0 and deviation 1: what holds for them holds for all."""
    scores = DISTRIBUTIONS[name](special.ndtri((np.arange(200_000) + 0.5) / 200_000), None)
    return scores, (scores - scores.mean()) / scores.std()


def normalised(generator, name, seeds):
    """Scores of a reference and a variant on three tasks, shape `(2, tasks, seeds)`, of mean 0 and deviation 1."""
    raw, _ = population(name)
    common, apart = generator.normal(size=(len(LEVELS), seeds)), generator.normal(size=(2, len(LEVELS), seeds))
    scores = DISTRIBUTIONS[name](np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * apart, generator)
    return (scores - raw.mean()) / raw.std()


def over_tasks(generator, name, seeds, repetitions, resamples):
    """Shares of intervals of the interquartile mean, and of the performance profile, that hold the truth."""
    everything = np.sort((LEVELS[:, None] + NOISE * population(name)[1]).ravel())
    middle, above = everything[len(everything) // 4 : -(len(everything) // 4)].mean(), np.mean(everything > THRESHOLD)
    counts = np.zeros(2)
    for _ in range(repetitions):
        reference, variant = NOISE * normalised(generator, name, seeds)
        gains = np.stack([1 + reference, LEVELS[:, None] + variant], axis=1)
        _, aggregate = analysis.aggregate(list(gains), 0, [0.0] * 3, ["higher"] * 3, generator, resamples)
        profile = analysis.performance_profile(list(gains[:, 1]), np.array([THRESHOLD]))
        counts += [holds(aggregate, middle), profile.low[0] <= above <= profile.high[0]]
    return counts / repetitions


def family(generator, repetitions, variants=9, seeds=10):
    """Share of families of comparisons of equal variants with the first in which any p is below 0.05 after Holm."""
    alarms = 0
    for _ in range(repetitions):
        scores = generator.normal(size=(variants, seeds))
        p_values = [analysis.compare(variant, scores[0], "lower", comparisons=8).p for variant in scores[1:]]
        alarms += bool((analysis.holm(p_values) < 0.05).any())
    return alarms / repetitions


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000, help="comparisons per entry; 2000: 5 %% ± 1 %%")
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 10, 20], help="numbers of seeds; default: 5 10 20")
    parser.add_argument("--distributions", nargs="+", default=list(DISTRIBUTIONS), choices=DISTRIBUTIONS)
    parser.add_argument("--resamples", type=int, default=500, help="of the bootstrap over tasks; the report: 2000")
    parser.add_argument("--random-seed", type=int, default=0)
    arguments = parser.parse_args()
    generator = np.random.default_rng(arguments.random_seed)
    heads = ["alarms", "covers", "improves", "median", "pairs"]
    heads += [f"{name} {shift:g}" for shift in SHIFTS for name in ("power", "ranks", "t")]
    print(f"{'scores':<16}{'r':>5}{'seeds':>6}" + "".join(f"{head:>9}" for head in heads))
    for name in arguments.distributions:
        for correlation in (0.0, 0.5):
            for seeds in arguments.seeds:
                entry = generator, name, seeds, correlation, arguments.repetitions
                shares = [*equal_variants(*entry), *(share for shift in SHIFTS for share in power(*entry, shift))]
                print(
                    f"{name:<16}{correlation:>5}{seeds:>6}" + "".join(f"{share:>9.1%}" for share in shares), flush=True
                )
    share = family(generator, arguments.repetitions)
    print(f"\nFalse alarms after Holm, 8 comparisons, 10 seeds: {share:.1%} of families")
    print(f"\n{'over three tasks':<16}{'seeds':>6}{'interquartile mean':>20}{'profile':>9}")
    for name in [name for name in arguments.distributions if name in STANDARDISED]:
        for seeds in arguments.seeds:
            shares = over_tasks(generator, name, seeds, arguments.repetitions, arguments.resamples)
            print(f"{name:<16}{seeds:>6}{shares[0]:>20.1%}{shares[1]:>9.1%}", flush=True)


if __name__ == "__main__":
    main()
