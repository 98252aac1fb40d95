"""Whether the score of a search orders plans as full validation does."""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from mpq_markdown import duration, percent, table
from mpq_plans import score_plans
from mpq_run import Opened, main_run, measure_plan, open_supernet, plan_as_json
from mpq_targets import plans_of_one_cost, plans_of_spread_costs

from qcompile.bit_plan import BitPlan
from qcompile.errors import QCompileError
from qcompile.search import kendall_tau

PAIRS = (
    ("score and held-out loss", "score", "held_out_loss"),
    ("score and held-out error", "score", "held_out_error"),
    ("score and test error", "score", "test_error"),
    ("held-out error and test error", "held_out_error", "test_error"),
)


def measure(arguments: argparse.Namespace, save: Callable[[Any], None]) -> None:
    """Two groups of plans, each scored and fully measured; Kendall's tau of each."""
    opened = open_supernet(main_run(arguments), arguments.data_dir)
    groups = {
        "costs from 2 to 6 bits": plans_of_spread_costs(opened.space, arguments.plans),
        "all at the cost of 3 bits": plans_of_one_cost(opened.space, arguments.plans),
    }
    found = {}
    for name, plans in groups.items():
        rows = []
        for place, plan in enumerate(plans):
            rows.append(_row(opened, plan, arguments.images))
            print(f"rank, {name}: {place + 1} of {len(plans)}", flush=True)
        found[name] = {"taus": taus(rows), "plans": rows}
    images, held_out = arguments.images, len(opened.run.held_out.labels)
    save({"images": min(images, held_out), "held_out_images": held_out, "groups": found})


def taus(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Kendall's tau for each of PAIRS; None where one figure is the same for all plans, which orders nothing."""
    return {name: _tau([row[a] for row in rows], [row[b] for row in rows]) for name, a, b in PAIRS}


def chance(count: int) -> float:
    """The standard deviation of Kendall's tau of ``count`` things whose orders have nothing to do with each other.

    Source: Kendall 1938, without ties.
    """
    return math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))


def _tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    try:
        return kendall_tau(a, b)
    except QCompileError:
        return None


def _row(opened: Opened, plan: BitPlan, images: int) -> dict[str, Any]:
    costs, bits = opened.space.costs(plan), plan_as_json(plan)
    measured = measure_plan(opened, plan)
    return {
        "plan": bits,
        "bit_operations": costs.bit_operations,
        **_score(opened, plan, images),
        "held_out_loss": measured["held_out_loss"],
        "held_out_error": 100 - measured["held_out_accuracy"],
        "test_error": 100 - measured["test_accuracy"],
    }


def _score(opened: Opened, plan: BitPlan, images: int) -> dict[str, float]:
    start = time.perf_counter()
    score = score_plans(opened, images)(plan)
    return {"score": score, "score_seconds": time.perf_counter() - start}


def as_markdown(found: dict[str, Any]) -> str:
    """A column a group."""
    groups = found["groups"]
    count = min(len(group["plans"]) for group in groups.values())
    seconds = [row["score_seconds"] for group in groups.values() for row in group["plans"]]
    lines = [
        "## Does the score of a search rank plans rightly?",
        "",
        f"Kendall's tau between the score (loss on {found['images']:,} held-out images, statistics of each batch",
        f"itself) and full validation (all {found['held_out_images']:,}, statistics of the plan from training",
        "images); 1 is the same order, 0 none. Test images are for information. Random plans: as many costs as",
        f"plans from that of uniform 2 to that of uniform 6 bits, and all at that of uniform 3. Of {count} orders",
        f"that have nothing to do with each other tau is 0 ± {chance(count):.2f}. A score takes",
        f"{duration(sorted(seconds)[len(seconds) // 2])}.",
        "",
        *table(["", *(f"{name}, {len(group['plans'])} plans" for name, group in groups.items())], _rows(groups)),
    ]
    return "\n".join(lines) + "\n"


def _rows(groups: dict[str, Any]) -> list[list[str]]:
    rows = [[name, *(_text(group["taus"][name]) for group in groups.values())] for name, _, _ in PAIRS]
    return [*rows, ["test accuracies from, to", *(_range(group["plans"]) for group in groups.values())]]


def _text(tau: float | None) -> str:
    return "no order" if tau is None else f"{tau:.3f}"


def _range(rows: Sequence[dict[str, Any]]) -> str:
    errors = [row["test_error"] for row in rows]
    return f"{percent(100 - max(errors))}, {percent(100 - min(errors))}"
