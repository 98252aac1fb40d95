"""A convolution or fully connected layer that rounds its weight and its input to as many bits as are chosen."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from qcompile.bit_plan import LayerBits
from qcompile.errors import DataError, QCompileError
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.quantizer import (
    CodeRange,
    fake_quantize,
    positive_step,
    round_to_codes,
    signed_codes,
    unsigned_codes,
)
from qcompile.frontend.mixed.step_search import least_squares_step
from qcompile.frontend.mixed.stream_quantizer import STREAM_BITS

StepsPer = Literal["layer", "channel"]


class QuantizedLayer(nn.Module):
    """Takes the place of a Conv1d, Conv2d or Linear and keeps its parameters ``weight`` and ``bias``.

    ``weight_steps`` and ``activation_steps`` hold a learned step for each candidate, by its bits as text: [], or with
    ``steps_per`` "channel" for the weight [output channels, 1...]. Those of the weight start from the weight, those of
    the activations are 1 until ``initialize_steps`` has seen a batch. ``bits`` are the largest candidates at first.
    """

    def __init__(
        self, layer: nn.Conv1d | nn.Conv2d | nn.Linear, candidates: Candidates, *, steps_per: StepsPer = "layer"
    ) -> None:
        super().__init__()
        self.multiply = _multiplication(layer)
        self.candidates = candidates
        self.bits = LayerBits(candidates.weight[-1], candidates.activation[-1])
        self.reads_codes = False  # whether the input is what 8-bit codes stand for: see _quantized_input
        self.weight, self.bias = layer.weight, layer.bias
        self.weight_steps = nn.ParameterDict(
            {str(bits): _initial_weight_step(layer.weight, bits, steps_per) for bits in candidates.weight}
        )
        self.activation_steps = nn.ParameterDict(
            {str(bits): nn.Parameter(torch.tensor(1.0)) for bits in candidates.activation}
        )
        self.signed = False  # whether the numbers go below zero: part of the saved state

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the layer gives for the rounded ``x`` and the rounded weight."""
        return self.multiply(self._quantized_input(x), self._quantized_weight(), self.bias)

    def check(self, bits: LayerBits, where: str) -> None:
        """Raises DataError, beginning with ``where``, if ``bits`` are no candidates."""
        for kind in ("weight", "activation"):
            found, wanted = getattr(bits, kind), getattr(self.candidates, kind)
            if found not in wanted:
                raise DataError(f"{where}: {found} {kind} bits, wanted {' or '.join(map(str, wanted))}")

    def choose(self, bits: LayerBits) -> None:
        """From now on computes with ``bits``. Raises DataError if they are no candidates."""
        self.check(bits, "layer")
        self.bits = bits

    def weight_step(self, bits: int) -> torch.Tensor:
        """The step of the weight's codes: positive, [] or [output channels, 1...]."""
        return positive_step(self.weight_steps[str(bits)])

    def activation_step(self, bits: int) -> torch.Tensor:
        """The step of the activations' codes: positive, []."""
        return positive_step(self.activation_steps[str(bits)])

    def weight_codes(self, bits: int) -> torch.Tensor:
        """The codes of the weight: whole numbers -2^(bits-1) .. 2^(bits-1) - 1 as float32, without gradient."""
        with torch.no_grad():
            return round_to_codes(self.weight, self.weight_step(bits), signed_codes(bits))

    def activation_codes(self, bits: int) -> CodeRange:
        """The codes that activations of ``bits`` have."""
        return signed_codes(bits) if self.signed else unsigned_codes(bits)

    def get_extra_state(self) -> torch.Tensor:
        """What else ``state_dict`` saves: whether the numbers are signed, [] bool."""
        return torch.tensor(self.signed)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Puts back what ``get_extra_state`` gave."""
        self.signed = bool(state)

    def initialize_steps(self, x: torch.Tensor) -> None:
        """Sets the activation steps in place to those with the least squared error on ``x``, a batch of inputs.

        The activations are signed from now on if ``x`` has a number below zero, else unsigned.
        """
        with torch.no_grad():
            self.signed = bool((x < 0).any())
            for bits in self.candidates.activation:
                step = least_squares_step(x.reshape(1, -1), self.activation_codes(bits))
                self.activation_steps[str(bits)].copy_(step[0])

    def _quantized_input(self, x: torch.Tensor) -> torch.Tensor:
        bits = self.bits.activation
        if self.reads_codes and bits == STREAM_BITS:
            return x  # 8-bit codes rounded once more to 8 bits would lose without need
        # The count of one sample: so the size of a batch does not change the gradient of a mean over it.
        return fake_quantize(x, self.activation_step(bits), self.activation_codes(bits), x.shape[1:].numel())

    def _quantized_weight(self) -> torch.Tensor:
        step = self.weight_step(self.bits.weight)
        return fake_quantize(
            self.weight, step, signed_codes(self.bits.weight), self.weight.numel() // max(1, step.numel())
        )


def _initial_weight_step(weight: torch.Tensor, bits: int, steps_per: StepsPer) -> nn.Parameter:
    rows = weight.reshape(1 if steps_per == "layer" else len(weight), -1)
    steps = least_squares_step(rows, signed_codes(bits))
    return nn.Parameter(steps[0] if steps_per == "layer" else steps.reshape(-1, *[1] * (weight.dim() - 1)))


def _multiplication(layer: nn.Module) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]:
    """What ``layer`` does with its input, its weight and its bias."""
    if type(layer) is nn.Linear:
        return F.linear
    if type(layer) is not nn.Conv1d and type(layer) is not nn.Conv2d:
        raise QCompileError(f"{type(layer).__name__} cannot be quantized, wanted torch's own Linear, Conv1d or Conv2d")
    if layer.padding_mode != "zeros":
        raise QCompileError(f'padding_mode is "{layer.padding_mode}", wanted "zeros": integer layers pad with zeros')
    function = F.conv1d if type(layer) is nn.Conv1d else F.conv2d
    return partial(function, stride=layer.stride, padding=layer.padding, dilation=layer.dilation, groups=layer.groups)
