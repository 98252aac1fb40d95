"""The part of the page about the ablation: accuracies by arm, then what may be decided by held-out images."""

import statistics
from collections.abc import Sequence
from typing import Any

from mpq_ablation import by_seed, mean_accuracy
from mpq_arms import FIRST
from mpq_markdown import duration, percent, points, table
from mpq_pairs import Difference, paired_difference

DIFFERENCES = ("8", "4", "3", "2")  # uniform bits whose differences are shown


def as_markdown(found: dict[str, Any]) -> str:
    """Test accuracies, their differences to the first arm, and the verdict by held-out images."""
    rows = found["rows"]
    names = list(dict.fromkeys(row["arm"] for row in rows))
    compared = [name for name in names if name != FIRST]
    widths = list(rows[0]["uniform"])
    lines = [
        "## What the parts of the training are worth",
        "",
        *_about(found),
        "",
        *table(
            ["arm", "epochs x passes", "seeds", *(f"{bits} bits" for bits in widths), "random plans", "their spread"],
            (_accuracy_row(rows, name, widths) for name in names),
        ),
    ]
    if compared:
        lines += ["", *_differences(rows, compared), "", *_decisions(rows, compared)]
    return "\n".join(lines) + "\n"


def _about(found: dict[str, Any]) -> list[str]:
    rows, recipe = found["rows"], found["rows"][0]["recipe"]
    seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
    return [
        f"{recipe['network']} on {recipe['data']}, float {percent(rows[0]['reference'])}; every arm has",
        f"{recipe['passes']} passes over the images, settings but those of the arm the",
        f"recipe's{_with(found['overrides'])}. `{FIRST}`: nothing is frozen, no mitigation, a step for each layer.",
        "published to rarer-smallest: schedulers. mitigation-W: its weight. passes-N: N passes a step, in as many",
        "epochs as make the passes equal. steps-channel: a step for each output channel. Arms of one seed have the",
        "same order of images, augmentation and draws, where their passes are as many. Test accuracy at uniform",
        f"bits, and over {found['random_plans']} random plans whose bit operations lie evenly between those of 2 and",
        "6 bits: their mean and the standard deviation between them; batch statistics of each plan. Means over",
        f"seeds. Spent: {duration(sum(seconds)) if seconds else 'not measured'} of training.",
    ]


def _with(overrides: Sequence[str]) -> str:
    return f" with {', '.join(f'`{each}`' for each in overrides)}" if overrides else ""


def _accuracy_row(rows: Sequence[dict[str, Any]], name: str, widths: Sequence[str]) -> list[str]:
    own = [row for row in rows if row["arm"] == name]
    recipe = own[0]["recipe"]
    spread = statistics.fmean(_spread(row) for row in own)
    return [
        name,
        f"{recipe['epochs']} x {recipe['passes_a_step']}",
        str(len(own)),
        *(percent(statistics.fmean(row["uniform"][bits] for row in own)) for bits in widths),
        percent(statistics.fmean(mean_accuracy(row, "test") for row in own)),
        f"{spread:.2f}",
    ]


def _spread(row: dict[str, Any]) -> float:
    found = [plan["test_accuracy"] for plan in row["random"]]
    return statistics.stdev(found) if len(found) > 1 else 0.0


def _differences(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    widths = [bits for bits in DIFFERENCES if bits in rows[0]["uniform"]]
    return [
        f"Differences of test accuracy to `{FIRST}` in points, paired by seed, ± their standard error:",
        "",
        *table(
            ["arm", *(f"{bits} bits" for bits in widths), "random plans"],
            (
                [
                    name,
                    *(points(difference(rows, name, lambda row, bits=bits: row["uniform"][bits])) for bits in widths),
                    points(difference(rows, name, lambda row: mean_accuracy(row, "test"))),
                ]
                for name in names
            ),
        ),
    ]


def _decisions(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    held_out = {name: difference(rows, name, lambda row: mean_accuracy(row, "held_out")) for name in names}
    helping = [name for name, each in held_out.items() if each.verdict() == "higher"]
    return [
        "What decides is the mean accuracy of the random plans on held-out images:",
        "",
        *table(["arm", f"difference to `{FIRST}`", ""], ([n, points(d), d.verdict()] for n, d in held_out.items())),
        "",
        f"Better than `{FIRST}` by more than chance would have it in 5 of 100 cases: {', '.join(helping) or 'none'}.",
        f"With few seeds such an error is itself uncertain, and of {len(names)} arms that do nothing one or another",
        "would seem to help by chance.",
    ]


def difference(rows: Sequence[dict[str, Any]], name: str, value: Any) -> Difference:
    """How much higher the ``value`` of an arm is than the first one's, over the seeds that both have."""
    return paired_difference(by_seed(rows, name, value), by_seed(rows, FIRST, value))
