"""Several processes that learn together, started by torchrun or by the user's own launcher.

Each trains on its share of every batch and torch's DistributedDataParallel averages the gradients; what must happen
once (codebooks, measuring, files) happens on the first process, and the others take over the outcome. Alone, a process
does all of this at once and knows of no group.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed, nn

from qcompile.errors import QCompileError
from qcompile.frontend.drawn_images import Batch, load_images
from qcompile.frontend.file_images import FileBatch

Result = TypeVar("Result")
_LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_APART = 1e-3  # rounding differs a little between unlike machines; separate training differs more


class OtherProcessError(QCompileError):
    """Another process of the group failed; the message says which, and how."""


@dataclass(frozen=True)
class Team:
    """The processes of the group: this one's ``rank``, counted from 0, and how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def on_first(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives on the first process, on all; the others do not run it.

        Raises what it raises there; on the others OtherProcessError, so that nobody waits for ever.
        """
        if self.size == 1:
            return work()
        outcome: list[Any] = [None]
        error: BaseException | None = None
        if self.is_first:
            try:
                outcome = [(work(), None)]
            except BaseException as caught:
                error, outcome = caught, [(None, _text(0, caught))]
        distributed.broadcast_object_list(outcome, src=0)
        result, failure = outcome[0]
        _raise(error, failure)
        return result  # type: ignore[no-any-return]

    def together(self, work: Callable[[], Result]) -> Result:
        """What ``work``, run on every process, gives on this one. If it fails on one all raise."""
        if self.size == 1:
            return work()
        result, error = None, None
        try:
            result = work()
        except Exception as caught:
            error = caught
        failures = self.gather(None if error is None else _text(self.rank, error))
        _raise(error, next((failure for failure in failures if failure is not None), None))
        return result  # type: ignore[return-value]

    def gather(self, value: Result) -> list[Result]:
        """The ``value`` of every process, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def parallel(self, network: nn.Module) -> nn.Module:
        """``network`` as the module to train: the gradients that it leaves are means over the processes.

        On a group of its own. torch's wrapper never lets go of its group, so gloo's threads outlive that group's end,
        and one that drops the tensors of the last meeting while the interpreter ends aborts the process.
        """
        if self.size == 1:
            return network
        return nn.parallel.DistributedDataParallel(network, process_group=distributed.new_group())

    def parts(
        self, images: Batch, labels: torch.Tensor, accumulate: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
        """The parts of a batch that this process takes, ``accumulate`` of them, each with its share of the whole.

        The gradient of the batch's mean loss is the sum over all parts of all processes of share times the gradient
        of the part's mean loss, whatever their sizes. Every process gets equally many parts, since each backward pass
        is a meeting of all; where a batch has too few images a part is one image with a share of 0. Images in files are
        decoded now, and no other's: a file that one process cannot read is an error on all.
        """
        count = min(accumulate, -(-len(labels) // self.size)) * self.size
        split: Sequence[Batch] = images.tensor_split(count)
        pieces = list(zip(split, labels.tensor_split(count), strict=True))
        for some, wanted in pieces[self.rank :: self.size]:
            if len(wanted):
                yield self._load(some), wanted, len(wanted) / len(labels)
            else:
                yield self._load(images[:1]), labels[:1], 0.0

    def _load(self, images: Batch) -> torch.Tensor:
        return self.together(lambda: load_images(images)) if isinstance(images, FileBatch) else images

    def add_up(self, tensors: Sequence[torch.Tensor]) -> None:
        """Puts into each of ``tensors``, in place, its sum over the processes: to the last bit the same on all.

        Every process must give as many tensors of the same shapes; they travel as one.
        """
        if self.size == 1 or not tensors:
            return
        whole = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(whole)
        with torch.no_grad():
            totals = torch.split(whole, [tensor.numel() for tensor in tensors])
            for tensor, total in zip(tensors, totals, strict=True):
                tensor.copy_(total.view(tensor.shape))

    def adopt(self, tensors: Mapping[str, torch.Tensor]) -> float:
        """Every process takes over the first one's ``tensors``, in place; gives how far off they were, relatively."""
        if self.size == 1:
            return 0.0
        difference, whole = 0.0, 0.0
        with torch.no_grad():
            for tensor in tensors.values():
                first = tensor.detach().contiguous().clone()
                distributed.broadcast(first, src=0)
                difference += float((tensor.double() - first.double()).square().sum())
                whole += float(first.double().square().sum())
                tensor.copy_(first)
        return math.sqrt(difference / whole) if whole > 0 else math.sqrt(difference)

    def unify(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """As ``adopt``, for what training left on each process.

        Raises QCompileError, on all, if it is further apart than rounding explains: the gradients were not averaged.
        """
        if any(self.gather(self.adopt(tensors) > _APART)):
            raise QCompileError(
                "the processes hold different weights after a training step; wrap the network that train() uses in "
                "torch's DistributedDataParallel"
            )


ALONE = Team()


def current_team() -> Team:
    """The process group that torch was initialized with, or this process alone."""
    if distributed.is_available() and distributed.is_initialized():
        return Team(distributed.get_rank(), distributed.get_world_size())
    return ALONE


@contextmanager
def joined_team() -> Iterator[Team]:
    """The processes that torchrun started, joined for the length of the block; this one alone if it did not.

    Raises QCompileError if another process is gone.
    """
    if not all(name in os.environ for name in _LAUNCHED) or distributed.is_initialized():
        yield current_team()
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield current_team()
    except RuntimeError as error:
        if "gloo" not in str(error).lower() and not isinstance(error, distributed.DistError):
            raise
        raise OtherProcessError(
            f"a process of the group is gone ({str(error).splitlines()[0]}); its own message says why; continue with "
            "--resume"
        ) from error
    finally:
        distributed.destroy_process_group()


def _text(rank: int, error: BaseException) -> str:
    kind = "" if isinstance(error, QCompileError) else f"{type(error).__name__}: "
    return f"process {rank}: {kind}{error}"


def _raise(own: BaseException | None, failure: str | None) -> None:
    """Raises this process's own error, or that another one failed."""
    if own is not None:
        raise own
    if failure is not None:
        raise OtherProcessError(failure)
