"""Each layer by itself: its weights and codebook as a picture, and all numbers that the table has no place for."""

from qcompile.drawing import Markup, draw_histogram, element, shown_name
from qcompile.report.page.columns import Row
from qcompile.report.page.words import NOTHING, count_text, shape_text
from qcompile.report.result import LayerReport


def layer_details(rows: list[Row]) -> Markup:
    """The section with a closed part for each layer, in the order of the graph."""
    parts = [_detail(row) for row in rows]
    return element(
        "section",
        {"aria-labelledby": "details-title"},
        element("h2", {"id": "details-title"}, "Each layer"),
        element("p", {"class": "lead"}, "The values that its weights have, and what it stores."),
        *parts,
    )


def _detail(row: Row) -> Markup:
    layer = row.layer
    bits = f"{layer.bits} bit{'s' * (layer.bits > 1)}"
    about = element("span", {}, f"  {bits}, {layer.weights:,} weights, {layer.total_bytes:,} bytes")
    summary = element("summary", {}, f"{row.place}. {shown_name(layer.name)} ", about)
    inside = element("div", {"class": "detail"}, _histogram(layer), _numbers(layer))
    return element("details", {"id": row.anchor}, summary, inside)


def _histogram(layer: LayerReport) -> Markup:
    values = layer.values
    entries = f"{len(values.entries)} entries from {values.entries[0]:.4g} to {values.entries[-1]:.4g}"
    described = f"{entries}; the most used one stands for {max(values.uses):,} of {layer.weights:,} weights."
    if values.counts:
        described += " Behind them the float weights as a histogram."
    return draw_histogram(
        "Weights and codebook",
        described,
        values.counts,
        (values.low, values.high),
        values.entries,
        values.uses,
        x_label="value, times a scale for each channel" if values.scaled else "value",
        note=_note(layer),
    )


def _note(layer: LayerReport) -> str:
    stems = "stems: entries, as high as weights use them"
    if layer.groups > 1:
        stems = f"stems: mean entries of {layer.groups:,} codebooks, as high as weights use them"
    return f"{stems}; area: float weights" if layer.values.counts else stems


def _corrections(layer: LayerReport) -> list[tuple[str, str]]:
    if not layer.corrections:
        return []
    return [("of corrections", f"{layer.correction_bytes:,} for {layer.corrections:,} weights")]


def _numbers(layer: LayerReport) -> Markup:
    pairs = [
        ("Operator", f"{layer.op} {shape_text(layer.weight_shape)}"),
        ("Bytes", f"{layer.total_bytes:,}, {layer.float_bytes:,} as float"),
        ("of indices", f"{layer.index_bytes:,}"),
        ("of codebooks", f"{layer.codebook_bytes:,}"),
        ("of scales", f"{layer.scale_bytes:,}"),
        ("of biases", f"{layer.bias_bytes:,}"),
        *_corrections(layer),
        ("Multiply-adds", NOTHING if layer.multiply_adds is None else f"{layer.multiply_adds:,}"),
        ("Bit operations", NOTHING if layer.bit_operations is None else count_text(layer.bit_operations)),
        ("Kernel", shown_name(layer.kernel or NOTHING)),
        ("Chosen by", shown_name(layer.choice or NOTHING)),
    ]
    cells = [part for name, value in pairs for part in (element("dt", {}, name), element("dd", {}, value))]
    return element("dl", {"class": "pairs"}, *cells)
