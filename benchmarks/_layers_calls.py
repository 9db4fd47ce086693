"""What `benchmarks/layers.py` runs: training steps and forward passes of layers, of torch, and of bare products."""

import importlib.util
import logging
import os
from functools import cache

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

from experiments.config.compose import compose
from experiments.trial.model import make_layer
from variants import GatedLSTMCell

JAX = keras.backend.backend() == "jax"
if JAX:
    import jax
else:
    import tensorflow as tf
TORCH = importlib.util.find_spec("torch") is not None

KERAS, TORCH_LSTM, FLOOR = "keras.layers.LSTM", "torch.nn.LSTM", "matrix products"
PATHS = ("jit",) if JAX else ("jit", "graph")
RATE = 1e-6  # of the plain SGD updates

logging.getLogger("tensorflow").setLevel("ERROR")  # "retracing": many functions are compiled on purpose


def call(section, name, path, shape):
    """A function without arguments that runs an entry of a table once and waits for the result."""
    if name == FLOOR:
        return _floor_call(section, path, *shape)
    if name == TORCH_LSTM:
        return _torch_call(section, *shape)
    batch, steps, features, units = shape
    layer, x = make(name, path, units), _array(batch, steps, features)
    layer.build(x.shape)
    function = _inference(layer, path) if section == "inference" else _training_step(layer, path)
    return lambda: ops.convert_to_numpy(function(x))


def make(name, path, units):
    """The layer of an entry, not built."""
    if name == KERAS:
        return keras.layers.LSTM(units)
    layer = make_layer(_settings(name), units)
    return keras.layers.RNN(layer.cell) if path.startswith("plain") else layer


def alike(name):
    """Whether a variant is the standard cell with other switches and no more matrix products."""
    layer = make(name, "jit", 1)
    return type(layer.cell) is GatedLSTMCell and not layer.gate_recurrence and layer.peephole != "full"


def gpus():
    """Names of the GPUs that the backend sees."""
    if JAX:
        return [each.device_kind for each in jax.devices() if each.platform == "gpu"]
    return [each.name for each in tf.config.list_physical_devices("GPU")]


@cache
def _settings(variant):
    return compose([f"variant={variant}"]).variant


def _array(*shape, scale=1.0):
    return ops.convert_to_tensor(np.random.default_rng(0).normal(0, scale, shape).astype("float32"))


def _compiled(function, path):
    return jax.jit(function) if JAX else tf.function(function, jit_compile=path.endswith("jit"), autograph=False)


def _training_step(layer, path):
    if JAX:
        return _jax_training_step(layer)
    weights = [variable.value for variable in layer.trainable_variables]

    def step(x):
        with tf.GradientTape() as tape:
            loss = ops.sum(ops.square(layer(x, training=True)))
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(RATE * gradient)
        return loss

    return _compiled(step, path)


def _jax_training_step(layer):
    weights, rest = _jax_values(layer)

    def loss(weights, x):
        return ops.sum(ops.square(layer.stateless_call(weights, rest, x, training=True)[0]))

    @jax.jit
    def update(weights, x):
        value, gradients = jax.value_and_grad(loss)(weights, x)
        return value, [weight - RATE * gradient for weight, gradient in zip(weights, gradients, strict=True)]

    def step(x):
        nonlocal weights
        value, weights = update(weights, x)
        return value

    return step


def _jax_values(layer):
    return [[each.value for each in group] for group in (layer.trainable_variables, layer.non_trainable_variables)]


def _inference(layer, path):
    if not JAX:
        return _compiled(lambda x: layer(x, training=False), path)
    values = _jax_values(layer)
    function = jax.jit(lambda values, x: layer.stateless_call(*values, x, training=False)[0])
    return lambda x: function(values, x)


def _floor_call(section, path, batch, steps, features, units):
    """The matrix products of a standard LSTM; in the loops, each is a product with the result of the one before."""
    x, kernel, hidden = _array(batch * steps, features), _array(features, 4 * units), _array(batch * steps, units)
    recurrent = _array(units, 4 * units, scale=(2 * units) ** -0.5)  # neither vanishes nor overflows in 100 steps

    def repeat(product, sums):
        return ops.while_loop(lambda n, _: n < steps, lambda n, a: (n + 1, product(a)), (0, sums), steps)[1]

    def products(x, kernel, hidden, recurrent):
        inputs = ops.matmul(x, kernel)
        sums = repeat(lambda a: ops.matmul(a[:, :units], recurrent), inputs[:batch])
        if section == "inference":
            return sums, inputs
        back = ops.transpose(recurrent)
        sums = repeat(lambda a: ops.concatenate([ops.matmul(a, back)] * 4, axis=-1), sums)
        return sums, ops.matmul(ops.transpose(x), inputs), ops.matmul(ops.transpose(hidden), inputs)

    function = _compiled(products, path)
    return lambda: ops.convert_to_numpy(function(x, kernel, hidden, recurrent)[0])


def _torch_call(section, batch, steps, features, units):
    import torch

    torch.set_num_threads(os.cpu_count())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    lstm = torch.nn.LSTM(features, units, batch_first=True).to(device)
    x = torch.randn(batch, steps, features, generator=torch.Generator().manual_seed(0)).to(device)
    weights = list(lstm.parameters())

    def train():
        loss = lstm(x)[1][0].square().sum()
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= RATE * gradient
        return loss.item()

    def infer():
        with torch.inference_mode():
            return lstm(x)[1][0].cpu()

    return infer if section == "inference" else train
