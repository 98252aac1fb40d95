"""Which layers are rounded and which stay as they are: what a user chooses, and passes follow."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerChoice:
    """The layers that are to be rounded; what is left out stays float, and so do the activations between such layers.

    A layer stays float where a pattern of ``exclude`` matches its name or that of its node (* is anything); where
    there are patterns in ``include`` and none matches; where there are ``operators``, as Conv or MatMul, and its own
    is none of them. Layers whose weights are lookups or quantized already are not chosen here.
    """

    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
