"""Times the C step of a large layer against scikit-learn's KMeans: codebook and index of each of 14 million weights.

    python bench/c_step.py --output docs/results/c_step

The weights are half Gaussian, half Laplace, as trained ones are. Each round runs ours and scikit-learn's, one after the
other, so that a drifting clock and noisy neighbours hit both alike; the speed-up is the median of the rounds' ratios.
Warm: from the codebook of the weights before they moved a little, as in an iteration of LC; scikit-learn starts there
too, once. Cold: ours finds its own start ("auto", which is exact where that is cheap, and "kmeans", k-means++);
scikit-learn starts once from k-means++. Both read float32. Ours goes on until no index changes, at most 1000 steps.
scikit-learn runs twice: so too, at most 300 steps (tolerance 0), and with its own tolerance, which often ends it after
few steps. The columns of errors show what each has reached.
"""

import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import click
import numpy as np
import sklearn
import torch
from interleaved import SEED, publish, settings_of
from sklearn.cluster import KMeans

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.codebooks import Adaptive, Fixed

Start = Literal["warm", "cold", "cold k-means++", "cold exact"]
THREADS = 2
MAX_CASE_MS = 120_000  # no round begins after it: scikit-learn takes minutes
OWN_TOLERANCE = 1e-4  # scikit-learn's default
MOVED = 0.02  # of the standard deviation, in an iteration


@dataclass(frozen=True)
class Case:
    """``weights`` float32 weights, one codebook."""

    weights: int
    entries: int
    start: Start


CASES = (
    *(Case(14_000_000, entries, "warm") for entries in (2, 4, 16)),
    *(Case(14_000_000, entries, "cold") for entries in (2, 4, 16)),
    *(Case(1_000_000, 256, start) for start in ("warm", "cold")),
    *(Case(14_000_000, entries, "cold k-means++") for entries in (2, 16)),
    *(Case(count, entries, "cold exact") for count, entries in ((2_000, 4), (18_000, 16), (4_000_000, 2))),
)
QUICK = (Case(1_000_000, 16, "warm"), Case(2_000, 4, "cold exact"))


@dataclass(frozen=True)
class Figures:
    """Medians over rounds; of scikit-learn's with tolerance 0, then with its own.

    Errors are squared errors, and their ratio is ours over scikit-learn's.
    """

    case: Case
    ours_ms: float
    sklearn_ms: tuple[float, float]
    speedup: tuple[float, float]
    error_ratio: tuple[float, float]


def draw_weights(count: int, generator: torch.Generator) -> torch.Tensor:
    half = count // 2
    gaussian = torch.randn(half, generator=generator)
    uniform = torch.rand(count - half, generator=generator) - 0.5
    laplace = -uniform.sign() * torch.log1p(-2 * uniform.abs().clamp(max=0.5 - 2.0**-25))
    return torch.cat([gaussian, laplace])[torch.randperm(count, generator=generator)] * 0.05


def time_ms(call: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = call()
    return (time.perf_counter() - start) * 1e3, result


def measure(case: Case, rounds: int) -> Figures:
    generator = torch.Generator().manual_seed(SEED)
    weight = draw_weights(case.weights, generator)
    codebook, before = Adaptive(case.entries, method=method_of(case)), None
    init = "k-means++"
    if case.start == "warm":
        before = codebook.fit(weight)
        weight = weight + MOVED * weight.std() * torch.randn(case.weights, generator=generator)
        init = before.codebook[0][:, None].numpy()
    rivals = [KMeans(case.entries, n_init=1, init=init, random_state=0, tol=tol) for tol in (0, OWN_TOLERANCE)]
    column = weight.numpy()[:, None]
    times = []
    while len(times) < rounds and sum(map(sum, times)) < MAX_CASE_MS:
        ours_ms, fitted = time_ms(lambda: codebook.fit(weight, before))
        times.append([ours_ms, *(time_ms(lambda rival=rival: rival.fit(column))[0] for rival in rivals)])
    assert isinstance(fitted, CodebookWeight)
    ours_ms, *sklearn_ms = (statistics.median(each) for each in zip(*times, strict=True))
    speedup = [statistics.median(row[place] / row[0] for row in times) for place in (1, 2)]
    error = squared_error(weight, fitted)
    errors = [error / squared_error(weight, as_fixed(rival).fit(weight)) for rival in rivals]
    return Figures(case, ours_ms, tuple(sklearn_ms), tuple(speedup), tuple(errors))


def as_fixed(rival: KMeans) -> Fixed:
    return Fixed(tuple(sorted(map(float, rival.cluster_centers_[:, 0]))))


def method_of(case: Case) -> Literal["auto", "exact", "kmeans"]:
    return "kmeans" if case.start == "cold k-means++" else "exact" if case.start == "cold exact" else "auto"


def squared_error(weight: torch.Tensor, fitted: CodebookWeight) -> float:
    return float((weight - fitted.decode()).square().sum(dtype=torch.float64))


def as_markdown(figures: Sequence[Figures], settings: dict[str, object]) -> str:
    lines = [
        "# The C step against scikit-learn's KMeans",
        "",
        *(f"* {name}: {value}" for name, value in settings.items()),
        "",
        "Times are medians in milliseconds, of codebook and indices together; a speed-up is the median of the rounds'",
        "ratios. An error is ours over scikit-learn's: up to 1 is no worse. scikit-learn once until nothing changes",
        "(tolerance 0), once with its own tolerance. How: the head of bench/c_step.py.",
        "",
        "| weights | entries | start | ours | tolerance 0 | speed-up | error | its own | speed-up | error |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(as_row(figure) for figure in figures),
        "",
    ]
    return "\n".join(lines)


def as_row(figures: Figures) -> str:
    case = figures.case
    cells = [f"{case.weights:,}", str(case.entries), case.start, f"{figures.ours_ms:.1f}"]
    for theirs_ms, speedup, error in zip(figures.sklearn_ms, figures.speedup, figures.error_ratio, strict=True):
        cells += [f"{theirs_ms:.1f}", f"**{speedup:.1f}x**", f"{error:.5f}"]
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Rounds of each case.")
@click.option("--quick", is_flag=True, help="Only two small cases.")
@click.option("--output", type=click.Path(path_type=pathlib.Path), help="Writes OUTPUT.md and OUTPUT.json too.")
def main(rounds: int, quick: bool, output: pathlib.Path | None) -> None:
    """Times the C step of a large layer against scikit-learn's KMeans."""
    torch.set_num_threads(THREADS)
    figures = []
    for case in QUICK if quick else CASES:
        figures.append(measure(case, rounds))
        print(as_row(figures[-1]), file=sys.stderr)
    versions = f"torch {torch.__version__}, numpy {np.__version__}, scikit-learn {sklearn.__version__}"
    settings = settings_of("bench/c_step.py", rounds, threads=THREADS, libraries=versions)
    publish(as_markdown(figures, settings), settings, figures, output)


if __name__ == "__main__":
    main()
