"""A plan compiled to a file, and whether all ways to run it predict the same, counted over all test images."""

import pathlib
from typing import Any

import numpy as np
import torch
from mpq_kept import kept
from mpq_run import Opened, outputs, plan_as_json

from qcompile import runtime
from qcompile.bit_plan import BitPlan
from qcompile.compiler import compile_file
from qcompile.frontend.one_shot_run import export_plan

BATCH = 500
EXPORTED, EXACT, PACKED, KERNELS = "exported, stock", "exported, biases kept", "packed, stock", "packed, kernels"
# onnxruntime rounds biases beside quantized weights to whole multiples of both steps: at few bits these are long.
ROUNDS_BIASES = "WeightBiasQuantization"


def compile_plan(opened: Opened, plan: BitPlan, name: str) -> tuple[pathlib.Path, pathlib.Path]:
    """The exported and the packed file of ``plan``, written now; the supernet holds the plan then."""
    folder = opened.folder / "files"
    folder.mkdir(parents=True, exist_ok=True)
    exported, packed = folder / f"{name}-exported.onnx", folder / f"{name}.onnx"
    export_plan(opened.run, plan, exported)
    compile_file(exported, packed)
    return exported, packed


def compile_and_check(opened: Opened, plan: BitPlan, name: str) -> dict[str, Any]:
    """Bytes of the file of ``plan``, and how each way to run it predicts; kept as the other figures."""
    settings = {"supernet": opened.identity, "plan": plan_as_json(plan)}
    return kept(opened.folder / "files" / f"{name}.json", settings, lambda: _check(opened, plan, name))


def _check(opened: Opened, plan: BitPlan, name: str) -> dict[str, Any]:
    exported, packed = compile_plan(opened, plan, name)
    test = opened.run.test
    logits = outputs(opened.run.supernet, test.images).numpy()
    images = np.ascontiguousarray(test.images.numpy())
    found = {
        EXPORTED: _run(exported, images, library=False),
        EXACT: _run(exported, images, library=False, disabled_optimizers=[ROUNDS_BIASES]),
        PACKED: _run(packed, images, library=False),
        KERNELS: _run(packed, images, library=True),
    }
    return {
        "file_bytes": packed.stat().st_size,
        "exported_bytes": exported.stat().st_size,
        "images": len(images),
        "torch_accuracy": accuracy(logits.argmax(axis=1), test.labels),
        "ways": {way: _compare(logits, each, test.labels) for way, each in found.items()},
    }


def accuracy(found: np.ndarray, labels: torch.Tensor) -> float:
    """Percent of the labels that were found."""
    return 100 * float((found == labels.numpy()).mean())


def margin(logits: np.ndarray) -> np.ndarray:
    """How far the largest logit of each row is above the second one."""
    ordered = np.sort(logits, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def _compare(wanted: np.ndarray, found: np.ndarray, labels: torch.Tensor) -> dict[str, Any]:
    """``widest_margin``: of the images that are predicted otherwise, the most that torch was sure of one."""
    other = found.argmax(axis=1) != wanted.argmax(axis=1)
    return {
        "other_predictions": int(other.sum()),
        "largest_difference": float(np.abs(found - wanted).max()),
        "widest_margin": float(margin(wanted)[other].max()) if other.any() else 0.0,
        "median_margin": float(np.median(margin(wanted))),
        "accuracy": accuracy(found.argmax(axis=1), labels),
    }


def _run(path: pathlib.Path, images: np.ndarray, *, library: bool, **session_arguments: Any) -> np.ndarray:
    session = runtime.session(path, threads=torch.get_num_threads(), library=library, **session_arguments)
    parts = np.split(images, range(BATCH, len(images), BATCH))
    return np.concatenate([session.run(None, {"input": part})[0] for part in parts])
