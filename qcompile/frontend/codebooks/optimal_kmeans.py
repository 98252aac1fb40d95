"""Optimal k-means of tensors: ``qcompile.codebooks.optimal_kmeans`` as the C steps use it."""

from dataclasses import dataclass

import torch

from qcompile.codebooks import optimal_kmeans


@dataclass(frozen=True, eq=False)
class OptimalPath:
    """The optimal codebooks of 1 to ``max_entries`` entries. ``distortions`` is float64 [rows, max_entries]."""

    path: optimal_kmeans.OptimalPath

    @property
    def distortions(self) -> torch.Tensor:
        """The least squared error of each row with each number of entries."""
        return torch.from_numpy(self.path.distortions)

    def distortion(self, entries: int) -> torch.Tensor:
        """The least squared error with ``entries`` entries: float64 [rows]."""
        return self.distortions[:, entries - 1]

    def codebook(self, entries: int) -> torch.Tensor:
        """The optimal codebook: float64 [rows, entries], rising; a row with fewer distinct weights repeats its last."""
        return torch.from_numpy(self.path.codebook(entries))


def optimal_codebooks(ordered: torch.Tensor, max_entries: int, masses: torch.Tensor | None = None) -> OptimalPath:
    """The optimal codebooks of 1 to ``max_entries`` entries for each row.

    ``ordered`` is float [rows, weights], rising along a row; ``masses``, of the same shape and not negative, is what
    each weight's squared error counts, 1 if absent. Takes about 20 ns and 8 bytes times ``count_candidates``.
    """
    counts = None if masses is None else masses.double().numpy()
    return OptimalPath(optimal_kmeans.optimal_codebooks(ordered.numpy(), max_entries, counts))
