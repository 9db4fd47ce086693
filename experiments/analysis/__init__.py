"""The statistics of a comparison of variants: arrays in, numbers out.

Scores are arrays with one entry per seed, the same seeds for all variants. In all of them NaN is a trial that is
missing and an infinite score, of either sign, one that diverged. `better` is "lower" or "higher". How often the
intervals hold the truth, and how often equal variants are said to differ, is simulated by `python -m
benchmarks.coverage`. Seeds that are added until something is decided are for `experiments.analysis.sequential`.

References: Agarwal et al. (2021) Deep reinforcement learning at the edge of the statistical precipice. Browne (1995)
Statistics in Medicine 14. Campbell and Thompson (2008) Review of Financial Studies 21. DeLong et al. (1988) Biometrics
44. Demsar (2006) JMLR 7. Dodge et al. (2019) EMNLP. Fisher (1922) JRSS 85. Greff et al. (2017) LSTM: a search space
odyssey. Hanley and McNeil (1982) Radiology 143. Hettmansperger and Sheather (1986) Statistics and Probability Letters
4. Hodges and Lehmann (1963) Annals of Mathematical Statistics 34. Hoerl and Kennard (1970) Technometrics 12. Holm
(1979) Scandinavian Journal of Statistics 6. Iman and Davenport (1980) Communications in Statistics A9. Jennison and
Turnbull (1989) JRSS B 51. Lan and DeMets (1983) Biometrika 70. Mann and Whitney (1947) Annals of Mathematical
Statistics 18. Newcombe (2006) Statistics in Medicine 25, 559. O'Brien and Fleming (1979) Biometrics 35. Pocock (1977)
Biometrika 64. Pratt (1959) JASA 54. Roberts et al. (2017) Ecography 40. Slud and Wei (1982) JASA 77. Tang et al. (2020)
ACL. Wang and Tsiatis (1987) Biometrics 43. Welch (1947) Biometrika 34. Wilcoxon (1945) Biometrics Bulletin 1. Wilson
(1927) JASA 22. Ye et al. (2013) Statistics in Medicine 32. Zou, Huang and Zhang (2009) Computational Statistics and
Data Analysis 53.
"""

from experiments.analysis.across import Profile, aggregate, normalised, over_tasks, performance_profile
from experiments.analysis.budget import Budget, expected_best, quartiles
from experiments.analysis.comparison import Comparison, compare, holm, improvement, independent, loss, p_value, rates
from experiments.analysis.estimators import Estimate, deviation, mean, median
from experiments.analysis.planning import (
    detectable,
    runs_to_conclude,
    seeds_for_effect,
    seeds_to_conclude,
    upper_deviation,
)
from experiments.analysis.ranks import cliques, critical_difference, friedman, least_friedman, mean_ranks
from experiments.analysis.ridge import Moments, explained, explained_by_one
from experiments.analysis.verdict import Margin, Verdict, conclude, parse_margin

__all__ = [
    "Budget",
    "Comparison",
    "Estimate",
    "Margin",
    "Moments",
    "Profile",
    "Verdict",
    "aggregate",
    "cliques",
    "compare",
    "conclude",
    "critical_difference",
    "detectable",
    "deviation",
    "expected_best",
    "explained",
    "explained_by_one",
    "friedman",
    "holm",
    "improvement",
    "independent",
    "least_friedman",
    "loss",
    "mean",
    "mean_ranks",
    "median",
    "normalised",
    "over_tasks",
    "p_value",
    "parse_margin",
    "performance_profile",
    "quartiles",
    "rates",
    "runs_to_conclude",
    "seeds_for_effect",
    "seeds_to_conclude",
    "upper_deviation",
]
