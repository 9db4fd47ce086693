"""The only code that depends on the backend: a loop over steps, vector-Jacobian products, custom gradients, randomness.

Tensors come in nested lists, tuples and dicts.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import tree

Tensor = Any
Body = Callable[[Any, Any], tuple[Any, Any]]


def value(variable: Any) -> Tensor:
    """The value of a Keras variable as a tensor, in the type of the computation."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.convert_to_tensor(variable.value)
    return variable.value


def uniform(shape: tuple[Any, ...], seed: keras.random.SeedGenerator) -> Tensor:
    """Random numbers from [0, 1) in float32.

    On TensorFlow with an algorithm by name: the one that Keras leaves to XLA takes 200 times as long on a CPU.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.random.stateless_uniform(shape, tf.cast(seed.next(), "int32"), alg="philox")
    return keras.random.uniform(shape, seed=seed)


def scan(
    body: Body,
    carry: Any,
    each: dict[str, Any],
    output: dict[str, Any],
    reverse: bool = False,
    ahead: Sequence[str] = (),
) -> tuple[Any, dict[str, Any]]:
    """Call `carry, output = body(carry, now)` for each step and stack the outputs.

    Args:
        body: The step. Its carry and its output have the structure, shapes and types of the arguments below.
        carry: What the first step starts from.
        each: Tensors by name whose first axis is time; a step gets their slices.
        output: Tensors by name that look like the output of one step. An output with the name of an input takes
            over its memory, on TensorFlow.
        reverse: Start from the last step; the stacked outputs stay in the order of `each`.
        ahead: What of `each` to read one step ahead, on TensorFlow. A slice that comes from the state of the loop is
            a buffer of its own, on which XLA computes gates up to twice as fast as on one that it reads inside of
            the computation.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.lax.scan(body, carry, each, reverse=reverse)
    if keras.backend.backend() == "torch":
        return _scan_torch(body, carry, each, output, reverse)
    return _scan_tensorflow(body, carry, each, output, reverse, ahead)


def _scan_tensorflow(
    body: Body, carry: Any, each: dict[str, Any], output: dict[str, Any], reverse: bool, ahead: Sequence[str]
) -> tuple[Any, dict[str, Any]]:
    import tensorflow as tf

    first = tree.flatten(each)[0]
    steps = first.shape[0] if first.shape[0] is not None else tf.shape(first)[0]
    arrays = tree.map_structure(
        lambda x: tf.TensorArray(x.dtype, steps, element_shape=x.shape[1:], clear_after_read=False).unstack(x), each
    )
    new = {name: value for name, value in output.items() if name not in each}
    empty = tree.map_structure(lambda x: tf.TensorArray(x.dtype, steps, element_shape=x.shape), new)
    outputs = {name: empty[name] if name in new else arrays[name] for name in output}

    def index(count: Tensor) -> Tensor:
        return steps - 1 - count if reverse else count

    def read(count: Tensor, outputs: dict[str, Any], early: bool) -> dict[str, Any]:
        sources = {name: outputs.get(name, array) for name, array in arrays.items() if (name in ahead) == early}
        return tree.map_structure(lambda array: array.read(index(count)), sources)

    def step(count: Tensor, early: dict[str, Any], carry: Any, outputs: dict[str, Any]) -> Any:
        carry, values = body(carry, {**early, **read(count, outputs, False)})
        written = tree.map_structure(lambda array, value: array.write(index(count), value), outputs, values)
        return count + 1, read(tf.minimum(count + 1, steps - 1), written, True), carry, written

    state = (0, read(0, outputs, True), carry, outputs)
    *_, carry, outputs = tf.while_loop(lambda count, *_: count < steps, step, state, maximum_iterations=steps)
    return carry, tree.map_structure(lambda array: array.stack(), outputs)


def _scan_torch(body: Body, carry: Any, each: Any, output: Any, reverse: bool) -> tuple[Any, Any]:
    steps = range(tree.flatten(each)[0].shape[0])
    found = []
    for step in reversed(steps) if reverse else steps:
        carry, values = body(carry, tree.map_structure(lambda x, step=step: x[step], each))
        found.append(tree.flatten(values))
    stacked = [keras.ops.stack(values) for values in zip(*(found[::-1] if reverse else found), strict=True)]
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
        outputs, saved = forward(list(variables))

        def gradient(*upstream: Tensor) -> list[Tensor | None]:
            return backward(list(variables), saved, list(upstream))

        return outputs, gradient

    return list(function(*variables))
