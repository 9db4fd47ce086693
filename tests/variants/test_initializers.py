"""How biases and peepholes start."""

import keras
import numpy as np
import pytest

from variants import JANET, ChronoInitializer, GateBiases, GatedLSTM, PeepholeLSTM
from variants.testing.common import FEATURES, array

UNITS = 400


def built(layer):
    layer.build((None, None, FEATURES))
    return layer


def check_times(forget_biases, longest):
    """Exponentials of the biases are spread evenly over [1, longest - 1]."""
    times = np.exp(forget_biases)
    assert 1 <= times.min() < 2 and longest - 2 < times.max() <= longest - 0.999
    assert abs(times.mean() - longest / 2) < 3 * (longest - 2) / np.sqrt(12 * len(times))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: GatedLSTM(UNITS, chrono_time=50),
        lambda: GatedLSTM(UNITS, bias_initializer=ChronoInitializer(np.int64(50))),
        lambda: keras.layers.LSTM(UNITS, bias_initializer=ChronoInitializer(50), unit_forget_bias=False),
    ],
    ids=["the former name", "GatedLSTM", "keras.layers.LSTM"],
)
def test_chrono_biases(layer):
    keras.utils.set_random_seed(0)
    i, f, z, o = np.split(built(layer()).get_weights()[2], 4)
    np.testing.assert_array_equal(i, -f)
    assert not z.any() and not o.any()
    check_times(f, 50)


def test_chrono_biases_of_the_blocks_that_there_are():
    keras.utils.set_random_seed(0)
    f, z = np.split(built(JANET(UNITS, bias_initializer=ChronoInitializer(30))).get_weights()[2], 2)
    assert not z.any()
    check_times(f, 30)
    i, z, o = np.split(built(GatedLSTM(UNITS, forget_gate="coupled", chrono_time=30)).get_weights()[2], 3)
    assert not z.any() and not o.any()
    check_times(-i, 30)


def test_chrono_initializer_draws_as_its_seed_says():
    first, again, other = (ChronoInitializer(9, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(array(first((8,))), array(again((8,))))
    assert (array(first((8,))) != array(other((8,)))).any()
    np.testing.assert_array_equal(*(built(GatedLSTM(4, chrono_time=9, seed=seed)).get_weights()[2] for seed in (5, 5)))
    assert keras.backend.standardize_dtype(first((8,), dtype="float16").dtype) == "float16"


@pytest.mark.parametrize("seed", [None, 3, keras.random.SeedGenerator(4)], ids=["none", "integer", "generator"])
def test_chrono_initializer_in_a_config(seed):
    layer = GatedLSTM(4, bias_initializer=ChronoInitializer(9, seed))
    config = layer.get_config()
    assert "chrono_time" not in config
    again = GatedLSTM.from_config(config)
    assert again.bias_initializer.longest == 9 and again.get_config() == config


@pytest.mark.parametrize(
    ("layer", "biases"),
    [
        (lambda biases: GatedLSTM(2, bias_initializer=biases), [0, 0, -2, -2, 0.5, 0.5, 2, 2]),
        (lambda biases: GatedLSTM(2, forget_gate="coupled", bias_initializer=biases), [0, 0, 0.5, 0.5, 2, 2]),
        (lambda biases: JANET(2, bias_initializer=biases), [-2, -2, 0.5, 0.5]),
        (
            lambda biases: keras.layers.LSTM(2, bias_initializer=biases, unit_forget_bias=False),
            [0, 0, -2, -2, 0.5, 0.5, 2, 2],
        ),
    ],
    ids=["GatedLSTM", "coupled", "JANET", "keras.layers.LSTM"],
)
def test_gate_biases(layer, biases):
    start = built(layer(GateBiases(forget=-2, candidate=0.5, output=2)))
    np.testing.assert_array_equal(start.get_weights()[2], np.array(biases, "float32"))
    again = type(start).from_config(start.get_config())
    assert again.bias_initializer.get_config() == start.bias_initializer.get_config()


@pytest.mark.parametrize("value", ["2", None, True])
def test_refused_gate_biases(value):
    with pytest.raises(ValueError, match="`output` must be a number. Received: output="):
        GateBiases(output=value)


@pytest.mark.parametrize("longest", [2, 9.0, "9", True, None])
def test_refused_lengths(longest):
    with pytest.raises(ValueError, match=r"`longest` must be an integer of at least 3. Received: longest="):
        ChronoInitializer(longest)


@pytest.mark.parametrize("shape", [(3,), (4, 2), ()])
def test_refused_shapes(shape):
    with pytest.raises(ValueError, match=r"`shape` must be \(4 \* units,\) for the blocks input, forget, candidate"):
        ChronoInitializer(9)(shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bias_initializer": ChronoInitializer(9), "use_bias": False}, "sets biases. Received: use_bias=False"),
        ({"bias_initializer": GateBiases(), "use_bias": False}, r"GateBiases\(...\)` sets biases. Received: use_bias"),
        ({"chrono_time": 9, "use_bias": False}, "sets biases. Received: use_bias=False"),
        ({"chrono_time": 9, "input_gate": "open", "forget_gate": "open"}, "neither has one here"),
        ({"chrono_time": 2}, "`longest` must be an integer of at least 3. Received: longest=2"),
        ({"peephole_initializer": "zeros"}, "`peephole_initializer` needs peepholes.*Received: peephole='none'"),
    ],
)
def test_refused_initializers(arguments, message):
    with pytest.raises(ValueError, match=message):
        GatedLSTM(4, **arguments)


@pytest.mark.parametrize("peephole", ["diagonal", "full"])
def test_peephole_initializer(peephole):
    layer = built(PeepholeLSTM(4, peephole=peephole, peephole_initializer="ones"))
    assert all((weight == 1).all() for weight in layer.get_weights()[3:])
    again = PeepholeLSTM.from_config(layer.get_config())
    assert isinstance(again.peephole_initializer, keras.initializers.Ones)
    assert again.get_config() == layer.get_config()


def test_peepholes_start_as_the_kernel_by_default():
    layer = built(PeepholeLSTM(4, kernel_initializer="ones"))
    assert layer.peephole_initializer is None and layer.get_config()["peephole_initializer"] is None
    assert all((weight == 1).all() for weight in layer.get_weights()[3:])
