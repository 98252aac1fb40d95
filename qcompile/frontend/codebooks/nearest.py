"""The nearest entry of a codebook for each weight, and codebooks as they are stored."""

from collections.abc import Iterator

import numpy as np
import torch

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks.rows import as_rows

_CHUNK = 1 << 16  # weights: the chunk, its indices and the comparisons stay in the second-level cache


class NearestEntry:
    """``encode`` and ``decode`` of every kind of codebook."""

    def encode(self, weight: torch.Tensor, fitted: CodebookWeight) -> CodebookWeight:
        """As ``Codebook.encode``."""
        return encode_again(weight, fitted)

    def decode(self, fitted: CodebookWeight) -> torch.Tensor:
        """As ``Codebook.decode``."""
        return fitted.decode()


def encode_nearest(weight: torch.Tensor, codebook: torch.Tensor) -> CodebookWeight:
    """Each weight's nearest entry; at a tie the lowest index wins.

    ``codebook`` is float64 [groups, entries], rising along a row; it is rounded to float32 before the entries are
    compared, so that what is stored is what is nearest. Entries that become equal are merged.
    """
    return _encode(weight, _store(codebook))


def encode_again(weight: torch.Tensor, fitted: CodebookWeight) -> CodebookWeight:
    """``weight`` with the codebook, and the scale if it has one, of ``fitted``."""
    groups = len(fitted.codebook) if fitted.scale is None else len(fitted.scale)
    channels = weight.shape[0] if weight.dim() > 0 else 1
    if channels % groups:
        raise ValueError(f"a weight {list(weight.shape)} does not fall into {groups} groups of output channels")
    as_rows(weight, "tensor")
    if fitted.scale is None:
        return _encode(weight, fitted.codebook)
    return encode_scaled(weight, fitted.codebook, fitted.scale)


def encode_scaled(weight: torch.Tensor, codebook: torch.Tensor, scale: torch.Tensor) -> CodebookWeight:
    """Each weight's nearest float32 product of an entry and its channel's scale.

    ``codebook`` is float32 [1, entries], rising; ``scale`` is float32 [1] or [channels]. Where a scale is 0 all
    entries stand for 0, and the least that is not negative serves, so that the product is no -0.0.
    """
    rows = weight.detach().cpu().float().reshape(len(scale), -1)
    products = codebook * scale[:, None]
    rising = torch.where(scale[:, None] < 0, products.flip(1), products) + 0.0
    indices = nearest_entry(rows, rising)
    negative = scale < 0
    if negative.any():  # there the products fall
        indices[negative] = codebook.shape[1] - 1 - indices[negative]
    indices[scale == 0] = int((codebook[0] < 0).sum().clamp(max=codebook.shape[1] - 1))
    return CodebookWeight(codebook, indices.reshape(weight.shape), scale)


def nearest_entry(rows: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """The lowest index of the entry nearest to each weight: uint8, shaped like ``rows`` [groups, weights].

    Both are float32; ``codebook`` [groups, entries] never decreases along a row. An index is the number of middles
    between entries that lie below the weight: entries - 1 comparisons, no search.
    """
    weights, middles = rows.contiguous().numpy(), round_down(_middles(codebook)).numpy()
    indices = np.zeros(weights.shape, np.uint8)
    flags = np.empty(max(_CHUNK, weights.shape[1]), bool)
    for part in _chunks(weights.shape):
        chunk, counts = weights[part], indices[part]
        above = flags[: chunk.size].reshape(chunk.shape)
        for middle in middles[part[0]].T:
            np.greater(chunk, middle[:, None], out=above)
            np.add(counts, above.view(np.uint8), out=counts)
    return _first_of_equal(torch.from_numpy(indices), codebook)


def round_down(values: torch.Tensor) -> torch.Tensor:
    """The greatest float32 that is at most each float64: what a float32 exceeds exactly if it exceeds the value."""
    rounded = values.float()
    below = torch.nextafter(rounded, rounded.new_tensor(-torch.inf))
    return torch.where(rounded.double() > values, below, rounded)


def repeat_last(codebook: torch.Tensor, dropped: torch.Tensor) -> torch.Tensor:
    """``codebook`` [rows, entries], rising along a row, without the ``dropped`` entries; the last one left fills up."""
    last = codebook.masked_fill(dropped, -torch.inf).amax(dim=1, keepdim=True)
    return codebook.masked_fill(dropped, torch.inf).sort(dim=1).values.minimum(last)


def _encode(weight: torch.Tensor, codebook: torch.Tensor) -> CodebookWeight:
    rows = weight.detach().cpu().float().reshape(len(codebook), -1)
    return CodebookWeight(codebook, nearest_entry(rows, codebook).reshape(weight.shape))


def _store(codebook: torch.Tensor) -> torch.Tensor:
    greatest = torch.finfo(torch.float32).max
    rounded = codebook.clamp(-greatest, greatest).float() + 0.0  # adding zero turns -0.0 into 0.0
    repeated = torch.nn.functional.pad(rounded.diff(dim=1) == 0, (1, 0))
    return repeat_last(rounded, repeated)


def _middles(codebook: torch.Tensor) -> torch.Tensor:
    entries = codebook.double()
    return (entries[:, 1:] + entries[:, :-1]) / 2


def _first_of_equal(indices: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    if (codebook.diff(dim=1) != 0).all():
        return indices
    first = torch.searchsorted(codebook.contiguous(), codebook.contiguous()).to(torch.uint8)
    return first.gather(1, indices.long())


def _chunks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Parts of a [rows, weights] array of about ``_CHUNK`` elements: some whole rows, or a piece of one."""
    rows, weights = shape
    tall, wide = max(1, _CHUNK // weights), min(weights, _CHUNK)
    for row in range(0, rows, tall):
        for column in range(0, weights, wide):
            yield slice(row, row + tall), slice(column, column + wide)
