"""quantize_static: onnxruntime's argument names, translated or refused."""

import subprocess
import sys

import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType

import qcompile
from qcompile.calibration import ArrayReader, MeanSquareError, MinMax, Percentile
from qcompile.compiler import Integers, LayerChoice, compile_file
from qcompile.errors import DataError, QCompileError
from tests.networks import NETWORKS

ROWS = 8


class Samples(CalibrationDataReader):
    """As people write it for onnxruntime."""

    def __init__(self):
        self._batches = iter([NETWORKS["plain"]().samples(ROWS)])

    def get_next(self):
        return next(self._batches, None)


@pytest.fixture
def source(tmp_path):
    onnx.save(NETWORKS["plain"]().proto(), tmp_path / "float.onnx")
    return tmp_path / "float.onnx"


def written(source, **arguments):
    target = source.with_name("quantized.onnx")
    qcompile.quantize_static(source, target, Samples(), **arguments)
    return target.read_bytes()


def wanted(source, layers=None, **options):
    target = source.with_name("wanted.onnx")
    reader = ArrayReader(NETWORKS["plain"]().samples(ROWS), ROWS)
    compile_file(source, target, integers=Integers(reader, **options), layers=layers)
    return target.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({}, {"method": MeanSquareError()}),
        ({"weight_type": QuantType.QInt4, "activation_type": QuantType.QUInt8}, {"weight_bits": 4}),
        ({"weight_type": "QInt4", "activation_type": 6}, {"weight_bits": 4, "activation_bits": 6}),
        ({"calibrate_method": CalibrationMethod.MinMax, "per_channel": True}, {"method": MinMax()}),
        (
            {"calibrate_method": "Percentile", "extra_options": {"CalibPercentile": 99.0}},
            {"method": Percentile(99.0)},
        ),
        ({"calibration_providers": ["CPUExecutionProvider"], "reduce_range": False}, {}),
    ],
)
def test_arguments_are_translated(source, arguments, options):
    assert written(source, **arguments) == wanted(source, **options)


def test_layers_are_chosen(source):
    found = written(source, nodes_to_exclude=["node_conv0"], op_types_to_quantize=["Conv"])
    assert found == wanted(source, LayerChoice(exclude=("node_conv0",), operators=("Conv",)))
    assert written(source, nodes_to_quantize=["a", "b"]) == wanted(source, LayerChoice(include=("a", "b")))
    with pytest.raises(DataError, match="'nothing' matches no layer"):
        written(source, nodes_to_exclude=["nothing"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quant_format": QuantFormat.QDQ}, "quant_format means nothing here: the result has packed operators"),
        ({"per_channel": False}, "per_channel=False means nothing here"),
        ({"reduce_range": True}, "reduce_range means nothing here"),
        ({"use_external_data_format": True}, "one file"),
        ({"calibration_providers": ["CUDAExecutionProvider"]}, "samples run on the CPU"),
        ({"activation_type": QuantType.QInt16}, "activation_type is QInt16, wanted 1 to 8"),
        ({"weight_type": 0}, "weight_type is 0, wanted 1 to 8"),
        ({"weight_type": True}, "weight_type is True, wanted 1 to 8"),
        ({"calibrate_method": CalibrationMethod.Entropy}, "calibrate_method is Entropy, wanted MinMax or Percentile"),
        ({"extra_options": {"TensorQuantOverrides": {}}}, "bits by layer are compile_file's"),
        ({"extra_options": {"CalibMovingAverage": True}}, "CalibMovingAverage means nothing here"),
        ({"extra_options": {"CalibPercentile": 3}}, "a percentile of 3"),
    ],
)
def test_what_means_nothing_here_is_an_error_that_says_why(source, arguments, message):
    with pytest.raises(QCompileError, match=message):
        written(source, **arguments)
    assert not source.with_name("quantized.onnx").exists()


def test_a_model_that_is_no_file_is_refused(source):
    with pytest.raises(QCompileError, match="model_input: ModelProto, wanted a path"):
        qcompile.quantize_static(onnx.load(source), "p.onnx", Samples())


def test_other_names_of_the_package_are_unknown():
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        qcompile.quantise  # noqa: B018


def test_the_package_alone_imports_nothing_heavy():
    code = "import sys, qcompile; print([n for n in ('onnx', 'onnxruntime', 'numpy', 'torch') if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
