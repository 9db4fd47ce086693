"""How weights start."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras
from keras import ops

from variants.switches import BLOCKS


class BlockInitializer(keras.initializers.Initializer):
    """First biases that differ by block: those of a gate, or of the candidate.

    Call arguments:
        shape: `(n * units,)` for n blocks.
        dtype: Type of the biases. Default: that of Keras.
        blocks: The names of the blocks, in their order. Default: input, forget, candidate and output.

    Raises:
        ValueError: if a shape is not that of the blocks.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None, blocks: Sequence[str] = BLOCKS) -> Any:
        if len(shape) != 1 or shape[0] % len(blocks):
            raise ValueError(
                f"`shape` must be ({len(blocks)} * units,) for the blocks {', '.join(blocks)}. "
                f"Received: shape={tuple(shape)}"
            )
        dtype, size = dtype or keras.config.floatx(), (shape[0] // len(blocks),)
        biases = self.biases(size, dtype)
        return ops.concatenate([biases.get(block, ops.zeros(size, dtype)) for block in blocks])

    def biases(self, size: tuple[int], dtype: Any) -> dict[str, Any]:
        """Compute the biases `(units,)` of the blocks that do not start from zeros, by name."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="gatelab")
class GateBiases(BlockInitializer):
    """First biases of an LSTM with one number for each gate and the candidate.

    For `bias_initializer` of the layers of this library, where `unit_forget_bias` has no effect then, and of
    `keras.layers.LSTM`, where it must be False. A gate that a layer does not learn has no biases.

    Source: Gers, Schraudolph and Schmidhuber 2002 start from `GateBiases(forget=-2, output=2)` for precise timing.

    Args:
        input: Biases of the input gate. Default 0.
        forget: Biases of the forget gate. Default 0.
        candidate: Biases of the candidate. Default 0.
        output: Biases of the output gate. Default 0.

    Call arguments:
        shape, dtype, blocks: As those of `ChronoInitializer`.

    Raises:
        ValueError: if one of them is no number, or a shape is not that of the blocks.

    Example:

    >>> layer = GatedLSTM(1, bias_initializer=GateBiases(forget=-2, output=2))
    """

    def __init__(self, input: float = 0, forget: float = 0, candidate: float = 0, output: float = 0) -> None:  # noqa: A002
        self.by_block = {"input": input, "forget": forget, "candidate": candidate, "output": output}
        for block, value in self.by_block.items():
            if isinstance(value, bool) or not isinstance(value, Real):
                raise ValueError(f"`{block}` must be a number. Received: {block}={value!r}")

    def biases(self, size: tuple[int], dtype: Any) -> dict[str, Any]:
        """Compute the biases `(units,)` of all blocks, by name."""
        return {block: ops.full(size, value, dtype) for block, value in self.by_block.items()}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return dict(self.by_block)


@keras.saving.register_keras_serializable(package="gatelab")
class ChronoInitializer(BlockInitializer):
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

    def biases(self, size: tuple[int], dtype: Any) -> dict[str, Any]:
        """Draw the biases `(units,)` of the forget gate; those of the input gate are their negatives."""
        forget = ops.cast(ops.log(self._uniform(size, "float32")), dtype)
        return {"forget": forget, "input": -forget}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"longest": self.longest, "seed": self._uniform.get_config()["seed"]}


def first_biases(
    initializer: Any, shape: Sequence[int], blocks: Sequence[str], unit_forget_bias: bool, **kwargs: Any
) -> Any:
    """Give the first biases `(n * units,)` of n blocks: those of the initializer, but 1 for a forget gate if asked."""
    if isinstance(initializer, BlockInitializer):
        return initializer(shape, blocks=blocks, **kwargs)
    if not unit_forget_bias:
        return initializer(shape, **kwargs)
    biases = {block: initializer((shape[0] // len(blocks),), **kwargs) for block in blocks}
    biases["forget"] = ops.ones_like(biases["candidate"])
    return ops.concatenate([biases[block] for block in blocks])
