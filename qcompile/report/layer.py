"""The report of one packed layer."""

from qcompile.packed_model import PackedLayer
from qcompile.report.choice import choice_of
from qcompile.report.known import Known
from qcompile.report.operations import layer_multiply_adds
from qcompile.report.result import LayerReport
from qcompile.report.weight_values import weight_values
from qcompile.stored_operands import Operands, bytes_of
from qcompile.weight_error import compare_weight

FLOAT_BYTES = 4
DECODED = "decoded at load"


def report_layer(layer: PackedLayer, own: Operands, payload: int, known: Known) -> LayerReport:
    """The report of ``layer``, which stores ``own`` of the ``payload`` bytes of all parameters in the file."""
    compared = None if known.floats is None else compare_weight(layer, known.floats)
    debugged = known.debugged_layer(layer.name)
    times = {} if known.measured is None else known.measured.layers
    time_us, time_share = times.get(layer.node.output[0], (None, None))
    products = layer_multiply_adds(layer, known.shapes)
    kernel = known.kernels.get(layer.node.output[0])
    return LayerReport(
        name=layer.name,
        op=layer.op,
        weight_shape=layer.weight_shape,
        weights=layer.weights,
        bits=layer.bits,
        activation_bits=layer.activation_bits,
        entries=max(layer.entries),
        groups=max(1, layer.codebook.shape[0]),
        index_bytes=own["indices"].nbytes,
        codebook_bytes=own["codebook"].nbytes,
        scale_bytes=own["scale"].nbytes,
        bias_bytes=own["bias"].nbytes,
        corrections=layer.corrections.count if layer.corrections else 0,
        correction_bytes=own["gaps"].nbytes + own["values"].nbytes,
        total_bytes=bytes_of(own),
        float_bytes=FLOAT_BYTES * ((layer.weights if own["indices"].size else 0) + own["bias"].size),
        share=bytes_of(own) / payload,
        multiply_adds=products,
        bit_operations=None if products is None else products * layer.bits * layer.activation_bits,
        weight_sqnr_db=None if compared is None else compared.sqnr_db(),
        local_sqnr_db=None if debugged is None else debugged.local_db,
        cumulative_sqnr_db=None if debugged is None else debugged.cumulative_db,
        sensitivity=None if known.chosen is None else known.chosen.sensitivity(layer.name, layer.bits),
        time_us=time_us,
        time_share=time_share,
        kernel=DECODED if layer.is_decoded_at_load else kernel,
        choice=choice_of(layer, known.plan, known.chosen),
        values=weight_values(layer, compared),
    )
