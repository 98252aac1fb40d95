"""The function bodies mean what qcompile.ops says, on stock onnxruntime, new and old."""

import json
import math
import subprocess

import numpy as np
import onnx
import onnx.helper
import onnxruntime
import pytest

from qcompile import ops, sparse_ops
from qcompile.bfloat16_ops import BFLOAT16_OF, BFLOAT16_OPS, round_codebook
from qcompile.functions import function_bodies
from qcompile.packing import pack_bits
from qcompile.reference import evaluate

RUN_OLD = """
import json, sys
import numpy as np
import onnxruntime
for path, inputs, outputs in json.load(sys.stdin):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.save(outputs, session.run(None, dict(np.load(inputs)))[0])
print(onnxruntime.__version__)
"""


def matmul(n, k, bits, groups, x_shape):
    return {"operator": ops.CODEBOOK_MATMUL, "shape": (n, k), "bits": bits, "groups": groups, "x": x_shape}


def conv(shape, bits, groups, x_shape, strides, pads, dilations, group=1):
    geometry = {"strides": strides, "pads": pads, "dilations": dilations, "group": group}
    return {"operator": ops.CODEBOOK_CONV, "shape": shape, "bits": bits, "groups": groups, "x": x_shape, **geometry}


CASES = [
    *[matmul(6, 5, bits, 1, (3, 5)) for bits in range(1, 9)],  # 30 weights: a cut last byte but at 4 and 8 bits
    matmul(6, 7, 3, 6, (7,)),
    matmul(6, 7, 3, 2, (2, 3, 7)),
    matmul(1, 1, 1, 1, (1, 1)),
    conv((4, 3, 3, 3), 2, 1, (2, 3, 7, 6), (1, 1), (0, 0, 0, 0), (1, 1)),
    conv((4, 3, 3, 2), 3, 4, (2, 3, 7, 6), (2, 1), (1, 0, 2, 1), (1, 2)),
    conv((6, 2, 3, 3), 5, 3, (1, 4, 5, 5), (1, 1), (1, 1, 1, 1), (1, 1), 2),
    conv((6, 1, 3, 3), 4, 2, (1, 6, 5, 5), (2, 2), (1, 1, 1, 1), (1, 1), 6),
    conv((4, 3, 5), 7, 1, (2, 3, 11), (3,), (0, 2), (2,)),
]
CASES += [{**case, "operator": BFLOAT16_OF[case["operator"]]} for case in CASES]


def make(case, scaled, biased, opset=18, seed=0):
    """A model of one operator and an input for it."""
    rng = np.random.default_rng(seed)
    n, bits = case["shape"][0], case["bits"]
    indices = rng.integers(0, 2**bits, case["shape"]).astype(np.uint8)
    codebook = np.sort(rng.standard_normal((case["groups"], 2**bits)).astype(np.float32))
    codebook = round_codebook(codebook) if case["operator"] in BFLOAT16_OPS else codebook
    scale, bias = (rng.standard_normal(n if present else 0).astype(np.float32) for present in (scaled, biased))
    arrays = {"indices": pack_bits(indices, bits), "codebook": codebook, "scale": scale, "bias": bias}
    attributes = {name: case[name] for name in ("strides", "pads", "dilations", "group") if name in case}
    node = onnx.helper.make_node(
        case["operator"], list(ops.OPERANDS), ["y"], "layer", None, ops.DOMAIN,
        bits=bits, weight_shape=case["shape"], **attributes,
    )  # fmt: skip
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, case["x"])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None] * (len(case["x"])))],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = onnx.helper.make_model(
        graph,
        ir_version=8 if opset < 21 else 10,
        opset_imports=[onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid(ops.DOMAIN, 1)],
        functions=function_bodies([case["operator"]], opset),
    )
    onnx.checker.check_model(model)
    return model, rng.standard_normal(case["x"]).astype(np.float32)


def assert_close(model, x, found):
    assert_feeds_close(model, {"x": x}, found)


def assert_feeds_close(model, feeds, found):
    wanted = evaluate(model, feeds)["y"]
    assert found.shape == wanted.value.shape
    assert (np.abs(found - wanted.value) <= wanted.error).all()


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize(("scaled", "biased"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("case", CASES)
def test_body_computes_what_the_reference_does(case, scaled, biased, level):
    model, x = make(case, scaled, biased)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    [found] = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})
    assert_close(model, x, found)


@pytest.mark.parametrize("opset", range(18, 24))
@pytest.mark.parametrize("case", [CASES[2], CASES[-1]])
def test_body_runs_in_each_opset(case, opset):
    model, x = make(case, True, True, opset)
    [found] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    assert_close(model, x, found)


