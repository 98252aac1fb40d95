"""How far a compiled model gives what the float model gives, on samples that it has not seen."""

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcompile import runtime
from qcompile.allocation.distance import output_change
from qcompile.allocation.exchanging import Outputs
from qcompile.allocation.samples import Batch
from qcompile.inference import run_session


@dataclass(frozen=True)
class Agreement:
    """Of ``samples`` the model predicts ``other`` than the float model; None where it gives no scores of classes.

    ``change`` is that of all outputs: the squared difference over the squared size.
    """

    samples: int
    other: int | None
    change: float

    @property
    def drop(self) -> float | None:
        """The share of the samples that are predicted otherwise, 0 to 1."""
        return None if self.other is None else self.other / self.samples

    def as_text(self) -> str:
        """In one clause."""
        outputs = f"its outputs change by {100 * self.change:.2g} % (squared)"
        if self.other is None:
            return f"{outputs} on {self.samples} samples held out"
        drop = 100 * self.other / self.samples
        return f"predicts otherwise for {self.other} of {self.samples} samples held out ({drop:.2f} %), {outputs}"


class FloatModel:
    """What the float model in the file ``source`` gives on ``held_out``: run once, compared with many."""

    def __init__(self, source: pathlib.Path, held_out: Sequence[Batch]) -> None:
        self._held_out = held_out
        session = runtime.session(source, library=False)
        self._wanted: list[Outputs] = [run_session(session, batch) for batch in held_out]

    @property
    def predicts(self) -> bool:
        """Whether the first output has scores of classes, [n, classes]."""
        scores = self._wanted[0][0]
        return scores.ndim == 2 and scores.shape[1] > 1 and np.issubdtype(scores.dtype, np.floating)

    def agreement(self, packed: pathlib.Path) -> Agreement:
        """How far the packed file gives the same, with our kernels where they are there."""
        session = runtime.session(packed, library=runtime.has_library())
        found = [run_session(session, batch) for batch in self._held_out]
        other = None
        if self.predicts:
            pairs = zip(self._wanted, found, strict=True)
            other = sum(int((a[0].argmax(axis=1) != b[0].argmax(axis=1)).sum()) for a, b in pairs)
        samples = sum(len(outputs[0]) for outputs in self._wanted)
        return Agreement(samples, other, output_change(self._wanted, found))
