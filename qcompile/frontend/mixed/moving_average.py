"""The exponential moving average of all parameters, steps too: what is measured, searched and exported."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from qcompile.frontend.mixed.supernet import Supernet

_UPDATES = "updates"


class MovingAverage:
    """``tensors`` is the average by parameter name, ``updates`` how many states of the network went into it.

    Statistics of batch normalization take no part: they are computed anew for whatever is measured.
    """

    def __init__(self, supernet: Supernet) -> None:
        self.tensors = {name: parameter.detach().clone() for name, parameter in supernet.named_parameters()}
        self.updates = 0

    def update(self, supernet: Supernet, horizon: float) -> None:
        """Takes in the parameters of ``supernet`` after an optimizer step; ``horizon`` is how many of these it spans.

        The first ones, as many as the horizon has steps, are averaged evenly: where the run began does not linger.
        """
        self.updates += 1
        share = max(1 / self.updates, 1 / max(1.0, horizon))
        with torch.no_grad():
            for name, parameter in supernet.named_parameters():
                self.tensors[name].lerp_(parameter, share)

    def save(self) -> dict[str, torch.Tensor]:
        """The state as tensors for a checkpoint."""
        return self.tensors | {_UPDATES: torch.tensor(self.updates)}

    def restore(self, saved: Mapping[str, torch.Tensor]) -> None:
        """Takes up what ``save`` gave. Raises KeyError for a parameter that it does not have."""
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                tensor.copy_(saved[name])
        self.updates = int(saved[_UPDATES])


@contextmanager
def averaged(supernet: Supernet, average: MovingAverage) -> Iterator[None]:
    """Inside, ``supernet`` holds the average; on leaving it holds all parameters and buffers that it had before."""
    before = {name: tensor.detach().clone() for name, tensor in supernet.state_dict().items()}
    with torch.no_grad():
        for name, parameter in supernet.named_parameters():
            parameter.copy_(average.tensors[name])
    try:
        yield
    finally:
        _put_back(supernet, before)


def _put_back(supernet: Supernet, before: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in supernet.state_dict(keep_vars=True).items():
            tensor.copy_(before[name])
