"""How float weights are rounded when there are sample inputs: so that what the layers give changes least."""

from qcompile.rounding.codebook_network import CodebooksToOutputs
from qcompile.rounding.methods import Plain, RoundedLayer, Rounding, SecondOrder
from qcompile.rounding.network import RoundToOutputs
from qcompile.rounding.summary import summarize

__all__ = ["CodebooksToOutputs", "Plain", "RoundToOutputs", "RoundedLayer", "Rounding", "SecondOrder", "summarize"]
