"""model  ->  model with one function of standard operators for each operator of ours that it uses.

With it any onnxruntime from 1.17 on runs the file without our library: right, but neither small nor fast.
"""

from collections.abc import Collection

import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.functions import OLDEST_OPSET, function_bodies
from qcompile.ops import DOMAIN
from qcompile.passes._operands import own_nodes
from qcompile.passes.raise_opset import RaiseOpset, in_the_way


class AttachFunctions(ir.passes.InPlacePass):
    """Adds the bodies of the operators of ours that are in use, or of those of them in ``operators``.

    Requires: standard operators of opset 18 or later, or that mean the same there; ModelError otherwise.
    Ensures: each of these operators has a body; a lower opset is raised.
    Leaves alone: a model without them.
    """

    def __init__(self, operators: Collection[str] | None = None) -> None:
        super().__init__()
        self._operators = operators

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Adds the missing bodies, in the model's opset."""
        missing = self._missing(model)
        if missing:
            RaiseOpset(OLDEST_OPSET)(model)
        opset = model.graph.opset_imports.get("", 0)
        if missing and opset < OLDEST_OPSET:
            raise ModelError(
                f"the model's opset is {opset}, the function bodies need {OLDEST_OPSET}, and "
                f"{', '.join(in_the_way(model, OLDEST_OPSET))} may mean something else there. "
                f"Export it again with opset {OLDEST_OPSET} or later, or compile without function bodies "
                "(--no-functions): such a file runs where our library is registered."
            )
        for body in function_bodies(missing, opset) if missing else ():
            function = ir.serde.deserialize_function(body)
            model.functions[function.identifier()] = function
        return ir.passes.PassResult(model, modified=bool(missing))

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if an operator has no body."""
        if missing := self._missing(model):
            raise ir.passes.PostconditionError(f"no function body of {missing}")

    def _missing(self, model: ir.Model) -> list[str]:
        used = {node.op_type for node in own_nodes(model)}
        wanted = used if self._operators is None else used.intersection(self._operators)
        return sorted(wanted - {name for domain, name, _ in model.functions if domain == DOMAIN})
