"""Whether a budget of time, met by the table of times, is met by the file."""

import argparse
import dataclasses
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mpq_files import compile_plan
from mpq_kept import kept
from mpq_markdown import percent, table
from mpq_plans import score_plans, search_once
from mpq_run import Opened, main_run, measure_plan, open_supernet, plan_as_json, plan_from_json

from qcompile import runtime
from qcompile.bit_plan import BitPlan, LayerBits
from qcompile.cli.latencies import write_table
from qcompile.search import Budget, LatencyTable, SearchSpace, read_latencies
from qcompile.search import latency_ms as predicted_ms

SHARES = (0.6, 0.75, 0.9)  # of the way from the fastest plan's time to the largest plan's
WITHIN = 5.0  # percent
SLICE_SECONDS = 0.05
LARGEST = "largest"


def measure(arguments: argparse.Namespace, save: Callable[[Any], None]) -> None:
    """The table of times, a search for each budget, and all files timed in turns."""
    opened = open_supernet(main_run(arguments), arguments.data_dir)
    times = read_times(opened, main_run(arguments), arguments.seconds)
    space = SearchSpace(opened.space.layers, times)
    largest = space.largest()
    fastest_ms, largest_ms = predicted_ms(times, fastest(times, space)), predicted_ms(times, largest)
    searches = {
        f"{share:g}": _search(opened, space, fastest_ms + share * (largest_ms - fastest_ms), f"{share:g}", arguments)
        for share in SHARES
    }
    plans = {LARGEST: largest} | {name: plan_from_json(found["plan"]) for name, found in searches.items()}
    measured = time_files(opened, plans, arguments.rounds)
    rows = [
        {
            "name": name,
            "budget_ms": searches[name]["budget_ms"] if name in searches else None,
            "predicted_ms": predicted_ms(times, plan),
            "rounds_ms": measured[name],
            "measured_ms": statistics.median(measured[name]),
            "test_accuracy": measure_plan(opened, plan)["test_accuracy"],
            "evaluations": searches[name]["evaluations"] if name in searches else None,
            "plan": plan_as_json(plan),
        }
        for name, plan in plans.items()
    ]
    save({"fastest_ms": fastest_ms, "rounds": arguments.rounds, "table": dict(times.notes), "rows": rows})


def read_times(opened: Opened, run: pathlib.Path, seconds: float) -> LatencyTable:
    """The table of the supernet's layers, measured now on one thread, or taken up."""
    path = opened.folder / f"latencies-{opened.identity[:16]}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(write_table(run, path, threads=1, seconds=seconds, say=lambda text: print(text, flush=True)))
    return read_latencies(path.read_text(), str(path))


def fastest(times: LatencyTable, space: SearchSpace) -> dict[str, LayerBits]:
    """The plan of least time by the table: not always that of the fewest bits."""
    return {
        layer.name: min(layer.options(), key=lambda bits: (times.time_ms(layer.name, bits), bits))
        for layer in space.layers
    }


def time_files(opened: Opened, plans: Mapping[str, BitPlan], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of one image in each of ``rounds``, in which the files of ``plans`` take turns on one thread."""
    image = np.random.default_rng(0).random((1, *opened.run.test.images.shape[1:]), np.float32)
    files = [compile_plan(opened, plan, f"latency-{name}")[1] for name, plan in plans.items()]
    sessions = [runtime.session(path, threads=1) for path in files]
    calls = [lambda session=session: session.run(None, {"input": image}) for session in sessions]
    found = [[median_ms(call, SLICE_SECONDS) for call in calls] for _ in range(rounds + 1)]
    columns = zip(*found[1:], strict=True)  # in the first round things are set up
    return {name: list(column) for name, column in zip(plans, columns, strict=True)}


def median_ms(call: Callable[[], object], seconds: float) -> float:
    """The median time of a call over at least ``seconds``, as the table of times has it: pauses do not count."""
    times, start = [], time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times)


def deviation(found: float, wanted: float) -> float:
    """How far ``found`` is above ``wanted``, in percent."""
    return 100 * (found / wanted - 1)


def against_largest(rows: Sequence[dict[str, Any]], row: dict[str, Any]) -> float:
    """The median over rounds of the ratio of ``row``'s time to the largest plan's in the same round."""
    largest = next(each for each in rows if each["name"] == LARGEST)
    ratios = [own / other for own, other in zip(row["rounds_ms"], largest["rounds_ms"], strict=True)]
    return statistics.median(ratios)


def _search(
    opened: Opened, space: SearchSpace, limit_ms: float, name: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    limits = Budget(latency_ms=limit_ms)
    settings = {"supernet": opened.identity, "budget": limits.as_text(), "images": arguments.images}
    score = score_plans(opened, arguments.images)
    found = kept(
        opened.folder / "searches" / f"latency-{name}.json",
        settings | {"evaluations": arguments.evaluations, "table": _as_rows(space.latencies)},
        lambda: search_once(space, score, limits, "greedy", arguments.evaluations),
    )
    print(f"latency {limits.as_text()}: {found['evaluations']} plans scored", flush=True)
    return found | {"budget_ms": limit_ms}


def _as_rows(times: LatencyTable | None) -> Any:
    assert times is not None
    return {
        name: [[*dataclasses.astuple(bits), ms] for bits, ms in each.items()] for name, each in times.times_ms.items()
    }


def as_markdown(found: dict[str, Any]) -> str:
    """Predicted and measured, absolutely and against the largest plan of the same rounds."""
    rows = found["rows"]
    searched = [row for row in rows if row["budget_ms"] is not None]
    met = sum(deviation(row["measured_ms"], row["budget_ms"]) <= WITHIN for row in searched)
    head = ["share of the way", "budget", "predicted", "measured", "deviation", "against the largest plan: predicted"]
    lines = [
        "## Budgets of time",
        "",
        f"The table of times (`qcompile bench --table`, one thread, {found['table'].get('kernels')} kernels) adds up",
        "the layers; plans are searched for times between that of the fastest plan by the table",
        f"({found['fastest_ms']:.4f} ms) and that of the largest. Measured: the median of {found['rounds']} rounds,",
        "in which all these files take turns. A machine that has others to serve is at one time slower than at",
        "another: the ratio to the largest plan in the same rounds is free of that.",
        "",
        *table([*head, "measured", "deviation", "accuracy"], (_line(rows, row) for row in rows)),
        "",
        f"{met} of {len(searched)} files keep their budget within {WITHIN:g} percent.",
    ]
    return "\n".join(lines) + "\n"


def _line(rows: Sequence[dict[str, Any]], row: dict[str, Any]) -> list[str]:
    largest = next(each for each in rows if each["name"] == LARGEST)
    ratio, wanted = against_largest(rows, row), row["predicted_ms"] / largest["predicted_ms"]
    return [
        row["name"],
        "" if row["budget_ms"] is None else f"{row['budget_ms']:.4f} ms",
        f"{row['predicted_ms']:.4f} ms",
        f"{row['measured_ms']:.4f} ms",
        f"{deviation(row['measured_ms'], row['predicted_ms']):+.1f} %",
        f"{wanted:.3f}",
        f"{ratio:.3f}",
        f"{deviation(ratio, wanted):+.1f} %",
        percent(row["test_accuracy"]),
    ]
