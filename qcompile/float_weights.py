"""What float weights become where activations stay floats, without sample inputs or with them."""

from collections.abc import Callable
from dataclasses import dataclass

from qcompile.calibration import Reader
from qcompile.codebooks import CodebookWeights, GridWeights
from qcompile.rounding import RoundedLayer


@dataclass(frozen=True)
class SampledWeights:
    """Lookups as ``weights`` says, chosen so that what the layers give on sample inputs changes least.

    ``reader`` gives batches of inputs by name, until None; all are held. Each row of a sample counts alike, padding
    too: no input says which rows are padding, so give samples with little of it. ``runs``, ``damping`` and
    ``progress`` are those of SecondOrder. Raises ValueError unless ``runs`` is at least 1 and ``damping`` above 0.
    """

    reader: Reader
    weights: CodebookWeights | GridWeights
    runs: int = 32
    damping: float = 0.01
    progress: Callable[[RoundedLayer], None] | None = None

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise ValueError(f"{self.runs} runs: wanted at least 1")
        if not self.damping > 0:
            raise ValueError(f"a damping of {self.damping}: wanted a number above 0")


FloatWeights = CodebookWeights | GridWeights | SampledWeights
