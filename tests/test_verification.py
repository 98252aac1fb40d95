"""Verification must pass what is right and fail what is wrong: each lie is told once."""

import json

import numpy as np
import onnx
import pytest

from qcompile.calibration import ArrayReader, MinMax
from qcompile.compiler import Integers, compile_model
from qcompile.errors import DataError
from qcompile.runtime import runtime_info, session
from qcompile.verification import STOCK, evaluate_in_chunks, seeded_inputs, verify_file
from tests.networks import NETWORKS


def test_verifies_stock_onnxruntime_and_every_isa(packed_path):
    result = verify_file(packed_path)
    assert result.passed
    assert [c.backend for c in result.comparisons] == [STOCK, *(f"kernels, {isa}" for isa in runtime_info().isas)]
    assert runtime_info().isas[-1] == "scalar"
    for comparison in result.comparisons:
        assert 0 < comparison.worst_ratio <= 1
        assert 0 < comparison.worst_layer_ratio <= 1
        assert comparison.samples == 16
    assert json.loads(result.as_json())["passed"] is True
    assert result.as_text().endswith("packed.onnx: verified")


def test_corrections_are_verified_on_every_backend(packed_model, tmp_path):
    packed_model.correct(conv={5: 2.0, 80: -1.0}, fc={40: 1.0, 260: -3.0, 749: 0.5})
    result = verify_file(packed_model.save(tmp_path / "packed.onnx"))
    assert result.passed
    assert "fc: 750 weights in 94 bytes, 3 corrections in 18 bytes" in result.claims
    assert {c.worst_layer for c in result.comparisons} <= {"conv", "conv.corrections", "fc", "fc.corrections"}
    function = next(f for f in packed_model.proto.functions if f.name == "SparseMatMul")
    next(node for node in function.node if "base" in node.input).op_type = "Sub"
    failed = verify_file(packed_model.save(tmp_path / "packed.onnx"))
    assert not failed.passed


def test_given_inputs_are_used_and_batches_over_the_chunk_agree(packed_path, packed_model):
    x = np.random.default_rng(3).standard_normal((1001, 2, 7, 7)).astype(np.float32)
    result = verify_file(packed_path, inputs={"input": x})
    assert result.passed
    assert {c.samples for c in result.comparisons} == {1001}
    whole = evaluate_in_chunks(packed_model.proto, {"input": x})[0]
    last = evaluate_in_chunks(packed_model.proto, {"input": x[-1:]})[0]
    np.testing.assert_allclose(whole.value[-1:], last.value, rtol=1e-12, atol=0)  # float64, other summation order


def test_a_function_body_that_computes_something_else_fails(packed_model, tmp_path):
    function = packed_model.proto.functions[1]
    next(node for node in function.node if node.op_type == "Add").op_type = "Sub"
    result = verify_file(packed_model.save(tmp_path / "packed.onnx"))
    assert not result.passed
    assert {c.backend for c in result.comparisons if not c.passed} == {STOCK}
    assert result.comparisons[0].worst_layer == "fc"
    assert "NOT VERIFIED" in result.as_text()


def test_the_plan_is_held_against_the_bytes(packed_model, tmp_path):
    packed_model.plan(conv=(3, 8), fc=(1, 2))
    path = tmp_path / "packed.onnx"
    assert "fc: 1 bits, 1 planned" in verify_file(packed_model.save(path)).claims
    del packed_model.proto.metadata_props[:]
    packed_model.plan(conv=(2, 4), gone=(1, 2))
    result = verify_file(packed_model.save(path))
    assert not result.passed
    assert any("conv: planned 2 bits and 4 entries" in failure for failure in result.failures)
    assert any("gone: planned with 1 bits, is no packed layer" in failure for failure in result.failures)


def test_without_function_bodies_only_kernels_are_compared(packed_model, tmp_path):
    del packed_model.proto.functions[:]
    result = verify_file(packed_model.save(tmp_path / "packed.onnx"))
    assert result.passed
    assert STOCK not in {c.backend for c in result.comparisons}


