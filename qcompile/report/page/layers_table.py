"""The table of layers, which a person sorts and filters; without a script it is a table, the worst layer first."""

from qcompile.drawing import Markup, element
from qcompile.report.order import shown_order, worst_first
from qcompile.report.page.columns import BYTES, OUTPUT_SQNR, WEIGHT_SQNR, Column, Row, columns_of
from qcompile.report.result import Report


def rows_of(report: Report) -> list[Row]:
    """The layers of ``report`` in the order of the graph."""
    largest = max(layer.share for layer in report.layers)
    longest = max(layer.time_share or 0.0 for layer in report.layers)
    return [Row(place, layer, largest, longest) for place, layer in enumerate(report.layers, 1)]


def layers_table(report: Report) -> Markup:
    """The section with the table and the field that filters it."""
    rows = rows_of(report)
    columns = columns_of(rows)
    order = {id(layer): place for place, layer in enumerate(worst_first(report))}
    ordered = sorted(rows, key=lambda row: order[id(row.layer)])
    sorted_by = _sorted_by(report)
    head = element("tr", {}, *(_head(column, sorted_by) for column in columns))
    body = [element("tr", {}, *(_cell(column, row) for column in columns)) for row in ordered]
    caption = element("caption", {"class": "hidden"}, "Layers of the file; the buttons in its head sort it")
    table = element("table", {"id": "layers"}, caption, element("thead", {}, head), element("tbody", {}, *body))
    scrolled = {"class": "scrolled", "tabindex": 0, "role": "region", "aria-label": "Table of layers"}
    return element(
        "section",
        {"aria-labelledby": "layers-title"},
        element("h2", {"id": "layers-title"}, "Layers"),
        element("p", {"class": "lead"}, f"Worst first: {shown_order(report)}. A column's head sorts by it."),
        _filter(len(rows)),
        element("div", scrolled, table),
    )


def _sorted_by(report: Report) -> str:
    if any(layer.local_sqnr_db is not None for layer in report.layers):
        return OUTPUT_SQNR
    return WEIGHT_SQNR if any(layer.weight_sqnr_db is not None for layer in report.layers) else BYTES


def _filter(count: int) -> Markup:
    field = {"id": "filter", "type": "search", "autocomplete": "off", "placeholder": "name, operator, kernel"}
    status = {"id": "shown", "role": "status"}
    label = element("label", {"for": "filter"}, "Filter")
    return element(
        "p",
        {"class": "filter", "hidden": "hidden"},
        label,
        element("input", field),
        element("span", status, f"{count} layers"),
    )


def _head(column: Column, sorted_by: str) -> Markup:
    direction = column.worst if column.name == sorted_by else "none"
    attributes = {"scope": "col", "aria-sort": direction, "data-worst": column.worst, "class": _class(column)}
    return element("th", attributes, element("button", {"type": "button", "title": column.explained}, column.name))


def _cell(column: Column, row: Row) -> Markup:
    value = column.value(row)
    sorting = {} if value is None else {"data-value": value if isinstance(value, str) else repr(float(value))}
    if column.name == "Layer":
        return element("th", {"scope": "row", "class": "name", **sorting}, *column.show(row))
    return element("td", {"class": _class(column), **sorting}, *column.show(row))


def _class(column: Column) -> str:
    return "text" if column.is_text else "number"
