"""Everything on real handwritten digits, in minutes: learn, export, compile, verify, report, bench."""

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qcompile.benchmark import bench_file
from qcompile.calibration import ArrayReader
from qcompile.comparison import Comparison, compare
from qcompile.compiler import Integers, compile_file
from qcompile.datasets import Dataset, load
from qcompile.errors import QCompileError
from qcompile.extras import require_training
from qcompile.inference import error_percent
from qcompile.kernel_choice import kernels_of
from qcompile.loading import load_model
from qcompile.report import report_file
from qcompile.verification import evaluate_in_chunks, verify_file

RECIPES = {"one-bit": "digits-lc-k2", "mixed": "digits-lc-mixed"}
INTEGERS = "integers"  # the float network of the first recipe, not learned but rounded
WEIGHT_BITS, SAMPLES, BATCH = 4, 400, 50
BENCH_ROUNDS = 11


@dataclass(frozen=True)
class DemoResult:
    """The files of one recipe and whether torch, stock onnxruntime and our kernels agree on all test images."""

    name: str
    packed: pathlib.Path
    agree: bool


def run_demo(folder: pathlib.Path) -> Iterator[str]:
    """Learns each of RECIPES into ``folder`` and yields what there is to say, section by section.

    A folder with an earlier demo is taken up where that stopped.

    Raises QCompileError if torch is missing or the backends disagree.
    """
    require_training("the demo")
    dataset = load("digits", folder)
    results: list[DemoResult] = []
    for name, recipe in RECIPES.items():
        yield f"\n== {name}: learning by recipe {recipe} =="
        plan = _learn(recipe, folder / name, folder / next(iter(RECIPES)) / "reference.safetensors")
        yield _errors_text(plan)
        packed = folder / f"{name}.onnx"
        yield f"\n== {name}: compiling to {packed} =="
        yield compile_file(folder / name / "exported.onnx", packed).as_text()
        yield from _show(name, plan, folder, dataset, results)
    yield from _show_integers(folder, dataset, results)
    yield _closing(folder, results)
    if not all(result.agree for result in results):
        raise QCompileError("torch, onnxruntime and our kernels disagree: see the lines that say FAILED")


def _learn(recipe: str, folder: pathlib.Path, reference: pathlib.Path) -> dict[str, Any]:
    """Runs the recipe; the first one trains the float network that the others start from."""
    from qcompile.frontend.recipe_file import load_recipe
    from qcompile.frontend.run import learn

    begun = (folder / "recipe.toml").exists()
    start = reference if reference.exists() and reference.parent != folder else None
    return learn(load_recipe(recipe), pathlib.Path(), folder, resume=begun, reference=start)


def _show(
    name: str, plan: dict[str, Any], folder: pathlib.Path, dataset: Dataset, results: list[DemoResult]
) -> Iterator[str]:
    packed, reference = folder / f"{name}.onnx", folder / name / "reference.onnx"
    yield f"\n== {name}: torch == stock onnxruntime == our kernels, on all {len(dataset.test_images)} test images =="
    checks = _check_all(folder / name, plan["network"], packed, dataset)
    yield "\n".join(check.as_text() for check in checks)
    results.append(DemoResult(name, packed, all(check.passed for check in checks)))
    yield f"\n== {name}: what each layer costs =="
    inputs = {load_model(packed).graph.input[0].name: dataset.test_images}
    report = report_file(packed, against=reference, kernels_of=kernels_of, inputs=inputs, run=folder / name)
    (folder / f"{name}.report.json").write_text(report.as_json() + "\n")
    (folder / f"{name}.report.html").write_text(report.as_html())
    yield report.as_text()
    yield f"test error {error_percent(packed, dataset):.2f} % (float {error_percent(reference, dataset):.2f} %)"
    yield f"\n== {name}: time of one image =="
    yield bench_file(packed, against=reference, rounds=BENCH_ROUNDS).as_text()


def _show_integers(folder: pathlib.Path, dataset: Dataset, results: list[DemoResult]) -> Iterator[str]:
    """Compiles a float network without training, activations and all, and shows that every way to run it agrees."""
    reference, packed = folder / next(iter(RECIPES)) / "reference.onnx", folder / f"{INTEGERS}.onnx"
    yield f"\n== {INTEGERS}: the float network, {WEIGHT_BITS}-bit weights and 8-bit activations, without training =="
    name = load_model(reference).graph.input[0].name
    samples = ArrayReader({name: dataset.train_images[:SAMPLES]}, BATCH)
    yield compile_file(reference, packed, integers=Integers(samples, weight_bits=WEIGHT_BITS)).as_text()
    verification = verify_file(packed, inputs={name: dataset.test_images})
    yield "\n".join(check.as_text() for check in verification.comparisons)
    results.append(DemoResult(INTEGERS, packed, verification.passed))
    yield f"test error {error_percent(packed, dataset):.2f} % (float {error_percent(reference, dataset):.2f} %)"
    yield bench_file(packed, against=reference, rounds=BENCH_ROUNDS).as_text()


def _check_all(run: pathlib.Path, network: str, packed: pathlib.Path, dataset: Dataset) -> list[Comparison]:
    from qcompile.frontend.run_outputs import torch_outputs

    images = dataset.test_images
    model = load_model(packed)
    feeds = {model.graph.input[0].name: images}
    wanted = evaluate_in_chunks(model, feeds)
    by_torch = compare("torch, decoded weights", [torch_outputs(run, network, images)], wanted)
    return [by_torch, *verify_file(packed, inputs=feeds).comparisons]


def _errors_text(plan: dict[str, Any]) -> str:
    errors = plan["test_error_percent"]
    return (
        f"test error: float {errors['reference']:.2f} %, compressed directly {errors['direct']:.2f} %, "
        f"learned {errors['learned']:.2f} %"
    )


def _closing(folder: pathlib.Path, results: list[DemoResult]) -> str:
    files = ", ".join(result.packed.name for result in results)
    verdict = "everything agrees" if all(result.agree for result in results) else "SOMETHING DISAGREES"
    return (
        f"\n{verdict}. In {folder}: {files}, reports of the learned ones (.report.html, .json) and run folders.\n"
        f"Next: qcompile report {results[0].packed}    qcompile verify {results[0].packed}    qcompile doctor"
    )
