"""Names for what an optimizer computes of parameters: a layer is called as its weight, also when that was turned.

A Linear layer of more than two axes reads the transpose of its weight, a recurrent layer slices of several. Folded,
these would be called val_0; the compiler then could not tell which module a layer is.
"""

import onnx_ir as ir


def name_computed_weights(graph: ir.Graph) -> None:
    """Names, in place, each value that is computed of stored values alone after the first parameter that it is of.

    A parameter is an initializer of two axes or more. What is made of "fc.weight" is called "fc.weight.folded", of
    "attention.in_proj_weight" "attention.in_proj.weight.folded", with a number behind it from the second on.
    """
    origins = {value: name for name, value in graph.initializers.items() if len(value.shape or ()) > 1}
    fixed, counts = set(graph.initializers.values()), dict[str, int]()
    for node in graph:
        inputs = [value for value in node.inputs if value is not None]
        if not all(value in fixed for value in inputs) or _has_graphs(node):
            continue
        fixed |= set(node.outputs)
        found = next((origins[value] for value in inputs if value in origins), None)
        for value in node.outputs if found is not None else ():
            assert found is not None
            origins[value] = found
            counts[found] = counts.get(found, 0) + 1
            value.name = _folded_name(found, counts[found])


def _has_graphs(node: ir.Node) -> bool:
    kinds = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return any(attribute.type in kinds for attribute in node.attributes.values())


def _folded_name(parameter: str, count: int) -> str:
    weight = parameter if ".weight" in parameter else f"{parameter.removesuffix('_weight')}.weight"
    return f"{weight}.folded{'' if count == 1 else count}"
