"""The only code that depends on the backend: a loop over steps, gradients, compiling, randomness.

Tensors come in nested lists, tuples and dicts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import tree

Tensor = Any
Body = Callable[[Any, Any], tuple[Any, Any]]
Tap = Callable[[Any, str], Tensor]


def tensor(value: Any) -> Tensor:
    """An array, a tensor, or the value of a Keras variable in the type of the computation, as a tensor.

    On TensorFlow a variable would stay one otherwise, also its `value`.
    """
    if isinstance(value, keras.Variable):
        value = value.value
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.convert_to_tensor(value)
    return keras.ops.convert_to_tensor(value)


def uniform(shape: tuple[Any, ...], seed: keras.random.SeedGenerator | int) -> Tensor:
    """Random numbers from [0, 1) in float32, from an integer the same ones each time.

    On TensorFlow with an algorithm by name: the one that Keras leaves to XLA takes 200 times as long on a CPU.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        pair = [seed, 0] if isinstance(seed, int) else tf.cast(seed.next(), "int32")
        return tf.random.stateless_uniform(shape, pair, alg="philox")
    return keras.random.uniform(shape, seed=seed)


def scan(
    body: Body,
    carry: Any,
    inputs: dict[str, Any],
    output: dict[str, Any],
    reverse: bool = False,
    ahead: Sequence[str] = (),
) -> tuple[Any, dict[str, Any]]:
    """Call `carry, output = body(carry, now)` for each step and stack the outputs.

    Args:
        body: The step. Its carry and its output have the structure, shapes and types of the arguments below.
        carry: What the first step starts from.
        inputs: Tensors by name whose first axis is time; a step gets their slices.
        output: Tensors by name that look like the output of one step. An output with the name of an input takes
            over its memory, on TensorFlow.
        reverse: Start from the last step; the stacked outputs stay in the order of the inputs.
        ahead: Names of the inputs to read one step ahead, on TensorFlow. A slice that comes from the state of the
            loop is a buffer of its own, on which XLA computes gates up to twice as fast as on one that it reads
            inside of the computation.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.lax.scan(body, carry, inputs, reverse=reverse)
    if keras.backend.backend() == "torch":
        return _scan_torch(body, carry, inputs, output, reverse)
    return _scan_tensorflow(body, carry, inputs, output, reverse, ahead)


def _scan_tensorflow(
    body: Body, carry: Any, inputs: dict[str, Any], output: dict[str, Any], reverse: bool, ahead: Sequence[str]
) -> tuple[Any, dict[str, Any]]:
    import tensorflow as tf

    first = tree.flatten(inputs)[0]
    steps = first.shape[0] if first.shape[0] is not None else tf.shape(first)[0]
    # Not cleared after reading: an output with the name of an input is written where that step was read.
    arrays = tree.map_structure(
        lambda x: tf.TensorArray(x.dtype, steps, element_shape=x.shape[1:], clear_after_read=False).unstack(x), inputs
    )
    new = {name: example for name, example in output.items() if name not in inputs}
    empty = tree.map_structure(lambda x: tf.TensorArray(x.dtype, steps, element_shape=x.shape), new)
    outputs = {name: empty[name] if name in new else arrays[name] for name in output}

    def index(count: Tensor) -> Tensor:
        """The place of a step in time."""
        return steps - 1 - count if reverse else count

    def read(count: Tensor, outputs: dict[str, Any], early: bool) -> dict[str, Any]:
        """What a step reads, either ahead or in the step itself."""
        # An array that is written too is in the state of the loop; the steps still to be read are as they were.
        sources = {name: outputs.get(name, array) for name, array in arrays.items() if (name in ahead) == early}
        return tree.map_structure(lambda array: array.read(index(count)), sources)

    def step(count: Tensor, early: dict[str, Any], carry: Any, outputs: dict[str, Any]) -> Any:
        """Take a step, and read ahead for the next one."""
        carry, values = body(carry, {**early, **read(count, outputs, False)})
        written = tree.map_structure(lambda array, value: array.write(index(count), value), outputs, values)
        return count + 1, read(tf.minimum(count + 1, steps - 1), written, True), carry, written

    state = (0, read(0, outputs, True), carry, outputs)
    *_, carry, outputs = tf.while_loop(lambda count, *_: count < steps, step, state, maximum_iterations=steps)
    return carry, tree.map_structure(lambda array: array.stack(), outputs)


def _scan_torch(body: Body, carry: Any, inputs: Any, output: Any, reverse: bool) -> tuple[Any, Any]:
    steps = range(tree.flatten(inputs)[0].shape[0])
    outputs = []
    for step in reversed(steps) if reverse else steps:
        carry, values = body(carry, tree.map_structure(lambda x, step=step: x[step], inputs))
        outputs.append(tree.flatten(values))
    stacked = [keras.ops.stack(values) for values in zip(*(outputs[::-1] if reverse else outputs), strict=True)]
    return carry, tree.pack_sequence_as(output, stacked)


def vjp(function: Callable[..., Any], arguments: Sequence[Tensor], upstream: Any) -> list[Tensor | None]:
    """The gradient of each argument, for upstream gradients of what `function(*arguments)` returns.

    None (TensorFlow and torch) or zeros (JAX) where the function does not depend on an argument.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return list(jax.vjp(function, *arguments)[1](upstream))
    if backend == "torch":
        import torch

        with torch.enable_grad():
            watched = [argument.detach().requires_grad_() for argument in arguments]
            outputs = tree.flatten(function(*watched))
        return list(torch.autograd.grad(outputs, watched, tree.flatten(upstream), allow_unused=True))
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(list(arguments))
        outputs = function(*arguments)
    return list(tape.gradient(outputs, list(arguments), output_gradients=upstream))


