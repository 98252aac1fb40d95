"""How unstable a layer's low-bit codes are, by two measures."""

from collections.abc import Sequence

import torch

from qcompile.frontend.mixed.quantized_layer import QuantizedLayer

_INNER = 0.375  # of a step, from a code to where the outer quarter of its bin begins


def turbulence(layer: QuantizedLayer, widths: Sequence[int]) -> float:
    """The mean over ``widths`` of the share of weights near a boundary, divided by the width; 0 to 1.

    Source: Tang et al., arXiv 2401.01543, as its published code computes it.
    """
    with torch.no_grad():
        shares = [boundary_share(layer.weight, layer.weight_step(bits), bits) / bits for bits in widths]
    return sum(shares) / len(widths)


def boundary_share(weight: torch.Tensor, step: torch.Tensor, bits: int) -> float:
    """The share of weights in the outer quarter of a bin, beside a boundary to another code.

    ``step`` broadcasts over ``weight``. Bins end at half a step from their code. A weight beyond the first or the
    last code, however far, is at no boundary.
    """
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    places = weight / step
    codes = places.round().clamp(low, high)
    offsets = places - codes
    below = (offsets < -_INNER) & (codes > low)
    above = (offsets > _INNER) & (codes < high)
    return int((below | above).sum()) / weight.numel()


def smallest_codes(layer: QuantizedLayer) -> torch.Tensor:
    """The codes of the weight at the smallest of all candidate widths, int8, shaped like the weight."""
    with torch.no_grad():
        return layer.weight_codes(layer.candidates.weight[0]).to(torch.int8)


def changed_share(before: torch.Tensor, after: torch.Tensor) -> float:
    """The share of codes that differ between two tensors of one shape, 0 to 1."""
    return int((before != after).sum()) / before.numel()
