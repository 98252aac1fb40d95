"""Graph passes: from an exported model of standard operators to a packed one. Each changes one thing."""

from collections.abc import Mapping

import onnx_ir as ir
import onnx_ir.passes.common

from qcompile.calibration import Range
from qcompile.codebooks import CodebookWeights, GridWeights
from qcompile.decode_ops import DECODE_WEIGHT
from qcompile.layer_choice import LayerChoice
from qcompile.passes.adopt_quantized_pairs import AdoptQuantizedPairs
from qcompile.passes.adopt_quantized_weights import AdoptQuantizedWeights
from qcompile.passes.attach_functions import AttachFunctions
from qcompile.passes.choose_layers import ChooseLayers
from qcompile.passes.cleanup import CleanUp
from qcompile.passes.fold_batchnorm import FoldBatchNorm
from qcompile.passes.fold_weights import FoldWeights
from qcompile.passes.fuse_codebook_conv import FuseCodebookConv
from qcompile.passes.fuse_codebook_gather import FuseCodebookGather
from qcompile.passes.fuse_codebook_matmul import FuseCodebookMatMul
from qcompile.passes.fuse_decode_weight import FuseDecodeWeight
from qcompile.passes.fuse_flattened_means import FuseFlattenedMeans
from qcompile.passes.fuse_float_residuals import FuseFloatResiduals
from qcompile.passes.fuse_integer_tables import FuseIntegerTables
from qcompile.passes.fuse_integers import FuseIntegers
from qcompile.passes.fuse_moves import FuseMoves
from qcompile.passes.fuse_pads import FusePads
from qcompile.passes.fuse_subsampling import FuseSubsampling
from qcompile.passes.infer_shapes import InferShapes
from qcompile.passes.insert_qdq import InsertQdq
from qcompile.passes.keep_places import KeepPlaces
from qcompile.passes.pack_indices import PackIndices
from qcompile.passes.quantize_dynamically import QuantizeDynamically, becomes_dynamic
from qcompile.passes.remove_nops import RemoveNops
from qcompile.passes.rewrite_einsums import RewriteEinsums
from qcompile.passes.rewrite_turned_keys import RewriteTurnedKeys
from qcompile.passes.round_stored import OTHERS, STORED, RoundStored
from qcompile.passes.round_tables import RoundTables
from qcompile.passes.round_to_bfloat16 import RoundToBfloat16
from qcompile.passes.round_to_codebooks import RoundToCodebooks
from qcompile.passes.round_weights import RoundWeights
from qcompile.passes.spread_pairs import SpreadPairs
from qcompile.passes.turn_products import TurnProducts
from qcompile.passes.verify import Verify


def weight_finding_passes(layers: LayerChoice | None = None) -> tuple[ir.passes.InPlacePass, ...]:
    """The passes from a model, exported or float, to one whose float weights are constants that layers read.

    What ``layers`` leaves float is marked there.
    """
    return (*_adopting_passes(), *_turning_passes(layers))


def fusing_passes(
    weight_bits: int | Mapping[str, int],
    rounding: ir.passes.InPlacePass | None = None,
    layers: LayerChoice | None = None,
) -> tuple[ir.passes.InPlacePass, ...]:
    """The passes from a model, exported or float, to one of fused operators, whose activations are still floats.

    Weights that are neither a codebook lookup nor quantized are rounded to ``weight_bits`` bits, of all or by layer
    name: by ``rounding``, a pass that leaves none of them, or plainly. Tables, and weights that are decoded at load,
    have no name there: they get the most bits of any layer. What ``layers`` leaves float is not rounded.
    """
    others = weight_bits if isinstance(weight_bits, int) else max(weight_bits.values(), default=8)
    return (
        *weight_finding_passes(layers),
        # Before the weights: layers are then rounded to what they read.
        RoundTables(GridWeights(others)),
        rounding or RoundWeights(weight_bits),
        RoundStored(others, STORED),
        *_fusing_passes(),
    )


def integer_passes(ranges: Mapping[str, Range], *, functions: bool = True) -> tuple[ir.passes.InPlacePass, ...]:
    """The passes from fused operators to a packed model of integer operators, with the ranges of activations."""
    return (InsertQdq(ranges), *_lowering_passes(functions))


def quantized_passes(*, functions: bool = True) -> tuple[ir.passes.InPlacePass, ...]:
    """The passes from a model that is quantized already to a packed one, integers wherever it has pairs."""
    # Spread first: what is adopted has pairs of one form, and folding drops shapes.
    return (*_adopting_passes(), SpreadPairs(), *_fusing_passes(), *_lowering_passes(functions))