def differentiable(
    forward: Callable[..., Any], backward: Callable[..., Any], variables: Sequence[Tensor]
) -> list[Tensor]:
    """Call `forward` and let `backward` be its gradient, on TensorFlow.

    Args:
        forward: From the variables to a list of outputs and anything that the gradient needs.
        backward: From the variables, what was saved and the gradients of the outputs to the gradients of the variables.
        variables: Tensors that need a gradient.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def function(*variables: Tensor) -> Any:
        """Call `forward`, and tell TensorFlow its gradient."""
        outputs, saved = forward(list(variables))

        def gradient(*upstream: Tensor) -> list[Tensor | None]:
            """Give the gradients of the variables, from those of the outputs."""
            return backward(list(variables), saved, list(upstream))

        return outputs, gradient

    return list(function(*variables))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors, on TensorFlow compiled to a graph for each signature, on JAX and torch as it is."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    return function


def compilations(function: Any) -> int:
    """The number of graphs that a function from `compiled` has been compiled to."""
    return function.experimental_get_tracing_count() if keras.backend.backend() == "tensorflow" else 0


@contextmanager
def inlined() -> Iterator[None]:
    """Inside, functions that TensorFlow has compiled, or would compile, run as the Python that they were made of."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def tap_gradients(function: Callable[[Tap], tuple[Tensor, Any]]) -> tuple[list[Tensor], Any]:
    """Differentiate a function at places inside of it.

    Args:
        function: Gets `tap(shape, dtype)`, which gives zeros that it adds wherever it is to be differentiated, and
            returns a scalar and whatever else it computes on the way.

    Returns:
        The gradients of the scalar with respect to the zeros, in the order of the taps, zeros where it does not
        depend on them; and what else the function returned.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return _tap_gradients_jax(function)
    if backend == "torch":
        return _tap_gradients_torch(function)
    import tensorflow as tf

    taps: list[Tensor] = []
    with tf.GradientTape(watch_accessed_variables=False) as tape:

        def tap(shape: Any, dtype: str) -> Tensor:
            """Give zeros whose gradient is recorded."""
            taps.append(tf.zeros(shape, dtype))
            tape.watch(taps[-1])
            return taps[-1]

        scalar, rest = function(tap)
    return tape.gradient(scalar, taps, unconnected_gradients=tf.UnconnectedGradients.ZERO), rest


def _tap_gradients_jax(function: Callable[[Tap], tuple[Tensor, Any]]) -> tuple[list[Tensor], Any]:
    import jax

    zeros: list[np.ndarray] = []

    def tap(shape: Any, dtype: str) -> np.ndarray:
        """Count the taps, and keep their shapes."""
        zeros.append(np.zeros(shape, dtype))
        return zeros[-1]

    def at(taps: list[Tensor]) -> tuple[Tensor, Any]:
        """Call the function with these values in place of the zeros."""
        remaining = iter(taps)
        return function(lambda shape, dtype: next(remaining))

    jax.eval_shape(lambda: function(tap))  # computes nothing, and tells how many taps there are, and their shapes
    scalar, gradient, rest = jax.vjp(at, zeros, has_aux=True)
    return gradient(jax.numpy.ones_like(scalar))[0], rest


def _tap_gradients_torch(function: Callable[[Tap], tuple[Tensor, Any]]) -> tuple[list[Tensor], Any]:
    import torch

    taps: list[Tensor] = []

    def tap(shape: Any, dtype: str) -> Tensor:
        """Give zeros whose gradient is recorded."""
        taps.append(keras.ops.zeros(shape, dtype).requires_grad_())
        return taps[-1]

    with torch.enable_grad():
        scalar, rest = function(tap)
    gradients = torch.autograd.grad(scalar, taps, allow_unused=True)
    zeros = map(torch.zeros_like, taps)
    return [zero if gradient is None else gradient for gradient, zero in zip(gradients, zeros, strict=True)], rest
