"""How a sequential study errs, and how many trials it needs, where the truth is known.

python -m benchmarks.sequential --help

Studies of a reference and some variants are simulated, with seeds that are added in groups until each comparison is
decided (`experiments.analysis.sequential`), and lower scores better. Three tables:

- No effect: share of studies in which any variant is called better or worse, which must be 5 % at most; the same if
  each look is judged like a comparison with a fixed number of seeds; and how many studies the margin ended.
- Trials: share of comparisons that are decided rightly, worse for a variant with a shift and equivalent for one without
  (if there is a margin; without one it cannot be decided and does not count); trials of a study; and the plan with a
  fixed number of seeds, judged by the same tests, that decides as large a share rightly: its seeds (interpolated), and
  the trials of the sequential plan as a share of its own.
- Equivalence: variants that are worse by as much as the margin, to a hair: share of comparisons that are called
  equivalent, which must be 5 % at most; and of repeated intervals that miss the truth at any look.

Shifts and margins are in standard deviations of normal scores. Other scores are made of normal ones: heavy tails
(Student's t with 2 degrees of freedom), diverged with probability 1/5, failed (no score) with probability 1/10, shared
seeds (correlation 0.5, not compared in pairs), near 0 or near 1 (solved or not) and 0 or 1 with nothing between (right
or wrong), with probability 1/2 each. Studies of pairs have a correlation of 0.5 through their seeds.
"""

import argparse

import numpy as np

from benchmarks.coverage import DISTRIBUTIONS as SMOOTH
from experiments import analysis
from experiments.analysis import Margin, Verdict, sequential

DISTRIBUTIONS = {name: SMOOTH[name] for name in ("normal", "heavy tails", "1 in 5 diverges")} | {
    "1 in 10 fails": lambda scores, generator: np.where(generator.random(scores.shape) < 0.1, np.nan, scores),
    "shared seeds": lambda scores, generator: np.sqrt(0.5) * (scores + generator.normal(size=scores.shape[-1])),
    "solved or not": lambda scores, _: (scores > 0) + 0.02 * scores,
    "right or wrong": lambda scores, _: np.where(scores > 0, 1.0, 0.0),
}
SHARED = 0.5  # correlation, through the seeds, of scores that are compared in pairs
ALARMS = {Verdict.BETTER, Verdict.WORSE}
MARGIN, HAIR = 1.5, 1e-9
SCENARIOS = {  # shift of each variant, margin, pairs
    "0.75": ([0.75], None, False),
    "1": ([1.0], None, False),
    "1.25": ([1.25], None, False),
    "1.5": ([1.5], None, False),
    "1, in pairs": ([1.0], None, True),
    "1, 1, 1": ([1.0] * 3, None, False),
    "1.25, 1.25, 1.25": ([1.25] * 3, None, False),
    "0, 1, 2": ([0.0, 1.0, 2.0], None, False),
    "0, margin 1": ([0.0], 1.0, False),
    "0, margin 1.25": ([0.0], 1.25, False),
    "0, margin 1.5": ([0.0], 1.5, False),
    "0, 1.5, 2, margin 1.5": ([0.0, 1.5, 2.0], 1.5, False),
}


def study(generator, name, shifts, seeds, paired=False):
    """Scores of the reference and of each variant by name, and what is compared with what."""
    apart, common = generator.normal(size=(len(shifts) + 1, seeds)), generator.normal(size=seeds)
    normal = np.sqrt(1 - SHARED) * apart + np.sqrt(SHARED) * common if paired else apart
    scores = DISTRIBUTIONS[name](normal, generator) + np.array([0.0, *shifts])[:, None]
    names = ["reference", *(f"variant {number}" for number in range(len(shifts)))]
    return dict(zip(names, scores, strict=True)), dict.fromkeys(names[1:], "reference")


def outcome(scores, comparisons, rule, margin):
    """The decision of each comparison at the end of a sequential study."""
    stage = sequential.decide(scores, comparisons, "lower", rule, len(rule.looks), margin)
    return list(stage.decisions.values())


def fixed(scores, comparisons, seeds, paired, margin=None):
    """The verdicts of a plan with a fixed number of seeds."""
    rows = {name: row[:seeds] for name, row in scores.items()}
    pairs = [(rows[variant], rows[reference]) for variant, reference in comparisons.items()]
    if margin is None:  # the intervals, which take most of the time, are not asked for
        p_values = analysis.holm([analysis.p_value(*pair, "lower", paired) for pair in pairs])
        signs = [np.median(variant) > np.median(reference) for variant, reference in pairs]
        words = {True: Verdict.WORSE, False: Verdict.BETTER}
        return [words[bool(sign)] if p < 0.05 else Verdict.UNDECIDED for p, sign in zip(p_values, signs, strict=True)]
    tests = [analysis.compare(*pair, "lower", paired=paired) for pair in pairs]
    adjusted = analysis.holm([test.p for test in tests])
    return [analysis.conclude(test, p, margin) for test, p in zip(tests, adjusted, strict=True)]


def no_effect(generator, name, variants, rule, repetitions, margin=None):
    """Shares of studies with a false alarm, of those in which any look has one at 5 %, and of those that end early."""
    counts = np.zeros(3)
    for _ in range(repetitions):
        scores, comparisons = study(generator, name, [0.0] * variants, rule.looks[-1], rule.paired)
        decisions = outcome(scores, comparisons, rule, margin)
        naive = margin is None and any(
            not ALARMS.isdisjoint(fixed(scores, comparisons, seeds, rule.paired)) for seeds in rule.looks
        )
        ended = all(decision.verdict is Verdict.EQUIVALENT for decision in decisions)
        counts += [any(decision.verdict in ALARMS for decision in decisions), naive, ended]
    return counts / repetitions


