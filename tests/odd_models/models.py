"""Builds odd models whose arithmetic is exact, compiles them every way, and compares.

Inputs are whole numbers 0 to 255, each row with both ends, and weights whole numbers -127 to 127, each output with one
of 127: a step of 1 for codes of 8 bits. So a layer computes the same float before and after, in integers too.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from qcompile.calibration import BatchReader, MinMax
from qcompile.compiler import DynamicIntegers, Integers, compile_file
from qcompile.errors import QCompileError
from qcompile.rounding import Plain

FLOAT = onnx.TensorProto.FLOAT
ENTRIES = np.array([-127, 0, 5, 127], np.float32)
ROWS = 2
WAYS = ("packed", "integers", "dynamic")


class Odd:
    """Nodes, initializers, inputs and outputs as they are given: nothing is checked."""

    def __init__(self, opset=18, ir_version=8):
        self.rng = np.random.default_rng(0)
        self.nodes, self.tensors, self.inputs, self.outputs, self.functions = [], {}, [], [], []
        self.opsets = {"": opset}
        self.ir_version = ir_version

    def add(self, op_type, inputs, outputs="y", **attributes):
        names = [outputs] if isinstance(outputs, str) else outputs
        attributes.setdefault("name", f"node_{names[0]}")
        self.nodes.append(helper.make_node(op_type, list(inputs), names, **attributes))
        return names[0]

    def constant(self, name, array, dtype=np.float32):
        self.tensors[name] = numpy_helper.from_array(np.asarray(array, dtype), name)
        return name

    def numbers(self, *shape):
        """Whole numbers, 127 in size once at least for each of the first axis and of the last."""
        found = self.rng.integers(-127, 128, shape).astype(np.float32)
        if found.ndim > 1 and found.size:
            found[:, 0] = 127
            found[..., 0, :] = 127
        return found

    def lookup(self, name, *shape, table=ENTRIES):
        """A weight looked up in a codebook, as the frontend exports it; the name of the weight."""
        indices = self.rng.integers(0, 4, shape)
        if indices.ndim > 1 and indices.size:
            indices[:, 0] = indices[..., 0, :] = 3
        self.constant(f"{name}.codebook", table)
        self.constant(f"{name}.indices", indices, np.int32)
        return self.add("Gather", [f"{name}.codebook", f"{name}.indices"], name, axis=0)

    def floats(self, name, *shape):
        """A float weight; its name."""
        return self.constant(name, self.numbers(*shape))

    def weight(self, way, *shape, name="w.weight"):
        """A weight that ``way`` of compiling takes: learned or float."""
        return (self.lookup if way == "packed" else self.floats)(name, *shape)

    def takes(self, name, shape=("batch", 4), kind=FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def gives(self, name="y", shape=None, kind=FLOAT):
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))
        return self

    def proto(self, **graph):
        graph = helper.make_graph(self.nodes, "odd", self.inputs, self.outputs, list(self.tensors.values()), **graph)
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=self.ir_version, functions=self.functions)


def dense(way, opset=18, **attributes):
    """x [batch, 4] times a weight [4, 3]; the model is open for more."""
    odd = Odd(opset)
    odd.add("MatMul", [odd.takes("x"), odd.weight(way, 4, 3)], "y")
    return odd


def feeds(proto):
    """Whole numbers for each input, 0 and 255 in each row; a free axis has ``ROWS`` places."""
    rng = np.random.default_rng(1)
    stored = {tensor.name for tensor in proto.graph.initializer}
    found = {}
    for value in proto.graph.input:
        if value.name not in stored and value.type.HasField("tensor_type"):
            tensor = value.type.tensor_type
            shape = (
                [
                    dim.dim_value if 0 <= dim.dim_value < 100 and dim.HasField("dim_value") else ROWS
                    for dim in tensor.shape.dim
                ]
                if tensor.HasField("shape")
                else (ROWS, 4)
            )
            dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
            array = np.zeros(shape, dtype) if dtype != np.dtype(object) else np.full(shape, "text", object)
            if array.size and dtype == np.float32:
                array = rng.integers(0, 256, shape).astype(dtype)
                rows = array.reshape(array.shape[0] if array.ndim > 1 else 1, -1)
                rows[:, 0], rows[:, -1] = 255, 0
            found[value.name] = array
    return found


def integers_of(way, samples):
    """What ``way`` asks of compiling."""
    if way == "dynamic":
        return DynamicIntegers()
    if way == "packed":
        return None
    return Integers(BatchReader([samples]), method=MinMax(), rounding=Plain())


def compiled(proto, way, folder, **options):
    """Compiles, checks what lies in the folder afterwards, and gives the result, or the error."""
    folder.joinpath("odd.onnx").write_bytes(proto.SerializeToString())
    try:
        result = compile_file(
            folder / "odd.onnx", folder / "p.onnx", integers=integers_of(way, feeds(proto)), **options
        )
    except QCompileError as error:
        assert sorted(path.name for path in folder.iterdir()) == ["odd.onnx"]
        return error
    assert sorted(path.name for path in folder.iterdir()) == ["odd.onnx", "p.onnx"]
    return result


def run(model, arrays):
    """The outputs of a file or of bytes on stock onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options).run(None, arrays)


def assert_same_outputs(proto, folder):
    """The compiled file gives, bit for bit, what the model gives."""
    arrays = feeds(proto)
    for before, after in zip(run(proto.SerializeToString(), arrays), run(folder / "p.onnx", arrays), strict=True):
        np.testing.assert_array_equal(after, before)
