"""The linear regression of the LC papers: 28 x 28 images from their 14 x 14 reductions, weights with few values.

The weights of the regression follow the interpolation and are far from Gaussian. Both steps are exact here: the L
step is a linear system, so whatever separates the methods is the method.
"""

import argparse
import pathlib
import tempfile
from typing import Any

import numpy as np
import torch
from learned_runs import check_everywhere
from torch import nn
from torch.nn import functional as F

from qcompile.comparison import Comparison
from qcompile.compiler import compile_file
from qcompile.datasets import load
from qcompile.frontend import (
    Adaptive,
    LearningState,
    LearningStep,
    Schedule,
    compress_directly,
    export_onnx,
    iterate_direct_compression,
    learn_compressed,
)

IMAGES, NOISE, SEED = 10_000, 0.05, 1
SCHEDULE = Schedule(first_penalty=1e-5, growth=1.1, iterations=100, tolerance=1e-6)
ROUNDS = 10


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Training losses of the float regression and of what each method makes of it, for 2 and 4 entries."""
    reduced, images = _reduce(load("mnist", arguments.data_dir).train_images[:IMAGES])
    regression = Regression(reduced, images)
    rows = []
    for entries in (2, 4):
        layers = {"": Adaptive(entries)}
        float_network, direct = regression.solve(), regression.solve()
        compress_directly(direct, layers)
        learned = regression.solve()
        state = learn_compressed(learned, layers, lambda step, net=learned: regression.learn(net, step), SCHEDULE)
        checks = _check(learned, state, reduced.float(), arguments.old_python)
        rows.append(
            {
                "recipe": f"superresolution, K = {entries}",
                "entries": entries,
                "loss": {
                    "float": regression.loss(float_network),
                    "direct": regression.loss(direct),
                    "iterated-direct": regression.loss(_iterate(regression, layers)),
                    "lc": regression.loss(learned),
                },
                "distance": state.distance,
                "seed": SEED,
                "checks": [vars(check) | {"passed": check.passed} for check in checks],
            }
        )
    return rows


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The losses side by side."""
    lines = [
        "## Super-resolution of MNIST by linear regression",
        "",
        f"{IMAGES:,} training images reduced to 14 x 14 (bicubic, antialiased) with Gaussian noise of {NOISE};",
        "mean squared error of a pixel on these, times 1000, the biases solved for the weights that are deployed. iDC",
        "is DC: an exact L step forgets where it began.",
        "",
        "LC's regressions, compiled: the largest difference of a pixel to the float64 reference over its derived bound",
        "(at most 1 is right), of torch, onnxruntime with and without the kernels.",
        "",
        "| K | float | LC | iDC | DC | of its bound |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        losses = [row["loss"][method] * 1000 for method in ("float", "lc", "iterated-direct", "direct")]
        worst = max(check["worst_ratio"] for check in row["checks"])
        lines.append(f"| {row['entries']} | {' | '.join(f'{loss:.4f}' for loss in losses)} | {worst:.4f} |")
    return "\n".join(lines) + "\n"


class Regression:
    """Images [pixels] from their reductions; both are centered, so that the biases are solved along."""

    def __init__(self, reduced: torch.Tensor, images: torch.Tensor) -> None:
        self.reduced_mean, self.image_mean = reduced.mean(dim=0), images.mean(dim=0)
        centered, self.centered_images = reduced - self.reduced_mean, images - self.image_mean
        self.centered_reduced = centered
        terms = images.numel()
        self.left = 2 / terms * centered.T @ centered
        self.right = 2 / terms * self.centered_images.T @ centered

    def solve(self) -> nn.Linear:
        """The float regression."""
        network = nn.Linear(len(self.reduced_mean), len(self.image_mean))
        self._place(network, torch.linalg.solve(self.left, self.right, left=False))
        return network

    def learn(self, network: nn.Linear, step: LearningStep) -> float:
        """The L step: the weights that minimize loss + mu/2 |w - target|^2, put into ``network``."""
        target = step.targets["weight"].double()
        left = self.left + step.penalty * torch.eye(len(self.left), dtype=torch.float64)
        self._place(network, torch.linalg.solve(left, self.right + step.penalty * target, left=False))
        return self.loss(network)

    def loss(self, network: nn.Linear) -> float:
        """The mean squared error of a pixel, the best biases for the weights given."""
        difference = self.centered_reduced @ network.weight.detach().double().T - self.centered_images
        return float(difference.square().mean())

    def _place(self, network: nn.Linear, weight: torch.Tensor) -> None:
        with torch.no_grad():
            network.weight.copy_(weight)
            network.bias.copy_(self.image_mean - weight @ self.reduced_mean)


def _check(
    network: nn.Linear, state: LearningState, reduced: torch.Tensor, old_python: pathlib.Path | None
) -> list[Comparison]:
    """Compiles the learned regression and compares what every way to run it makes of all reduced images."""
    with tempfile.TemporaryDirectory() as folder:
        exported, packed = pathlib.Path(folder, "exported.onnx"), pathlib.Path(folder, "packed.onnx")
        export_onnx(network, state.weights, (reduced[:2],), exported)
        compile_file(exported, packed)
        with torch.no_grad():
            outputs = network(reduced).numpy()
        return check_everywhere(packed, outputs, reduced.numpy(), old_python)


def _iterate(regression: Regression, layers: dict[str, Adaptive]) -> nn.Linear:
    """Iterated direct compression: the exact L step forgets where it began, so every round is the first one."""
    network = regression.solve()
    solution = network.weight.detach().clone()

    def train(step: LearningStep) -> float:
        with torch.no_grad():
            network.weight.copy_(solution)
        return regression.loss(network)

    iterate_direct_compression(network, layers, train, ROUNDS)
    return network


def _reduce(images: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Reduced and original images, flat and float64."""
    originals = torch.from_numpy(images)
    reduced = F.interpolate(originals, scale_factor=0.5, mode="bicubic", antialias=True)
    noise = torch.randn(reduced.shape, generator=torch.Generator().manual_seed(SEED))
    return (reduced + NOISE * noise).flatten(1).double(), originals.flatten(1).double()
