"""`qcompile report`: what each layer of a packed file costs and loses, as text, JSON or a page."""

import pathlib
from typing import TYPE_CHECKING

import click

from qcompile.cli.options import (
    EXISTING,
    TO_FILE,
    against_option,
    inputs_option,
    json_option,
    read_inputs,
    threads_option,
)
from qcompile.files import write_result
from qcompile.text import printable

if TYPE_CHECKING:
    from qcompile.report import Report, Reports

# "\b": click leaves the lines as they are.
EXAMPLES = """\b
qcompile report packed.onnx --against float.onnx --inputs x.npz --html page.html
qcompile report small.onnx large.onnx --time --html both.html
"""
SECONDS = 0.6  # that a file is timed for, and the float one, and its layers


@click.command(epilog=EXAMPLES)
@click.argument("packed", type=EXISTING, nargs=-1, required=True)
@against_option()
@inputs_option()
@click.option("--time", "timed", is_flag=True, help="Measure latency, memory, and each layer's share of the time.")
@threads_option()
@click.option(
    "--plans",
    type=click.Path(exists=True, path_type=pathlib.Path),
    help="The folder that search wrote, or a plan: shows sensitivities, the trade, and which plan PACKED follows.",
)
@click.option(
    "--run",
    type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path),
    help="The folder of a run of learn: shows how the learning went.",
)
@click.option("--html", type=TO_FILE, help="Write the report as a page, one file that needs no network.")
@json_option()
def report(
    packed: tuple[pathlib.Path, ...],
    against: pathlib.Path | None,
    inputs: pathlib.Path | None,
    timed: bool,
    threads: int,
    plans: pathlib.Path | None,
    run: pathlib.Path | None,
    html: pathlib.Path | None,
    as_json: bool,
) -> None:
    """Prints for each layer of PACKED its bits, entries, bytes in the file and kernel, and the totals.

    Everything is counted in the file itself; the kernel is the one that this machine runs for one sample. The worst
    layer comes first: with --against FLOAT that whose weights lose most, with --inputs as well that which itself loses
    most. Several files are set side by side, layers matched by name.
    """
    if inputs is not None and against is None:
        raise click.UsageError("--inputs needs the float model to compare with: --against FLOAT.onnx")
    if len(packed) > 1 and (plans is not None or run is not None):
        raise click.UsageError("--plans and --run tell of one file: name one")
    from qcompile.kernel_choice import kernels_of
    from qcompile.report import Reports, report_file

    feeds = read_inputs(inputs)
    reports = tuple(
        report_file(
            path,
            against=against,
            kernels_of=kernels_of,
            inputs=feeds,
            seconds=SECONDS if timed else None,
            threads=threads,
            plans=plans,
            run=run,
        )
        for path in packed
    )
    result = reports[0] if len(reports) == 1 else Reports(reports)
    click.echo(result.as_json() if as_json else result.as_text())
    if html is not None:
        _write_page(html, result)
        click.echo(f"the page: {printable(str(html))}", err=True)


def _write_page(path: pathlib.Path, result: "Report | Reports") -> None:
    write_result(path, result.as_html().encode())
