"""What the layers of a supernet cost at each of their candidates: what a search needs to know of them."""

from typing import Any

import torch
from torch import nn

from qcompile.frontend.mixed.quantized_layer import QuantizedLayer
from qcompile.frontend.mixed.supernet import Supernet
from qcompile.search import LayerCost


def layer_costs(supernet: Supernet, input_shape: tuple[int, ...]) -> tuple[LayerCost, ...]:
    """The layers in the network's order, as they are for one image of ``input_shape``. ``supernet`` stays as it is."""
    positions: dict[nn.Module, int] = {}

    def count(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        positions[module] = output[0].numel() // len(module.weight)  # type: ignore[arg-type]

    modes = {module: module.training for module in supernet.modules()}
    hooks = [layer.register_forward_hook(count) for layer in supernet.layers.values()]
    with torch.no_grad():
        supernet.eval()(torch.zeros(1, *input_shape))
    for hook in hooks:
        hook.remove()
    for module, training in modes.items():
        module.training = training
    return tuple(_cost(name, layer, positions[layer]) for name, layer in supernet.layers.items())


def _cost(name: str, layer: QuantizedLayer, positions: int) -> LayerCost:
    groups: int = getattr(layer.multiply, "keywords", {}).get("groups", 1)
    weight, activation = layer.candidates.weight, layer.candidates.activation
    return LayerCost(name, tuple(layer.weight.shape), groups, positions, weight, activation)
