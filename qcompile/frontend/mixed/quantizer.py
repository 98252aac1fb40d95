"""Rounds floats to the numbers that a packed file will hold, so that gradients reach the floats and the step.

    step * clamp(round(x / step), lowest, highest)

x is divided by the step, not multiplied by its inverse, and halves go to even: ONNX QuantizeLinear gives these codes.
"""

from dataclasses import dataclass
from typing import Any

import torch

# A step at or below zero has no grid. Gradients may push a learned one there; it is read as this, and they can push it
# back. Far below any step in use, and far enough from the smallest float32 that x / step stays finite.
SMALLEST_STEP = 1e-8


@dataclass(frozen=True)
class CodeRange:
    """The whole numbers from ``lowest`` to ``highest``."""

    lowest: int
    highest: int


def signed_codes(bits: int) -> CodeRange:
    """-2^(bits-1) .. 2^(bits-1) - 1: weights, and activations that go below zero."""
    return CodeRange(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def unsigned_codes(bits: int) -> CodeRange:
    """0 .. 2^bits - 1: activations that do not go below zero."""
    return CodeRange(0, 2**bits - 1)


def positive_step(step: torch.Tensor) -> torch.Tensor:
    """``step`` where it is above SMALLEST_STEP, else that; gradients pass either way."""
    return step.clamp(min=SMALLEST_STEP).detach() + (step - step.detach())


def round_to_codes(x: torch.Tensor, step: torch.Tensor, codes: CodeRange) -> torch.Tensor:
    """The codes of ``x``, float32 whole numbers shaped like ``x``; ``step`` is [] or broadcasts, and is positive."""
    return _divide(x, step).round_().clamp_(codes.lowest, codes.highest)


def fake_quantize(x: torch.Tensor, step: torch.Tensor, codes: CodeRange, count: int) -> torch.Tensor:
    """``step`` times the codes of ``x``: what dequantizing them gives, shaped like ``x`` and of its type.

    Computed in float32 whatever the type of ``x``. The gradient passes to ``x`` between the lowest and the highest
    code and is zero elsewhere; that of ``step`` is the one of LSQ (Esser et al., arXiv 1902.08153, section 2.1, with
    the scale of 2.2): ``count`` numbers share the step.
    """
    scale = (count * codes.highest) ** -0.5
    result: torch.Tensor = _FakeQuantize.apply(x, step, codes, scale)  # type: ignore[no-untyped-call]
    return result


class _FakeQuantize(torch.autograd.Function):
    """``fake_quantize``. Only x and the step are kept: what lies between is computed again, which takes no memory."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, step: torch.Tensor, codes: CodeRange, scale: float) -> torch.Tensor:
        ctx.save_for_backward(x, step)
        ctx.codes, ctx.scale = codes, scale
        return round_to_codes(x, step, codes).mul_(step).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None, None]:
        x, step = ctx.saved_tensors
        lowest, highest = ctx.codes.lowest, ctx.codes.highest
        ratio = _divide(x, step)
        gradient = gradients[0].to(ratio.dtype)  # one type throughout: several in one operation are far slower
        passed = torch.ops.aten.hardtanh_backward(gradient, ratio, lowest, highest)  # zero outside and at the bounds
        if not ctx.needs_input_grad[1]:
            return passed.to(x.dtype), None, None, None
        # By the step: the code less the ratio inside, the code outside.
        by_step = ratio.round().clamp_(lowest, highest).mul_(gradient).addcmul_(passed, ratio, value=-1)
        return passed.to(x.dtype), by_step.sum_to_size(step.shape).mul_(ctx.scale), None, None


def _divide(x: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    return (x.to(step.dtype) if x.dtype.itemsize < step.dtype.itemsize else x) / step
