"""The contract of every layer of this library, as checks that anyone can run on a layer of their own.

Each check takes `make`, a function that builds a fresh layer from the arguments of `GatedLSTM` (units are already
chosen), for example `functools.partial(GatedLSTM, 5, peephole="full")`, and raises `AssertionError` if the layer
breaks the contract, `unittest.SkipTest` where the backend lacks what is to be checked:

    for name, check in CHECKS.items():
        check(functools.partial(MyLSTM, 5))

What the checks share, for checks of your own, is in `variants.testing.common`.
"""

from variants.testing.common import Check, array, equal, random_states, randomize, same_weights, sequences
from variants.testing.drop_in import DROP_IN_CHECKS
from variants.testing.steps import STEP_CHECKS
from variants.testing.training import TRAINING_CHECKS, training_gradients

CHECKS: dict[str, Check] = {**DROP_IN_CHECKS, **STEP_CHECKS, **TRAINING_CHECKS}

__all__ = ["CHECKS", "array", "equal", "random_states", "randomize", "same_weights", "sequences", "training_gradients"]
