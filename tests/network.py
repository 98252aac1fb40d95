"""Builds a float network of standard operators, seeded, call by call."""

import numpy as np
import onnx
from onnx import helper


class Network:
    """Nodes and initializers that grow call by call; each method gives the name of what it computes."""

    def __init__(self, x_shape, opset=18, batch="batch", seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.tensors, self.outputs = [], {}, []
        self.x_shape, self.opset, self.batch = tuple(x_shape), opset, batch

    def add(self, op_type, inputs, output=None, **attributes):
        name = output or f"{op_type.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name=f"node_{name}", **attributes))
        return name

    def constant(self, name, array):
        self.tensors[name] = np.asarray(array, order="C")
        return name

    def random(self, name, *shape, low=-1.0, high=1.0):
        return self.constant(name, self.rng.uniform(low, high, shape).astype(np.float32))

    def conv(self, x, shape, name, *, bias=True, **attributes):
        fan_in = np.prod(shape[1:])
        weight = self.constant(f"{name}.weight", (self.rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32))
        operands = [x, weight, *([self.random(f"{name}.bias", shape[0])] if bias else [])]
        return self.add("Conv", operands, **attributes)

    def gemm(self, x, shape, name, **attributes):
        weight = self.constant(
            f"{name}.weight", (self.rng.standard_normal(shape) / np.sqrt(shape[1])).astype(np.float32)
        )
        return self.add("Gemm", [x, weight, self.random(f"{name}.bias", shape[0])], transB=1, **attributes)

    def matmul(self, x, shape, name):
        return self.add("MatMul", [x, self.random(f"{name}.weight", *shape)])

    def lookup(self, shape, name, codebook, *, groups=1):
        """A codebook weight as the frontend exports it; ``codebook`` [K] or, with ``groups``, [groups, K]."""
        table = np.asarray(codebook, np.float32)
        indices = self.rng.integers(0, table.shape[-1], (groups, int(np.prod(shape)) // groups))
        names = [self.constant(f"{name}.codebook", table), f"{name}.indices"]
        if groups == 1:
            self.constant(names[1], indices.reshape(shape).astype(np.int32))
            return self.add("Gather", names, name, axis=0)
        self.constant(names[1], indices)
        flat = self.add("GatherElements", names, f"{name}.flat", axis=1)
        return self.add("Reshape", [flat, self.constant(f"{name}.shape", np.array(shape))], name)

    def normalization(self, x, channels, name):
        names = [self.random(f"{name}.{part}", channels, low=0.5) for part in ("gain", "offset", "mean", "variance")]
        return self.add("BatchNormalization", [x, *names])

    def number(self, value):
        return self.constant(f"number{len(self.tensors)}", np.array(value, np.float32))

    def sizes(self, *values):
        return self.constant(f"sizes{len(self.tensors)}", np.array(values, np.int64))

    def gives(self, *names):
        self.outputs += names
        return self

    def proto(self):
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "float",
            [value("x", onnx.TensorProto.FLOAT, [self.batch, *self.x_shape])],
            [
                value(name, onnx.TensorProto.FLOAT, [self.batch, *self.x_shape] if name == "x" else None)
                for name in self.outputs
            ],
            [onnx.numpy_helper.from_array(array, name) for name, array in self.tensors.items()],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8 if self.opset < 21 else 10)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)  # for the shapes of the outputs
        del model.graph.value_info[:]
        onnx.checker.check_model(model)
        return model

    def samples(self, rows=8, seed=1):
        rng = np.random.default_rng(seed)
        return {"x": rng.standard_normal((rows, *self.x_shape)).astype(np.float32)}
