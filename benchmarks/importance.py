"""How far the shares of `experiments.analysis.importance` are from the true ones, in simulated random searches.

python -m benchmarks.importance                      # 40 searches of each of 4 functions, a quarter of an hour
python -m benchmarks.importance --repetitions 5 --draws 20 50

Settings x, y and z are uniform from 0 to 1; z has no effect. The true shares are computed from 400,000 points.
"""

import argparse

import numpy as np

from experiments.analysis.importance import LEAST_DRAWS, Forest

SETTINGS = ("x", "y", "z")
DRAWS = (20, 30, 50, 100, 200)
FUNCTIONS = {
    "3x + y": lambda x, y, noise: 3 * x + y,
    "3x + y, noise 20 %": lambda x, y, noise: 3 * x + y + noise * np.sqrt(0.25 * 10 / 12),
    "bowl, interaction": lambda x, y, noise: 6 * (x - 0.6) ** 2 + 0.5 * y + 1.5 * (x - 0.5) * (y - 0.5),
    "x + y, noise 20 %": lambda x, y, noise: x + y + noise * np.sqrt(0.25 * 2 / 12),
}


def sample(name, count, seed):
    """Settings `(count, 3)` and scores `(count,)`."""
    generator = np.random.default_rng(seed)
    settings, noise = generator.random((count, len(SETTINGS))), generator.normal(size=count)
    return settings, FUNCTIONS[name](settings[:, 0], settings[:, 1], noise)


def true_shares(name):
    """Variance of the mean score at each value of a setting, over the variance of the score."""
    settings, scores = sample(name, 400_000, 0)
    shares = []
    for column in settings.T:
        place = (200 * column).astype(int)
        shares.append((np.bincount(place, scores) / np.bincount(place)).var() / scores.var())
    return np.array(shares)


def estimated_shares(name, count, seed):
    """The estimated share of each setting, and the ends of its interval: `(3, 3)`."""
    settings, scores = sample(name, count, seed)
    draws = [{key: repr(float(value)) for key, value in zip(SETTINGS, row, strict=True)} for row in settings]
    main = {share.settings[0]: share for share in Forest(draws, scores, log=False, seed=seed).importance.main}
    return np.array([[main[setting].mean, main[setting].low, main[setting].high] for setting in SETTINGS])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=40)
    parser.add_argument("--draws", type=int, nargs="+", default=DRAWS)
    options = parser.parse_args()
    if min(options.draws) < LEAST_DRAWS:
        parser.error(f"--draws: at least {LEAST_DRAWS}")
    print(f"{'function':<20} draws  error of a share, 95 %  share of z, 95 %  largest found  x in its interval")
    for name in FUNCTIONS:
        truth = true_shares(name)
        for count in options.draws:
            shares = np.array([estimated_shares(name, count, 100 + number) for number in range(options.repetitions)])
            error = np.percentile(np.abs(shares[:, :, 0] - truth), 95, axis=0).max()
            useless = np.percentile(shares[:, 2, 0], 95)
            largest = (shares[:, :, 0].argmax(axis=1) == truth.argmax()).mean()
            inside = ((shares[:, 0, 1] <= truth[0]) & (truth[0] <= shares[:, 0, 2])).mean()
            print(f"{name:<20} {count:5d} {error:23.2f} {useless:17.2f} {largest:14.0%} {inside:18.0%}", flush=True)


if __name__ == "__main__":
    main()
