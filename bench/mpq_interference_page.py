"""The part of the page about interference between widths."""

import statistics
from collections.abc import Sequence
from typing import Any

from mpq_markdown import duration, percent, points, table
from mpq_pairs import Difference, paired_difference
from mpq_probes import WIDTHS, width_summary

NOTHING_TO_MEND = 0.3  # points
SHOWN = (0.25, 0.5, 0.75)  # parts of the run: at its end the learning rate is zero, and nothing changes


def as_markdown(found: dict[str, Any]) -> str:
    """What sharing costs, then flips and gradients."""
    lines = ["## Do the widths disturb each other?", "", *_sharing(found)]
    if found["probes"]:
        lines += ["", *_steps(found["probes"]), "", *_layers(found["probes"])]
    return "\n".join(lines) + "\n"


def _sharing(found: dict[str, Any]) -> list[str]:
    rows = found["rows"]
    recipe, seconds = rows[0]["recipe"], [row["seconds"] for row in rows if row["seconds"] is not None]
    trained = {row["training"] for row in rows}
    widths = [name.removeprefix("dedicated-") for name in trained if name.startswith("dedicated-")]
    return [
        f"{recipe['network']} on {recipe['data']}, {recipe['passes']} passes over the images for each training",
        *([f"({', '.join(f'`{each}`' for each in found['overrides'])})"] if found["overrides"] else []),
        f"and {len({row['seed'] for row in rows})} seeds;",
        f"{duration(sum(seconds)) if seconds else 'time not measured'} of training. Test accuracy at uniform bits,",
        "of the supernet, of one that never has each layer's smallest width, and of a network that was trained for",
        "these bits alone, from the same float network with the same settings: it has all passes for itself. What",
        "sharing costs is the dedicated accuracy less the supernet's, paired by seed, ± a standard error; what the",
        "smallest width costs the others is the accuracy without it less the supernet's.",
        "",
        *table(
            [
                "bits",
                "supernet",
                "without the smallest width",
                "dedicated",
                "what sharing costs",
                "",
                "what the smallest width costs",
            ],
            (_sharing_row(rows, bits) for bits in sorted(widths, key=int, reverse=True)),
        ),
    ]


def _sharing_row(rows: Sequence[dict[str, Any]], bits: str) -> list[str]:
    names = ("none", "without-smallest", f"dedicated-{bits}")
    supernet, without, dedicated = (_by_seed(rows, name, bits) for name in names)
    cells = [percent(statistics.fmean(each.values())) if each else "" for each in (supernet, without, dedicated)]
    if not supernet.keys() & dedicated.keys():
        return [bits, *cells, "", "", ""]
    loss = paired_difference(dedicated, supernet)
    smallest = points(paired_difference(without, supernet)) if without else ""
    return [bits, *cells, points(loss), _verdict(loss), smallest]


def _verdict(loss: Difference) -> str:
    small = f"below {NOTHING_TO_MEND}: little to mend" if loss.mean < NOTHING_TO_MEND else ""
    return "; ".join(part for part in (loss.verdict(), small) if part)


def _by_seed(rows: Sequence[dict[str, Any]], training: str, bits: str) -> dict[int, float]:
    """A network without such a width has the figure of no other one."""
    return {row["seed"]: row["uniform"][bits] for row in rows if row["training"] == training and bits in row["uniform"]}


def _steps(probes: Sequence[dict[str, Any]]) -> list[str]:
    shown = [probes[place] for place in sorted({max(0, round(part * len(probes)) - 1) for part in SHOWN})]
    head = ["bits", *(f"{name} at {each['progress']:.0%}" for name in NAMES for each in shown)]
    return [
        "One training, looked into (the supernet, first seed). Codes changed: which share of a layer's weights has",
        "another code behind one step. Cosine and length: of the gradient of the weight at uniform bits to that at",
        "the largest, on one batch of held-out images. Means over the layers that have a choice; at parts of the",
        "run.",
        "",
        *table(head, ([str(bits), *_step_cells(shown, bits)] for bits in WIDTHS)),
    ]


NAMES = {"codes changed": "flips", "cosine": "cosine", "length": "length"}


def _step_cells(shown: Sequence[dict[str, Any]], bits: int) -> list[str]:
    found = [width_summary(each, bits) for each in shown]
    return [_text(each[key], key) for key in NAMES.values() for each in found]


def _text(value: float | None, key: str) -> str:
    if value is None:
        return ""
    return f"{value:.3%}" if key == "flips" else f"{value:.2f}"


def _layers(probes: Sequence[dict[str, Any]]) -> list[str]:
    smallest = str(WIDTHS[0])
    names = [name for name, widths in probes[0]["flips"].items() if smallest in widths and len(widths) > 1]
    head = ["layer", f"codes changed at {smallest} bits", "cosine, lowest to highest", "length, median"]
    return [
        f"By layer, {smallest} bits against the largest, over the {len(probes)} probes:",
        "",
        *table(head, (_layer_row(probes, name, smallest) for name in names)),
    ]


def _layer_row(probes: Sequence[dict[str, Any]], name: str, bits: str) -> list[str]:
    flips = statistics.fmean(each["flips"][name][bits] for each in probes)
    pairs = [each["agreement"][bits][name] for each in probes if each["agreement"][bits][name]]
    if not pairs:
        return [name, f"{flips:.3%}", "", ""]
    cosines, lengths = zip(*pairs, strict=True)
    return [name, f"{flips:.3%}", f"{min(cosines):.2f} to {max(cosines):.2f}", f"{statistics.median(lengths):.2f}"]
