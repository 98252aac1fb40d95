"""The body of CodebookGather on stock onnxruntime, new and old: the very floats of numpy."""

import json
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile.functions import function_bodies
from qcompile.gather_ops import CODEBOOK_GATHER
from tests.tables import every_id, random_table

CASES = [  # shape, bits, groups
    *[((6, 5), bits, 1) for bits in range(1, 9)],  # rows begin inside a byte
    ((6, 16), 3, 3),
    ((9, 8), 4, 9),
    ((1, 1), 1, 1),
]
RUN_OLD = """
import json, sys
import numpy, onnxruntime
for model, ids, y in json.load(sys.stdin):
    numpy.save(y, onnxruntime.InferenceSession(model).run(None, {"x": numpy.load(ids)})[0])
print(onnxruntime.__version__)
"""


def run(model, ids, level="ORT_ENABLE_ALL"):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": ids})[0]


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize(("scale", "bias"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("shape", "bits", "groups"), CASES)
def test_body_equals_numpy(shape, bits, groups, scale, bias, level):
    table = random_table(np.random.default_rng(bits), shape, bits, groups=groups, scale=scale, bias=bias)
    ids = every_id(shape[0])
    found = run(table.model(functions=True), ids, level)
    np.testing.assert_array_equal(found, table.numpy(ids), strict=True)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 1, 3)])
def test_ids_of_each_type_and_shape(shape, kind):
    table = random_table(np.random.default_rng(0), (4, 7), 3)
    ids = np.full(shape, -2, kind)
    np.testing.assert_array_equal(run(table.model(kind=kind, functions=True), ids), table.numpy(ids), strict=True)


@pytest.mark.parametrize("opset", range(18, 24))
def test_body_runs_in_each_opset(opset):
    table, ids = random_table(np.random.default_rng(0), (6, 5), 3, bias=True), every_id(6)
    np.testing.assert_array_equal(run(table.model(functions=True, opset=opset), ids), table.numpy(ids), strict=True)


@pytest.mark.parametrize("wrong", [6, -7, 2**40])
def test_an_id_without_a_row_is_an_error(wrong):
    table = random_table(np.random.default_rng(0), (6, 5), 3)
    with pytest.raises(Exception, match="out of data bounds"):
        run(table.model(functions=True), np.array([0, wrong]))


def test_no_float_of_the_table_is_kept(tmp_path):
    """What onnxruntime computes when the session is created is for ids and scales, and not the table in floats."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    table = random_table(np.random.default_rng(0), (50, 64), 4)
    onnxruntime.InferenceSession(table.model(functions=True).SerializeToString(), options)
    sizes = [np.prod(tensor.dims) for tensor in onnx.load(tmp_path / "optimized.onnx").graph.initializer]
    assert max(sizes) == 50 * 64 * 4 // 8


def test_body_is_small():
    assert sum(body.ByteSize() for body in function_bodies([CODEBOOK_GATHER], 18)) <= 2600


def test_body_runs_on_an_old_onnxruntime(tmp_path, old_python):
    jobs, wanted = [], []
    for number, (shape, bits, groups) in enumerate(CASES):
        table = random_table(np.random.default_rng(number), shape, bits, groups=groups, bias=number % 2 == 0)
        paths = [str(tmp_path / f"{number}{ending}") for ending in (".onnx", ".ids.npy", ".y.npy")]
        onnx.save(table.model(functions=True), paths[0])
        np.save(paths[1], every_id(shape[0]))
        jobs.append(paths)
        wanted.append(table.numpy(every_id(shape[0])))
    run_old = [old_python, "-c", RUN_OLD]
    done = subprocess.run(run_old, input=json.dumps(jobs), capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.startswith("1.17.")
    for paths, each in zip(jobs, wanted, strict=True):
        np.testing.assert_array_equal(np.load(paths[2]), each, strict=True)
