"""What a report says of a packed file, derived again from docs/packed-format.md: no line of qcompile runs here."""

import json
import math
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

SPARSE = {"SparseMatMul", "SparseConv"}
WEIGHTED = {
    *("CodebookMatMul", "CodebookConv", "CodebookGather", "DecodeWeight"),
    *("IntegerMatMul", "IntegerMatMulFloat", "IntegerConv", "IntegerConvFloat"),
}


def attributes_of(node):
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def tensors_of(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def codes_of(node, indices):
    """The index of each weight, in any order; section 4 of the format, and for integers section 7."""
    attributes = attributes_of(node)
    bits, count = attributes["bits"], math.prod(attributes["weight_shape"])
    if not node.op_type.startswith("Integer"):
        stream = np.unpackbits(indices, bitorder="little")[: count * bits].reshape(count, bits)
        return (stream * (1 << np.arange(bits))).sum(axis=1)
    tiles = indices.reshape(-1, 32 * bits).astype(np.int64)
    codes, place, shift, i = np.zeros((len(tiles), 256), np.int64), 0, 0, np.arange(256)
    for width in (width for width in (8, 4, 2, 1) if bits & width):
        own = tiles[:, place + i % (32 * width)] >> (width * (i // (32 * width)))
        codes |= (own & (2**width - 1)) << shift
        place, shift = place + 32 * width, shift + width
    padding = codes.size - count  # zeros: as many are taken away
    return np.sort(codes.reshape(-1))[padding:]


def derive_layer(node, tensors, seen):
    names = dict(zip(("indices", "codebook", "scale", "bias"), node.input[1:5], strict=True))
    arrays = {kind: tensors[name] for kind, name in names.items()}
    own = {kind: array.nbytes if names[kind] not in seen else 0 for kind, array in arrays.items()}
    seen |= set(names.values())
    attributes = attributes_of(node)
    bits, shape = attributes["bits"], list(attributes["weight_shape"])
    row = {"name": node.name, "op": node.op_type, "weight_shape": shape, "bits": bits, "weights": math.prod(shape)}
    row |= {f"{kind.replace('indices', 'index')}_bytes": size for kind, size in own.items()}
    row["activation_bits"] = attributes.get("x_bits", 8) if node.op_type.startswith("Integer") else 32
    codebook = arrays["codebook"]
    row["entries"] = max(len(set(line)) for line in codebook.tolist()) if codebook.size else 2**bits
    row["groups"] = max(1, len(codebook))
    row["float_bytes"] = 4 * row["weights"] * (own["indices"] > 0) + own["bias"]
    return row, codes_of(node, arrays["indices"])


def derive(path):
    """Totals, rows of layers and how often each index is used, of the file ``path``."""
    model = onnx.load(path)
    tensors, seen = tensors_of(model), set()
    own = [node for node in model.graph.node if node.domain == "qcompile"]
    rows, uses = [], []
    for node in own:
        if node.op_type in WEIGHTED:
            row, codes = derive_layer(node, tensors, seen)
            rows.append(row)
            uses.append(np.bincount(codes, minlength=2 ** row["bits"]).tolist())
        elif node.op_type in SPARSE:
            gaps, values = (tensors[name] for name in node.input[2:])
            rows[-1] |= {"corrections": int((values != 0).sum()), "correction_bytes": gaps.nbytes + values.nbytes}
    for row in rows:
        row.setdefault("corrections", 0)
        row.setdefault("correction_bytes", 0)
        kinds = ("index", "codebook", "scale", "bias", "correction")
        row["total_bytes"] = sum(row[f"{kind}_bytes"] for kind in kinds)
    return totals_of(path, model, tensors, rows), rows, uses


def totals_of(path, model, tensors, rows):
    read = {name for node in model.graph.node if node.op_type in WEIGHTED | SPARSE for name in node.input}
    floats = sum(array.size for name, array in tensors.items() if name not in read and array.dtype == np.float32)
    tables = {node.input[-1] for node in model.graph.node if node.op_type.endswith(("Table", "Tabled"))}
    weights = sum(row["weights"] for row in rows)
    small = floats + sum(row["scale_bytes"] + row["bias_bytes"] for row in rows) // 4
    codebooks = [tensors[node.input[2]] for node in model.graph.node if node.op_type in WEIGHTED]
    entries = [(len(set(line)), codebook.itemsize * 8) for codebook in codebooks for line in codebook.tolist()]
    formula = sum(row["weights"] * row["bits"] for row in rows) + 32 * small + sum(n * bits for n, bits in entries)
    formula += sum(row["corrections"] * (32 + math.ceil(math.log2(row["weights"]))) for row in rows)
    return {
        "file_bytes": pathlib.Path(path).stat().st_size,
        "payload_bytes": sum(row["total_bytes"] for row in rows) + 4 * floats + 256 * len(tables),
        "weights": weights,
        "other_parameters": small,
        "corrections": sum(row["corrections"] for row in rows),
        "codebook_entries": sum(count for count, _ in entries),
        "formula_bytes": formula / 8,
        "compression_ratio": 32 * (weights + small) / formula,
        "average_bits": sum(row["weights"] * row["bits"] for row in rows) / weights,
        "bits_per_weight": 8
        * sum(row["index_bytes"] + row["codebook_bytes"] + row["correction_bytes"] for row in rows)
        / weights,
    }


def every_tensor(path, feeds):
    """By name, every tensor that stock onnxruntime computes between the nodes of the file ``path``."""
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name not in known]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    wanted = [output.name for output in session.get_outputs()]
    return dict(zip(wanted, session.run(wanted, feeds), strict=True))


def multiply_adds(path, feeds):
    """By layer, the products of one sample: what the layer gives, times the weights behind each number of it."""
    tensors = every_tensor(path, feeds)
    nodes = [node for node in onnx.load(path).graph.node if node.op_type in WEIGHTED]
    return {
        node.name: tensors[node.output[0]].size * math.prod(attributes_of(node)["weight_shape"][1:]) for node in nodes
    }


def sqnr_db(wanted, found):
    exact = np.asarray(wanted, np.float64)
    return 10 * np.log10(np.square(exact).sum() / np.square(exact - found).sum())


if __name__ == "__main__":
    import sys

    print(json.dumps(derive(sys.argv[1]), indent=2))
