import json

import pytest

from qcompile.benchmark import FLOAT, PACKED, PORTABLE, bench_file
from qcompile.errors import QCompileError


def test_times_all_contenders_against_the_float_model(packed_path, float_path):
    result = bench_file(packed_path, against=float_path, rounds=3, batch=2, seconds=0.1)
    assert [t.contender for t in result.timings] == [PACKED, PORTABLE, FLOAT]
    assert (result.baseline, result.batch, result.threads, result.rounds) == (FLOAT, 2, 1, 3)
    assert all(0 < t.best_us <= t.latency_us for t in result.timings)
    assert result.inputs == {"input": (2, 2, 7, 7)}
    assert result.layers is None
    assert result.timings[-1].speedup == 1
    assert json.loads(result.as_json())["timings"][0]["contender"] == PACKED
    assert "3 rounds" in result.as_text()


def test_without_a_float_model_stock_onnxruntime_is_the_baseline(packed_path):
    result = bench_file(packed_path, rounds=1, seconds=0.1)
    assert result.baseline == PORTABLE
    assert result.batch == 1


def test_without_function_bodies_there_is_only_the_packed_model(packed_model, tmp_path):
    del packed_model.proto.functions[:]
    result = bench_file(packed_model.save(tmp_path / "p.onnx"), rounds=1, seconds=0.1)
    assert [t.speedup for t in result.timings] == [pytest.approx(1, abs=0)]


def test_layers_are_in_the_text_and_the_json(packed_path):
    result = bench_file(packed_path, rounds=1, seconds=0.1, layers=True)
    data = json.loads(result.as_json())
    assert [layer["name"] for layer in data["layers"]] == ["conv", "relu", "flatten", "fc"]
    text = result.as_text()
    assert all(layer.name in text for layer in result.layers)
    assert "multiply-adds" in text


def test_says_what_it_does(packed_path):
    said = []
    bench_file(packed_path, rounds=1, seconds=0.1, layers=True, progress=said.append)
    assert [line.split()[0] for line in said] == ["timing", "profiling"]


def test_inputs_that_do_not_fit_are_an_error_that_tells_the_way_out(packed_model, tmp_path):
    packed_model.proto.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    path = packed_model.save(tmp_path / "p.onnx")
    with pytest.raises(QCompileError, match=r"input float32 \[1, 2, 1, 7\] \(others: --shape"):
        bench_file(path, rounds=1, seconds=0.1)
    assert bench_file(path, rounds=1, seconds=0.1, shapes={"input": (3, 2, 7, 7)}).batch == 3
