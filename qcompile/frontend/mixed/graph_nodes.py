"""What a node of a traced network does, as far as quantizing needs to know. The names follow passes/_activations.py."""

import math
import operator
from numbers import Number
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node
from torch.fx.passes.shape_prop import TensorMetadata
from torch.nn import functional as F

from qcompile.frontend.mixed.quantized_layer import QuantizedLayer

Operators = frozenset[Any]  # functions, names of methods, types of modules

NOTHING: Operators = frozenset({nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, F.dropout, "contiguous"})
MOVES: Operators = NOTHING | {
    *(operator.getitem, "flatten", "reshape", "view", "squeeze", "unsqueeze", "permute", "transpose"),
    *(torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze, torch.permute, torch.transpose),
    *(nn.Flatten, nn.Unflatten, nn.MaxPool1d, nn.MaxPool2d, F.max_pool1d, F.max_pool2d, nn.ZeroPad1d, nn.ZeroPad2d),
}
CUTS: Operators = frozenset(
    {
        *(F.relu, torch.relu, "relu", "relu_", nn.ReLU, F.relu6, nn.ReLU6),
        *(F.hardtanh, nn.Hardtanh, torch.clamp, torch.clip, "clamp", "clip"),
    }
)
# What maps single numbers to single numbers: a table of codes.
TABLES: Operators = CUTS | {
    *(torch.tanh, F.tanh, "tanh", nn.Tanh, torch.sigmoid, F.sigmoid, "sigmoid", nn.Sigmoid, F.silu, nn.SiLU),
    *(F.hardswish, nn.Hardswish, F.hardsigmoid, nn.Hardsigmoid, F.leaky_relu, nn.LeakyReLU, F.elu, nn.ELU),
    *(F.gelu, nn.GELU, F.softplus, nn.Softplus, F.mish, nn.Mish),
}
SUMS: Operators = frozenset({operator.add, operator.iadd, torch.add, "add", "add_"})
MEANS: Operators = frozenset({torch.mean, "mean"})
POOLS: Operators = frozenset({nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d})
BATCH_NORMS: Operators = frozenset({nn.BatchNorm1d, nn.BatchNorm2d})


class Nodes:
    """Questions about the nodes of ``traced``, whose shapes ShapeProp has found."""

    def __init__(self, traced: GraphModule) -> None:
        self._traced = traced
        self.layers = [node for node in traced.graph.nodes if isinstance(self.module(node), QuantizedLayer)]

    def module(self, node: Node) -> nn.Module | None:
        """The module that ``node`` calls, if it calls one."""
        return self._traced.get_submodule(str(node.target)) if node.op == "call_module" else None

    def does(self, node: Node, operators: Operators) -> bool:
        """Whether ``node`` calls one of ``operators``."""
        if node.op == "call_module":
            return type(self.module(node)) in operators
        return node.op in ("call_function", "call_method") and node.target in operators

    def shape(self, node: Node) -> tuple[int, ...] | None:
        """The shape of what ``node`` gives; None where that is no tensor."""
        found = node.meta.get("tensor_meta")
        return tuple(found.shape) if isinstance(found, TensorMetadata) else None

    def is_computed(self, node: Any) -> bool:
        """Whether ``node`` gives a tensor that depends on the network's input."""
        return isinstance(node, Node) and node.op != "get_attr" and self.shape(node) is not None

    def is_move(self, node: Node) -> bool:
        """Whether ``node`` only moves or picks numbers of its first input, or adds zeros to them."""
        if not self.is_computed(_first(node)):
            return False
        return self.does(node, MOVES) or (self.does(node, frozenset({F.pad})) and _pads_with_zeros(node))

    def is_cut(self, node: Node) -> bool:
        """Whether ``node`` is a rectifier, or cuts at constants."""
        bounds = [*node.args[1:], *node.kwargs.values()]
        return self.does(node, CUTS) and all(bound is None or isinstance(bound, Number) for bound in bounds)

    def is_table(self, node: Node) -> bool:
        """Whether ``node`` maps each number of its input to one number."""
        return self.is_cut(node) if self.does(node, CUTS) else self.does(node, TABLES)

    def is_residual(self, node: Node) -> bool:
        """Whether ``node`` adds two computed tensors of one shape."""
        if not self.does(node, SUMS) or len(node.args) != 2 or node.kwargs:  # more: the factor alpha
            return False
        a, b = node.args
        if not isinstance(a, Node) or not isinstance(b, Node) or a is b:
            return False
        return self.is_computed(a) and self.is_computed(b) and self.shape(a) == self.shape(b)

    def is_mean_of_space(self, node: Node) -> bool:
        """Whether ``node`` takes the mean over all axes but batch and channels, of which there are one or two."""
        shape = self.shape(x) if (x := _first(node)) is not None else None
        if shape is None or len(shape) not in (3, 4):
            return False
        if self.does(node, POOLS):
            return math.prod((self.shape(node) or (0,))[2:]) == 1
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        axes = [dim] if isinstance(dim, int) else list(dim) if isinstance(dim, tuple | list) else []
        return self.does(node, MEANS) and sorted(axis % len(shape) for axis in axes) == list(range(2, len(shape)))

    def before_cuts(self, node: Node) -> Node:
        """What ``node`` was before it was cut, where nothing else reads what lies between."""
        while (self.is_cut(node) or self.does(node, NOTHING)) and (x := _sole_input(node)) is not None:
            node = x
        return node

    def layer_of(self, node: Node) -> Node | None:
        """The layer whose result ``node`` is, through batch normalization, where nothing else reads what is between."""
        node = self._before_nothing(node)
        if self.does(node, BATCH_NORMS) and (x := _sole_input(node)) is not None:
            node = self._before_nothing(x)
        return node if node in self.layers else None

    def output_of(self, layer: Node) -> Node:
        """The batch normalization that alone reads the result of ``layer`` directly, or else ``layer`` itself."""
        readers = list(layer.users)
        return readers[0] if len(readers) == 1 and self.does(readers[0], BATCH_NORMS) else layer

    def absorbed(self, addition: Node) -> Node | None:
        """The operand of ``addition`` whose layer does the addition: of two the one with the longer sums.

        What the other gives is rounded to codes before it is added, so that should be the lesser part.
        """
        order = {node: position for position, node in enumerate(self._traced.graph.nodes)}
        found = [x for x in addition.all_input_nodes if len(x.users) == 1 and self.layer_of(x) is not None]
        return max(found, key=lambda x: (self._terms(x), order[x]), default=None)

    def _terms(self, node: Node) -> int:
        """How many products a sum of the layer has that gives ``node``."""
        layer = self.layer_of(node)
        module = None if layer is None else self.module(layer)
        assert isinstance(module, QuantizedLayer)
        return module.weight[0].numel()

    def _before_nothing(self, node: Node) -> Node:
        while self.does(node, NOTHING) and (x := _sole_input(node)) is not None:
            node = x
        return node


def _first(node: Node) -> Node | None:
    return node.all_input_nodes[0] if node.all_input_nodes else None


def _sole_input(node: Node) -> Node | None:
    """The first input of ``node``, if nothing else reads it."""
    x = _first(node)
    return x if x is not None and len(x.users) == 1 else None


def _pads_with_zeros(node: Node) -> bool:
    given = dict(zip(("mode", "value"), node.args[2:], strict=False)) | node.kwargs
    return given.get("mode", "constant") == "constant" and not given.get("value")