def dynamic_passes(
    weight_bits: int, activation_bits: int, *, functions: bool = True, layers: LayerChoice | None = None
) -> tuple[ir.passes.InPlacePass, ...]:
    """The passes from a model, to a packed one whose matrix products round what they read row by row."""
    return (
        *weight_finding_passes(layers),
        RoundTables(GridWeights(weight_bits)),
        RoundWeights(weight_bits, becomes_dynamic),
        RoundStored(weight_bits, OTHERS),
        FuseCodebookGather(),
        FuseCodebookMatMul(),
        FuseCodebookConv(),
        FuseDecodeWeight(),
        FoldBatchNorm(),
        # After folding: it folds into float operators.
        QuantizeDynamically(activation_bits),
        *_packing_passes(functions),
    )


def pipeline(
    *,
    functions: bool = True,
    bfloat16: bool = False,
    weights: CodebookWeights | GridWeights | None = None,
    layers: LayerChoice | None = None,
    rounding: ir.passes.InPlacePass | None = None,
) -> tuple[ir.passes.InPlacePass, ...]:
    """The passes from an exported model to a packed one, in order; without ``functions`` no bodies are attached.

    With ``bfloat16`` layers multiply numbers rounded to that. Float weights stay as they are without ``weights``, and
    where ``layers`` says so; with it those of layers are rounded by ``rounding``, a pass that leaves none of them, or
    without samples.
    """
    return (
        *_adopting_passes(),
        *(_codebook_passes(weights, layers, rounding) if weights is not None else ()),
        FuseCodebookGather(),
        FuseCodebookMatMul(),
        FuseCodebookConv(),
        # After them: what they left is decoded.
        *((FuseDecodeWeight(),) if weights is not None else ()),
        # After fusing: only the fused operators have a scale and a bias to fold into.
        FoldBatchNorm(),
        # After folding, which may change entries; before packing, which leaves out those that became equal.
        *((RoundToBfloat16(),) if bfloat16 else ()),
        *_packing_passes(functions),
    )


def _adopting_passes() -> tuple[ir.passes.InPlacePass, ...]:
    return (
        # First, by the exporter's shapes: inference gives sizes names of its own where it does not see through this.
        RewriteTurnedKeys(),
        # Before all else: auto_pad needs the size of its input, folding the number of axes.
        InferShapes(),
        # After types: it removes Casts to the type that a value has. A weight is looked for right behind a layer.
        RemoveNops(),
        # After it: nothing then stands between a Pad and its convolution.
        FusePads(),
        AdoptQuantizedPairs(),
        AdoptQuantizedWeights(),
    )


def _turning_passes(layers: LayerChoice | None) -> tuple[ir.passes.InPlacePass, ...]:
    # Shapes again: new operators have none. Choosing last: what is rewritten loses its mark.
    chosen = () if layers is None else (ChooseLayers(layers),)
    return FoldWeights(), RewriteEinsums(), TurnProducts(), InferShapes(), *chosen


def _codebook_passes(
    weights: CodebookWeights | GridWeights, layers: LayerChoice | None, rounding: ir.passes.InPlacePass | None
) -> tuple[ir.passes.InPlacePass, ...]:
    return (
        *_turning_passes(layers),
        # Before the weights: layers are then rounded to what they read.
        RoundTables(weights),
        rounding or RoundToCodebooks(weights),
        RoundStored(weights.bits, STORED),
    )


def _fusing_passes() -> tuple[ir.passes.InPlacePass, ...]:
    return (
        FuseCodebookGather(),
        FuseCodebookMatMul(),
        FuseCodebookConv(),
        # After them: what they left is decoded.
        FuseDecodeWeight(),
        FoldBatchNorm(),
        # After shapes: it must know how many channels there are.
        FuseSubsampling(),
    )


def _lowering_passes(functions: bool) -> tuple[ir.passes.InPlacePass, ...]:
    return (
        FuseIntegers(),
        # After it: only then is it known who reads the codes of a layer.
        FuseIntegerTables(),
        FuseFloatResiduals(),
        FuseMoves(),
        FuseFlattenedMeans(),
        # What was left in float is packed as ever.
        *_packing_passes(functions),
    )


def _packing_passes(functions: bool) -> tuple[ir.passes.InPlacePass, ...]:
    return (
        # After fusing: nothing else may read the indices, whose width changes here.
        PackIndices(),
        # After packing: equal tensors are stored once, as a codebook that layers share.
        onnx_ir.passes.common.DeduplicateHashedInitializersPass(),
        # After all rewriting: they leave dead nodes and unread initializers behind.
        CleanUp(),
        KeepPlaces(),
        # After cleaning: only operators that are left get a body, and bodies are clean as they are.
        # The library has no kernel that decodes: that body is always there.
        AttachFunctions() if functions else AttachFunctions([DECODE_WEIGHT]),
        # Last: it sees what is written.
        Verify(),
    )