@pytest.mark.parametrize("case", [CASES[2], CASES[-1], CASES[-2]])
def test_onnxruntime_folds_the_decoding_when_the_session_is_created(case, tmp_path):
    model, _ = make(case, True, True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    left = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert set(left) <= {"MatMul", "Conv", "Mul", "Add", "Cast"}
    assert left.count("Cast") == (2 if case["operator"] in BFLOAT16_OPS else 0)


@pytest.mark.parametrize(
    ("operator", "most"),
    [
        (ops.CODEBOOK_MATMUL, 1600),
        (ops.CODEBOOK_CONV, 1900),
        (ops.CODEBOOK_MATMUL_BFLOAT16, 1700),
        (ops.CODEBOOK_CONV_BFLOAT16, 2000),
        (sparse_ops.SPARSE_MATMUL, 800),
        (sparse_ops.SPARSE_CONV, 900),
    ],
)
def test_bodies_are_small(operator, most):
    assert sum(body.ByteSize() for body in function_bodies([operator], 18)) <= most


SPARSE_CASES = [  # as CASES, and how many corrections
    (matmul(6, 5, 1, 1, (3, 5)), 7),
    (matmul(6, 7, 1, 1, (2, 3, 7)), 1),
    (matmul(6, 7, 1, 1, (7,)), 42),
    (matmul(1, 1, 1, 1, (0, 1)), 1),
    (matmul(5, 8, 1, 1, (2, 8)), 0),
    (matmul(300, 500, 1, 1, (2, 500)), 2),  # wide gaps
    *[(case, 6) for case in CASES if case["operator"] == ops.CODEBOOK_CONV],
]


def make_sparse(case, count, opset=18, seed=0):
    """A model of one sparse operator, and its inputs x and base."""
    rng = np.random.default_rng(seed)
    weight = np.zeros(math.prod(case["shape"]), np.float32)
    weight[rng.permutation(weight.size)[:count]] = rng.standard_normal(count)
    gaps, values = sparse_ops.encode_corrections(weight)
    attributes = {name: case[name] for name in ("strides", "pads", "dilations", "group") if name in case}
    operator = sparse_ops.SPARSE_OF[case["operator"]]
    node = onnx.helper.make_node(
        operator, list(sparse_ops.SPARSE_OPERANDS), ["y"], "layer", None, ops.DOMAIN,
        weight_shape=case["shape"], **attributes,
    )  # fmt: skip
    x = rng.standard_normal(case["x"]).astype(np.float32)
    if attributes:
        y_shape = ops.convolve(x, weight.reshape(case["shape"]), *attributes.values()).shape
    else:
        y_shape = (*case["x"][:-1], case["shape"][0])
    feeds = {"x": x, "base": rng.standard_normal(y_shape).astype(np.float32)}
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, a.shape) for name, a in feeds.items()],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, y_shape)],
        [onnx.numpy_helper.from_array(array, name) for name, array in (("gaps", gaps), ("values", values))],
    )
    model = onnx.helper.make_model(
        graph,
        ir_version=8 if opset < 21 else 10,
        opset_imports=[onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid(ops.DOMAIN, 1)],
        functions=function_bodies([operator], opset),
    )
    onnx.checker.check_model(model)
    return model, feeds


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize(("case", "count"), SPARSE_CASES)
def test_sparse_body_computes_what_the_reference_does(case, count, level):
    model, feeds = make_sparse(case, count)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    [found] = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)
    assert_feeds_close(model, feeds, found)


@pytest.mark.parametrize("opset", range(18, 24))
@pytest.mark.parametrize(("case", "count"), [SPARSE_CASES[0], SPARSE_CASES[-1]])
def test_sparse_body_runs_in_each_opset(case, count, opset):
    model, feeds = make_sparse(case, count, opset)
    [found] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    assert_feeds_close(model, feeds, found)


@pytest.mark.parametrize(("case", "count"), [SPARSE_CASES[0], SPARSE_CASES[-1]])
def test_onnxruntime_folds_the_scattering_when_the_session_is_created(case, count, tmp_path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(make_sparse(case, count)[0].SerializeToString(), options)
    left = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert set(left) <= {"MatMul", "Gemm", "Conv", "Add"}


def test_bodies_run_on_an_old_onnxruntime(tmp_path, old_python):
    packed = [make(case, present, present) for case in CASES for present in (False, True)]
    made = [(model, {"x": x}) for model, x in packed] + [make_sparse(*case) for case in SPARSE_CASES]
    jobs = []
    for number, (model, x) in enumerate(made):
        paths = [str(tmp_path / f"{number}{ending}") for ending in (".onnx", ".npz", ".y.npy")]
        onnx.save(model, paths[0])
        np.savez(paths[1], **x)
        jobs.append(paths)
    run = subprocess.run(
        [old_python, "-c", RUN_OLD], input=json.dumps(jobs), capture_output=True, text=True, check=True, timeout=300
    )
    assert run.stdout.startswith("1.17.")
    for (model, feeds), paths in zip(made, jobs, strict=True):
        assert_feeds_close(model, feeds, np.load(paths[2]))
