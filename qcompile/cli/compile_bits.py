"""`qcompile compile` where bits differ from layer to layer: found for a budget, by patterns, or of a plan."""

import pathlib
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from qcompile.cli.compile_options import CompileOptions
from qcompile.cli.options import read_text
from qcompile.errors import DataError
from qcompile.extras import require_training
from qcompile.files import write_result

if TYPE_CHECKING:
    from qcompile.allocation import AllocationResult
    from qcompile.compile_result import CompileResult
    from qcompile.integers import Integers
    from qcompile.layer_choice import LayerChoice


def compile_for_budget(options: CompileOptions, integers: "Integers") -> str:
    """Finds the bits of layers, writes them and the packed file; what there is to tell."""
    from qcompile.allocation import Choice, allocate_bits, read_target, verify_plan
    from qcompile.search import read_latencies

    assert options.budget is not None
    target = read_target(options.budget)
    table = None if options.latencies is None else read_latencies(read_text(options.latencies), str(options.latencies))
    fixed = bits_of_patterns(options)
    layers = layer_choice(options)
    choice = Choice(widths=read_widths(options.widths), fixed=fixed, latencies=table, layers=layers)
    found = allocate_bits(options.exported, integers, target, choice, lambda text: click.echo(text, err=True))
    compiled, path = _compile_found(options, found)
    verified = verify_plan(options.exported, options.output, found)
    told = [found.as_text(), verified.as_text()]
    if verified.prefers_uniform:
        compiled, path = _compile_found(options, found.with_plan(verified.uniform.plan))
    return "\n".join([compiled.as_text(), *told, f"the plan: {path}"])


def _compile_found(options: CompileOptions, found: "AllocationResult") -> "tuple[CompileResult, pathlib.Path]":
    """Writes the plan that was ``found`` and the model compiled at it; what compiling did, and the plan's file."""
    from qcompile.compiler import compile_file

    path, integers = _write_plan(options, found), found.integers()
    compiled = compile_file(
        options.exported, options.output, functions=options.functions, integers=integers, layers=found.layers
    )
    return compiled, path


def compile_run(options: CompileOptions) -> str:
    """Compiles the network of a one-shot run at the bits of a plan; what there is to tell."""
    require_training("compiling a plan")
    from qcompile.bit_plan import read_plan
    from qcompile.compiler import compile_file
    from qcompile.frontend.one_shot_run import export_plan, open_run

    assert options.plan is not None
    bits = read_plan(read_text(options.plan), str(options.plan))
    with tempfile.TemporaryDirectory() as folder:
        exported = pathlib.Path(folder, "exported.onnx")
        described = export_plan(open_run(options.exported, options.data_dir or pathlib.Path()), bits, exported)
        compiled = compile_file(exported, options.output, functions=options.functions)
    return f"{compiled.as_text()}\ntest error {described['test_error_percent']['learned']:.2f} %"


def with_bits(options: CompileOptions, integers: "Integers") -> "Integers":
    """``integers`` with the bits that a plan or patterns give."""
    if options.plan is not None:
        return _with_plan(options, options.plan, integers)
    if not options.layer_bits:
        return integers
    from qcompile.allocation import layer_names_of

    names = layer_names_of(options.exported, layer_choice(options))
    return replace(integers, weight_bits=dict.fromkeys(names, options.bits) | bits_of_patterns(options))


def bits_of_patterns(options: CompileOptions) -> dict[str, int]:
    """The bits of those layers that a pattern matches."""
    from qcompile.allocation import bits_by_pattern, layer_names_of, read_patterns

    patterns = read_patterns(options.layer_bits)
    return bits_by_pattern(patterns, layer_names_of(options.exported, layer_choice(options))) if patterns else {}


def layer_choice(options: CompileOptions) -> "LayerChoice | None":
    """Which layers are to be rounded; None where a user chose none."""
    from qcompile.layer_choice import LayerChoice

    operators = tuple(part.strip() for part in options.op_types_to_quantize.split(",") if part.strip())
    found = LayerChoice(options.nodes_to_exclude, options.nodes_to_quantize, operators)
    return None if found == LayerChoice() else found


def read_widths(text: str) -> tuple[int, ...]:
    """The widths that ``text`` says, ascending. Raises DataError unless they are numbers from 1 to 8, each once."""
    parts = [part.strip() for part in text.split(",")]
    if len(set(parts)) != len(parts) or not all(len(part) == 1 and part in "12345678" for part in parts):
        raise DataError(f'--widths "{text}": wanted numbers from 1 to 8 with commas between, such as 2,3,4,8')
    return tuple(sorted(map(int, parts)))


def _with_plan(options: CompileOptions, path: pathlib.Path, integers: "Integers") -> "Integers":
    from qcompile.bit_plan import read_plan

    plan = read_plan(read_text(path), str(path))
    activations = sorted({bits.activation for bits in plan.values()})
    if len(activations) > 1:
        raise DataError(f"{path}: activations of {activations} bits; a model that no run made has one width for all")
    excluded = _excluded(options)
    weights = {name: bits.weight for name, bits in plan.items() if name not in excluded}
    return replace(integers, weight_bits=weights, activation_bits=activations[0])


def _excluded(options: CompileOptions) -> set[str]:
    """The layers that a plan may name and that options leave float all the same."""
    from qcompile.allocation import layer_names_of

    layers = layer_choice(options)
    if layers is None:
        return set()
    return set(layer_names_of(options.exported)) - set(layer_names_of(options.exported, layers))


def _write_plan(options: CompileOptions, found: "AllocationResult") -> pathlib.Path:
    """The file that the plan was written to."""
    from qcompile.bit_plan import write_plan

    path = options.plan_output or options.output.with_name(f"{options.output.name}.plan.json")
    write_result(path, write_plan(found.plan, found.notes()).encode())
    return path
