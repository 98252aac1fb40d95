import onnx
from click.testing import CliRunner

from qcompile.cli import main
from tests.quantized_network import QuantizedNetwork


def test_a_quantized_model_needs_no_option(tmp_path):
    net = QuantizedNetwork((4, 6, 6))
    onnx.save(
        net.gives(net.quantized_conv(net.pair("x", 0.1, kind="int4"), (8, 4, 3, 3), "a", 3)).proto(), tmp_path / "q"
    )
    result = CliRunner().invoke(main, ["compile", str(tmp_path / "q"), "-o", str(tmp_path / "p.onnx")])
    assert result.exit_code == 0
    assert result.output.startswith("a: IntegerConvFloat 8x4x3x3, 3-bit, whole numbers")