def test_an_operator_without_a_rule_leaves_the_layers_check(packed_model, tmp_path):
    packed_model.node("relu").op_type = "Softplus"
    result = verify_file(packed_model.save(tmp_path / "packed.onnx"))
    assert result.passed
    assert all(c.worst_ratio is None and c.worst_layer_ratio <= 1 for c in result.comparisons)


def test_tells_the_difference_to_the_float_model(packed_path, float_path):
    result = verify_file(packed_path, against=float_path)
    assert result.passed
    assert 0 < result.float_difference < 10


def test_inputs_that_do_not_fit_are_an_error(packed_path):
    good = np.zeros((2, 2, 7, 7), np.float32)
    with pytest.raises(DataError, match="inputs are input; given are none"):
        verify_file(packed_path, inputs={})
    with pytest.raises(DataError, match="inputs are input; given are other"):
        verify_file(packed_path, inputs={"other": good})
    for wrong in (good[:, :1], good[0], good.astype(np.float64)):
        with pytest.raises(DataError, match=r"float32 \['batch', 2, 7, 7\] in the model, given float"):
            verify_file(packed_path, inputs={"input": wrong})
    with pytest.raises(DataError, match="share one batch size, at least 1"):
        verify_file(packed_path, inputs={"input": good[:0]})


def test_made_up_inputs_repeat_and_a_free_size_must_be_given(packed_model):
    first, second = seeded_inputs(packed_model.proto), seeded_inputs(packed_model.proto)
    np.testing.assert_array_equal(first["input"], second["input"])
    assert first["input"].shape == (16, 2, 7, 7)
    packed_model.proto.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("input", 1, ["batch", 2, "h", 7]))
    with pytest.raises(DataError, match="give it: --inputs"):
        seeded_inputs(packed_model.proto)


INTEGER_NETWORKS = ["plain", "residual_of_two_layers", "residual_of_no_layer", "swish", "corrected", "sequence"]


def compile_integers(name, path):
    network = NETWORKS[name]()
    integers = Integers(ArrayReader(network.samples(), 8), method=MinMax())
    onnx.save(compile_model(network.proto(), integers=integers), path)
    return path


@pytest.mark.parametrize("name", INTEGER_NETWORKS)
def test_verifies_integer_files(name, tmp_path):
    """Codes are certain: no difference is allowed, on stock onnxruntime or any ISA."""
    result = verify_file(compile_integers(name, tmp_path / "packed.onnx"))
    assert result.passed, result.as_text()
    assert [c.backend for c in result.comparisons] == [STOCK, *(f"kernels, {isa}" for isa in runtime_info().isas)]
    if name != "corrected":
        assert {(c.largest_difference, c.worst_layer_ratio) for c in result.comparisons} == {(0, 0)}


def test_a_wrong_integer_body_fails(tmp_path):
    model = onnx.load(compile_integers("plain", tmp_path / "packed.onnx"))
    function = next(f for f in model.functions if f.name == "IntegerConv")
    next(node for node in function.node if node.op_type == "Round").op_type = "Ceil"
    onnx.save(model, tmp_path / "packed.onnx")
    result = verify_file(tmp_path / "packed.onnx")
    assert {c.backend for c in result.comparisons if not c.passed} == {STOCK}


@pytest.mark.parametrize("name", INTEGER_NETWORKS)
def test_an_integer_file_is_the_reference_on_stock_onnxruntime(name, tmp_path):
    """What verification does, without the library."""
    model = onnx.load(compile_integers(name, tmp_path / "packed.onnx"))
    feeds = seeded_inputs(model)
    found = session(model.SerializeToString(), library=False).run(None, feeds)
    for one, wanted in zip(found, evaluate_in_chunks(model, feeds), strict=True):
        assert (np.abs(one - wanted.value) <= wanted.error).all()
        assert name == "corrected" or not wanted.error.any()
