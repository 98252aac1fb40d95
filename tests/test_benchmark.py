import json

import pytest

from qcompile.benchmark import FLOAT, PACKED, PORTABLE, bench_file


def test_times_all_contenders_against_the_float_model(packed_path, float_path):
    result = bench_file(packed_path, against=float_path, rounds=3, batch=2)
    assert [t.contender for t in result.timings] == [PACKED, PORTABLE, FLOAT]
    assert (result.baseline, result.batch, result.threads, result.rounds) == (FLOAT, 2, 1, 3)
    assert all(t.latency_us > 0 for t in result.timings)
    assert result.timings[-1].speedup == 1
    assert json.loads(result.as_json())["timings"][0]["contender"] == PACKED
    assert "3 rounds" in result.as_text()


def test_without_a_float_model_stock_onnxruntime_is_the_baseline(packed_path):
    result = bench_file(packed_path, rounds=1)
    assert result.baseline == PORTABLE
    assert result.batch == 1


def test_without_function_bodies_there_is_only_the_packed_model(packed_model, tmp_path):
    del packed_model.proto.functions[:]
    result = bench_file(packed_model.save(tmp_path / "p.onnx"), rounds=1)
    assert [t.speedup for t in result.timings] == [pytest.approx(1, abs=0)]