def right(verdicts, shifts):
    """How many comparisons are decided rightly."""
    wanted = [Verdict.WORSE if shift else Verdict.EQUIVALENT for shift in shifts]
    return sum(word is wish for word, wish in zip(verdicts, wanted, strict=True))


def possible(shifts, margin):
    """How many comparisons can be decided: all with a margin, else those with a shift."""
    return len(shifts) if margin else sum(shift != 0 for shift in shifts)


def trials(generator, shifts, margin, rule, repetitions):
    """Share of right decisions, mean trials of a study, and seeds of the fixed plan that is as often right."""
    most = rule.looks[-1] * 3 // 2
    margin = margin and Margin(margin)
    studies = [study(generator, "normal", shifts, most, rule.paired) for _ in range(repetitions)]
    count, total = 0, 0
    for scores, comparisons in studies:
        decisions = outcome(scores, comparisons, rule, margin)
        count += right([decision.verdict for decision in decisions], shifts)
        seeds = [decision.seeds for decision in decisions]
        total += sum(seeds) + max(seeds)

    def share(seeds):
        verdicts = (fixed(*entry, seeds, rule.paired, margin) for entry in studies)
        return sum(right(words, shifts) for words in verdicts)

    return count / repetitions / possible(shifts, margin), total / repetitions, _inverse(share, count, 3, most)


def _inverse(share, wanted, low, high):
    """Where an increasing function of whole numbers has this value, between two neighbours by a straight line."""
    below, above = share(low), share(high)
    while high - low > 1:
        middle = (low + high) // 2
        value = share(middle)
        low, below, high, above = (low, below, middle, value) if value >= wanted else (middle, value, high, above)
    return low + (wanted - below) / (above - below)


def at_the_edge(generator, name, rule, repetitions, margin):
    """Shares of comparisons at the margin that are called equivalent, and whose interval misses the truth at a look."""
    counts = np.zeros(2)
    truth = margin + HAIR
    for _ in range(repetitions):
        scores, comparisons = study(generator, name, [truth], rule.looks[-1], rule.paired)
        (decision,) = outcome(scores, comparisons, rule, Margin(margin))
        shifted = scores | {"variant 0": scores["variant 0"] - truth}
        tests = [
            (look, analysis.p_value(*(row[:seeds] for row in shifted.values()), "lower", rule.paired))
            for look, seeds in enumerate(rule.looks, 1)
        ]
        misses = any(p < rule.level(look) for look, p in tests)
        counts += [decision.verdict is Verdict.EQUIVALENT, misses]
    return counts / repetitions


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000, help="studies per entry; 2000: 5 %% ± 1 %%")
    parser.add_argument("--seeds", type=int, nargs=3, default=[5, 3, 20], metavar=("FIRST", "GROUP", "MAX"))
    parser.add_argument("--variants", type=int, nargs="+", default=[1, 3], help="compared with one reference")
    parser.add_argument("--distributions", nargs="+", default=list(DISTRIBUTIONS), choices=DISTRIBUTIONS)
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=SCENARIOS)
    parser.add_argument("--random-seed", type=int, default=0)
    arguments = parser.parse_args()
    generator, repetitions = np.random.default_rng(arguments.random_seed), arguments.repetitions
    rules = {paired: sequential.Rule(sequential.looks(*arguments.seeds), paired) for paired in (False, True)}
    print(f"looks at {', '.join(map(str, rules[False].looks))} seeds; {repetitions} studies per entry\n")
    print(f"{'no effect':<16}{'variants':>9}{'test':>13}{'margin':>8}{'alarms':>8}{'5 % each':>10}{'ended':>8}")
    for name in arguments.distributions:
        several = [(number, False, None) for number in arguments.variants]
        for variants, paired, margin in [*several, (1, True, None), (1, False, MARGIN)]:
            size = margin and Margin(margin)
            alarms, naive, ended = no_effect(generator, name, variants, rules[paired], repetitions, size)
            shares = f"{alarms:>8.1%}" + (f"{'':>10}{ended:>8.1%}" if margin else f"{naive:>10.1%}")
            test = "signed ranks" if paired else "Mann-Whitney"
            print(f"{name:<16}{variants:>9}{test:>13}{margin or '':>8}{shares}", flush=True)
    print(f"\n{'trials, shifts':<22}{'right':>7}{'trials':>9}{'fixed plan: seeds':>19}{'trials':>8}{'ratio':>7}")
    for name in arguments.scenarios:
        shifts, margin, paired = SCENARIOS[name]
        share, total, seeds = trials(generator, shifts, margin, rules[paired], repetitions)
        plan = seeds * (len(shifts) + 1)
        print(f"{name:<22}{share:>7.1%}{total:>9.1f}{seeds:>19.1f}{plan:>8.1f}{total / plan:>7.2f}", flush=True)
    print(f"\n{'at the margin':<16}{'test':>13}{'margin':>8}{'equivalent':>12}{'intervals miss':>16}")
    for name in arguments.distributions:
        for paired in (False, True):
            share, misses = at_the_edge(generator, name, rules[paired], repetitions, MARGIN)
            test = "signed ranks" if paired else "Mann-Whitney"
            print(f"{name:<16}{test:>13}{MARGIN:>8}{share:>12.1%}{misses:>16.1%}", flush=True)


if __name__ == "__main__":
    main()
