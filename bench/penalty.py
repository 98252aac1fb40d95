"""Times an optimizer iteration of an L step with and without its penalty: one thread, interleaved.

    python bench/penalty.py --output docs/results/penalty

An iteration is a forward pass, a backward pass and an optimizer step on one batch of random images, as a recipe
trains. Each round runs a few iterations with the penalty and as many without; the cost is the median of the rounds'
ratios, less one. Neighbours make that noisy, so each round also times the optimizer's step alone, with and without:
what the penalty adds to a step, over the time of an iteration, is the same cost measured more finely. The goal is
at most 5 %.
"""

import pathlib
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import click
import torch
from interleaved import SEED, mean_us, medians, publish, settings_of
from torch.nn import functional as F

from qcompile.frontend import Adaptive
from qcompile.frontend.direct import fit_all
from qcompile.frontend.penalty import penalized_steps
from qcompile.frontend.selection import select_codebooks
from qcompile.frontend.training import Optimization, make_optimizer
from qcompile.models import build_network

PENALTY = 1e-3
ITERATIONS = 2  # in a round, of each kind
STEPS = 20
LEARNING_RATE = 1e-4  # the time does not depend on it, and the weights stay finite


@dataclass(frozen=True)
class Case:
    """A network, and whether it trains in bfloat16 with the channels last."""

    network: str
    batch: int
    bfloat16: bool


@dataclass(frozen=True)
class Figures:
    """Medians over rounds; ``ratio`` is an iteration with the penalty over one without."""

    case: Case
    weights: int
    tensors: int
    with_us: float
    without_us: float
    ratio: float
    added_us: float


def make_iteration(case: Case, network: torch.nn.Module) -> tuple[Callable[[], None], Callable[[], None]]:
    """One optimizer iteration on a batch of random images, and its last part, the optimizer's step."""
    generator = torch.Generator().manual_seed(SEED)
    images = torch.rand(case.batch, *network.input_shape, generator=generator)
    labels = torch.randint(10, (case.batch,), generator=generator)
    if case.bfloat16:
        network.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = make_optimizer(network, Optimization(), LEARNING_RATE)

    def iterate() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=case.bfloat16):
            logits = network(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return iterate, optimizer.step


def penalty_of(network: torch.nn.Module) -> Callable[[], AbstractContextManager[None]]:
    """A context in which every weight of ``network`` is pulled to a codebook of two entries."""
    codebooks = select_codebooks(network, {"*": Adaptive(2)})
    parameters = {name: network.get_parameter(name) for name in codebooks}
    pulls = [(parameters[name], weight.decode()) for name, weight in fit_all(parameters, codebooks).items()]
    return lambda: penalized_steps(pulls, PENALTY)


def measure(case: Case, rounds: int) -> Figures:
    torch.manual_seed(SEED)
    network = build_network(case.network).train()
    (iterate, step), penalty = make_iteration(case, network), penalty_of(network)
    iterations, steps = [], []
    for _ in range(rounds + 1):
        iterations.append([time_calls(iterate, ITERATIONS, kind) for kind in (penalty, nullcontext)])
        steps.append([time_calls(step, STEPS, kind) for kind in (penalty, nullcontext)])
    with_us, without_us, inverse = medians(iterations[1:])  # the first one warms up
    added_us = statistics.median(one - other for one, other in steps[1:])
    weights = [p for p in network.parameters() if p.dim() > 1]
    return Figures(case, sum(p.numel() for p in weights), len(weights), with_us, without_us, 1 / inverse, added_us)


def time_calls(call: Callable[[], None], calls: int, kind: Callable[[], AbstractContextManager[None]]) -> float:
    with kind():
        return mean_us(call, calls)


def as_markdown(figures: Sequence[Figures], settings: dict[str, object]) -> str:
    lines = [
        "# What the penalty adds to an iteration of an L step",
        "",
        *(f"* {name}: {value}" for name, value in settings.items()),
        "",
        "Times of an iteration are medians in milliseconds, one thread; the cost is the median of the rounds' ratios,",
        "less one. What the penalty adds to the optimizer's step alone is in microseconds; its share of an iteration",
        "is the less noisy figure. How: the head of bench/penalty.py.",
        "",
        "| network | batch | training in | weights | tensors | without | with | cost | added to a step | share |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(as_row(figure) for figure in figures),
        "",
    ]
    return "\n".join(lines)


def as_row(figures: Figures) -> str:
    case = figures.case
    kind = "bfloat16" if case.bfloat16 else "float32"
    times = f"{figures.without_us / 1000:.1f} | {figures.with_us / 1000:.1f} | {100 * (figures.ratio - 1):.1f} %"
    added = f"{figures.added_us:.0f} | **{100 * figures.added_us / figures.without_us:.2f} %**"
    return f"| {case.network} | {case.batch} | {kind} | {figures.weights} | {figures.tensors} | {times} | {added} |"


@click.command()
@click.option("--rounds", default=21, show_default=True, help="Rounds of each case.")
@click.option("--network", default="resnet20", show_default=True, help="The network to train.")
@click.option("--batch", default=128, show_default=True, help="Images in a batch.")
@click.option("--output", type=click.Path(path_type=pathlib.Path), help="Writes OUTPUT.md and OUTPUT.json too.")
def main(rounds: int, network: str, batch: int, output: pathlib.Path | None) -> None:
    """Times an optimizer iteration with and without the penalty."""
    torch.set_num_threads(1)
    figures = []
    for bfloat16 in (False, True):
        figures.append(measure(Case(network, batch, bfloat16), rounds))
        print(as_row(figures[-1]), file=sys.stderr)
    settings = settings_of("bench/penalty.py", rounds, torch=torch.__version__)
    publish(as_markdown(figures, settings), settings, figures, output)


if __name__ == "__main__":
    main()
