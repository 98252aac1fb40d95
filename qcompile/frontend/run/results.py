"""The last stage of a run: measures what was learned, exports it, writes the plan."""

from typing import Any

import torch

from qcompile.frontend.codebook_weight import CodebookWeight
from qcompile.frontend.export import export_onnx
from qcompile.frontend.plan import SCHEMA_VERSION, describe_layers
from qcompile.frontend.run.measuring import measure_alone
from qcompile.frontend.run.session import CodebookSession, arrange
from qcompile.frontend.tables import as_table


def finish(session: CodebookSession, weights: dict[str, CodebookWeight]) -> dict[str, Any]:
    """Writes the results of a network that holds the decoded ``weights``, and gives the plan.

    The network of the first process, which does it for all, holds the reference then.
    """
    return session.team.on_first(lambda: _finish(session, weights))


def _finish(session: CodebookSession, weights: dict[str, CodebookWeight]) -> dict[str, Any]:
    arrange(session.network, torch.contiguous_format)
    plan = _plan(session, weights, measure_alone(session))
    tensors = dict(session.network.state_dict())
    for name, weight in weights.items():
        tensors |= weight.to_tensors(name)
    session.folder.write_tensors("learned.safetensors", tensors)
    example = (torch.zeros(2, *session.network.input_shape),)
    with session.folder.writing("exported.onnx") as path:
        export_onnx(session.network, weights, example, path, plan=plan)
    session.load_network(session.read_reference())
    with session.folder.writing("reference.onnx") as path:
        export_onnx(session.network, {}, example, path)
    session.folder.write_plan(plan)
    return plan


def _plan(session: CodebookSession, weights: dict[str, CodebookWeight], learned: dict[str, float]) -> dict[str, Any]:
    recipe, state = session.recipe, session.state
    measured = {"reference": state["reference"], "direct": state["direct"], "learned": learned}
    return {
        "schema_version": SCHEMA_VERSION,
        "network": recipe.network,
        "data": recipe.data,
        "method": recipe.method,
        "test_error_percent": {stage: each["test_error_percent"] for stage, each in measured.items()},
        "train_loss": {stage: each["train_loss"] for stage, each in measured.items()},
        "iterations": sum(each["stage"] == "learning" for each in state["metrics"]),
        "advice": [each["advice"] for each in state["metrics"] if each.get("advice")],
        "layers": describe_layers(session.network, session.codebooks, weights, recipe.method),
        "recipe": as_table(recipe),
    }
