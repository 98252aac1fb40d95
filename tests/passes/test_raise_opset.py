import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from qcompile import runtime
from qcompile.calibration import ArrayReader
from qcompile.compiler import Integers, compile_model
from qcompile.errors import ModelError
from qcompile.passes.raise_opset import RaiseOpset, in_the_way
from tests.network import Network

OLD = (9, 11, 12, 13, 17)


def network(opset, *, last=None, **attributes):
    """Layers with a learned codebook of small whole numbers, between operators that changed since ``opset``."""
    found = Network((3, 6, 6), opset=opset)
    x = found.add("Conv", ["x", found.lookup((5, 3, 3, 3), "a.weight", [-1, 0, 2])])
    x = found.add("MaxPool", [found.add("Relu", [found.normalization(x, 5, "n")])], kernel_shape=[2, 2])
    x = found.add("MatMul", [found.add("Flatten", [x]), found.lookup((45, 4), "b.weight", [-1, 0, 2, 3])])
    return found.gives(x if last is None else found.add(last, [x], **attributes))


def run(proto, feeds):
    return onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feeds)


@pytest.mark.parametrize("opset", OLD)
def test_the_same_nodes_give_the_same_bits_under_opset_18(opset):
    before = network(opset).proto()
    model = ir.serde.deserialize_model(before)
    assert RaiseOpset(18)(model).modified
    after = ir.serde.serialize_model(model)
    assert after.opset_import[0].version == 18
    onnx.checker.check_model(after, full_check=True)
    feeds = network(opset).samples()
    np.testing.assert_array_equal(run(after, feeds)[0], run(before, feeds)[0])


@pytest.mark.parametrize("opset", OLD)
def test_a_network_of_an_old_opset_gets_bodies(opset):
    odd = network(opset)
    before, after = odd.proto(), compile_model(odd.proto())
    [wanted], [found] = run(before, odd.samples()), run(after, odd.samples())
    # Two folded roundings of a scale and a shift in float32, of sums of 45 products: far below one part in 10^4.
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("opset", OLD)
def test_a_network_of_an_old_opset_becomes_integers(opset):
    odd = network(opset)
    after = compile_model(odd.proto(), integers=Integers(ArrayReader(odd.samples(), 8)))
    [wanted], [found] = run(odd.proto(), odd.samples()), run(after, odd.samples())
    assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max()  # codes of 8 bits, twice


@pytest.mark.parametrize(("last", "attributes"), [("Softmax", {}), ("ReduceMean", {"axes": [1]})])
def test_what_means_something_else_is_named(last, attributes):
    proto = network(12, last=last, **attributes).proto()
    assert in_the_way(ir.serde.deserialize_model(proto), 18) == (last,)
    with pytest.raises(ModelError, match=f"opset is 12.*{last} may mean something else there.*--no-functions"):
        compile_model(proto)
    with pytest.raises(ModelError, match=f"opset is 12, integers need 18.*{last}.*convert_version"):
        compile_model(proto, integers=Integers(ArrayReader(network(12).samples(), 8)))


@pytest.mark.parametrize("opset", [7, *OLD])
def test_without_bodies_any_opset_stays_as_it_is(opset):
    last = {"last": "Softmax"} if opset > 7 else {}
    odd = network(opset, **last)
    after = compile_model(odd.proto(), functions=False)
    assert after.opset_import[0].version == opset
    [wanted] = run(odd.proto(), odd.samples())
    [found] = runtime.session(after.SerializeToString()).run(None, odd.samples())
    assert np.abs(found - wanted).max() <= 1e-3 * max(1, np.abs(wanted).max())


def test_a_function_of_the_model_stands_in_the_way():
    proto = network(13).proto()
    body = [onnx.helper.make_node("Relu", ["a"], ["b"])]
    proto.functions.append(
        onnx.helper.make_function("own", "F", ["a"], ["b"], body, [onnx.helper.make_opsetid("", 13)])
    )
    assert in_the_way(ir.serde.deserialize_model(proto), 18) == ("function F",)


def test_a_later_opset_is_left_alone():
    model = ir.serde.deserialize_model(network(20).proto())
    assert not RaiseOpset(18)(model).modified
    assert in_the_way(model, 18) == ()
