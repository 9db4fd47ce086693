"""How weights start."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from variants.switches import BLOCKS


@keras.saving.register_keras_serializable(package="gatelab")
class ChronoInitializer(keras.initializers.Initializer):
    """First biases of an LSTM for dependencies of up to a known number of steps.

        b_f = log u,  u ~ Uniform[1, longest - 1],  b_i = -b_f,  all others 0

    so that the units of a layer begin with memories of 1 to `longest` steps. For `bias_initializer` of the layers of
    this library, where `unit_forget_bias` has no effect then, and of `keras.layers.LSTM`, where it must be False.

    Source: Tallec and Ollivier 2018, "Can recurrent neural networks warp time?" (section 2.2).

    Args:
        longest: The longest dependency that is expected, in steps, at least 3.
        seed: As of the random initializers of Keras: an integer or a `keras.random.SeedGenerator`. With an integer,
            or None (default), the same initializer draws the same numbers at each call.

    Call arguments:
        shape: `(n * units,)` for n blocks.
        dtype: Type of the biases. Default: that of Keras.
        blocks: The names of the blocks, in their order. Default: input, forget, candidate and output.

    Raises:
        ValueError: if `longest` is not an integer of at least 3, or a shape is not that of the blocks.

    Example:

    >>> layer = GatedLSTM(32, bias_initializer=ChronoInitializer(100))
    """

    def __init__(self, longest: int, seed: Any = None) -> None:
        if isinstance(longest, bool) or not hasattr(longest, "__index__") or longest < 3:
            raise ValueError(f"`longest` must be an integer of at least 3. Received: longest={longest!r}")
        self.longest = int(longest)
        self._uniform = keras.initializers.RandomUniform(1, self.longest - 1, seed=seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None, blocks: Sequence[str] = BLOCKS) -> Any:
        if len(shape) != 1 or shape[0] % len(blocks):
            raise ValueError(
                f"`shape` must be ({len(blocks)} * units,) for the blocks {', '.join(blocks)}. "
                f"Received: shape={tuple(shape)}"
            )
        size = (shape[0] // len(blocks),)
        forget = ops.cast(ops.log(self._uniform(size, "float32")), dtype or keras.config.floatx())
        biases = {"forget": forget, "input": -forget}
        return ops.concatenate([biases.get(block, ops.zeros_like(forget)) for block in blocks])

    def get_config(self) -> dict[str, Any]:
        return {"longest": self.longest, "seed": self._uniform.get_config()["seed"]}
