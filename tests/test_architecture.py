"""Data flows one way: a part may import only the parts listed with it. docs/architecture.md says it in words."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
BASE = {"decode_ops", "errors", "files", "gather_ops", "integer_ops", "ops", "packing", "sparse_ops", "text", "tiles"}
CORE = BASE | {"__init__", "packed_model", "bounded", "integer_reference", "integer_bounds", "reference", "comparison"}
CORE |= {"json_text", "loading"}
ALLOWED = {
    "__init__": {"onnxruntime_names"},
    "errors": set(),
    "extras": {"errors"},
    "files": {"errors"},
    "json_text": set(),
    "text": set(),
    "packing": {"errors"},
    "ops": {"errors", "packing"},
    "sparse_ops": {"errors", "integer_ops", "ops"},
    "decode_ops": {"errors", "ops"},
    "gather_ops": {"errors", "ops"},
    "gather_function": {"gather_ops", "ops"},
    "bfloat16_ops": {"__init__", "errors", "ops"},
    "bfloat16_bounds": {"bfloat16_ops", "bounded"},
    "packed_bounds": {"__init__", "bfloat16_bounds", "bounded", "decode_ops", "gather_ops", "ops", "sparse_ops"},
    "tiles": {"errors"},
    "places": {"errors"},
    "integer_ops": {"errors", "ops", "tiles"},
    "integer_product": {"errors", "integer_ops"},
    "integer_decoding": {"ops"},
    "dynamic_ops": {"__init__", "integer_ops"},
    "dynamic_function": {"integer_decoding", "integer_ops", "ops"},
    "dynamic_bounds": {"__init__", "bounded", "dynamic_ops", "integer_ops"},
    "integer_product_functions": set(),
    "row_ops": {"integer_ops"},
    "row_functions": {"__init__", "ops", "row_ops"},
    "row_bounds": {"__init__", "bounded", "row_ops"},
    "integer_functions": {
        *("__init__", "dynamic_function", "integer_decoding", "integer_ops", "integer_product"),
        *("integer_product_functions", "ops"),
    },
    "integer_reference": {"__init__", "dynamic_ops", "integer_ops", "integer_product", "row_ops"},
    "integer_product_bounds": {"bounded", "integer_ops", "integer_product"},
    "integer_bounds": {
        *("__init__", "bounded", "dynamic_bounds", "integer_ops", "integer_product", "integer_product_bounds"),
        *("integer_reference", "ops", "row_bounds", "row_ops"),
    },
    "functions": {
        "decode_ops",
        "errors",
        "gather_function",
        "integer_decoding",
        "integer_functions",
        "integer_ops",
        "ops",
        "row_functions",
        "sparse_ops",
    },
    "bit_plan": {"errors"},
    "layer_choice": set(),
    "codebooks": {"errors"},
    "latency_table": {"bit_plan", "layer_times", "loading", "ops", "runtime", "search"},
    "search": {"bit_plan", "errors", "tiles"},
    "idx": {"errors"},
    "cifar": {"errors"},
    "image_decoding": {"errors"},
    "image_files": {"image_decoding"},
    "image_folders": {"errors"},
    "datasets": {"cifar", "errors", "idx", "image_decoding", "image_files", "image_folders"},
    "models": {"errors"},
    "frontend": BASE
    | {"__init__", "bit_plan", "codebooks", "datasets", "drawing", "image_decoding", "image_files", "models", "search"}
    | {"compile_result", "compiler", "float_weights", "integers", "layer_choice"},
    "passes": BASE
    | {"bfloat16_ops", "calibration", "codebooks", "functions", "integer_product", "layer_choice"}
    | {"model_checker", "places", "row_ops"},
    "rounding": {"calibration", "codebooks", "errors", "passes", "text"},
    "loading": {
        *("errors", "external_data", "file_tensor", "model_checker", "normalizing", "proto_tensors", "raw_data"),
        "supported",
    },
    "external_data": {"errors"},
    "file_tensor": {"errors"},
    "proto_tensors": set(),
    "raw_data": set(),
    "supported": {"errors", "normalizing"},
    "model_checker": {"errors"},
    "normalizing": set(),
    "compile_result": {"decode_ops", "integer_ops", "integer_product", "passes", "rounding", "text"},
    "integers": {"calibration", "rounding"},
    "float_weights": {"calibration", "codebooks", "rounding"},
    "float_compiling": {
        *("calibration", "codebooks", "float_weights", "integer_compiling", "layer_choice", "passes", "rounding"),
    },
    "integer_compiling": {
        *("calibration", "compile_result", "errors", "functions", "integers", "layer_choice", "passes", "rounding"),
    },
    "compiler": BASE
    | {"__init__", "calibration", "compile_result", "float_compiling", "float_weights", "integer_compiling"}
    | {"integer_product", "integers", "layer_choice", "loading", "passes", "places", "rounding", "supported", "trial"},
    "onnxruntime_names": {
        *("calibration", "compile_result", "compiler", "errors", "integers", "layer_choice"),
    },
    "allocation": {
        *("bit_plan", "calibration", "codebooks", "compiler", "errors", "inference", "integer_compiling", "integers"),
        *("latency_table", "layer_choice", "loading", "packed_model", "passes", "rounding", "runtime", "search"),
    },
    "trial": {"errors", "inference", "normalizing", "ops", "random_inputs", "runtime"},
    "runtime": {"__init__", "errors"},
    "packed_model": {
        *("__init__", "bfloat16_ops", "decode_ops", "errors", "gather_ops", "integer_ops", "integer_product"),
        *("ops", "row_ops", "sparse_ops"),
    },
    "bounded": set(),
    "reference": {
        *(
            "__init__",
            "bfloat16_ops",
            "bounded",
            "decode_ops",
            "errors",
            "gather_ops",
            "integer_bounds",
            "integer_reference",
        ),
        *("ops", "packed_bounds", "row_bounds", "sparse_ops"),
    },
    "comparison": {"bounded"},
    "weight_error": {"errors", "loading", "packed_model"},
    "stored_operands": {"packed_model"},
    "tensor_shapes": {"functions", "integer_ops", "ops"},
    "peak_memory": {"__init__", "errors", "runtime"},
    "drawing": {"text"},
    "report": {
        *(
            "benchmark",
            "bit_plan",
            "debugging",
            "decode_ops",
            "drawing",
            "errors",
            "gather_ops",
            "json_text",
            "layer_times",
        ),
        *("loading", "packed_model", "peak_memory", "places", "random_inputs", "runtime", "search"),
        *("stored_operands", "tensor_shapes", "text", "weight_error"),
    },
    "verification": CORE | {"runtime"},
    "debugging": {
        *("calibration", "errors", "integer_product", "json_text", "loading", "ops", "packed_model", "places"),
        *("sparse_ops", "stored_operands", "text", "tiles"),
    },
    "random_inputs": {"errors"},
    "multiply_adds": {"decode_ops", "gather_ops", "sparse_ops"},
    "kernel_choice": {
        *("__init__", "bfloat16_ops", "errors", "integer_ops", "ops", "runtime", "sparse_ops", "tensor_shapes"),
    },
    "layer_times": {"errors", "kernel_choice", "loading", "multiply_adds", "ops", "runtime"},
    "benchmark": CORE | {"layer_times", "random_inputs", "runtime"},
    "inference": BASE | {"datasets", "runtime"},
    "calibration": BASE | {"inference", "runtime"},
    "diagnosis": {"__init__", "errors", "json_text", "runtime"},
}
TORCH = {"torch", "onnxscript", "safetensors", "sklearn"}
FILES_OVER_300_LINES: set[str] = set()


def part_of(path: pathlib.Path) -> str:
    relative = path.relative_to(ROOT)
    parts = relative.parts if relative.parts[0] in ("passes", "models") else relative.parts[1:]
    return parts[0].removesuffix(".py")


def sources() -> list[pathlib.Path]:
    folders = (ROOT / "qcompile", ROOT / "passes", ROOT / "models")
    found = [path for folder in folders for path in folder.rglob("*.py")]
    links = (ROOT / "qcompile" / "passes", ROOT / "qcompile" / "models")
    return [path for path in found if not any(path.is_relative_to(link) for link in links)]


def imported_modules(path: pathlib.Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "qcompile":
            names |= {f"qcompile.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def imported_parts(path: pathlib.Path) -> set[str]:
    known = {part_of(source) for source in sources()}
    parts = {name.split(".")[1] for name in imported_modules(path) if name.startswith("qcompile.")}
    return {part if part in known else "__init__" for part in parts}


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_only_what_comes_before_it(part):
    paths = [path for path in sources() if part_of(path) == part]
    assert paths, f"{part} is gone: take it out of ALLOWED"
    for path in paths:
        assert imported_parts(path) <= ALLOWED[part] | {part}, path


def test_every_part_is_listed():
    assert {part_of(path) for path in sources()} - set(ALLOWED) == {"__main__", "cli", "demo"}, (
        "these may import everything"
    )


def test_nothing_imports_the_command_line():
    for path in sources():
        if part_of(path) not in ("__main__", "cli"):
            assert "cli" not in imported_parts(path), path


def test_torch_stays_in_the_frontend_and_the_models():
    for path in sources():
        if part_of(path) not in ("frontend", "models", "datasets"):
            assert not {name.split(".")[0] for name in imported_modules(path)} & TORCH, path


def test_commands_import_heavy_things_inside_the_function():
    heavy = {"qcompile.frontend", "qcompile.compiler", "qcompile.runtime", "onnxruntime", "torch", "onnx"}
    for path in (ROOT / "qcompile" / "cli").glob("*.py"):
        assert not imported_modules(path, top_level_only=True) & heavy, path


def test_no_file_grows_over_300_lines():
    long = {str(p.relative_to(ROOT)) for p in sources() if len(p.read_text().splitlines()) > 300}
    assert long == FILES_OVER_300_LINES
