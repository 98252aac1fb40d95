"""What layers with a float weight are called, and which bits each gets by its name."""

import difflib
from collections.abc import Mapping, Sequence

import onnx_ir as ir

from qcompile.errors import QCompileError
from qcompile.passes._operands import free_name

MOST_NAMES = 5  # in a message


def layer_name(node: ir.Node, place: int = 1) -> str:
    """What the layer will be called: as its weight, the input at ``place``, where that has a usual name."""
    weight = node.inputs[place]
    assert weight is not None
    called = str(weight.name)
    return called.split(".weight")[0] if ".weight" in called else node.name or called


def layer_names(nodes: Sequence[ir.Node]) -> list[str]:
    """The name of each of ``nodes``, no two alike: where several read one weight the later ones are numbered."""
    names: list[str] = []
    for node in nodes:
        names.append(free_name(layer_name(node), set(names)))
    return names


def widths_of(names: Sequence[str], bits: int | Mapping[str, int]) -> list[int]:
    """The bits, 1 to 8, of each of the layers ``names``; ``bits`` are for all of them or by name.

    Raises QCompileError if ``bits`` names another layer, lacks one, or is out of range.
    """
    if isinstance(bits, Mapping):
        check_names(bits, names)
        if missing := [name for name in names if name not in bits]:
            raise QCompileError(f"weight bits: none are given for {_some(missing)}; wanted bits for every layer")
    widths = [bits[name] if isinstance(bits, Mapping) else bits for name in names]
    for name, width in zip(names, widths, strict=True):
        if not 1 <= width <= 8:
            raise QCompileError(f"weight bits: {width} for {name}, wanted 1 to 8")
    return widths


def check_names(given: Mapping[str, object], names: Sequence[str]) -> None:
    """Raises QCompileError if ``given`` has a name that is none of the layers ``names``, and tells the nearest."""
    for name in given:
        if name not in names:
            raise QCompileError(f"weight bits: no layer with a float weight is called {name!r}; {near(name, names)}")


def near(name: str, names: Sequence[str]) -> str:
    """The nearest of ``names`` to ``name``, for a message."""
    return f"near it are {_some(difflib.get_close_matches(name, names, MOST_NAMES, 0.4) or list(names))}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (", ".join(names[:MOST_NAMES]) or "none") + more
