"""The bodies of the integer operators give the codes of the reference, on stock onnxruntime, new and old."""

import json
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest

from qcompile import integer_ops, ops
from qcompile.functions import function_bodies
from qcompile.integer_reference import apply_integer
from qcompile.tiles import pack_tiles

RUN_OLD = """
import json, sys
import numpy as np
import onnxruntime
for path, inputs, outputs in json.load(sys.stdin):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.save(outputs, session.run(None, dict(np.load(inputs)))[0])
print(onnxruntime.__version__)
"""
TYPES = {np.dtype(np.uint8): onnx.TensorProto.UINT8, np.dtype(np.float32): onnx.TensorProto.FLOAT}


def make_model(op_type, inputs, constants, attributes, y_type, y_rank, opset=18):
    """A model of one operator: ``inputs`` are fed, ``constants`` are initializers, in this order."""
    node = onnx.helper.make_node(op_type, [*inputs, *constants], ["y"], "layer", None, ops.DOMAIN, **attributes)
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info(name, TYPES[array.dtype], array.shape) for name, array in inputs.items()],
        [onnx.helper.make_tensor_value_info("y", y_type, [None] * y_rank)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = onnx.helper.make_model(
        graph,
        ir_version=8 if opset < 21 else 10,
        opset_imports=[onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid(ops.DOMAIN, 1)],
        functions=function_bodies([op_type], opset),
    )
    onnx.checker.check_model(model)
    return model


def weighted(op_type, shape, x_shape, bits, codebooks=0, zero_point=3, seed=0, **attributes):
    """An operator with a random weight, what it reads, and what the reference makes of it.

    ``codebooks`` is how many there are, 0 for none. Scales are such that codes are spread and some are cut.
    """
    rng = np.random.default_rng(seed)
    group = attributes.get("group", 1)
    indices = pack_tiles(rng.integers(0, 2**bits, shape).astype(np.uint8), group, bits)
    codebook = rng.integers(-128, 128, (codebooks, 2**bits) if codebooks else 0).astype(np.int8)
    x = rng.integers(0, 256, x_shape).astype(np.uint8)
    typical = 100 * 60 * np.sqrt(np.prod(shape[1:]))
    scale = (rng.uniform(0.5, 1.5, shape[0]) * 60 / typical).astype(np.float32)
    bias = rng.uniform(60, 180, shape[0]).astype(np.float32)
    attributes |= {"bits": bits, "weight_shape": shape, "x_zero_point": zero_point}
    inputs = {"x": x}
    constants = {"indices": indices, "codebook": codebook, "scale": scale, "bias": bias}
    if not op_type.endswith("Float"):
        attributes |= {"y_min": 10, "y_max": 250}
    if op_type.endswith("Table"):
        constants["table"] = rng.permutation(256).astype(np.uint8)
    operands = [*inputs.values(), *constants.values()]
    if op_type in integer_ops.ADDING:
        attributes["residual_scale"] = 0.3
        plain = apply_integer(op_type.replace("Add", ""), operands, attributes)
        inputs["residual"] = rng.integers(0, 256, plain.shape).astype(np.uint8)
        operands.append(inputs["residual"])
    wanted = apply_integer(op_type, operands, attributes)
    y_type = onnx.TensorProto.FLOAT if op_type.endswith("Float") else onnx.TensorProto.UINT8
    order = ["x", "indices", "codebook", "scale", "bias", "residual", "table"]
    model = make_model(op_type, inputs, constants, attributes, y_type, wanted.ndim)
    model.graph.node[0].input[:] = [name for name in order if name in inputs or name in constants]
    return model, inputs, wanted


def matmul(op_type, shape, x_shape, bits, **options):
    return weighted(op_type, shape, x_shape, bits, **options)


def conv(op_type, shape, x_shape, bits, strides, pads, dilations, group=1, **options):
    geometry = {"strides": strides, "pads": pads, "dilations": dilations, "group": group}
    return weighted(op_type, shape, x_shape, bits, **geometry, **options)


def cases():
    for bits in range(1, 9):
        yield matmul("IntegerMatMul", (20, 37), (3, 37), bits, codebooks=bits % 2)
    yield matmul("IntegerMatMul", (1, 1), (1, 1), 1)
    yield matmul("IntegerMatMul", (4, 5), (0, 5), 3)
    yield matmul("IntegerMatMulAdd", (18, 16), (2, 3, 16), 4, codebooks=1, zero_point=0)
    yield matmul("IntegerMatMulFloat", (20, 64), (64,), 2, codebooks=5, zero_point=255)
    yield matmul("IntegerMatMulAddFloat", (18, 16), (2, 3, 16), 4, codebooks=2)
    yield matmul("IntegerMatMulTable", (18, 16), (2, 3, 16), 4, codebooks=1)
    yield conv("IntegerConvTable", (5, 3, 3, 3), (2, 7, 6, 3), 4, (1, 1), (1, 1, 1, 1), (1, 1))
    for bits in range(1, 9):
        yield conv("IntegerConv", (5, 3, 3, 3), (2, 7, 6, 3), bits, (1, 1), (1, 1, 1, 1), (1, 1), codebooks=1)
    yield conv("IntegerConv", (20, 16, 3, 2), (1, 9, 8, 16), 4, (2, 1), (1, 0, 2, 1), (1, 2), zero_point=128)
    yield conv("IntegerConvAdd", (16, 8, 1, 1), (2, 5, 4, 8), 3, (1, 1), (0, 0, 0, 0), (1, 1), codebooks=4)
    yield conv("IntegerConvAdd", (6, 2, 3, 3), (1, 5, 5, 4), 5, (1, 1), (1, 1, 1, 1), (1, 1), group=2)
    yield conv("IntegerConvFloat", (34, 1, 3, 3), (1, 6, 5, 34), 4, (2, 2), (1, 1, 1, 1), (1, 1), group=34)
    yield conv("IntegerConv", (12, 1, 3, 3), (0, 6, 5, 6), 7, (1, 1), (1, 1, 1, 1), (1, 1), group=6)
    yield conv("IntegerConv", (12, 1, 3, 3), (2, 6, 5, 6), 7, (1, 1), (1, 1, 1, 1), (1, 1), group=6, codebooks=6)
    yield conv("IntegerConv", (4, 3, 5), (2, 11, 3), 6, (3,), (0, 2), (2,), codebooks=2)


def unweighted(op_type, inputs, constants, **attributes):
    wanted = apply_integer(op_type, [*inputs.values(), *constants.values()], attributes)
    model = make_model(op_type, inputs, constants, attributes, TYPES[wanted.dtype], wanted.ndim)
    return model, inputs, wanted


def random_codes(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def per_channel(channels, scale, bias):
    """Scales and biases that differ by channel but in the first."""
    steps = np.arange(channels, dtype=np.float32)
    return {"scale": np.float32(scale) * (1 + steps), "bias": np.float32(bias) + steps}


PRODUCTS = [  # a, b, whether b is transposed
    ((2, 3, 5, 7), (2, 3, 7, 4), 0),
    ((2, 3, 5, 7), (2, 3, 4, 7), 1),
    ((20, 200), (200, 3), 0),
    ((20, 200), (3, 200), 1),
    ((3, 1, 1), (3, 1, 1), 1),
    ((0, 5, 7), (0, 4, 7), 1),
    ((2, 5, 7), (2, 7, 0), 0),
]


def other_cases():
    a, b = random_codes(2, 3, 4), random_codes(2, 3, 4, seed=1)
    scales = {"a_scale": 0.25, "b_scale": 0.5, "bias": -3.0}  # many ties
    yield unweighted("IntegerAdd", {"a": a, "b": b}, {}, y_min=0, y_max=100, **scales)
    pool = {"kernel_shape": (3, 2), "strides": (2, 1), "pads": (1, 0, 1, 1)}
    yield unweighted("IntegerMaxPool", {"x": random_codes(2, 7, 6, 5)}, {}, **pool)
    yield unweighted("IntegerMaxPool", {"x": random_codes(1, 9, 3)}, {}, kernel_shape=(2,), strides=(2,), pads=(0, 1))
    mean = {"scale": 1.7, "bias": -20.5, "y_min": 0, "y_max": 255}
    for keepdims in (0, 1):
        yield unweighted("IntegerGlobalAveragePool", {"x": random_codes(2, 7, 6, 5)}, {}, **mean, keepdims=keepdims)
        yield unweighted("IntegerGlobalAveragePool", {"x": random_codes(1, 9, 3)}, {}, **mean, keepdims=keepdims)
    yield unweighted("IntegerTable", {"x": random_codes(3, 100)}, {"table": random_codes(256, seed=3)})
    for a_shape, b_shape, transposed in PRODUCTS:
        inputs = {"a": random_codes(*a_shape), "b": random_codes(*b_shape, seed=1)}
        plain = tuple(range(len(a_shape)))
        turned = (*plain[:-2], plain[-1], plain[-2]) if transposed else plain
        zero_points = {"a_zero_point": 120, "b_zero_point": 130, "a_perm": plain, "b_perm": turned, "y_perm": plain}
        zero_points |= dict.fromkeys(("a_shape", "b_shape", "y_shape"), (0,) * len(plain))
        limits = {"scale": 0.001, "bias": 120.5, "y_min": 10, "y_max": 250}
        yield unweighted("IntegerProduct", inputs, {}, **zero_points, **limits)
        zero_points |= {"a_zero_point": 0, "b_zero_point": 255}
        yield unweighted("IntegerProductFloat", inputs, {}, **zero_points, scale=0.3)
    inputs = {"a": random_codes(2, 5, 21), "b": random_codes(2, 6, 3, 7, seed=1)}  # heads behind positions
    orders = {"a_perm": (0, 2, 1, 3), "b_perm": (0, 2, 3, 1), "y_perm": (0, 2, 1, 3)}
    orders |= {"a_shape": (-1, 5, 3, 7), "b_shape": (0, 0, 0, 0), "y_shape": (0, 0, 18)}
    yield unweighted("IntegerProductFloat", inputs, {}, a_zero_point=3, b_zero_point=250, **orders, scale=0.3)
    odd = [np.nan, np.inf, -np.inf, 0.5, 1.5, 2.5, -0.0, 3e38]
    x = np.array(odd * 6, np.float32).reshape(2, 3, 4, 2)
    yield unweighted("QuantizeInput", {"x": x}, per_channel(3, 1.0, 0.0), y_min=1, y_max=255)
    x = np.random.default_rng(0).standard_normal((2, 3, 5)).astype(np.float32)
    yield unweighted("QuantizeInput", {"x": x}, per_channel(3, 50.0, 128.0), y_min=0, y_max=255)


CASES = [*cases(), *other_cases()]


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize(("model", "inputs", "wanted"), CASES)
def test_body_gives_the_codes_of_the_reference(model, inputs, wanted, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    [found] = onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, inputs)
    np.testing.assert_array_equal(found, wanted, strict=True)


def test_the_cases_are_not_all_cut():
    for model, _, wanted in CASES:
        if wanted.dtype == np.uint8 and wanted.size > 10:
            assert len(np.unique(wanted)) >= 3, model.graph.node[0].op_type


def test_body_runs_on_the_oldest_onnxruntime(old_python, tmp_path):
    jobs = []
    for number, (model, inputs, _) in enumerate(CASES):
        path, given, result = (str(tmp_path / f"{number}.{end}") for end in ("onnx", "npz", "npy"))
        onnx.save(model, path)
        np.savez(given, **inputs)
        jobs.append((path, given, result))
    subprocess.run([old_python, "-c", RUN_OLD], input=json.dumps(jobs), text=True, check=True)
    for (_, _, result), (_, _, wanted) in zip(jobs, CASES, strict=True):
        np.testing.assert_array_equal(np.load(result), wanted, strict=True)


@pytest.mark.parametrize("number", [0, len(list(cases())) - 1])
def test_onnxruntime_folds_the_decoding_when_the_session_is_created(number, tmp_path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(CASES[number][0].SerializeToString(), options)
    left = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert not left & {"BitShift", "BitwiseOr", "GatherElements", "Gather", "Range"}


@pytest.mark.parametrize("operator", sorted(integer_ops.INTEGER_MATMULS | integer_ops.INTEGER_CONVS))
def test_bodies_are_small(operator):
    assert sum(body.ByteSize() for body in function_bodies([operator], 18)) <= 7500
