"""``qcompile learn``: trains low-bit weights by a recipe."""

import pathlib
import time
from typing import Any

import click

from qcompile.errors import QCompileError
from qcompile.extras import require_training

INTERRUPTED = 75  # sysexits.h EX_TEMPFAIL: run it again, with --resume
LAST_WORDS_SECONDS = 2.0


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
    help="A .safetensors or torch file with the trained float network, instead of training one.",
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
    Ctrl-C finishes the step in progress, saves and exits with code 75. Several processes share the training as
    `torchrun --nproc-per-node 2 -m qcompile learn RECIPE ...`.
    """
    require_training("learning")
    from qcompile.frontend.distributed import joined_team
    from qcompile.frontend.interruption import RunInterruptedError, stop_requests
    from qcompile.frontend.recipe_file import load_recipe
    from qcompile.frontend.run import learn as run_recipe

    with stop_requests() as stop, joined_team() as team:
        try:
            loaded = team.together(lambda: load_recipe(recipe, overrides))
            plan = run_recipe(loaded, data_dir, output, resume=resume, reference=reference, stop=stop)
        except RunInterruptedError as interruption:
            if team.is_first:
                click.echo(str(interruption), err=True)
            context.exit(INTERRUPTED)
        except QCompileError:
            if team.is_first:
                raise
            time.sleep(LAST_WORDS_SECONDS)  # torchrun ends the others with the first to exit
            context.exit(1)
    if team.is_first:
        _print_results(plan, output)


def _print_results(plan: dict[str, Any], output: pathlib.Path) -> None:
    for stage, error_percent in plan["test_error_percent"].items():
        loss = f"  train loss {plan['train_loss'][stage]:.5f}" if stage in plan["train_loss"] else ""
        click.echo(f"{stage:9}  test error {error_percent:.2f} %{loss}")
    if plan["method"] == "one-shot":
        click.echo(f"{output / 'supernet.safetensors'}: next, qcompile search")
    else:
        click.echo(f"{output / 'exported.onnx'}: next, qcompile compile")
