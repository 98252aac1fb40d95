import pytest

from qcompile.compiler import compile_model
from qcompile.debugging.wider import Wider, wider_weights
from qcompile.packed_model import packed_layers
from tests.networks import NETWORKS
from tests.test_compile_integers import compiled


def stored_bytes(bits, name):
    layers = packed_layers(compiled(NETWORKS[name](), weight_bits=bits))
    return [layer.indices.nbytes + layer.codebook.nbytes for layer in layers]


@pytest.mark.parametrize("name", ["plain", "normalized"])
def test_the_bytes_are_those_of_a_file_with_more_bits(name):
    layers = packed_layers(compiled(NETWORKS[name](), weight_bits=3))
    for bits in (4, 8):
        found = [next(step.more_bytes for step in wider_weights(layer) if step.bits == bits) for layer in layers]
        three, more = stored_bytes(3, name), stored_bytes(bits, name)
        assert found == [after - before for before, after in zip(three, more, strict=True)]


def test_a_codebook_of_floats_grows_as_well():
    layers = packed_layers(compile_model(NETWORKS["codebooks"]().proto()))
    layer = layers[1]  # 3 groups of 6 x 6 x 3 x 3 weights, 3 bits
    assert (layer.bits, layer.weights, layer.codebook.shape) == (3, 324, (3, 8))
    more = (324 * 4 + 7) // 8 - (324 * 3 + 7) // 8 + 3 * 8 * 4
    assert wider_weights(layer)[0] == Wider(4, more)


def test_eight_bits_are_the_most():
    layers = packed_layers(compiled(NETWORKS["plain"](), weight_bits=8))
    assert [wider_weights(layer) for layer in layers] == [()] * 4
