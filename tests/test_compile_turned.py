"""Products whose constant does not stand on the right, end to end: turned, rounded, packed."""

import numpy as np
import onnx
import pytest

from qcompile.calibration import BatchReader
from qcompile.compiler import DynamicIntegers, Integers, compile_file
from qcompile.verification import verify_file
from tests.network import Network


def turned():
    """Each kind of product once: MatMul from the left, Einsum, Gemm with transA, MatMul by what is transposed."""
    network = Network((6, 8))
    left = network.add("Relu", [network.add("MatMul", [network.random("left.weight", 6, 6), "x"])])
    einsum = network.add("Einsum", [left, network.random("einsum.weight", 2, 5, 8)], equation="bik,hdk->bihd")
    flat = network.add("Relu", [network.add("Reshape", [einsum, network.sizes(-1, 60)])])
    columns = network.add("Transpose", [flat], perm=(1, 0))
    gemm = network.add("Relu", [network.add("Gemm", [columns, network.random("gemm.weight", 60, 16)], transA=1)])
    matrix = network.add("Transpose", [network.random("back.weight", 4, 16)], perm=(1, 0))
    return network.gives(network.add("MatMul", [gemm, matrix]))


@pytest.mark.parametrize("calibrated", [False, True])
def test_every_product_is_packed_and_verified(tmp_path, calibrated):
    network = turned()
    samples = network.samples(16)
    integers = Integers(BatchReader([samples]), weight_bits=6) if calibrated else DynamicIntegers(weight_bits=6)
    onnx.save(network.proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers)
    assert [layer.name for layer in result.layers] == ["left", "einsum", "gemm", "back"]
    assert {layer.operator[:13] for layer in result.layers} == {"IntegerMatMul"}
    assert result.left_alone == ()
    verified = verify_file(tmp_path / "p.onnx", against=tmp_path / "e.onnx", inputs=samples)
    assert verified.passed, verified.as_text()
    # Of sums of 60, 16... numbers below 1 with weights to 1 part in 62: far more than what is right by chance.
    assert verified.float_difference < 0.1 * np.sqrt(60 * 16)


def test_what_is_no_such_product_is_told(tmp_path):
    network = Network((6, 8))
    network.add("Einsum", ["x", network.random("w", 6, 8, 3)], "each", equation="bhk,hkd->bhd")
    flat = network.add("Reshape", ["each", network.sizes(-1, 18)])
    onnx.save(network.gives(network.matmul(flat, (18, 4), "head")).proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=DynamicIntegers())
    assert "node_each: left alone: its equation bhk,hkd->bhd is not the product with one" in result.as_text()
