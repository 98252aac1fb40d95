"""The bodies of the operators of rows give the codes of the reference, on stock onnxruntime, new and old."""

import json
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.rows import CASES
from tests.test_integer_functions import RUN_OLD


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op}{list(case.x.shape)}")
def test_body_gives_the_codes_of_the_reference(case, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    [found] = onnxruntime.InferenceSession(case.model().SerializeToString(), options).run(None, {"x": case.x})
    np.testing.assert_array_equal(found, case.wanted(), strict=True)


@pytest.mark.parametrize("opset", [18, 20, 21, 23])
def test_body_runs_in_later_opsets(opset):
    for case in CASES[3::9]:
        model = case.model(opset=opset)
        [found] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": case.x})
        np.testing.assert_array_equal(found, case.wanted(), strict=True)


def test_body_runs_on_the_oldest_onnxruntime(old_python, tmp_path):
    jobs = []
    for number, case in enumerate(CASES):
        path, given, result = (str(tmp_path / f"{number}.{end}") for end in ("onnx", "npz", "npy"))
        onnx.save(case.model(), path)
        np.savez(given, x=case.x)
        jobs.append((path, given, result))
    subprocess.run([old_python, "-c", RUN_OLD], input=json.dumps(jobs), text=True, check=True)
    for (_, _, result), case in zip(jobs, CASES, strict=True):
        np.testing.assert_array_equal(np.load(result), case.wanted(), strict=True)
