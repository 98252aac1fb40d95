"""A supernet at its chosen bits as an ordinary network, whose rounding torch's exporter knows by name."""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnx.numpy_helper import from_array
from onnxscript import opset20
from torch import nn
from torch.fx import GraphModule

from qcompile.frontend.export_graph import Translations
from qcompile.frontend.mixed.quantized_layer import QuantizedLayer
from qcompile.frontend.mixed.quantizer import CodeRange
from qcompile.frontend.mixed.stream_quantizer import STREAM_BITS, StreamQuantizer
from qcompile.frontend.mixed.supernet import Supernet

MOST_CODE = 255


@torch.library.custom_op("qcompile::round_to_codes", mutates_args=())
def round_to_codes(x: torch.Tensor, step: float, zero_point: int, most: int) -> torch.Tensor:
    """What codes 0 .. ``most`` of ``x`` stand for: (code - zero_point) * step, as float32."""
    return (torch.round(x / step) + zero_point).clamp(0, most).sub(zero_point).mul(step)


@round_to_codes.register_fake
def _(x: torch.Tensor, step: float, zero_point: int, most: int) -> torch.Tensor:
    return torch.empty_like(x)


def write_pair(x: Any, step: float, zero_point: int, most: int) -> Any:
    """``round_to_codes`` in ONNX: QuantizeLinear, DequantizeLinear, and a Clip in front where a byte has more codes."""
    scale, zero = np.array(step, np.float32), np.array(zero_point, np.uint8)
    if most < MOST_CODE:
        low, high = ((code - zero_point) * scale for code in (0, most))
        x = opset20.Clip(x, _constant(np.asarray(low)), _constant(np.asarray(high)))
    codes = opset20.QuantizeLinear(x, _constant(scale), _constant(zero))
    return opset20.DequantizeLinear(codes, _constant(scale), _constant(zero))


TRANSLATIONS: Translations = {torch.ops.qcompile.round_to_codes.default: write_pair}


def deploy(supernet: Supernet) -> GraphModule:
    """A copy of ``supernet`` that computes the same with its chosen bits and holds the rounded weights.

    Parameters have the names of the original network. ``supernet`` is not changed.
    """
    network = copy.deepcopy(supernet.network).eval()
    for name, module in list(network.named_modules()):
        if isinstance(module, QuantizedLayer):
            network.set_submodule(name, DeployedLayer(module))
        elif isinstance(module, StreamQuantizer):
            network.set_submodule(name, Rounding(module.positive_step(), module.codes()))
    return network


class Rounding(nn.Module):
    """Rounds to codes with a step that is a constant."""

    def __init__(self, step: torch.Tensor, codes: CodeRange) -> None:
        super().__init__()
        self.step, self.zero_point, self.most = float(step.detach()), -codes.lowest, codes.highest - codes.lowest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` rounded, in its shape."""
        rounded: torch.Tensor = round_to_codes(x, self.step, self.zero_point, self.most)
        return rounded


class DeployedLayer(nn.Module):
    """A layer at the bits that were chosen: ``weight`` is what its codes stand for."""

    def __init__(self, layer: QuantizedLayer) -> None:
        super().__init__()
        bits = layer.bits
        reads_codes = layer.reads_codes and bits.activation == STREAM_BITS
        codes = layer.activation_codes(bits.activation)
        self.rounding = None if reads_codes else Rounding(layer.activation_step(bits.activation), codes)
        self.multiply, self.bias = layer.multiply, layer.bias
        with torch.no_grad():
            rounded = layer.weight_codes(bits.weight) * layer.weight_step(bits.weight)
        self.weight = nn.Parameter(rounded)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the layer gives for the rounded ``x``."""
        return self.multiply(x if self.rounding is None else self.rounding(x), self.weight, self.bias)


def _constant(array: npt.NDArray[Any]) -> Any:
    return opset20.Constant(value=from_array(array))
