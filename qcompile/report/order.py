"""Which layer is the worst: by what was measured, or else by what it costs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcompile.report.result import LayerReport, Report


def worst_first(report: "Report") -> list["LayerReport"]:
    """The layers, the one whose SQNR is the lowest first, those without one behind; or the largest first.

    The SQNR of what the layers give counts, or that of the weights where those were not measured.
    """
    layers = list(report.layers)
    if any(layer.local_sqnr_db is not None for layer in layers):
        return sorted(layers, key=lambda layer: _lowest(layer.local_sqnr_db))
    if any(layer.weight_sqnr_db is not None for layer in layers):
        return sorted(layers, key=lambda layer: _lowest(layer.weight_sqnr_db))
    return sorted(layers, key=lambda layer: -layer.total_bytes)


def shown_order(report: "Report") -> str:
    """In words, by what ``worst_first`` sorts."""
    if any(layer.local_sqnr_db is not None for layer in report.layers):
        return "the lowest SQNR of what the layer gives"
    if any(layer.weight_sqnr_db is not None for layer in report.layers):
        return "the lowest SQNR of the weights"
    return "the most bytes"


def _lowest(value: float | None) -> tuple[bool, float]:
    return value is None, value if value is not None else 0.0
