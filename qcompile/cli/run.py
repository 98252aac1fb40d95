"""`qcompile run`: the outputs of a model for given inputs."""

import pathlib

import click

from qcompile.cli.options import FOLDER, TO_FILE, inputs_option, packed_argument, read_inputs, threads_option


@click.command()
@packed_argument()
@inputs_option()
@click.option("-o", "--output", type=TO_FILE, help="Where to write the outputs, an .npz.")
@click.option(
    "--data", help="Instead of --inputs: measure the test error on this data set (cifar10, digits, imagenet, mnist)."
)
@click.option("--data-dir", type=FOLDER, help="Where the data sets lie.")
@threads_option()
@click.option("--stock", is_flag=True, help="Run without our library, on the file's portable function bodies.")
def run(
    packed: pathlib.Path,
    inputs: pathlib.Path | None,
    output: pathlib.Path | None,
    data: str | None,
    data_dir: pathlib.Path | None,
    threads: int,
    stock: bool,
) -> None:
    """Runs PACKED (or any ONNX file) on inputs, or measures its test error on a data set."""
    if (inputs is None) == (data is None):
        raise click.UsageError("give either --inputs FILE.npz or --data NAME")
    from qcompile.datasets import load_any
    from qcompile.image_decoding import ImageView
    from qcompile.inference import error_percent, run_file

    if data is not None:
        dataset = load_any(data, data_dir or pathlib.Path(), ImageView())
        error = error_percent(packed, dataset, threads=threads, library=not stock)
        click.echo(f"{packed}: test error {error:.2f} % on {data}")
        return
    feeds = read_inputs(inputs)
    assert feeds is not None
    for line in run_file(packed, feeds, output, threads=threads, library=not stock):
        click.echo(line)
