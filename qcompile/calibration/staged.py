"""A network that is run a stage at a time: each begins with what the one before left, and holds its own weights only.

Of a large network one layer after the other is rounded, and what each reads is looked at. Run from its beginning each
time, the whole of it would be in memory, and the time would grow with the square of its depth.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import onnx_ir as ir

from qcompile.calibration.part_session import part_session

Array = npt.NDArray[Any]
MOST_HELD = 1 << 28  # bytes between two stages, of all batches: with more the next stage begins where this one did


@dataclass(frozen=True, eq=False)
class _Stage:
    """``nodes`` to run, in order; those that are ``done`` then; the names of what is ``held`` for all others."""

    nodes: tuple[ir.Node, ...]
    done: frozenset[ir.Node]
    held: tuple[str, ...]


class StagedNetwork:
    """``model``, whose graph has no subgraphs, run on ``batches``; ``most_held`` bounds the bytes between two stages.

    Nodes that were run already may not be changed afterwards, but those that are said to change.
    """

    def __init__(self, model: ir.Model, batches: Sequence[Mapping[str, Array]], most_held: int = MOST_HELD) -> None:
        self._model, self._most_held = model, most_held
        self._held: list[dict[str, Array]] = [dict(batch) for batch in batches]
        self._done: frozenset[ir.Node] = frozenset()

    def seen(self, names: Sequence[str], changing: Collection[ir.Node] = ()) -> Iterator[dict[str, Array]]:
        """The tensors ``names``, whatever they are, of each batch in turn; all have to be taken.

        What depends on the nodes that are ``changing``, layers that are still to be rounded, is computed as they are,
        and again in later stages. Raises QCompileError if onnxruntime does not run the nodes.
        """
        if not self._held:
            return
        first = self._held[0]
        stage = self._plan(names, set(changing), set(first))
        computed = {str(value.name) for node in stage.nodes for value in node.outputs}
        outputs = [name for name in dict.fromkeys([*names, *stage.held]) if name in computed]
        run = part_session(self._model, stage.nodes, first, outputs) if outputs else lambda given: []
        stored = _stored(self._model.graph, names)
        after, size = list[dict[str, Array]](), 0
        for batch in self._held:
            found = {**stored, **batch, **dict(zip(outputs, run(batch), strict=True))}
            after.append({name: found[name] for name in stage.held})
            size += sum(array.nbytes for array in after[-1].values())
            if size > self._most_held:
                after.clear()
            yield {name: found[name] for name in names}
        if len(after) == len(self._held):
            self._held, self._done = after, stage.done

    def _plan(self, names: Sequence[str], changing: set[ir.Node], held: set[str]) -> _Stage:
        graph = self._model.graph
        nodes = _ancestors(graph, names, held)
        done = self._done | (_settled(graph, changing) & set(nodes))
        known = held | {str(value.name) for node in done for value in node.outputs}
        read = [value for node in graph if node not in done for value in node.inputs if value is not None]
        kept = dict.fromkeys(str(value.name) for value in read if value.name in known)
        return _Stage(nodes, done, tuple(kept))


def _stored(graph: ir.Graph, names: Sequence[str]) -> dict[str, Array]:
    """Those of ``names`` that are constants."""
    tensors = {name: graph.initializers[name].const_value for name in names if name in graph.initializers}
    return {name: tensor.numpy() for name, tensor in tensors.items() if tensor is not None}


def _ancestors(graph: ir.Graph, names: Sequence[str], held: set[str]) -> tuple[ir.Node, ...]:
    """The nodes that compute ``names``, in order, from what is ``held`` and from constants."""
    values = ir.convenience.create_value_mapping(graph)
    found: set[ir.Node] = set()
    wanted = [values[name] for name in names]
    while wanted:
        value = wanted.pop()
        node = None if value.name in held else value.producer()
        if node is not None and node not in found:
            found.add(node)
            wanted += [each for each in node.inputs if each is not None]
    return tuple(node for node in graph if node in found)


def _settled(graph: ir.Graph, changing: set[ir.Node]) -> frozenset[ir.Node]:
    """The nodes that depend on an input of the graph and on no node that is ``changing``.

    What depends on constants alone, as a lookup does, is as large as weights are: it is computed where it is read.
    """
    moving = {value for value in graph.inputs if not value.is_initializer()}
    open_values: set[ir.Value] = set()
    found = set()
    for node in graph:
        read = {value for value in node.inputs if value is not None}
        if read & moving:
            moving.update(node.outputs)
        if node in changing or read & open_values:
            open_values.update(node.outputs)
        elif read & moving:
            found.add(node)
    return frozenset(found)


def has_subgraphs(model: ir.Model) -> bool:
    """Whether a node of the graph of ``model`` holds a graph."""
    kinds = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return any(attribute.type in kinds for node in model.graph for attribute in node.attributes.values())
