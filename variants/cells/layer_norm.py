"""The layer-normalised LSTM."""

from typing import Any

import keras
from keras import ops

from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM
from variants.switches import CHOICES


@keras.saving.register_keras_serializable(package="gatelab")
class LayerNormLSTMCell(GatedLSTMCell):
    """`GatedLSTMCell` that normalises what it adds up, and the cell state on its way out.

    With LN(a) = (a - mean(a)) / sqrt(variance(a) + epsilon) over the last axis, over all blocks at once:

        a_i, a_f, a_z, a_o = LN(x W) * g_x + LN(h U) * g_h + b
        h' = o * s_h(LN(c') * g_c + b_c)

    and everything else as in `GatedLSTMCell`. The cell state that is carried on is not normalised, unlike in
    TensorFlow Addons' `LayerNormLSTMCell`. Source: Ba, Kiros and Hinton 2016, "Layer normalization" (appendix).

    Args:
        units: Positive integer, width of the hidden and of the cell state.
        epsilon: Added to the variances, default 1e-5.
        **kwargs: The arguments of `GatedLSTMCell`; `peephole` is `"none"` or `"diagonal"`, `recurrence` is
            `"full"` or `"diagonal"`, and there is neither `gate_recurrence` nor `shared_kernel`.

    Weights: those of `GatedLSTMCell`, then kernel_gain g_x and recurrent_gain g_h, `(n * units,)` for n blocks,
    cell_gain g_c and cell_shift b_c, `(units,)`. Gains start at 1, the shift at 0.

    Raises:
        ValueError: for a switch that the equation does not have.
    """

    fixed = {"gate_recurrence": False, "shared_kernel": False}

    def __init__(self, units: int, *, epsilon: float = 1e-5, **kwargs: Any) -> None:
        for name, allowed in {"peephole": ("none", "diagonal"), "recurrence": ("full", "diagonal")}.items():
            if (value := kwargs.get(name, allowed[0])) in set(CHOICES[name]) - set(allowed):
                raise ValueError(
                    f"`{name}` of LayerNormLSTM must be one of {', '.join(allowed)}. Received: {name}={value!r}"
                )
        super().__init__(units, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        columns = self.units * len(self.blocks)
        self.kernel_gain = self.add_weight(shape=(columns,), name="kernel_gain", initializer="ones")
        self.recurrent_gain = self.add_weight(shape=(columns,), name="recurrent_gain", initializer="ones")
        self.cell_gain = self.add_weight(shape=(self.units,), name="cell_gain", initializer="ones")
        self.cell_shift = self.add_weight(shape=(self.units,), name="cell_shift", initializer="zeros")

    def input_product(self, inputs: Any) -> Any:
        """Compute LN(x W) * g_x + b, `(..., features)` to `(..., n * units)`."""
        product = self._normalize(ops.tensordot(inputs, self.kernel, 1))
        product = product * ops.cast(self.kernel_gain, product.dtype)
        return product if self.bias is None else product + ops.cast(self.bias, product.dtype)

    def recurrent_product(self, states: list[Any]) -> Any:
        """Compute h U, from states `(..., units)` to `(..., n * units)`."""
        return self.hidden_product(states[0])

    def combine(self, input_product: Any, recurrent_product: Any) -> Any:
        """Compute the sums: LN(x W) * g_x + b, which is given, and LN(h U) * g_h."""
        return input_product + self._normalize(recurrent_product) * self.recurrent_gain.value

    def compute_output(self, c: Any) -> Any:
        """Compute s_h(LN(c') * g_c + b_c)."""
        return super().compute_output(self._normalize(c) * self.cell_gain.value + self.cell_shift.value)

    def _normalize(self, values: Any) -> Any:
        # Not in float16, where the gradient overflows if all values are equal, as in the first step.
        exact = ops.cast(values, keras.backend.result_type(values.dtype, "float32"))
        centred = exact - ops.mean(exact, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        return ops.cast(centred * ops.rsqrt(variance + self.epsilon), values.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="gatelab")
class LayerNormLSTM(GatedLSTM):
    """Layer-normalised LSTM over sequences; see `LayerNormLSTMCell`, the arguments are its and `GatedLSTM`'s."""

    cell_class = LayerNormLSTMCell
