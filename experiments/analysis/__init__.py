"""The statistics of a comparison of variants: arrays in, numbers out.

Scores are arrays with one entry per seed, the same seeds for all variants. In all of them NaN is a trial that is
missing and an infinite score, of either sign, one that diverged. `better` is "lower" or "higher". How often the
intervals hold the truth is measured by `python -m benchmarks.coverage`.

References: Agarwal et al. (2021) Deep reinforcement learning at the edge of the statistical precipice. DeLong et al.
(1988) Biometrics 44. Demsar (2006) JMLR 7. Greff et al. (2017) LSTM: a search space odyssey. Hanley and McNeil (1982)
Radiology 143. Holm (1979) Scandinavian Journal of Statistics 6. Newcombe (2006) Statistics in Medicine 25, 559.
Welch (1947) Biometrika 34. Wilcoxon (1945) Biometrics Bulletin 1. Wilson (1927) JASA 22. Yuen (1974) Biometrika 61.
Zou, Huang and Zhang (2009) Computational Statistics and Data Analysis 53.
"""

from experiments.analysis.across import Profile, aggregate, normalised, performance_profile
from experiments.analysis.estimators import Estimate, deviation, interquartile_mean, mean
from experiments.analysis.paired import (
    difference,
    holm,
    improvement,
    seeds_for_power,
    seeds_to_conclude,
    welch,
    wilcoxon,
)
from experiments.analysis.ranks import cliques, critical_difference, friedman, mean_ranks

__all__ = [
    "Estimate",
    "Profile",
    "aggregate",
    "cliques",
    "critical_difference",
    "deviation",
    "difference",
    "friedman",
    "holm",
    "improvement",
    "interquartile_mean",
    "mean",
    "mean_ranks",
    "normalised",
    "performance_profile",
    "seeds_for_power",
    "seeds_to_conclude",
    "welch",
    "wilcoxon",
]
