"""Every variant file keeps every promise of `variants.testing`."""

import keras
import pytest

import variants
from tests.variants import variant_files
from variants.testing import CHECKS

MAKERS = {
    **{name: variant_files.maker(name) for name in variant_files.NAMES},
    "StandardLSTM": lambda **arguments: variants.StandardLSTM(5, **arguments),
    "PeepholeLSTM": lambda **arguments: variants.PeepholeLSTM(5, **arguments),
    "SwappedLSTM": lambda **arguments: variants.SwappedLSTM(5, **arguments),
}
# The standard equation, and what has random numbers, further states or other sums in a step. All
# others are compared with a reference in the quick tests too; `make contract` and `make test-all` run them here.
QUICK = ("standard", "zoneout", "slstm", "layer_norm")
LONG_TO_COMPILE = ("jit on", "SavedModel")


def case(name, check):
    is_quick = name in QUICK and (name == QUICK[0] or check not in LONG_TO_COMPILE)
    return pytest.param(name, check, marks=[] if is_quick else [pytest.mark.slow])


@pytest.mark.parametrize(("name", "check"), [case(name, check) for name in MAKERS for check in CHECKS])
def test_contract(name, check):
    CHECKS[check](MAKERS[name])


def test_every_layer_of_the_library_is_a_subject():
    exported = {name: getattr(variants, name) for name in variants.__all__}
    layers = {name for name, cls in exported.items() if isinstance(cls, type) and issubclass(cls, variants.GatedLSTM)}
    layers -= {variant_files.settings(name).layer for name in variant_files.NAMES}
    assert layers - {"GatedLSTM"} <= set(MAKERS)
    assert "GatedLSTM" in {variant_files.settings(name).layer for name in variant_files.NAMES}


class LeakyMask(variants.GatedLSTM):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(sequences, initial_state=initial_state, training=training)


@keras.saving.register_keras_serializable(package="tests")
class LeakyMaskInTraining(variants.GatedLSTM):
    def inner_loop(self, sequences, initial_state, mask, training=False):
        return super().inner_loop(sequences, initial_state, None if training else mask, training)


class ForgottenState(variants.GatedLSTM):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(sequences, mask=mask, training=training)


class WrongFastLoop(variants.GatedLSTM):
    def inner_loop(self, sequences, initial_state, mask, training=False):
        wrong = sequences * 1.01 if training and self.fast_loop else sequences
        return super().inner_loop(wrong, initial_state, mask, training)

    loop = "fast"


class DetachedForgetGate(variants.GatedLSTM):
    class cell_class(variants.GatedLSTMCell):  # noqa: N801
        def compute_gate(self, gate, a, c):
            value = super().compute_gate(gate, a, c)
            return keras.ops.stop_gradient(value) if gate == "forget" else value


class WrongGradient(variants.PeepholeLSTM):
    class cell_class(variants.PeepholeLSTMCell):  # noqa: N801
        def compute_gate(self, gate, a, c):
            return super().compute_gate(gate, a, keras.ops.stop_gradient(c))


@pytest.mark.parametrize(
    ("check", "layer"),
    [
        ("mask gaps", LeakyMask),
        ("mask gaps", LeakyMaskInTraining),
        ("mask passed on", LeakyMask),
        ("Bidirectional", LeakyMaskInTraining),
        ("initial_state", ForgottenState),
        ("fast loop", WrongFastLoop),
        ("gradients", DetachedForgetGate),
        ("gradients", WrongGradient),
    ],
)
def test_contract_catches(check, layer):
    with pytest.raises(AssertionError):
        CHECKS[check](lambda **arguments: layer(5, **arguments))
