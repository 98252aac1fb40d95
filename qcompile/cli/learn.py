"""``qcompile learn``: trains low-bit weights by a recipe."""

import pathlib

import click

from qcompile.extras import require_training

INTERRUPTED = 75  # sysexits.h EX_TEMPFAIL: run it again, with --resume


@click.command()
@click.argument("recipe")
@click.option(
    "--data-dir",
    type=click.Path(path_type=pathlib.Path),
    default=pathlib.Path(),
    help='Where the data sets lie; "digits" needs none.',
)
@click.option("-o", "--output", type=click.Path(path_type=pathlib.Path), required=True, help="The folder of the run.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Overrides a key of the recipe, in TOML.")
@click.option("--resume", is_flag=True, help="Continue the run in the folder.")
@click.option(
    "--reference",
    type=click.Path(path_type=pathlib.Path),
    help="A safetensors file with the trained float network, instead of training one.",
)
@click.pass_context
def learn(
    context: click.Context,
    recipe: str,
    data_dir: pathlib.Path,
    output: pathlib.Path,
    overrides: tuple[str, ...],
    resume: bool,
    reference: pathlib.Path | None,
) -> None:
    """Learns low-bit weights by RECIPE, the name of one that is shipped or a .toml file.

    The folder then holds exported.onnx for `qcompile compile`, reference.onnx, plan.json and the training's record.
    Ctrl-C finishes the step in progress, saves and exits with code 75.
    """
    require_training("learning")
    from qcompile.frontend.interruption import RunInterruptedError, stop_requests
    from qcompile.frontend.recipe_file import load_recipe
    from qcompile.frontend.run import learn as run_recipe

    loaded = load_recipe(recipe, overrides)
    try:
        with stop_requests() as stop:
            plan = run_recipe(loaded, data_dir, output, resume=resume, reference=reference, stop=stop)
    except RunInterruptedError as interruption:
        click.echo(str(interruption), err=True)
        context.exit(INTERRUPTED)
    for stage, error_percent in plan["test_error_percent"].items():
        click.echo(f"{stage:9}  test error {error_percent:.2f} %  train loss {plan['train_loss'][stage]:.5f}")
    click.echo(f"{output / 'exported.onnx'}: next, qcompile compile")
