import copy

import numpy as np
import onnx
import pytest

from qcompile.packed_model import packed_layers
from qcompile.report.weight_values import weight_values
from qcompile.weight_error import compare_weight
from tests.networks import NETWORKS
from tests.test_compile_integers import compiled


def values_of(packed, name, floats=None):
    layer = next(layer for layer in packed_layers(packed) if layer.name == name)
    return weight_values(layer, None if floats is None else compare_weight(layer, floats))


def test_uses_are_those_of_the_decoded_weight(packed_model):
    values = values_of(packed_model.proto, "fc")
    layer = packed_layers(packed_model.proto)[1]
    entries, counts = np.unique(layer.decode(), return_counts=True)
    assert values.entries == pytest.approx(entries, rel=1e-6)  # seven digits are kept
    assert values.uses == tuple(counts)
    assert (values.counts, values.scaled, values.groups) == ((), False, 1)


def test_codebooks_of_channels_are_told_by_their_mean_and_have_no_histogram(packed_model, float_path):
    values = values_of(packed_model.proto, "conv", onnx.load(float_path))
    codebook = packed_model.arrays["conv.weight.codebook"]
    assert values.entries == pytest.approx(codebook.astype(np.float64).mean(axis=0), rel=1e-6)
    assert sum(values.uses) == 108
    assert (values.groups, values.scaled, values.counts) == (6, True, ())


def test_padding_of_a_codebook_is_no_entry(packed_model):
    codebook = packed_model.arrays["fc.weight.codebook"].copy()
    codebook[:, 1] = codebook[:, 0]
    packed_model.set_initializer("fc.weight.codebook", codebook)
    values = values_of(packed_model.proto, "fc")
    assert (len(values.entries), values.uses) == (1, (750,))


@pytest.mark.parametrize("name", ["plain", "normalized", "codebooks"])
def test_float_weights_lie_around_the_entries_in_their_units(name):
    """Whole numbers times the scale of a channel: in units of it no float weight is further than half a step away."""
    network = NETWORKS[name]()
    packed = compiled(network, weight_bits=8)
    floats = copy.deepcopy(network.proto())
    for layer in packed_layers(packed):
        compared = compare_weight(layer, floats)
        values = weight_values(layer, compared)
        if compared is None or layer.codebook.size:
            continue
        assert sum(values.counts) == layer.weights
        assert values.low >= -128.51  # 8 bits; half a step, and what rounding by outputs moves the gain of a channel by
        assert values.high <= 128.51
        middle = np.linspace(values.low, values.high, len(values.counts))
        spread = np.sqrt(np.average(np.square(middle), weights=values.counts))
        found = np.sqrt(np.average(np.square(values.entries), weights=values.uses))
        assert spread == pytest.approx(found, rel=0.05)  # bins are 4 steps wide


def test_the_ends_are_never_equal(packed_model):
    for name in ("conv", "fc"):
        shape = packed_model.arrays[f"{name}.weight.codebook"].shape
        packed_model.set_initializer(f"{name}.weight.codebook", np.zeros(shape, np.float32))
        values = values_of(packed_model.proto, name)
        assert values.low < values.high
        assert values.entries == (0.0,)
