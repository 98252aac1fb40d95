"""What `qcompile debug` found: layers, the worst first, and what may help."""

import io
import math
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
ROUNDING_DB = 90.0  # of a sum of 65,536 products in float32: 2^-24 times the root of that is -96 dB
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

    ``noisiest`` is the layer at which the cumulative SQNR falls most from that of what it reads, as parts of noise in
    signal and noise: from 40 to 20 dB is 1 %, from 10 to 5 dB is 15 %. None where it falls nowhere. ``rounds_itself``:
    the float model has pairs of QuantizeLinear and DequantizeLinear, and layers are compared behind them.
    """

    float_path: str
    path: str
    samples: int
    layers: tuple[DebuggedLayer, ...]
    outputs_db: dict[str, float]
    noisiest: str | None
    rounds_itself: bool

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
    if value is None:
        return "-"
    return "exact" if value == math.inf else f"{value:.1f} dB"


def _unmeasured(result: DebugResult) -> list[str]:
    return [f"not compared  {layer.name}: {layer.problem}" for layer in result.layers if layer.problem is not None]


def _suggestions(result: DebugResult) -> list[str]:
    """What may help: bits for the worst layers that do more than round floats, ranges for those that clip most."""
    measured = _measured(result)
    narrow = [layer for layer in measured if layer.wider and (layer.local_db or 0.0) < ROUNDING_DB]
    clipping = sorted((layer for layer in measured if _clipped(layer)), key=_clipped, reverse=True)
    return [_more_bits(layer) for layer in narrow[:SUGGESTED]] + [_ranges(layer) for layer in clipping[:SUGGESTED]]


def _more_bits(layer: DebuggedLayer) -> str:
    steps = dict.fromkeys((layer.wider[0], layer.wider[-1]))
    costs = ", ".join(f"{step.bits} bits {step.more_bytes:+,} bytes" for step in steps)
    return f"{layer.name}: weights have {layer.bits} bits; {costs}"


def _clipped(layer: DebuggedLayer) -> float:
    """The share of values that its output clips; 0 where that is hardly any."""
    share = layer.clipped_outputs or 0.0
    return share if share >= CLIPPED_SHARE else 0.0


def _ranges(layer: DebuggedLayer) -> str:
    return f"{layer.name}: {_clipped(layer):.1%} of {layer.tensor} lie beyond the codes; calibrate a wider range"


def _totals(result: DebugResult) -> list[str]:
    lines = [
        f"output {name}: {_decibels(value)} over {result.samples:,} samples"
        for name, value in result.outputs_db.items()
    ]
    measured = len(_measured(result))
    if all((layer.cumulative_db or 0.0) >= ROUNDING_DB for layer in _measured(result)):
        lines.append("no layer loses more than float32 rounding")
    for layer in _measured(result):
        if layer.name == result.noisiest and (layer.cumulative_db or 0.0) < ROUNDING_DB:
            change = f"from {_decibels(layer.before_db)} to {_decibels(layer.cumulative_db)}"
            lines.append(f"most noise is added at {layer.name}: the cumulative SQNR falls {change}")
    if result.rounds_itself:
        lines.append("the float model is quantized: its own rounding is no error here; to see that, give what it was")
    return [*lines, f"{measured} of {len(result.layers)} layers compared with {result.float_path}"]
