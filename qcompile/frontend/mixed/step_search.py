"""The step that a quantizer starts with: of a few dozen, the one that loses least."""

import torch

from qcompile.frontend.mixed.quantizer import SMALLEST_STEP, CodeRange, round_to_codes

TRIALS = 48
SMALLEST_SHARE = 0.03  # what is gained by cutting at less of the largest number is lost on that number
MOST_VALUES = 2**16  # of a large tensor so many tell as much as all


def least_squares_step(values: torch.Tensor, codes: CodeRange) -> torch.Tensor:
    """The step for each row of ``values`` [rows, count], float32 [rows], all positive.

    Of TRIALS steps, evenly spaced by their logarithm up to the one with which every number is inside the range, it is
    the one with the least squared error. A row of zeros gets the step with which the highest code is 1.0.
    """
    values = values.detach().float()
    covering = _covering_step(values, codes)
    shares = torch.logspace(0, torch.tensor(SMALLEST_SHARE).log10().item(), TRIALS)
    some = _sample(values)
    errors = torch.stack([_squared_error(some, covering * share, codes) for share in shares])
    return covering * shares[errors.argmin(dim=0)]


def _covering_step(values: torch.Tensor, codes: CodeRange) -> torch.Tensor:
    """The smallest step [rows] with which no number of its row is outside the range."""
    steps = values.amax(dim=1) / codes.highest
    if codes.lowest < 0:
        steps = torch.maximum(steps, values.amin(dim=1) / codes.lowest)
    return torch.where(steps > SMALLEST_STEP, steps, 1 / codes.highest)


def _sample(values: torch.Tensor) -> torch.Tensor:
    """At most so many numbers of each row, evenly spread, that all rows have MOST_VALUES, but at least 1,024 each."""
    rows, count = values.shape
    wanted = max(1024, MOST_VALUES // rows)
    return values if count <= wanted else values[:, torch.linspace(0, count - 1, wanted, dtype=torch.float64).long()]


def _squared_error(values: torch.Tensor, step: torch.Tensor, codes: CodeRange) -> torch.Tensor:
    column = step[:, None]
    return (round_to_codes(values, column, codes).mul_(column) - values).square_().sum(dim=1)
