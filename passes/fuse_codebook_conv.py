"""Conv(x, lookup, bias)  ->  qcompile.CodebookConv(x, indices, codebook, absent, bias).

As FuseCodebookMatMul, for convolutions of one or two axes. Attributes are written out, so that a reader of the
packed file needs no defaults.
"""

import onnx_ir as ir

from qcompile.errors import ModelError
from qcompile.ops import CODEBOOK_CONV
from qcompile.passes._fuse import check_none_is_left, fuse_candidates
from qcompile.passes._layer import Layer, make_layer, read_bias
from qcompile.passes._match import LeftAloneError, find_source, is_standard
from qcompile.passes._weight import read_weight

LARGEST = 2**31 - 1  # of an attribute: the kernels count in 32 bits


class FuseCodebookConv(ir.passes.InPlacePass):
    """Fuses the lookup of a codebook weight into the Conv that reads it.

    Requires: a model that the ONNX checker accepts; the shape of x where auto_pad is SAME_UPPER or SAME_LOWER.
    Ensures: no Conv that could be fused is left.
    Leaves alone: a kernel of three or more axes, a bias that is not constant, auto_pad SAME_* where a size is not
    known or with dilations, codebooks or factors that do not follow the output
    channels; subgraphs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Fuses all that ``read_layer`` accepts."""
        return ir.passes.PassResult(model, modified=fuse_candidates(model, is_candidate, read_layer))

    def ensures(self, model: ir.Model) -> None:
        """Raises PostconditionError if a Conv could still be fused."""
        check_none_is_left(model, is_candidate, read_layer)


def is_candidate(node: ir.Node) -> bool:
    """Whether ``node`` is a Conv with a codebook weight."""
    return is_standard(node, "Conv") and find_source(node.inputs[1]) is not None


def read_layer(node: ir.Node) -> Layer:
    """What the candidate ``node`` computes.

    Raises LeftAloneError where the operator cannot express it.
    """
    x, source = node.inputs[0], node.inputs[1]
    assert x is not None
    assert source is not None  # the checker lets no such Conv pass
    weight = read_weight(source)
    outputs, kernel = weight.entries.shape[0], weight.entries.shape[2:]
    if len(kernel) not in (1, 2):
        raise LeftAloneError(f"its kernel has {len(kernel)} axes, not 1 or 2")
    bias_source = node.inputs[2] if len(node.inputs) == 3 else None
    return make_layer(
        CODEBOOK_CONV,
        x,
        source,
        weight,
        bias=read_bias(bias_source, outputs, ((outputs,),)),
        bias_source=bias_source,
        attributes=convolution_attributes(node, x, kernel, outputs),
    )


def convolution_attributes(
    node: ir.Node, x: ir.Value, kernel: tuple[int, ...], outputs: int
) -> dict[str, int | tuple[int, ...]]:
    """The attributes of the Conv ``node`` with ``kernel`` and ``outputs``, every one written out.

    Raises LeftAloneError where a size that is not known, or no operator of ours, could say them; ModelError where they
    do not fit.
    """
    axes, given = len(kernel), node.attributes
    strides = tuple(given.get_ints("strides", (1,) * axes))
    dilations = tuple(given.get_ints("dilations", (1,) * axes))
    group = given.get_int("group", 1)
    taps = tuple(given.get_ints("kernel_shape", kernel))
    if (taps, len(strides), len(dilations)) != (kernel, axes, axes) or min(*strides, *dilations, group) < 1:
        raise ModelError(
            f"{node.name}: strides {list(strides)}, dilations {list(dilations)}, kernel_shape {list(taps)} or group "
            f"{group} do not fit the kernel {list(kernel)}"
        )
    pads = _pads(node, x, kernel, strides, dilations)
    if outputs % group or len(pads) != 2 * axes:
        raise ModelError(f"{node.name}: group {group} or pads {pads} do not fit {outputs} outputs of {axes} axes")
    if max(*strides, *dilations, *pads, group) > LARGEST:
        raise LeftAloneError(
            f"strides {list(strides)}, dilations {list(dilations)} or pads {list(pads)} exceed {LARGEST}"
        )
    if min(pads) < 0:
        raise LeftAloneError(f"pads are {list(pads)}: negative ones cut the input")
    return {"strides": strides, "pads": pads, "dilations": dilations, "group": group}


def _pads(
    node: ir.Node, x: ir.Value, kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> tuple[int, ...]:
    """The begins, then the ends, that ``pads`` or ``auto_pad`` means."""
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    if mode == "NOTSET":
        return tuple(node.attributes.get_ints("pads", (0,) * 2 * len(kernel)))
    if mode == "VALID":
        return (0,) * 2 * len(kernel)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise ModelError(f"{node.name}: there is no auto_pad {mode!r}")
    if max(dilations) > 1:  # runtimes do not agree on it: onnxruntime refuses it
        raise LeftAloneError(f"auto_pad is {mode} with dilations {list(dilations)}. Write the pads out")
    sizes = [] if x.shape is None else [size for size in x.shape.dims[2:] if isinstance(size, int)]
    if len(sizes) != len(kernel):
        raise LeftAloneError(f"auto_pad is {mode} and the size of its input is not known")
    totals = [
        max(0, (-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1 - size)
        for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    ]
    smaller, larger = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    return (*smaller, *larger) if mode == "SAME_UPPER" else (*larger, *smaller)
