"""The function bodies mean what qcompile.ops says, on stock onnxruntime, new and old."""

import json
import subprocess

import numpy as np
import onnx
import onnx.helper
import onnxruntime
import pytest

from qcompile import ops
from qcompile.functions import function_body
from qcompile.packing import pack_bits
from qcompile.reference import evaluate

RUN_OLD = """
import json, sys
import numpy as np
import onnxruntime
for path, inputs, outputs in json.load(sys.stdin):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.save(outputs, session.run(None, {"x": np.load(inputs)})[0])
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


def make(case, scaled, biased, opset=18, seed=0):
    """A model of one operator and an input for it."""
    rng = np.random.default_rng(seed)
    n, bits = case["shape"][0], case["bits"]
    indices = rng.integers(0, 2**bits, case["shape"]).astype(np.uint8)
    codebook = np.sort(rng.standard_normal((case["groups"], 2**bits)).astype(np.float32))
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
        functions=[function_body(case["operator"], opset)],
    )
    onnx.checker.check_model(model)
    return model, rng.standard_normal(case["x"]).astype(np.float32)


def assert_close(model, x, found):
    wanted = evaluate(model, {"x": x})["y"]
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
    assert set(left) <= {"MatMul", "Conv", "Mul", "Add"}


@pytest.mark.parametrize(("operator", "most"), [(ops.CODEBOOK_MATMUL, 1600), (ops.CODEBOOK_CONV, 1900)])
def test_bodies_are_small(operator, most):
    assert function_body(operator, 18).ByteSize() <= most


def test_bodies_run_on_an_old_onnxruntime(tmp_path, old_python):
    made = [make(case, present, present) for case in CASES for present in (False, True)]
    jobs = []
    for number, (model, x) in enumerate(made):
        paths = [str(tmp_path / f"{number}{ending}") for ending in (".onnx", ".x.npy", ".y.npy")]
        onnx.save(model, paths[0])
        np.save(paths[1], x)
        jobs.append(paths)
    run = subprocess.run(
        [old_python, "-c", RUN_OLD], input=json.dumps(jobs), capture_output=True, text=True, check=True, timeout=300
    )
    assert run.stdout.startswith("1.17.")
    for (model, x), paths in zip(made, jobs, strict=True):
        assert_close(model, x, np.load(paths[2]))
