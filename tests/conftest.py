import json
import os
import pathlib

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from qcompile import ops, sparse_ops
from qcompile.functions import function_bodies
from qcompile.packing import pack_bits


@pytest.fixture(scope="session")
def data_dir():
    """The folder with the data sets; a test that asks for it is skipped where there is none."""
    folder = os.environ.get("QCOMPILE_DATA_DIR")
    if folder is None:
        pytest.skip("QCOMPILE_DATA_DIR is not set: no data sets")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def old_python():
    """The Python of an environment with the oldest supported onnxruntime."""
    python = os.environ.get("QCOMPILE_OLD_PYTHON")
    if python is None:
        pytest.skip("QCOMPILE_OLD_PYTHON is not set: no old onnxruntime (make old-onnxruntime)")
    return pathlib.Path(python)


class PackedModel:
    """A small packed network made by hand: a 3-bit convolution, Relu, Flatten, a 1-bit fully connected layer."""

    CONV, MATMUL = (6, 2, 3, 3), (5, 150)

    def __init__(self):
        random = np.random.default_rng(0)
        self.arrays = {}
        self._layer(random, "conv", self.CONV, bits=3, groups=6, scale=True)
        self._layer(random, "fc", self.MATMUL, bits=1, groups=1, scale=False)
        conv = {"strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1}
        nodes = [
            self._node(ops.CODEBOOK_CONV, "conv", "input", "c", bits=3, weight_shape=self.CONV, **conv),
            helper.make_node("Relu", ["c"], ["r"], name="relu"),
            helper.make_node("Flatten", ["r"], ["f"], name="flatten"),
            self._node(ops.CODEBOOK_MATMUL, "fc", "f", "output", bits=1, weight_shape=self.MATMUL),
        ]
        self.proto = helper.make_model(
            helper.make_graph(
                nodes,
                "packed",
                [helper.make_tensor_value_info("input", 1, ["batch", 2, 7, 7])],
                [helper.make_tensor_value_info("output", 1, ["batch", 5])],
                [numpy_helper.from_array(array, name) for name, array in self.arrays.items()],
            ),
            opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(ops.DOMAIN, 1)],
            functions=function_bodies([ops.CODEBOOK_CONV, ops.CODEBOOK_MATMUL], 20),
            ir_version=9,
        )

    def _layer(self, random, name, shape, *, bits, groups, scale):
        indices = random.integers(0, 2**bits, shape).astype(np.uint8)
        codebook = np.sort(random.standard_normal((groups, 2**bits)).astype(np.float32), axis=1)
        self.arrays[f"{name}.weight.indices"] = pack_bits(indices, bits)
        self.arrays[f"{name}.weight.codebook"] = codebook
        self.arrays[f"{name}.weight.scale"] = random.random(shape[0] if scale else 0, dtype=np.float32)
        self.arrays[f"{name}.bias"] = random.standard_normal(shape[0]).astype(np.float32)

    def _node(self, op, name, x, y, **attributes):
        operands = [x, f"{name}.weight.indices", f"{name}.weight.codebook", f"{name}.weight.scale", f"{name}.bias"]
        return helper.make_node(op, operands, [y], name=name, domain=ops.DOMAIN, **attributes)

    def correct(self, **layers):
        """Adds corrections to layers given as ``name={place: value}``; place counts through the flattened weight."""
        for name, corrections in layers.items():
            packed = self.node(name)
            shape = self.CONV if name == "conv" else self.MATMUL
            weight = np.zeros(int(np.prod(shape)), np.float32)
            weight[list(corrections)] = list(corrections.values())
            names = [f"{name}.weight.gaps", f"{name}.weight.corrections"]
            for tensor, array in zip(names, sparse_ops.encode_corrections(weight), strict=True):
                self.arrays[tensor] = array
                self.proto.graph.initializer.append(numpy_helper.from_array(array, tensor))
            operator, output = sparse_ops.SPARSE_OF[packed.op_type], packed.output[0]
            packed.output[0] = f"{name}.base"
            node = helper.make_node(
                operator, [packed.input[0], f"{name}.base", *names], [output], name=f"{name}.corrections",
                domain=ops.DOMAIN, weight_shape=shape,
            )  # fmt: skip
            node.attribute.extend(a for a in packed.attribute if a.name in ("strides", "pads", "dilations", "group"))
            place = list(self.proto.graph.node).index(packed)
            self.proto.graph.node.insert(place + 1, node)
            self.proto.functions.extend(function_bodies([operator], 20))
        return self

    def plan(self, **layers):
        """Embeds a plan whose layers are ``name=(bits, entries)``."""
        rows = [{"name": name, "bits": bits, "entries": entries} for name, (bits, entries) in layers.items()]
        self.proto.metadata_props.add(key="qcompile.plan", value=json.dumps({"layers": rows}))

    def node(self, name):
        return next(node for node in self.proto.graph.node if node.name == name)

    def set_initializer(self, name, array):
        tensor = next(tensor for tensor in self.proto.graph.initializer if tensor.name == name)
        tensor.CopyFrom(numpy_helper.from_array(array, name))

    def set_attribute(self, node_name, attribute, value):
        node = self.node(node_name)
        kept = [a for a in node.attribute if a.name != attribute]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(attribute, value)])

    def save(self, path):
        onnx.save(self.proto, path)
        return path


@pytest.fixture
def packed_model():
    return PackedModel()


@pytest.fixture
def packed_path(packed_model, tmp_path):
    return packed_model.save(tmp_path / "packed.onnx")


@pytest.fixture
def float_path(packed_model, tmp_path):
    return write_float(packed_model, tmp_path / "float.onnx")


def write_float(packed_model, path):
    """A float model of the same network: weights a little beside the codebooks, the scale folded into the weight."""
    arrays = packed_model.arrays
    noise = np.random.default_rng(1)
    nodes = [
        helper.make_node("Conv", ["input", "conv.weight", "conv.bias"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "fc.weight", "fc.bias"], ["output"], transB=1),
    ]
    weights = {"conv.bias": arrays["conv.bias"], "fc.bias": arrays["fc.bias"]}
    for name, shape, bits in (("conv", packed_model.CONV, 3), ("fc", packed_model.MATMUL, 1)):
        codebook, scale = arrays[f"{name}.weight.codebook"], arrays[f"{name}.weight.scale"]
        weight = ops.decode_weight(arrays[f"{name}.weight.indices"], codebook, bits, shape)
        factor = scale.reshape(-1, 1, 1, 1) if scale.size else 1
        weights[f"{name}.weight"] = (weight * factor + noise.normal(0, 0.01, shape)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "float",
        [helper.make_tensor_value_info("input", 1, ["batch", 2, 7, 7])],
        [helper.make_tensor_value_info("output", 1, ["batch", 5])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    return path
