"""Names for layers and for what an optimizer computes of parameters: a layer is called as the module that it was.

A Linear layer of more than two axes reads the transpose of its weight, a recurrent layer slices of several. Folded,
these would be called val_0; the compiler then could not tell which module a layer is.
"""

import onnx_ir as ir

LAYERS = ("Conv", "Gather", "Gemm", "MatMul")


def name_computed_weights(graph: ir.Graph) -> None:
    """Names, in place, each value that is computed of a parameter and of sizes alone after the first such parameter.

    A parameter is an initializer of two axes or more. What is made of "fc.weight" is called "fc.weight.folded", of
    "attention.in_proj_weight" "attention.in_proj.weight.folded", with a number behind it from the second on.
    """
    origins = {value: name for name, value in graph.initializers.items() if len(value.shape or ()) > 1}
    fixed, counts = set(graph.initializers.values()), dict[str, int]()
    for node in graph:
        inputs = [value for value in node.inputs if value is not None]
        if _has_graphs(node) or not (node.op_type == "Shape" or all(value in fixed for value in inputs)):
            continue
        fixed |= set(node.outputs)
        found = [origins[value] for value in inputs if value in origins and node.op_type != "Shape"]
        for value in node.outputs if found else ():
            origins[value] = found[0]
            counts[found[0]] = counts.get(found[0], 0) + 1
            value.name = _folded_name(found[0], counts[found[0]])


def name_layers(graph: ir.Graph) -> None:
    """Names, in place, each layer that reads a stored weight "fc.weight..." after its module, "fc": one node a name."""
    taken = {node.name for node in graph}
    for node in (node for node in graph if node.op_type in LAYERS):
        stored = [str(value.name) for value in node.inputs if value is not None and value.is_initializer()]
        names = [name.split(".weight")[0] for name in stored if ".weight" in name]
        if names and names[0] not in taken:
            node.name = names[0]
            taken.add(names[0])


def _has_graphs(node: ir.Node) -> bool:
    kinds = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return any(attribute.type in kinds for attribute in node.attributes.values())


def _folded_name(parameter: str, count: int) -> str:
    weight = parameter if ".weight" in parameter else f"{parameter.removesuffix('_weight')}.weight"
    return f"{weight}.folded{'' if count == 1 else count}"
