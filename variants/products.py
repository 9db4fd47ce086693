"""The linear half of the LSTM equation: the weights of a cell, and their products with inputs and states."""

from typing import Any

import keras
from keras import ops


class Products(keras.layers.LSTMCell):
    """What `variants.GatedLSTMCell` adds up before the gates; the switches are its."""

    units: int
    blocks: tuple[str, ...]
    learned_gates: tuple[str, ...]
    peephole: str
    peephole_gradient: bool
    gate_recurrence: bool
    shared_kernel: bool
    chrono_time: int | None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        columns = self.units if self.shared_kernel else self.units * len(self.blocks)
        self.kernel = self.add_weight(
            shape=(input_shape[-1], columns),
            name="kernel",
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self._add_recurrent_weight("recurrent_kernel", (self.units, columns))
        self.bias = self._add_bias() if self.use_bias else None
        self.peepholes = self._add_peepholes() if self.peephole != "none" else {}
        if self.gate_recurrence:
            width = len(self.learned_gates) * self.units
            self.gate_recurrent_kernel = self._add_recurrent_weight("gate_recurrent_kernel", (width, width))
        self.built = True

    def _add_recurrent_weight(self, name: str, shape: tuple[int, ...], initializer: Any = None) -> Any:
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=initializer or self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )

    def _add_bias(self) -> Any:
        return self.add_weight(
            shape=(self.units * len(self.blocks),),
            name="bias",
            initializer=self._initial_bias if self.unit_forget_bias or self.chrono_time else self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def _initial_bias(self, _: Any, **kwargs: Any) -> Any:
        values = {block: self.bias_initializer((self.units,), **kwargs) for block in self.blocks}
        if self.chrono_time:
            times = keras.random.uniform((self.units,), 1, self.chrono_time - 1, seed=self.seed_generator)
            forget = ops.cast(ops.log(times), values["candidate"].dtype)
            values |= {"forget": forget, "input": -forget}
        elif self.unit_forget_bias:
            values["forget"] = ops.ones_like(values["candidate"])
        return ops.concatenate([values[block] for block in self.blocks])

    def _add_peepholes(self) -> dict[str, Any]:
        shape = (self.units,) if self.peephole == "diagonal" else (self.units, self.units)
        return {
            gate: self._add_recurrent_weight(f"{gate}_peephole", shape, self.kernel_initializer)
            for gate in self.learned_gates
        }

    def input_product(self, inputs: Any) -> Any:
        """Compute what the sums owe to the input: x W, for any number of steps at once.

        From `(..., features)` to `(..., n * units)`. With a shared kernel that all blocks use alike the product is
        `(..., units)`, and so is the recurrent one.
        """
        product = ops.tensordot(inputs, self.kernel, 1)
        return product if self._narrow else self._for_all_blocks(product)

    def recurrent_product(self, states: list[Any]) -> Any:
        """Compute what the sums owe to the previous states through matrices, and the bias: h U + b.

        From states `(..., size)`, the hidden one after dropout, to `(..., n * units)`, for any number of steps at
        once. Full peepholes of the input and the forget gate and the gate recurrence are part of it. The bias is
        here, not with the input, because there it would cost a second copy of the products of all steps.
        """
        product = ops.tensordot(states[0], self.recurrent_kernel.value, 1)
        if self._narrow:
            return product
        product = self._for_all_blocks(product)
        if self.bias is not None:
            product = product + self.bias.value
        extra = self._gate_recurrence(states) if self.gate_recurrence else {}
        if self.peephole == "full":
            for gate in ("input", "forget"):
                if gate in self.learned_gates:
                    seen = ops.tensordot(self._seen(states[1]), self.peepholes[gate].value, 1)
                    extra[gate] = extra[gate] + seen if gate in extra else seen
        if not extra:
            return product
        zeros = ops.zeros_like(states[1])
        return product + ops.concatenate([extra.get(block, zeros) for block in self.blocks], axis=-1)

    def _gate_recurrence(self, states: list[Any]) -> dict[str, Any]:
        product = ops.tensordot(states[2], self.gate_recurrent_kernel.value, 1)
        return dict(zip(self.learned_gates, ops.split(product, len(self.learned_gates), axis=-1), strict=True))

    @property
    def _narrow(self) -> bool:
        return self.shared_kernel and not self.gate_recurrence and self.peephole != "full"

    def _for_all_blocks(self, product: Any) -> Any:
        return ops.concatenate([product] * len(self.blocks), axis=-1) if self.shared_kernel else product

    def by_block(self, sums: Any) -> dict[str, Any]:
        """Split the sums into those of the input, forget and output gate and the candidate, `(..., units)` each."""
        if not self._narrow:
            return dict(zip(self.blocks, ops.split(sums, len(self.blocks), axis=-1), strict=True))
        if self.bias is None:
            return dict.fromkeys(self.blocks, sums)
        biases = ops.split(self.bias, len(self.blocks))
        return {block: sums + bias for block, bias in zip(self.blocks, biases, strict=True)}

    def _seen(self, cell: Any) -> Any:
        return cell if self.peephole_gradient else ops.stop_gradient(cell)
