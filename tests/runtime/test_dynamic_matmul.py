"""IntegerMatMulDynamic within onnxruntime: the bits of qcompile.dynamic_ops, and clear errors."""

import dataclasses

import numpy as np
import pytest

from qcompile import runtime
from qcompile.errors import QCompileError
from tests.dynamic import random_layer, random_rows

ISAS = runtime.runtime_info().isas


@pytest.fixture(params=ISAS)
def isa(request, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", request.param)
    return request.param


def session(layer, *, threads=1, **changes):
    return runtime.session(layer.model(**changes).SerializeToString(), threads=threads)


def assert_same_bits(found, wanted):
    """Zeros of both signs differ; NaN is NaN."""
    np.testing.assert_array_equal(found, wanted, strict=True)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(wanted[numbers]))


PRODUCTS = [  # x without its last axis, [n, k], codebooks
    ((), (7, 33), 7),
    ((1,), (10, 84), 1),
    ((3,), (64, 128), 0),
    ((2, 2), (66, 130), 2),
    ((25,), (33, 31), 0),
    ((40,), (96, 64), 3),
    ((2, 3, 4), (130, 257), 1),
    ((200,), (8, 64), 8),
    ((0, 4), (6, 12), 1),
    ((1,), (1, 1), 1),
    ((30,), (16, 5), 0),
]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("leading", "shape", "codebooks"), PRODUCTS)
def test_equals_numpy(isa, bits, leading, shape, codebooks):
    random = np.random.default_rng([bits, *shape])
    layer = random_layer(random, shape, bits, x_bits=random.choice([None, 1, 3, 4, 7, 8]), codebooks=codebooks)
    x = random_rows(random, *leading, shape[1])
    assert_same_bits(session(layer).run(None, {"x": x})[0], layer.numpy(x))


@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_are_exact(isa, value, rows, sign):
    """The most terms that the format allows, all of them as large as they can be: the zero point is 0 or 255."""
    layer = random_layer(np.random.default_rng(0), (3, 65536), 1, codebooks=1)
    layer.arguments["codebook"] = np.full((1, 2), value, np.int8)
    layer.arguments["scale"], layer.arguments["bias"] = np.ones(3, np.float32), np.zeros(3, np.float32)
    found = session(layer).run(None, {"x": np.full((rows, 65536), sign * 255, np.float32)})[0]
    assert (found == np.float32(sign * 255 * value * 65536)).all()


@pytest.mark.parametrize("shape", [(40, 64), (300, 257)])
@pytest.mark.parametrize("rows", [1, 3, 50, 1700])
def test_threads_do_not_change_a_product(shape, rows):
    random = np.random.default_rng(rows)
    layer, x = random_layer(random, shape, 3), random_rows(random, rows, shape[1])
    for threads in (1, 2, 4):
        assert_same_bits(session(layer, threads=threads).run(None, {"x": x})[0], layer.numpy(x))


def test_a_row_does_not_depend_on_the_others(isa):
    """Few rows run another kernel than many."""
    random = np.random.default_rng(0)
    layer, x = random_layer(random, (70, 90), 4), random_rows(random, 40, 90)
    run = session(layer).run
    whole = run(None, {"x": x})[0]
    for row in range(40):
        assert_same_bits(run(None, {"x": x[row]})[0], whole[row])


LAYER = random_layer(np.random.default_rng(0), (6, 10), 3, codebooks=2)


def changed(**arguments):
    return dataclasses.replace(LAYER, arguments={**LAYER.arguments, **arguments})


BROKEN = {
    "cut": (changed(indices=LAYER.arguments["indices"][:-1]), {}, r"uint8 \[96\], found uint8 \[95\]"),
    "bits 9": (LAYER, {"bits": 9}, "bits is 9, wanted"),
    "no bits": (LAYER, {"bits": None}, "bits is missing"),
    "x_bits 9": (LAYER, {"x_bits": 9}, "x_bits is 9"),
    "x_bits 0": (LAYER, {"x_bits": 0}, "x_bits is 0"),
    "no weight_shape": (LAYER, {"weight_shape": None}, "weight_shape is missing"),
    "weight of rank 3": (LAYER, {"weight_shape": [6, 5, 2]}, r"wanted \[n, k\]"),
    "too many products": (LAYER, {"weight_shape": [6, 65537]}, "at most 65536 products"),
    "later format": (LAYER, {"format_version": 2}, "format_version is 2"),
    "short codebook": (changed(codebook=np.zeros((2, 7), np.int8)), {}, r"codebook is int8 \[0\] \(absent\) or"),
    "short scale": (changed(scale=np.ones(5, np.float32)), {}, r"found float32 \[5\]"),
    "NaN in the bias": (changed(bias=np.full(6, np.nan, np.float32)), {}, "bias has a value that is not finite"),
}


@pytest.mark.parametrize(("layer", "changes", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_node_is_an_error_that_names_it(layer, changes, message):
    with pytest.raises(QCompileError, match=message) as caught:
        session(layer, **changes)
    assert "layer: " in str(caught.value)


@pytest.mark.parametrize("name", ["indices", "codebook", "scale", "bias"])
def test_weights_must_be_initializers(name):
    with pytest.raises(QCompileError, match=rf"layer: input \d \({name}\) must be an initializer"):
        session(LAYER, inputs=[name])


@pytest.mark.parametrize("shape", [(3, 11), (9,), (10, 1), (2, 3, 0)])
def test_refuses_an_x_of_another_width(shape):
    with pytest.raises(Exception, match=r"layer: x is .* wanted float32 \[\.\.\., 10\]"):
        session(LAYER).run(None, {"x": np.zeros(shape, np.float32)})
