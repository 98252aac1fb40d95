import onnx_ir as ir
import pytest

from qcompile.errors import QCompileError
from qcompile.passes._layer_names import layer_names, widths_of
from tests.network import Network


def test_a_layer_is_called_as_its_weight_and_those_that_share_one_are_numbered():
    made = Network((8,))
    first = made.gemm("x", (8, 8), "fc")
    second = made.add("Gemm", [first, "fc.weight"], transB=1)
    made.gives(made.add("MatMul", [second, made.random("table", 8, 8)], output="y"))
    assert layer_names(list(ir.from_proto(made.proto()).graph)) == ["fc", "fc_1", "node_y"]


def test_bits_are_for_all_or_by_name():
    assert widths_of(["a", "b"], 3) == [3, 3]
    assert widths_of(["a", "b"], {"b": 2, "a": 8}) == [8, 2]
    assert widths_of([], {}) == []


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        ({"first": 3, "secund": 3}, "no layer with a float weight is called 'secund'; near it are second"),
        ({"first": 3}, "none are given for second; wanted bits for every layer"),
        ({"first": 3, "second": 9}, "9 for second, wanted 1 to 8"),
        (0, "0 for first, wanted 1 to 8"),
    ],
)
def test_bits_that_do_not_fit_the_layers_are_an_error(bits, message):
    with pytest.raises(QCompileError, match=message):
        widths_of(["first", "second"], bits)
