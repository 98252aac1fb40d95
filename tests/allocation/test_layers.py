import onnx
import onnx_ir as ir
import pytest

from qcompile.allocation.layers import layer_costs
from qcompile.allocation.trying_plans import layer_bytes
from qcompile.bit_plan import LayerBits
from qcompile.calibration import ArrayReader
from qcompile.compiler import Integers, compile_file
from qcompile.integer_compiling import find_weights
from qcompile.rounding import SecondOrder
from qcompile.rounding.candidates import find_candidates
from qcompile.search import SearchSpace
from tests.networks import NETWORKS


def costs_of(made, codebooks=False):
    model = ir.from_proto(made.proto())
    find_weights(model)
    widths = {each.name: tuple(range(1, 9)) for each in find_candidates(model)}
    return layer_costs(model, widths, 8, made.samples(3), codebooks=codebooks)


def test_shapes_and_places_are_those_of_the_layers():
    found = [(each.name, each.weight_shape, each.groups, each.positions) for each in costs_of(NETWORKS["plain"]())]
    assert found == [
        ("a", (8, 3, 3, 3), 1, 72),
        ("b", (10, 8, 3, 3), 1, 42),
        ("c", (12, 90), 1, 1),
        ("d", (5, 12), 1, 1),
    ]


@pytest.mark.parametrize("values", ["grid", "codebook"])
@pytest.mark.parametrize("name", ["plain", "normalized", "residual_of_two_layers", "mean_over_axes", "concatenated"])
@pytest.mark.parametrize("first", [1, 2, 5])
def test_the_file_has_the_bytes_that_a_plan_costs(tmp_path, name, values, first):
    made = NETWORKS[name]()
    space = SearchSpace(costs_of(made, codebooks=values == "codebook"))
    widths = {layer.name: first + place % 4 for place, layer in enumerate(space.layers)}
    plan = {layer: LayerBits(bits, 8) for layer, bits in widths.items()}
    onnx.save(made.proto(), tmp_path / "e.onnx")
    integers = Integers(ArrayReader(made.samples(20), 20), weight_bits=widths, rounding=SecondOrder(values=values))
    compile_file(tmp_path / "e.onnx", tmp_path / "p.onnx", integers=integers)
    found, wanted = layer_bytes(tmp_path / "p.onnx", plan), space.costs(plan).packed_bytes
    assert found <= wanted
    small = max(widths.values()) <= 5  # of more bits so small a weight has not all numbers, and fewer bytes
    assert found == wanted or not small or values == "codebook"
