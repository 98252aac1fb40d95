"""What `qcompile debug` found: layers, the worst first, and what may help."""

import io
from dataclasses import dataclass

import rich.box
import rich.console
import rich.markup
import rich.table

from qcompile.debugging.wider import Wider
from qcompile.json_text import to_json
from qcompile.text import printable

NAME_LENGTH = 60
WIDEST_LINE = 1000
SUGGESTED = 3  # layers
CLIPPED_SHARE = 1e-3  # from here on it is said
COLUMNS = ("layer", "op", "bits", "x bits", "bytes", "local", "cumulative", "clipped", "compared with")


@dataclass(frozen=True)
class DebuggedLayer:
    """One layer against the float model's ``tensor``. SQNRs are in dB, shares 0 to 1; ``bits`` None: no weight.

    ``local_db``: the layer alone, on the float model's input to it. ``cumulative_db``: as the packed file computes it;
    ``before_db``: the same of the worst tensor that it reads. ``clipped_inputs`` and ``clipped_outputs`` are the shares
    of the float model's values beyond the ranges of the codes. Where nothing was measured ``problem`` says why.
    """

    name: str
    op: str
    bits: int | None
    activation_bits: int
    bytes: int
    tensor: str | None
    local_db: float | None
    cumulative_db: float | None
    before_db: float | None
    clipped_inputs: float | None
    clipped_outputs: float | None
    wider: tuple[Wider, ...]
    problem: str | None


@dataclass(frozen=True)
class DebugResult:
    """All layers, the one with the lowest local SQNR first, those that were not measured last; SQNRs of the outputs.

    ``steepest`` is the layer at which the cumulative SQNR falls most, by ``fall_db``, from that of what it reads; what
    is exact counts as the best local SQNR of any layer. None where no layer was measured.
    """

    float_path: str
    path: str
    samples: int
    layers: tuple[DebuggedLayer, ...]
    outputs_db: dict[str, float]
    steepest: str | None
    fall_db: float | None

    def as_json(self) -> str:
        """The result as a JSON object."""
        return to_json(self)

    def as_text(self, top: int | None = None) -> str:
        """The ``top`` worst layers (None: all) as a table for a terminal, then what may help, then the whole."""
        output, table = io.StringIO(), _table(self, top)
        console = rich.console.Console(file=output, width=WIDEST_LINE)
        console.width = console.measure(table).maximum  # a terminal may break lines, a cut name is lost
        console.print(table)
        lines = [*_unmeasured(self), *_suggestions(self), *_totals(self)]
        return output.getvalue() + "\n".join(map(printable, lines)) + "\n"


def _measured(result: DebugResult) -> list[DebuggedLayer]:
    return [layer for layer in result.layers if layer.problem is None]


def _table(result: DebugResult, top: int | None) -> rich.table.Table:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("layer", "op", "compared with") else "right")
    for layer in _measured(result)[:top]:
        table.add_row(
            _short(layer.name),
            layer.op,
            "-" if layer.bits is None else str(layer.bits),
            str(layer.activation_bits),
            f"{layer.bytes:,}",
            _decibels(layer.local_db),
            _decibels(layer.cumulative_db),
            f"{layer.clipped_outputs or 0:.1%}",
            _short(layer.tensor or ""),
        )
    return table


def _short(name: str) -> str:
    return rich.markup.escape(printable(name)[:NAME_LENGTH])


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} dB"


def _unmeasured(result: DebugResult) -> list[str]:
    return [f"not compared  {layer.name}: {layer.problem}" for layer in result.layers if layer.problem is not None]


def _suggestions(result: DebugResult) -> list[str]:
    """What may help the worst layers; nothing where a layer gives the float model's numbers."""
    worst = [layer for layer in _measured(result) if layer.local_db != float("inf")][:SUGGESTED]
    return [f"{layer.name}: {text}" for layer in worst for text in _advice(layer)]


def _advice(layer: DebuggedLayer) -> list[str]:
    said = []
    if layer.wider:
        steps = (layer.wider[0],) if len(layer.wider) == 1 else (layer.wider[0], layer.wider[-1])
        costs = ", ".join(f"{step.bits} bits {step.more_bytes:+,} bytes" for step in steps)
        said.append(f"more bits of weight than {layer.bits}: {costs}")
    for share, what in ((layer.clipped_inputs, "reads"), (layer.clipped_outputs, "gives")):
        if share is not None and share >= CLIPPED_SHARE:
            said.append(f"{share:.1%} of what it {what} lies beyond the codes: calibrate it with a wider range")
    return said


def _totals(result: DebugResult) -> list[str]:
    lines = [
        f"output {name}: {_decibels(value)} over {result.samples:,} samples"
        for name, value in result.outputs_db.items()
    ]
    if result.steepest is not None and result.fall_db is not None:
        lines.append(f"the cumulative SQNR falls most at {result.steepest}: by {result.fall_db:.1f} dB")
    measured = len(_measured(result))
    return [*lines, f"{measured} of {len(result.layers)} layers compared with {result.float_path}"]
