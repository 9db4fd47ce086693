"""Recurrent layers: the cell of `variants.cell` over whole sequences, and the three variants that have a name."""

import inspect
from functools import cache
from typing import Any

import keras

from variants.autocast import in_types_of_cell
from variants.backend import tensor
from variants.cell import GatedLSTMCell
from variants.loop import layer_runner, run
from variants.signature import check_positional, inherited_attribute, show_arguments
from variants.switches import RENAMED
from variants.validation import check_mask, check_sequences, check_states, check_weights


@keras.saving.register_keras_serializable(package="gatelab")
class GatedLSTM(keras.layers.RNN):
    """LSTM over sequences whose gates, activations and connections are switches.

    A drop-in for `keras.layers.LSTM`: with the default switches it has the same weights and computes the same
    numbers, and `set_weights` moves them both ways. The equation, the switches and their sources are in
    `GatedLSTMCell`.

    Args:
        units: Positive integer, width of the output.
        return_sequences: If True, return h of every step, else (default) of the last.
        return_state: If True, return the final states too: h, c and, with `gate_recurrence`, the gates.
        go_backwards: If True, read the sequence from its end. Default False.
        stateful: If True, the final states of a batch are the initial ones of the next. Default False.
        unroll: If True, unroll the loop; needs a known number of time steps. Default False.
        fast_loop: If True (default), training on TensorFlow runs the loop of `variants.loop` wherever it can, which
            takes less time and memory and computes the same. False: always Keras's loop, as in inference and on
            other backends, where it is the faster one. The property `loop` says which one training runs, and why.
        use_cudnn: As of `keras.layers.LSTM`, `"auto"` (default) or False. These layers do not run cuDNN, and True is
            refused.
        input_gate, forget_gate, output_gate: See `GatedLSTMCell`. Like all arguments of the cell they are attributes of
            the layer.
        gate_activation, candidate_activation, output_activation: See `GatedLSTMCell`.
        peephole, peephole_gradient, peephole_initializer: See `GatedLSTMCell`.
        recurrence, gate_recurrence, shared_kernel: See `GatedLSTMCell`.
        **kwargs: The other arguments of `keras.layers.LSTM`, except that `activation` and `recurrent_activation` have
            become the three activations above.

    Call arguments:
        sequences: Tensor of shape `(batch, time, features)`.
        initial_state: List or tuple of h and c, each `(batch, units)`; with `gate_recurrence` also the gates,
            `(batch, n * units)` for n learned gates. Zeros by default.
        mask: Boolean tensor `(batch, time)`. A masked step leaves the states as they are and repeats the
            previous output. The mask is passed on if `return_sequences` is True.
        training: Whether dropout is active.

    Returns a tensor `(batch, time, units)` with `return_sequences`, else `(batch, units)`; with `return_state`
    followed by the final states.

    Raises:
        ValueError: for an unknown argument or value, or switches that exclude each other.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((None, 8)),
    ...     GatedLSTM(32, peephole="diagonal", forget_gate="coupled", return_sequences=True),
    ...     GatedLSTM(32, gate_activation={"forget": "hard_sigmoid"}),
    ...     keras.layers.Dense(1),
    ... ])
    """

    cell_class: type[GatedLSTMCell] = GatedLSTMCell

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._show_arguments()

    @classmethod
    def _show_arguments(cls) -> None:
        show_arguments(cls, inspect.signature(cls.cell_class).parameters.values(), GatedLSTM)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        check_positional(cls, args)
        return super().__new__(cls, *args, **kwargs)

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        fast_loop: bool = True,
        use_cudnn: bool | str = "auto",
        **kwargs: Any,
    ) -> None:
        if not isinstance(fast_loop, bool):
            raise ValueError(f"`fast_loop` must be True or False. Received: fast_loop={fast_loop!r}")
        if use_cudnn not in ("auto", False):
            raise ValueError(
                "`use_cudnn` must be 'auto' or False, which are the same here: these layers do not run the kernels of "
                f"cuDNN, as `keras.layers.LSTM` can. Received: use_cudnn={use_cudnn!r}"
            )
        cell_arguments = {name: kwargs.pop(name) for name in self.cell_arguments() if name in kwargs}
        shared = {name: kwargs[name] for name in ("dtype", "trainable") if name in kwargs}
        super().__init__(
            self.cell_class(units, name="cell", **shared, **cell_arguments),
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            **kwargs,
        )
        self.fast_loop = fast_loop
        self.use_cudnn = use_cudnn
        self.supports_masking = True  # newer Keras has False for `keras.layers.RNN`

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        check_sequences(sequences_shape, self.stateful)
        super().build(sequences_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        if initial_state_shape is not None:  # of tensors of a model to be, for which `call` does not run
            states = keras.tree.map_shape_structure(keras.KerasTensor, initial_state_shape)
            check_states(states, self.cell.state_size, sequences_shape[0])
        return super().compute_output_shape(sequences_shape, initial_state_shape)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        if initial_state is not None:
            check_states(initial_state, self.cell.state_size, sequences.shape[0])
            initial_state = [tensor(state) for state in initial_state]
        if mask is not None:
            check_mask(mask, sequences)
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    def set_weights(self, weights: Any) -> None:
        """Set all weights, from a list of arrays in the order of `weights`; refuse those of another variant."""
        check_weights(weights, self)
        super().set_weights(weights)

    @classmethod
    @cache
    def cell_arguments(cls) -> tuple[str, ...]:
        """The names of the arguments that the layer hands to its cell, besides `units`."""
        not_handed_on = {"units", *inspect.signature(keras.layers.Layer.__init__).parameters}
        names = (*inspect.signature(cls.cell_class).parameters, *RENAMED)
        return tuple(name for name in names if name not in not_handed_on)

    def __getattr__(self, name: str) -> Any:
        """Look up what is no attribute of the layer itself among the arguments of its cell."""
        if name == "units" or name in self.cell_arguments():
            return getattr(self.cell, name)
        return inherited_attribute(super(), name)

    @property
    def loop(self) -> str:
        """Which loop the layer runs in training: `"fast"`, or `"plain: "` and the reason."""
        backend = keras.backend.backend()
        if not self.fast_loop:
            return "plain: fast_loop=False"
        if self.unroll:
            return "plain: unroll=True"
        if type(self.cell).call is not GatedLSTMCell.call:
            return f"plain: {type(self.cell).__name__} has a `call` of its own"
        if backend != "tensorflow" and not (backend == "jax" and self._is_noisy()):
            return f"plain: on {backend} Keras's loop is the faster one"
        return "fast"

    def _is_noisy(self) -> bool:
        """Whether steps draw random numbers, which Keras's loop on JAX cannot."""
        return type(self.cell).noise is not GatedLSTMCell.noise

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Run the steps: last output, outputs and final states. The hook of `keras.layers.RNN`."""
        runner = layer_runner.get()
        if runner is None and not (training and self.loop == "fast"):
            return super().inner_loop(sequences, initial_state, mask, training)

        def loop(sequences: Any, initial_state: Any) -> Any:
            """Run the steps by what looks inside the model, or else by the fast loop."""
            if runner is not None:
                return runner(self, sequences, initial_state, mask)
            return run(
                self.cell,
                sequences,
                initial_state,
                mask=mask,
                go_backwards=self.go_backwards,
                return_sequences=self.return_sequences,
                zero_output_for_mask=self.zero_output_for_mask,
            )

        return in_types_of_cell(self, loop, sequences, initial_state)

    def get_config(self) -> dict[str, Any]:
        cell = self.cell.get_config()
        config = {**super().get_config(), "fast_loop": self.fast_loop}
        del config["cell"]
        return {**{name: value for name, value in cell.items() if name not in ("name", "dtype")}, **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GatedLSTM":
        return cls(**config)


GatedLSTM._show_arguments()


@keras.saving.register_keras_serializable(package="gatelab")
class StandardLSTMCell(GatedLSTMCell):
    """The cell of `keras.layers.LSTM`: `GatedLSTMCell` with its default switches.

    Source: Gers, Schmidhuber and Cummins 2000, "Learning to forget", without peepholes.
    """


@keras.saving.register_keras_serializable(package="gatelab")
class PeepholeLSTMCell(GatedLSTMCell):
    """`GatedLSTMCell` with `peephole="diagonal"`: the gates see the cell state.

        i = s(... + p_i * c),  f = s(... + p_f * c),  o = s(... + p_o * c')

    Weights are in the order of TensorFlow Addons' `PeepholeLSTMCell`.
    Source: Gers and Schmidhuber 2000, "Recurrent nets that time and count"; gradient as in Greff et al. 2017.
    """

    def __init__(self, units: int, *, peephole: str = "diagonal", **kwargs: Any) -> None:
        super().__init__(units, peephole=peephole, **kwargs)


@keras.saving.register_keras_serializable(package="gatelab")
class SwappedLSTMCell(GatedLSTMCell):
    """`GatedLSTMCell` with the activations exchanged: tanh gates, sigmoid candidate and output.

        i, f, o = tanh(...),  z = sigmoid(...),  h' = o * sigmoid(c')

    Equal to `keras.layers.LSTMCell(units, activation="sigmoid", recurrent_activation="tanh")`.
    """

    def __init__(
        self,
        units: int,
        *,
        gate_activation: Any = "tanh",
        candidate_activation: Any = "sigmoid",
        output_activation: Any = "sigmoid",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            gate_activation=gate_activation,
            candidate_activation=candidate_activation,
            output_activation=output_activation,
            **kwargs,
        )


@keras.saving.register_keras_serializable(package="gatelab")
class StandardLSTM(GatedLSTM):
    """`GatedLSTM` with the equation of `keras.layers.LSTM`; see `StandardLSTMCell`."""

    cell_class = StandardLSTMCell


@keras.saving.register_keras_serializable(package="gatelab")
class PeepholeLSTM(GatedLSTM):
    """`GatedLSTM` with diagonal peepholes; see `PeepholeLSTMCell`."""

    cell_class = PeepholeLSTMCell


@keras.saving.register_keras_serializable(package="gatelab")
class SwappedLSTM(GatedLSTM):
    """`GatedLSTM` with tanh gates and sigmoid candidate and output; see `SwappedLSTMCell`."""

    cell_class = SwappedLSTMCell
