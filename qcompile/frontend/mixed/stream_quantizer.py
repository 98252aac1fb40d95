"""What stands where a tensor is held as 8-bit codes whatever bits the layers have: shortcuts and sums."""

import torch
from torch import nn

from qcompile.frontend.mixed.quantizer import CodeRange, fake_quantize, positive_step, signed_codes, unsigned_codes
from qcompile.frontend.mixed.step_search import least_squares_step

STREAM_BITS = 8


class StreamQuantizer(nn.Module):
    """Rounds to 8 bits with one learned step, which is 1 until ``initialize_steps`` has seen a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(1.0))
        self.signed = False  # whether the numbers go below zero: part of the saved state

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` rounded, in its shape."""
        return fake_quantize(x, self.positive_step(), self.codes(), x.shape[1:].numel())

    def positive_step(self) -> torch.Tensor:
        """The step of the codes: positive, []."""
        return positive_step(self.step)

    def codes(self) -> CodeRange:
        """The codes that there are: 0 .. 255, or -128 .. 127 where numbers go below zero."""
        return signed_codes(STREAM_BITS) if self.signed else unsigned_codes(STREAM_BITS)

    def get_extra_state(self) -> torch.Tensor:
        """What else ``state_dict`` saves: whether the numbers are signed, [] bool."""
        return torch.tensor(self.signed)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Puts back what ``get_extra_state`` gave."""
        self.signed = bool(state)

    def initialize_steps(self, x: torch.Tensor) -> None:
        """Sets the step in place to the one with the least squared error on the batch ``x``, and the sign it needs."""
        with torch.no_grad():
            self.signed = bool((x < 0).any())
            self.step.copy_(least_squares_step(x.reshape(1, -1), self.codes())[0])
