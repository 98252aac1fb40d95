"""The body of IntegerMatMulDynamic gives the bits of the reference, on stock onnxruntime, new and old."""

import json
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile.functions import function_bodies
from qcompile.integer_ops import INTEGER_MATMUL_DYNAMIC
from tests.dynamic import random_layer, random_rows
from tests.test_integer_functions import RUN_OLD


def cases():
    random = np.random.default_rng(0)
    for bits in range(1, 9):
        layer = random_layer(random, (20, 37), bits, x_bits=9 - bits, codebooks=bits % 2)
        yield layer.model(functions=True), *with_answer(layer, random_rows(random, 30, 37))
    for shape, leading in (((7, 33), ()), ((1, 1), (25,)), ((4, 5), (0,)), ((4, 5), (3, 0)), ((64, 384), (2, 3, 9))):
        layer = random_layer(random, shape, 4)
        yield layer.model(functions=True), *with_answer(layer, random_rows(random, *leading, shape[1]))


def with_answer(layer, x):
    return x, layer.numpy(x)


CASES = list(cases())


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize(("model", "x", "wanted"), CASES)
def test_body_gives_the_bits_of_the_reference(model, x, wanted, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    [found] = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})
    np.testing.assert_array_equal(found, wanted, strict=True)


def test_body_runs_on_the_oldest_onnxruntime(old_python, tmp_path):
    jobs = []
    for number, (model, x, _) in enumerate(CASES):
        path, given, result = (str(tmp_path / f"{number}.{end}") for end in ("onnx", "npz", "npy"))
        onnx.save(model, path)
        np.savez(given, x=x)
        jobs.append((path, given, result))
    subprocess.run([old_python, "-c", RUN_OLD], input=json.dumps(jobs), text=True, check=True)
    for (_, _, result), (_, _, wanted) in zip(jobs, CASES, strict=True):
        np.testing.assert_array_equal(np.load(result), wanted, strict=True)


@pytest.mark.parametrize("opset", [18, 20, 21, 23])
def test_body_runs_in_later_opsets(opset):
    random = np.random.default_rng(1)
    layer, x = random_layer(random, (9, 20), 3), random_rows(random, 25, 20)
    model = layer.model(functions=True, opset=opset)
    [found] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    np.testing.assert_array_equal(found, layer.numpy(x), strict=True)


def test_body_is_small():
    assert sum(body.ByteSize() for body in function_bodies([INTEGER_MATMUL_DYNAMIC], 18)) <= 7500
