"""The peak is a benchmark's: only its shape is tested, never a figure."""

import importlib.util
import pathlib
import shutil

import pytest

SOURCE = pathlib.Path(__file__).parent.parent.parent / "bench" / "peak.py"


@pytest.fixture(scope="module")
def peak_module():
    specification = importlib.util.spec_from_file_location("bench_peak", SOURCE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_measures_rounds_where_there_is_a_compiler(peak_module):
    peak = peak_module.build_peak()
    if peak.missing:
        pytest.skip(peak.missing)
    for _ in range(3):
        peak.measure()
    assert len(peak.int8) == len(peak.floats) == 3
    assert min(peak.int8) > 0
    assert "int8" in peak.as_setting()
    assert peak.percent_of_int8(peak.int8[1:]) == pytest.approx(100)
    assert peak.percent_of_int8(peak.int8, threads=2) == pytest.approx(50)


def test_without_a_compiler_there_is_a_reason_and_no_figure(peak_module, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    peak = peak_module.build_peak()
    peak.measure()
    assert peak.as_setting() == "not measured: there is no C++ compiler"
    assert peak.percent_of_int8([1.0]) is None
    assert peak_module.percent(None) == ""


@pytest.mark.parametrize("compiler", ["/no/such/compiler", "false"])
def test_a_compiler_that_fails_is_a_reason(peak_module, monkeypatch, compiler):
    monkeypatch.setenv("CXX", compiler)
    assert peak_module.build_peak().missing.startswith(compiler)
