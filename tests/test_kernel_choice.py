"""The kernels of layers: what the library says, for the sizes of x."""

import numpy as np
import onnx
import pytest

from qcompile import runtime
from qcompile.errors import QCompileError
from qcompile.kernel_choice import kernels_of
from tests import dynamic
from tests.runtime.integer_models import random_layer

ISAS = runtime.runtime_info().isas
GEMM_ISAS = {"avx512": "avx2", "avx512_bf16": "avx512_vnni"}  # what integer kernels run there
VNNI_ISAS = ("avx512_vnni", "avx512_bf16")  # they run the same
POPCOUNT_ISAS = dict.fromkeys(VNNI_ISAS, "avx512_vnni") | dict.fromkeys(("avx512", "avx_vnni", "avx2"), "avx2")
PLAIN = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "group": 1}


@pytest.fixture(params=ISAS)
def isa(request, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", request.param)
    return request.param


def kernel(op, bits, weight_shape, x_shape, x_bits=8, codebooks=0, **geometry):
    layer = random_layer(np.random.default_rng(0), op, bits, weight_shape, codebooks=codebooks, **geometry)
    layer.attributes |= {"x_bits": x_bits, "x_zero_point": 0}
    return kernels_of(onnx.load_from_string(layer.model()), {"x": x_shape})["y"]


def with_shape(model, shape):
    """The inputs of a model of one layer, whose shapes are free, get ``shape``; None is a free axis."""
    for value in model.graph.input:
        for size in shape:
            dimension = value.type.tensor_type.shape.dim.add()
            if size is None:
                dimension.dim_param = "free"
            else:
                dimension.dim_value = size
    return model


@pytest.mark.parametrize("op", ["IntegerConv", "IntegerConvAdd", "IntegerConvFloat", "IntegerConvTable"])
def test_a_convolution_of_few_bits_runs_winograd_where_the_weights_and_the_size_allow(isa, op):
    direct = f"integer_gemm_{GEMM_ISAS.get(isa, isa)}"
    winograd = "integer_winograd_avx512_vnni" if isa in VNNI_ISAS else direct
    assert kernel(op, 4, (64, 64, 3, 3), (1, 28, 28, 64), x_bits=6, **PLAIN) == winograd
    assert kernel(op, 4, (64, 64, 3, 3), (1, 28, 28, 64), x_bits=7, **PLAIN) == direct
    assert kernel(op, 4, (64, 64, 3, 3), (1, 1, 1, 64), x_bits=6, **PLAIN) == direct  # too small to gain
    large = kernel(op, 4, (64, 64, 3, 3), (1, 28, 28, 64), x_bits=6, codebooks=1, **PLAIN)
    assert large == direct  # entries up to 128


def test_weights_of_one_bit_are_counted_where_that_is_faster(isa):
    direct = f"integer_gemm_{GEMM_ISAS.get(isa, isa)}"
    counted = f"integer_popcount_{POPCOUNT_ISAS[isa]}" if isa in POPCOUNT_ISAS else direct
    assert kernel("IntegerConv", 1, (64, 64, 3, 3), (1, 28, 28, 64), x_bits=1, **PLAIN) == counted
    assert (
        kernel("IntegerConv", 1, (64, 24, 3, 3), (1, 28, 28, 24), x_bits=1, **PLAIN | {"dilations": [2, 2]}) == direct
    )
    assert kernel("IntegerMatMulFloat", 1, (256, 512), (64, 512), x_bits=1) == counted


def test_a_product_of_few_rows_runs_a_kernel_of_its_own(isa):
    few = "integer_gemv_avx512_vnni" if isa in VNNI_ISAS else f"integer_gemm_{GEMM_ISAS.get(isa, isa)}"
    many = f"integer_gemm_{GEMM_ISAS.get(isa, isa)}"
    for op in ("IntegerMatMul", "IntegerMatMulAdd", "IntegerMatMulTable", "IntegerMatMulAddFloat"):
        assert kernel(op, 4, (64, 128), (1, 128)) == few
        assert kernel(op, 4, (64, 128), (100, 128)) == many
    model = dynamic.random_layer(np.random.default_rng(0), (64, 128), 4).model()
    assert (kernels_of(model, {"x": (1, 128)}), kernels_of(model, {"x": (2, 50, 128)})) == ({"y": few}, {"y": many})


def test_a_depthwise_convolution_runs_its_own(isa):
    own = kernel("IntegerConv", 4, (64, 1, 3, 3), (1, 28, 28, 64), **PLAIN | {"group": 64})
    assert own.startswith("integer_depthwise_")


def test_packed_and_sparse_layers_of_a_file_are_named(packed_model, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", "scalar")
    packed_model.correct(conv={3: 1.5})
    names = set(kernels_of(packed_model.proto).values())
    assert names == {"codebook_depthwise_scalar", "codebook_gemv_scalar", "add_scaled_scalar"}


def test_many_rows_of_a_float_product_run_another_kernel(packed_model, monkeypatch):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", "scalar")
    few, many = (kernels_of(packed_model.proto, {"input": (batch, 2, 7, 7)}) for batch in (1, 100))
    output = packed_model.node("fc").output[0]
    assert (few[output], many[output]) == ("codebook_gemv_scalar", "codebook_gemm_scalar")


def test_a_layer_is_left_out_where_the_shape_of_x_is_unknown():
    layer = random_layer(np.random.default_rng(0), "IntegerMatMul", 4, (6, 12))
    model = onnx.load_from_string(layer.model())
    assert kernels_of(model) == {}
    assert kernels_of(model, {"x": (2**40, 12)}) == {}  # nothing of that size is made
    assert set(kernels_of(with_shape(model, (None, 12)))) == {"y"}


def test_the_model_is_not_changed(packed_model):
    before = packed_model.proto.SerializeToString(deterministic=True)
    kernels_of(packed_model.proto)
    assert packed_model.proto.SerializeToString(deterministic=True) == before


def test_a_layer_that_the_library_refuses_is_an_error():
    layer = random_layer(np.random.default_rng(0), "IntegerMatMul", 4, (6, 12))
    layer.arguments["bias"] = layer.arguments["bias"][:3]
    with pytest.raises(QCompileError, match=r"layer: .*bias"):
        kernels_of(with_shape(onnx.load_from_string(layer.model()), (1, 12)))
    layer = random_layer(np.random.default_rng(0), "IntegerMatMul", 4, (6, 12))
    with pytest.raises(QCompileError, match=r"layer: x is .* wanted uint8 \[\.\.\., 12\]"):
        kernels_of(with_shape(onnx.load_from_string(layer.model()), (1, 11)))
