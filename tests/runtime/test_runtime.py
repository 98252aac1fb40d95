"""Finding the library, making sessions, and asking what runs."""

import numpy as np
import onnxruntime
import pytest

import qcompile
from qcompile import runtime
from qcompile.errors import QCompileError
from tests.runtime.models import matmul_model, random_operands

INTEGER_ISAS = {"avx512": "avx2", "avx512_bf16": "avx512_vnni"}  # what integer kernels run there
FLOAT_ISAS = {"avx512_bf16": "avx512", "avx512_vnni": "avx512", "avx_vnni": "avx2"}  # what float kernels run there


def test_info_names_the_version_and_a_kernel_for_every_width():
    info = runtime.runtime_info()
    assert info.version == qcompile.__version__
    assert info.onnxruntime == onnxruntime.__version__
    assert info.isas[-1] == "scalar"
    assert info.isa in info.isas
    packed, sparse = {"CodebookMatMul", "CodebookConv", "CodebookConv depthwise"}, {"SparseMatMul", "SparseConv"}
    integer = {"IntegerMatMul", "IntegerProduct", "IntegerConv", "IntegerConv winograd", "IntegerConv depthwise"}
    integer |= {"IntegerMatMul popcount", "IntegerConv popcount"}
    bfloat16 = {"CodebookMatMulBfloat16", "CodebookConvBfloat16"}
    assert set(info.kernels) == packed | bfloat16 | sparse | integer
    for operator in packed:
        assert len(info.kernels[operator]) == 8
        assert all(
            name.startswith("codebook_") and name.endswith(FLOAT_ISAS.get(info.isa, info.isa))
            for name in info.kernels[operator]
        )
    assert all(len(info.kernels[operator]) == 1 for operator in bfloat16 | sparse | integer)


@pytest.mark.parametrize("isa", runtime.runtime_info().isas)
def test_the_forced_instruction_set_is_used(monkeypatch, isa):
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", isa)
    info = runtime.runtime_info()
    assert info.isa == isa
    # SparseMatMul has a plain kernel only: its loads lie apart.
    kernels = {operator: names for operator, names in info.kernels.items() if operator.startswith("Codebook")}
    rounded = {name for operator in list(kernels) if operator.endswith("Bfloat16") for name in kernels.pop(operator)}
    plain = f"codebook_gemm_{FLOAT_ISAS.get(isa, isa)}"
    assert rounded == {"codebook_gemm_bfloat16_avx512_bf16" if isa == "avx512_bf16" else plain}
    assert all(name.endswith(f"_{FLOAT_ISAS.get(isa, isa)}") for names in kernels.values() for name in names)
    assert info.kernels["IntegerConv"] == (f"integer_gemm_{INTEGER_ISAS.get(isa, isa)}",)


@pytest.mark.parametrize("name", ["sse9", "AVX2", "none"])
def test_forcing_an_unknown_instruction_set_is_an_error_that_lists_the_known(monkeypatch, name):
    packed = matmul_model(random_operands(np.random.default_rng(0), 2, (4, 8)))
    monkeypatch.setenv("QCOMPILE_FORCE_ISA", name)
    with pytest.raises(QCompileError, match=f"QCOMPILE_FORCE_ISA is '{name}'; this machine has: .*scalar"):
        runtime.runtime_info()
    with pytest.raises(QCompileError, match=f"layer: QCOMPILE_FORCE_ISA is '{name}'"):
        runtime.session(packed)


def test_a_missing_library_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("QCOMPILE_LIBRARY", str(tmp_path / "nowhere.so"))
    with pytest.raises(QCompileError, match=r"nowhere\.so: the kernel library is not there"):
        runtime.library_path()


def test_a_file_that_is_no_library_is_an_error(monkeypatch, tmp_path):
    wrong = tmp_path / "wrong.so"
    wrong.write_bytes(b"not a library")
    monkeypatch.setenv("QCOMPILE_LIBRARY", str(wrong))
    with pytest.raises(QCompileError, match=r"wrong\.so: onnxruntime cannot load it"):
        runtime.session(b"")


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(QCompileError, match=r"missing\.onnx"):
        runtime.session(tmp_path / "missing.onnx")


def test_without_the_library_the_operator_needs_its_function_body():
    packed = matmul_model(random_operands(np.random.default_rng(0), 2, (4, 8)))
    with pytest.raises(QCompileError, match="CodebookMatMul"):
        runtime.session(packed, library=False)


def test_a_session_reads_a_file_as_it_reads_bytes(tmp_path):
    packed = matmul_model(random_operands(np.random.default_rng(0), 2, (4, 8)))
    path = tmp_path / "model.onnx"
    path.write_bytes(packed)
    x = {"x": np.ones((1, 8), np.float32)}
    np.testing.assert_array_equal(
        runtime.session(path).run(None, x)[0], runtime.session(packed, threads=2).run(None, x)[0]
    )


def test_floating_point_control_is_left_alone():
    tiny = np.float32(1e-40)  # flushed to zero if a library were linked with -ffast-math
    runtime.runtime_info()
    assert tiny * np.float32(1) != 0
