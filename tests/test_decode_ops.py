"""DecodeWeight: numpy by the definition, and its body on stock onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from qcompile.decode_ops import DECODE_WEIGHT, decode_to_shape
from qcompile.errors import ModelError
from qcompile.functions import function_bodies
from qcompile.ops import DOMAIN, OPERANDS, decode_weight
from tests.tables import random_table

SHAPE = np.array([3, 2, 5], np.int64)


def stored(bits, *, groups=1, scale=True, bias=False):
    return random_table(np.random.default_rng(bits), (6, 5), bits, groups=groups, scale=scale, bias=bias)


@pytest.mark.parametrize("groups", [1, 3])
def test_gives_the_decoded_weight_in_its_shape(groups):
    weight = stored(3, groups=groups, bias=True)
    arguments = weight.arguments
    rows = decode_weight(arguments["indices"], arguments["codebook"], 3, (6, 5))
    wanted = (rows * arguments["scale"][:, None] + arguments["bias"][:, None]).reshape(3, 2, 5)
    found = decode_to_shape(SHAPE, **arguments, **weight.attributes)
    np.testing.assert_array_equal(found, wanted, strict=True)


def test_refuses_a_shape_of_another_size():
    weight = stored(3)
    with pytest.raises(ModelError, match=r"a weight \[6, 5\] cannot have the shape \[4, 4\]"):
        decode_to_shape(np.array([4, 4]), **weight.arguments, **weight.attributes)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("scale", "bias"), [(False, False), (True, False), (True, True)])
def test_body_equals_numpy(bits, scale, bias):
    weight = stored(bits, groups=2, scale=scale, bias=bias)
    node = helper.make_node(DECODE_WEIGHT, list(OPERANDS), ["y"], domain=DOMAIN, **weight.attributes)
    tensors = [numpy_helper.from_array(array, name) for name, array in {"x": SHAPE, **weight.arguments}.items()]
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [3, 2, 5])
    model = helper.make_model(
        helper.make_graph([node], "g", [], [result], tensors),
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)],
        functions=function_bodies([DECODE_WEIGHT], 18),
    )
    [found] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {})
    wanted = decode_to_shape(SHAPE, **weight.arguments, **weight.attributes)
    np.testing.assert_array_equal(found, wanted, strict=True)  # each operation is rounded by itself on both sides
