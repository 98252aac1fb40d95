"""A learned weight: indices into codebooks. What learning hands to the exporter."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Corrections:
    """The few weights that a codebook serves badly: ``values`` float32 [count] are added at ``positions``.

    ``positions`` is int64 [count], rising: places in the flattened weight.
    """

    positions: torch.Tensor
    values: torch.Tensor

    def __post_init__(self) -> None:
        if self.positions.dtype != torch.int64 or self.values.dtype != torch.float32:
            raise ValueError(f"positions {self.positions.dtype} and values {self.values.dtype}: wanted int64, float32")
        if self.positions.dim() != 1 or self.positions.shape != self.values.shape:
            raise ValueError(f"positions {list(self.positions.shape)} do not fit values {list(self.values.shape)}")
        if (self.positions.diff() <= 0).any() or not torch.isfinite(self.values).all():
            raise ValueError("positions must rise and values must be finite")


@dataclass(frozen=True, eq=False)
class CodebookWeight:
    """A weight whose every element is an entry of a codebook, times a scale and plus a correction where there is one.

    ``codebook`` is float32 [groups, entries], 1 to 256 entries that never decrease along a row; a group with fewer
    distinct entries repeats its last one. Group g serves the output channels g * n / groups and on, n being the
    first size of the weight. ``indices`` is uint8, shaped like the weight, each below ``entries``. ``scale`` is
    float32 [1] or [n]: what multiplies each output channel; then there is one group.
    """

    codebook: torch.Tensor
    indices: torch.Tensor
    scale: torch.Tensor | None = None
    corrections: Corrections | None = None

    def __post_init__(self) -> None:
        groups, entries = self.codebook.shape
        if self.codebook.dtype != torch.float32 or self.indices.dtype != torch.uint8:
            raise ValueError(
                f"codebook {self.codebook.dtype} and indices {self.indices.dtype}: wanted float32 and uint8"
            )
        if not 1 <= entries <= 256 or self.indices.shape[0] % groups or int(self.indices.max()) >= entries:
            raise ValueError(f"codebook {list(self.codebook.shape)} does not serve indices {list(self.indices.shape)}")
        if not torch.isfinite(self.codebook).all() or (self.codebook.diff(dim=1) < 0).any():
            raise ValueError("a codebook must be finite and must not decrease along a row")
        if self.scale is not None:
            _check_scale(self.scale, groups, self.indices.shape[0])
        if self.corrections is not None and _beyond(self.corrections.positions, self.indices.numel()):
            raise ValueError(f"corrections lie outside the {self.indices.numel()} weights")

    def decode(self) -> torch.Tensor:
        """The float32 weight, shaped like ``indices``."""
        groups = self.codebook.shape[0]
        by_group = self.indices.reshape(groups, -1).long()
        weight = self.codebook.gather(1, by_group).reshape(self.indices.shape)
        if self.scale is not None:
            weight = weight * self.scale.reshape(-1, *[1] * (weight.dim() - 1))
        if self.corrections is not None:
            weight = weight.flatten().index_add(0, self.corrections.positions, self.corrections.values)
        return weight.reshape(self.indices.shape)

    @property
    def bits(self) -> int:
        """Bits that one index takes: ceil(log2(entries)), at least 1."""
        return max(1, (self.codebook.shape[1] - 1).bit_length())

    def to_tensors(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors to save, their names beginning with ``name``."""
        tensors = {f"{name}:codebook": self.codebook, f"{name}:indices": self.indices}
        if self.scale is not None:
            tensors[f"{name}:scale"] = self.scale
        if self.corrections is not None:
            tensors[f"{name}:positions"] = self.corrections.positions
            tensors[f"{name}:corrections"] = self.corrections.values
        return tensors


def read_codebook_weights(tensors: Mapping[str, torch.Tensor]) -> dict[str, CodebookWeight]:
    """The weights in what ``to_tensors`` gave, by name; other tensors may be present.

    Raises KeyError for a part that is missing, ValueError for parts that do not fit.
    """
    names = [key.removesuffix(":indices") for key in tensors if key.endswith(":indices")]
    return {name: _read(name, tensors) for name in names}


def _read(name: str, tensors: Mapping[str, torch.Tensor]) -> CodebookWeight:
    corrections = None
    if f"{name}:positions" in tensors:
        corrections = Corrections(tensors[f"{name}:positions"], tensors[f"{name}:corrections"])
    scale = tensors.get(f"{name}:scale")
    return CodebookWeight(tensors[f"{name}:codebook"], tensors[f"{name}:indices"], scale, corrections)


def _check_scale(scale: torch.Tensor, groups: int, channels: int) -> None:
    if scale.dtype != torch.float32 or list(scale.shape) not in ([1], [channels]) or groups != 1:
        raise ValueError(
            f"scale {scale.dtype} {list(scale.shape)} with {groups} codebooks: wanted float32 [1] or [{channels}], "
            "and one codebook"
        )
    if not torch.isfinite(scale).all():
        raise ValueError("a scale must be finite")


def _beyond(positions: torch.Tensor, count: int) -> bool:
    return len(positions) > 0 and (int(positions[0]) < 0 or int(positions[-1]) >= count)
