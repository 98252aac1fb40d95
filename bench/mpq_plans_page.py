"""The part of the page about searched plans: gains over uniform ones, methods, files."""

from typing import Any

from mpq_files import EXACT, EXPORTED, KERNELS, PACKED, ROUNDS_BIASES
from mpq_markdown import duration, giga, percent, points, table
from mpq_pairs import Difference

WANTED_GAIN = 0.3  # points
LEAST_AT_THREE = 91.5  # percent, of ResNet-20 at the bit operations of 3 bits
WAYS = (EXPORTED, EXACT, PACKED, KERNELS)


def as_markdown(found: dict[str, Any]) -> str:
    """Three tables: accuracies beside uniform plans, the methods of search, and the files."""
    return "\n".join([*_gains(found), "", *_methods(found), "", *_files(found)]) + "\n"


def _gains(found: dict[str, Any]) -> list[str]:
    rows = found["rows"]
    reached = sum(_gain(row).mean >= WANTED_GAIN for row in rows)
    return [
        "## Searched plans at the cost of uniform ones",
        "",
        f"Greedy search by the loss on {found['images']:,} held-out images; nothing is trained, test images decide",
        f"nothing. Accuracy on the {found['test_images']:,} test images, batch statistics of each plan from training",
        "images. Beside each plan the uniform one of the most bits that the budget allows. At whole bits it costs",
        "just the budget; a budget of 2.5 or 3.5 bits is the mean of the costs beside it, and the uniform plan",
        "below it is cheaper: there a part of the gain is what the rest of the budget buys. ± is one standard",
        "error, from the test images that one plan has right and the other one not.",
        "",
        *table(
            ["budget", "limit", "uniform plan", "its accuracy", "searched plan", "gain in points", "", "bits a weight"],
            (_gain_row(row) for row in rows),
        ),
        "",
        f"{reached} of {len(rows)} plans are at least {WANTED_GAIN} point above the uniform one.{_at_three(rows)}",
        "",
        *_chosen(rows),
    ]


def _gain_row(row: dict[str, Any]) -> list[str]:
    greedy, uniform, gain = row["found"]["greedy"], row["uniform"], _gain(row)
    return [
        budget_name(row),
        limit_text(row),
        f"{uniform['bits']} bits",
        percent(uniform["test_accuracy"]),
        f"**{percent(greedy['test_accuracy'])}**",
        points(gain),
        gain.verdict(),
        f"{greedy['costs']['average_bits']:.2f}",
    ]


def _gain(row: dict[str, Any]) -> Difference:
    return Difference(**row["found"]["greedy"]["gain"])


def _at_three(rows: list[dict[str, Any]]) -> str:
    """Whether the plan at the operations of 3 bits is as good as was asked for; the data says what "good" is."""
    found = [row["found"]["greedy"]["test_accuracy"] for row in rows if (row["kind"], row["level"]) == ("bitops", 3.0)]
    return "".join(
        f" At the bit operations of 3 bits: {percent(each)} (asked of ResNet-20: {LEAST_AT_THREE} %)." for each in found
    )


def _chosen(rows: list[dict[str, Any]]) -> list[str]:
    """The bits of the plan at the operations of 3 bits."""
    plans = [row["found"]["greedy"]["plan"] for row in rows if (row["kind"], row["level"]) == ("bitops", 3.0)]
    bits = ", ".join(f"{name} {weight}/{activation}" for plan in plans for name, (weight, activation) in plan.items())
    return [f"Its bits, weight/activation: {bits}."] if plans else []


def _methods(found: dict[str, Any]) -> list[str]:
    head = ["budget", *(f"{name}: loss, accuracy, plans, time" for name in ("greedy", "allocation", "random"))]
    return [
        "### Methods of search",
        "",
        f"Each alone, none knows what another has scored. Greedy may score {found['evaluations']:,} plans and ends",
        "when it finds no better one; random search scores as many as greedy did; allocation measures each width of",
        "each layer alone and takes the best sum: so many plans, however many it may. Loss: on the held-out images,",
        "what the search saw.",
        "",
        *table(head, ([budget_name(row), *map(_method_cell, row["found"].values())] for row in found["rows"])),
        "",
        f"The longest greedy search took {duration(max(row['found']['greedy']['seconds'] for row in found['rows']))}.",
        *(_beats(found, other) for other in ("allocation", "random")),
    ]


def _method_cell(each: dict[str, Any]) -> str:
    return f"{each['loss']:.4f}, {percent(each['test_accuracy'])}, {each['evaluations']:,}, {duration(each['seconds'])}"


def _beats(found: dict[str, Any], other: str) -> str:
    """How often greedy search has the smaller loss, and the higher accuracy."""
    rows = [row["found"] for row in found["rows"]]
    lower = sum(row["greedy"]["loss"] < row[other]["loss"] for row in rows)
    higher = sum(row["greedy"]["test_accuracy"] > row[other]["test_accuracy"] for row in rows)
    mean = sum(row["greedy"]["test_accuracy"] - row[other]["test_accuracy"] for row in rows) / len(rows)
    return (
        f"Greedy against {other}: lower loss at {lower} of {len(rows)} budgets, higher accuracy at {higher}, "
        f"{mean:+.2f} points on average."
    )


def _files(found: dict[str, Any]) -> list[str]:
    head = ["budget", "packed file", "torch", *(f"{way}: others, accuracy" for way in WAYS)]
    return [
        "### The files",
        "",
        "How each way to run the greedy plan predicts: the exported model (QuantizeLinear and DequantizeLinear) on",
        "stock onnxruntime, as it is and without its rounding of biases; the packed file on stock onnxruntime and",
        f"with our kernels. Others: predictions that are not torch's, of {found['test_images']:,}.",
        "",
        *table(head, map(_file_row, found["rows"])),
        "",
        *(_explained(found["rows"], way) for way in WAYS),
        "On its own onnxruntime rounds biases beside quantized weights to whole multiples of both steps",
        f"({ROUNDS_BIASES}), which are long at few bits; the packed file keeps them as floats. What differs besides",
        "are numbers next to the middle between two codes, where the order of a float sum decides.",
    ]


def _explained(rows: list[dict[str, Any]], way: str) -> str:
    """How many predictions differ, how sure torch was of them, and how far logits are apart."""
    ways = [row["file"]["ways"][way] for row in rows]
    other, largest = sum(each["other_predictions"] for each in ways), max(each["largest_difference"] for each in ways)
    text = f"{way}: {other} others in all, logits at most {largest:.2g} apart"
    if other:
        widest, usual = (max(each[key] for each in ways) for key in ("widest_margin", "median_margin"))
        text += f"; of the others torch's first two logits are at most {widest:.2g} apart, of a usual image {usual:.2g}"
    return f"{text}."


def _file_row(row: dict[str, Any]) -> list[str]:
    file = row["file"]
    ways = (f"{file['ways'][way]['other_predictions']}, {percent(file['ways'][way]['accuracy'])}" for way in WAYS)
    return [budget_name(row), f"{file['file_bytes']:,}", percent(file["torch_accuracy"]), *ways]


def budget_name(row: dict[str, Any]) -> str:
    """Whose cost it is."""
    return f"{'bit operations' if row['kind'] == 'bitops' else 'bytes'} of {row['level']:g} bits"


def limit_text(row: dict[str, Any]) -> str:
    """The cost itself."""
    return giga(row["limit"]) if row["kind"] == "bitops" else f"{row['limit']:,.0f}"
