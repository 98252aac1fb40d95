"""The columns of the table of layers: what each shows, and the number that it is sorted by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qcompile.drawing import Child, element, shown_name
from qcompile.report.page.words import NOTHING, decibel_text, percent_text, shape_text, time_text
from qcompile.report.result import LayerReport

BAR = 40  # units of a bar's drawing
CHOICE, BYTES = "Chosen by", "Bytes"
WEIGHT_SQNR, OUTPUT_SQNR = "Weight SQNR, dB", "Output SQNR, dB"


@dataclass(frozen=True)
class Row:
    """A layer, its place along the depth, from 1 on, and the largest shares of bytes and of time that a layer has."""

    place: int
    layer: LayerReport
    largest_share: float
    largest_time_share: float

    @property
    def anchor(self) -> str:
        """Where its details stand on the page."""
        return f"layer-{self.place}"


@dataclass(frozen=True)
class Column:
    """``show`` makes what a cell holds, ``value`` what it is sorted by: a number, a text, or None where it has none.

    ``worst`` says which end of it is the bad one: "ascending" where few are bad. ``explained`` is for its head.
    """

    name: str
    explained: str
    show: Callable[[Row], Sequence[Child]]
    value: Callable[[Row], float | str | None]
    is_text: bool = False
    worst: str = "descending"


def columns_of(rows: Sequence[Row]) -> list[Column]:
    """The columns of ``rows``: of what was measured only those that a layer has, and no choice that all share."""
    found = [column for column in _COLUMNS if any(column.value(row) is not None for row in rows)]
    one_choice = len(rows) > 1 and len({row.layer.choice for row in rows}) == 1
    return [column for column in found if column.name != CHOICE or not one_choice]


def _name(row: Row) -> Sequence[Child]:
    link = element("a", {"href": f"#{row.anchor}"}, shown_name(row.layer.name) or NOTHING)
    about = f"{row.layer.op} {shape_text(row.layer.weight_shape)}"
    return [link, element("span", {"class": "about"}, shown_name(about))]


def _share(row: Row) -> Sequence[Child]:
    return _with_bar(row.layer.share, row.largest_share, 0)


def _time(row: Row) -> Sequence[Child]:
    if row.layer.time_us is None or row.layer.time_share is None:
        return [NOTHING]
    return [
        element(
            "span", {"title": time_text(row.layer.time_us)}, *_with_bar(row.layer.time_share, row.largest_time_share, 1)
        )
    ]


def _with_bar(share: float, largest: float, color: int) -> list[Child]:
    width = BAR * share / largest if largest else 0.0
    bar = element("rect", {"class": f"fill-{color}", "width": width, "height": 6.0, "rx": 1})
    drawn = element(
        "svg", {"class": "bar", "viewBox": f"0 0 {BAR} 6", "preserveAspectRatio": "none", "aria-hidden": "true"}, bar
    )
    return [percent_text(share), drawn]


def _kernel(row: Row) -> Sequence[Child]:
    """Its name, which may go on in another line behind a "_"."""
    parts = shown_name(row.layer.kernel or NOTHING).split("_")
    return [part for word in parts[:-1] for part in (f"{word}_", element("wbr"))] + [parts[-1]]


def _decibels(value: float | None) -> str:
    """Without the unit, which the head has."""
    return decibel_text(value).removesuffix(" dB")


def _entries(row: Row) -> Sequence[Child]:
    groups = f" \u00d7 {row.layer.groups:,}" if row.layer.groups > 1 else ""
    return [f"{row.layer.entries:,}{groups}"]


_COLUMNS = (
    Column("#", "Place along the depth", lambda row: [str(row.place)], lambda row: row.place, worst="ascending"),
    Column("Layer", "Name, operator and shape", _name, lambda row: row.layer.name, is_text=True, worst="ascending"),
    Column("Weights", "How many", lambda row: [f"{row.layer.weights:,}"], lambda row: row.layer.weights),
    Column("Bits", "Of a weight's index", lambda row: [str(row.layer.bits)], lambda row: row.layer.bits),
    Column(
        "Input bits",
        "Of the activations that are multiplied; 32: floats",
        lambda row: [str(row.layer.activation_bits)],
        lambda row: row.layer.activation_bits,
    ),
    Column("Entries", "Of a codebook, times codebooks", _entries, lambda row: row.layer.entries),
    Column(
        "Corrections",
        "Weights that are kept as floats beside the codebook",
        lambda row: [f"{row.layer.corrections:,}"],
        lambda row: row.layer.corrections or None,
    ),
    Column(BYTES, "In the file", lambda row: [f"{row.layer.total_bytes:,}"], lambda row: row.layer.total_bytes),
    Column("Share", "Of the bytes of all parameters", _share, lambda row: row.layer.share),
    Column(
        WEIGHT_SQNR,
        "Signal over noise of the weights against the float model's",
        lambda row: [_decibels(row.layer.weight_sqnr_db)],
        lambda row: row.layer.weight_sqnr_db,
        worst="ascending",
    ),
    Column(
        OUTPUT_SQNR,
        "Of what the layer gives, alone on the float model's inputs to it",
        lambda row: [_decibels(row.layer.local_sqnr_db)],
        lambda row: row.layer.local_sqnr_db,
        worst="ascending",
    ),
    Column(
        "Cumulative, dB",
        "SQNR of what the layer gives with all errors before it",
        lambda row: [_decibels(row.layer.cumulative_sqnr_db)],
        lambda row: row.layer.cumulative_sqnr_db,
        worst="ascending",
    ),
    Column(
        "Sensitivity",
        "What rounding this layer alone does to the outputs, by the plan of the search",
        lambda row: [NOTHING if row.layer.sensitivity is None else f"{row.layer.sensitivity:.3g}"],
        lambda row: row.layer.sensitivity,
    ),
    Column("Time", "Share of the time of all nodes", _time, lambda row: row.layer.time_share),
    Column(
        "Kernel",
        "That this machine runs",
        _kernel,
        lambda row: row.layer.kernel,
        is_text=True,
        worst="ascending",
    ),
    Column(
        CHOICE,
        "Who chose the bits",
        lambda row: [shown_name(row.layer.choice or NOTHING)],
        lambda row: row.layer.choice,
        is_text=True,
        worst="ascending",
    ),
)
