"""Which tensors are held as 8-bit codes whatever bits the layers have: decision 0014.

Backward from what each layer reads, as passes/_activations.py goes from what each packed layer reads.
"""

from collections import Counter, deque

from torch.fx import Node

from qcompile.frontend.mixed.graph_nodes import Nodes


def find_streams(nodes: Nodes) -> list[Node]:
    """The nodes whose results are rounded to 8 bits before anything reads them, in the graph's order.

    These are sums of two computed tensors, behind their rectifiers; the operand of such a sum that its layer adds;
    what a mean over space reads; what a function of single numbers other than a rectifier reads, as it becomes a
    table of codes; and what several layers read, as each may want other bits.
    """
    read = [origin(nodes, layer.all_input_nodes[0]) for layer in nodes.layers]
    found = dict.fromkeys(node for node, layers in Counter(read).items() if layers > 1)
    open_nodes, seen = deque(read), set[Node]()
    while open_nodes:
        node = open_nodes.popleft()
        if nodes.is_residual(nodes.before_cuts(node)):
            found[node] = None
        if node in seen:
            continue
        seen.add(node)
        sources = [origin(nodes, source) for source in _sources(nodes, node)]
        found |= dict.fromkeys(sources)
        open_nodes += sources
    return sorted(found)  # torch.fx orders nodes as the graph does


def origin(nodes: Nodes, node: Node) -> Node:
    """The node whose numbers ``node`` has, moved or not."""
    while nodes.is_move(node):
        node = node.all_input_nodes[0]
    return node


def _sources(nodes: Nodes, node: Node) -> list[Node]:
    """What must be codes so that ``node``, no move, is computed in integers; empty where a layer gives it."""
    inner = nodes.before_cuts(node)
    if nodes.layer_of(inner) is not None:
        return []
    if nodes.is_residual(inner):
        absorbed = nodes.absorbed(inner)
        return [x for x in inner.all_input_nodes if x is not absorbed]
    if nodes.is_mean_of_space(node):
        return node.all_input_nodes[:1]
    return _table_source(nodes, node)


def _table_source(nodes: Nodes, node: Node) -> list[Node]:
    """The tensor of codes of which ``node`` is a function, number by number; empty where there is none."""
    start = node
    while nodes.is_table(start):
        start = start.all_input_nodes[0]
        if _makes_codes(nodes, start):
            return [start]
        if len(start.users) > 1:
            break
    return []


def _makes_codes(nodes: Nodes, node: Node) -> bool:
    inner = nodes.before_cuts(node)
    is_made = nodes.layer_of(inner) is not None or nodes.is_residual(inner)
    return is_made or nodes.is_move(node) or nodes.is_mean_of_space(node)
