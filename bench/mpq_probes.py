"""A training of a supernet that is looked into: which codes one step changes, how gradients of widths agree."""

import math
import pathlib
import statistics
from collections.abc import Mapping
from typing import Any

import torch
from mpq_kept import as_json, kept

from qcompile.frontend.checkpoints import Checkpoint, load_newest, read_tensors, save_checkpoint
from qcompile.frontend.mixed import Span, Supernet, SupernetTraining, train_supernet_epoch
from qcompile.frontend.mixed.interference import flip_rates, gradient_agreement, weight_codes
from qcompile.frontend.one_shot_recipe import OneShotRecipe
from qcompile.frontend.run.data import load_samples, memory_format
from qcompile.frontend.run.one_shot import make_supernet, split
from qcompile.frontend.run.session import arrange
from qcompile.frontend.training import Samples
from qcompile.models import build_network

WIDTHS = (2, 3, 4, 6)  # uniform bits whose gradients are compared with the largest sub-network's
GRADIENT_IMAGES = 512  # held-out ones: no gradient was taken of them


def probe_run(recipe: OneShotRecipe, run: pathlib.Path, data_dir: pathlib.Path, count: int) -> list[dict[str, Any]]:
    """``count`` probes at even distances over a training of ``recipe`` from the float network of ``run``.

    It is a training of its own, with the settings of ``run``, which keeps no state of its way. Goes on where it
    stopped.
    """
    settings = {"recipe": repr(recipe), "count": count}
    path = pathlib.Path(f"{run}-figures", "probes.json")
    return kept(path, settings, lambda: _train_and_probe(recipe, run, data_dir, count))


def probe(training: SupernetTraining, samples: Samples, held_out: Samples, now: Span, seed: int) -> dict[str, Any]:
    """What one step changes, and how gradients agree; ``training`` is as it was then. ``now`` is the step's span.

    "flips": by layer and weight bits the share of codes that the step changed; "agreement": by uniform bits and layer
    the cosine of its gradient to that of the largest plan, and its length by that one's.
    """
    supernet, before = training.supernet, {name: each.clone() for name, each in training.save().items()}
    decision, codes = training.decision, weight_codes(training.supernet)
    share = training.settings.optimization.batch_size / len(samples.labels)
    train_supernet_epoch(training, samples, now, torch.Generator().manual_seed(seed), share=min(1.0, share))
    flips = flip_rates(codes, weight_codes(supernet))
    training.restore(before)
    training.decision = decision
    return {"progress": now.end, "flips": flips, "agreement": _agreements(supernet, held_out)}


def width_summary(probed: Mapping[str, Any], bits: int) -> dict[str, float | None]:
    """Means over the layers that have a choice: codes changed at ``bits``, cosine, and length by the largest's.

    None where no layer tells.
    """
    searched = [name for name, widths in probed["flips"].items() if len(widths) > 1]
    flips = [probed["flips"][name][str(bits)] for name in searched if str(bits) in probed["flips"][name]]
    agreed = probed["agreement"].get(str(bits), {})
    cosines = [agreed[name][0] for name in searched if agreed.get(name)]
    lengths = [agreed[name][1] for name in searched if agreed.get(name)]
    return {"flips": _mean(flips), "cosine": _mean(cosines), "length": _mean(lengths)}


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _agreements(supernet: Supernet, samples: Samples) -> dict[int, dict[str, list[float] | None]]:
    images, labels = samples.images[:GRADIENT_IMAGES], samples.labels[:GRADIENT_IMAGES]
    largest = supernet.largest()
    return {
        bits: {
            name: None if math.isnan(each.cosine) else [each.cosine, each.length_ratio]
            for name, each in gradient_agreement(supernet, supernet.uniform(bits), largest, images, labels).items()
        }
        for bits in WIDTHS
    }


def _train_and_probe(
    recipe: OneShotRecipe, run: pathlib.Path, data_dir: pathlib.Path, count: int
) -> list[dict[str, Any]]:
    torch.set_num_threads(recipe.threads)
    samples, held_out = split(load_samples(recipe, data_dir).train, recipe)
    training = _begin(recipe, run, samples)
    folder = pathlib.Path(f"{run}-figures", f"probing-{count}")
    folder.mkdir(parents=True, exist_ok=True)
    last, rows = load_newest(folder), []
    if last is not None and last.state["recipe"] == repr(recipe):
        rows = last.state["rows"]
        training.restore(last.tensors)
    batches = math.ceil(len(samples.labels) / recipe.learning.optimization.batch_size)
    step = 1 / (recipe.learning.epochs * batches)
    for place in range(len(rows), count):
        start, end = place / count, (place + 1) / count
        _train_part(training, samples, recipe, start, end)
        rows.append(as_json(probe(training, samples, held_out, Span(max(0.0, end - step), end), recipe.seed)))
        save_checkpoint(folder, Checkpoint(place + 1, {"rows": rows, "recipe": repr(recipe)}, training.save()))
        print(f"probe {place + 1} of {count}", flush=True)
    return rows


def _begin(recipe: OneShotRecipe, run: pathlib.Path, samples: Samples) -> SupernetTraining:
    """The state at the beginning, from the float network of ``run``."""
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.network)
    network.load_state_dict(read_tensors(run / "reference.safetensors"))
    arrange(network, memory_format(recipe))
    return SupernetTraining(make_supernet(network, recipe, samples), recipe.learning.settings())


def _train_part(training: SupernetTraining, samples: Samples, recipe: OneShotRecipe, start: float, end: float) -> None:
    """Trains from ``start`` to ``end`` of the run, in epochs or parts of one."""
    epochs = (end - start) * recipe.learning.epochs
    parts = math.ceil(epochs - 1e-9)
    for part in range(parts):
        span = Span(start + (end - start) * part / parts, start + (end - start) * (part + 1) / parts)
        seed = round(1e6 * span.end) + 10_000_000 * recipe.seed
        train_supernet_epoch(
            training, samples, span, torch.Generator().manual_seed(seed), share=min(1.0, epochs / parts)
        )
