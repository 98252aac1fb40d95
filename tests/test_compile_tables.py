"""Embeddings are packed, end to end: with and without sample inputs, learned or not."""

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile.calibration import BatchReader
from qcompile.compiler import DynamicIntegers, Integers, compile_file, compile_model
from qcompile.debugging import debug_files
from qcompile.packed_model import packed_layers
from qcompile.report import report_file
from qcompile.rounding import Plain, SecondOrder
from qcompile.verification import verify_file
from tests.network import Network

WORDS, WIDTH = 50, 32


def encoder(*, tied=False):
    """Ids of words (x, as floats: what a test can make up) looked up, and one layer that reads them."""
    network = Network((7,))
    ids = network.add("Cast", ["x"], to=onnx.TensorProto.INT64)
    network.constant("emb.weight", network.rng.standard_normal((WORDS, WIDTH)).astype(np.float32))
    words = network.add("Gather", ["emb.weight", ids])
    mixed = network.add("Tanh", [network.matmul(words, (WIDTH, WIDTH), "mix")])
    if not tied:
        return network.gives(network.matmul(mixed, (WIDTH, 3), "head"))
    flat = network.add("Reshape", [mixed, network.sizes(-1, WIDTH)])
    return network.gives(network.add("Gemm", [flat, "emb.weight"], transB=1))


def words(rows=16):
    return {"x": np.random.default_rng(1).integers(-WORDS, WORDS, (rows, 7)).astype(np.float32)}


def options():
    yield DynamicIntegers(weight_bits=4)
    for rounding in (SecondOrder(), Plain()):
        yield Integers(BatchReader([words()]), weight_bits=4, rounding=rounding)


@pytest.mark.parametrize("case", range(3))
def test_an_embedding_is_packed_and_verified_on_every_backend(tmp_path, case):
    onnx.save(encoder().proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=list(options())[case])
    first = result.layers[0]
    assert (first.name, first.operator, first.bits) == ("emb", "CodebookGather", 4)
    assert first.weight_bytes == WORDS * WIDTH // 2 + 16 * 4
    assert not any("emb" in name for name, _ in result.left_alone)
    verified = verify_file(tmp_path / "p.onnx", against=tmp_path / "e.onnx", inputs=words())
    assert verified.passed, verified.as_text()
    reported = report_file(tmp_path / "p.onnx", against=tmp_path / "e.onnx").layers[0]
    assert (reported.op, reported.weights, reported.bits) == ("CodebookGather", WORDS * WIDTH, 4)
    assert reported.weight_sqnr_db > 15  # 4 bits of a normal distribution: 20 dB, less what rows of 32 lose


def test_debug_judges_the_table(tmp_path):
    onnx.save(encoder().proto(), tmp_path / "e.onnx")
    compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=DynamicIntegers(weight_bits=4))
    found = debug_files(tmp_path / "e.onnx", tmp_path / "p.onnx", words())
    assert "emb" in found.as_text()


def test_a_learned_table_stays_as_it_is():
    network = Network((7,))
    ids = network.add("Cast", ["x"], to=onnx.TensorProto.INT64)
    table = network.lookup((WORDS, WIDTH), "emb.weight", [-3, -1, 0, 2])
    proto = network.gives(network.add("Gather", [table, ids])).proto()
    model = compile_model(proto)
    [layer] = packed_layers(model)
    assert (layer.op, layer.bits, layer.codebook.tolist()) == ("CodebookGather", 2, [[-3, -1, 0, 2]])
    found, wanted = (onnxruntime.InferenceSession(m.SerializeToString()).run(None, words())[0] for m in (model, proto))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("case", range(3))
def test_a_table_that_a_product_reads_too_is_packed_for_both(tmp_path, case):
    onnx.save(encoder(tied=True).proto(), tmp_path / "e.onnx")
    compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=list(options())[case])
    packed = onnx.load(tmp_path / "p.onnx")
    assert packed_layers(packed)[0].op == "CodebookGather"
    assert all(np.prod(tensor.dims) < WORDS * WIDTH for tensor in packed.graph.initializer)
    assert verify_file(tmp_path / "p.onnx", inputs=words()).passed


def test_a_table_that_stays_float_is_told(tmp_path):
    network = Network((7,))
    ids = network.add("Cast", ["x"], to=onnx.TensorProto.INT64)
    found = network.add("Gather", [network.random("short", WORDS, 8), ids])
    onnx.save(network.gives(network.matmul(found, (8, 4), "head")).proto(), tmp_path / "e.onnx")
    result = compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=DynamicIntegers())
    assert "node_gather1: left alone: its rows have 8 numbers" in result.as_text()
