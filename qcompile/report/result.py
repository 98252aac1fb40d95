"""The report of a packed file as values; what draws it is elsewhere."""

from dataclasses import dataclass
from typing import Any

from qcompile.json_text import to_json
from qcompile.report.as_text import report_text
from qcompile.report.front import Front
from qcompile.report.learning import LearningPath
from qcompile.report.measured import Machine, Timing
from qcompile.report.weight_values import WeightValues

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class LayerReport:
    """One packed layer, in the order of the graph. ``share`` is its part of the payload, 0 to 1.

    Bytes are those of its tensors in the file; a tensor that layers share counts with the first of them.
    ``float_bytes`` are those of its weight and bias in float32. ``multiply_adds`` are those of one sample (None: not
    known, or it multiplies nothing), ``bit_operations`` these times the bits of weight and activation.

    SQNRs are in dB: of the weight; of what the layer gives, alone on the float model's inputs (``local_sqnr_db``) and
    as the file computes it (``cumulative_sqnr_db``). ``time_share`` is its part of the time of all nodes, 0 to 1.
    ``sensitivity`` is what its rounding alone does to the outputs, as the plan of a search has it. None: not measured.
    ``choice`` says who chose its bits; None where the file does not tell.
    """

    name: str
    op: str
    weight_shape: tuple[int, ...]
    weights: int
    bits: int
    activation_bits: int
    entries: int
    groups: int
    index_bytes: int
    codebook_bytes: int
    scale_bytes: int
    bias_bytes: int
    corrections: int
    correction_bytes: int
    total_bytes: int
    float_bytes: int
    share: float
    multiply_adds: int | None
    bit_operations: int | None
    weight_sqnr_db: float | None
    local_sqnr_db: float | None
    cumulative_sqnr_db: float | None
    sensitivity: float | None
    time_us: float | None
    time_share: float | None
    kernel: str | None
    choice: str | None
    values: WeightValues


@dataclass(frozen=True)
class KeptFloat:
    """A weight that is stored as floats: the operator that reads it, and how many bytes it has."""

    name: str
    op: str
    weight_shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class Report:
    """A packed file: its layers and totals.

    ``payload_bytes`` are the bytes of all parameters in the file, ``formula_bytes`` what the formula of the LC paper
    counts for them: ceil(log2 K) bits for each packed weight, 32 for each other parameter and codebook entry, 8 for
    a whole entry; for each correction 32, and ceil(log2 N) for its place among N weights. ``compression_ratio`` is the
    rho of that formula, ``file_ratio`` that of real files: the size of the float file that was given to compare with,
    ``float_file_bytes``, over the size of this one.

    ``bits_per_weight`` counts indices, codebooks and corrections as they are stored, ``average_bits`` indices alone.
    ``multiply_adds`` and ``bit_operations`` are those of one sample in the layers; None where one layer's are unknown.
    ``outputs_sqnr_db`` are the outputs' SQNRs by name; empty where they were not measured. ``front`` is None where no
    plans were given or none has a figure, ``learning`` where no run was.
    """

    path: str
    file_bytes: int
    payload_bytes: int
    formula_bytes: float
    weights: int
    other_parameters: int
    codebook_entries: int
    corrections: int
    compression_ratio: float
    float_file_bytes: int | None
    file_ratio: float | None
    bits_per_weight: float
    average_bits: float
    multiply_adds: int | None
    bit_operations: int | None
    accuracy_percent: float | None
    float_accuracy_percent: float | None
    outputs_sqnr_db: dict[str, float]
    samples: int | None
    machine: Machine | None
    timing: Timing | None
    layers: tuple[LayerReport, ...]
    kept_float: tuple[KeptFloat, ...]
    front: Front | None
    learning: LearningPath | None
    metadata: dict[str, str]
    plan: dict[str, Any] | None
    schema_version: int = SCHEMA_VERSION

    def as_json(self) -> str:
        """The report as a JSON object, which qcompile/report/schema.json describes."""
        return to_json(self)

    def as_text(self) -> str:
        """The report as a table for a terminal, the worst layer first."""
        return report_text(self)

    def as_html(self) -> str:
        """The report as a page in one file, which loads nothing."""
        from qcompile.report.page import report_page  # it draws what this module describes

        return report_page(self)
