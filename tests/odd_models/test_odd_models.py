"""Whatever the model: compiling gives a file with the same numbers, or one clear error and no file.

``REFUSED`` says which models are refused, and with what words: for all ways of compiling, or by way. All others
compile; their outputs are compared bit for bit, unless they are in ``NOT_COMPARED``.
"""

import inspect
import re

import pytest

from tests.odd_models import attributes, graphs, quantized, weights
from tests.odd_models.models import assert_same_outputs, compiled

WAYS = ("packed", "integers", "dynamic")
NO_IMAGES = "only MatMul and Gemm become integers without sample inputs"
DOES_NOT_LOAD = "onnxruntime does not load it, before compiling either.*Mend the model"
LONG = "a" * 10_000
NAMES = [LONG, "tab\t\n\x1b[31m", "/../../etc/passwd", "\u00e9\u4e2d\U0001f600", "a b", "%s{x}", "", "nul\x00z"]


def loads_but_not_in_integers(message):
    """Refused when samples are run, and when the packed model is loaded."""
    return {"packed": DOES_NOT_LOAD, "dynamic": DOES_NOT_LOAD, "integers": message}


def float_weight(reason):
    """What is no layer of ours, and why."""
    return {
        "packed": "no codebook weight",
        "integers": f"no Conv, Gemm or MatMul.*{reason}",
        "dynamic": "no MatMul or Gemm that can become integers",
    }


CYCLE = "topologically sorted, however input .* is not output of any previous nodes"
NO_WEIGHT = float_weight("")
FEW = "its weight has .* numbers: decoding at load is for 1024 or more"
ODD_POOL = {"packed": DOES_NOT_LOAD, "integers": "PoolAttributes"}
REFUSED = {
    "cyclic": CYCLE,
    "reads_itself": CYCLE,
    "empty": "no outputs: it computes nothing",
    "no_nodes": NO_WEIGHT,
    "only_an_initializer_out": NO_WEIGHT,
    "no_outputs": "no outputs: it computes nothing",
    "output_nobody_computes": "output 'z' is not an output of any node",
    "tensors_of_one_name": "'y' has been used as output names multiple times",
    "initializers_of_one_name": "initializer name is not unique",
    "inputs_of_one_name": "'x' has been used as graph input names multiple times",
    "batch_zero": {"integers": "tensor x had no value in any of 1 batches"},
    "channels_zero": {**float_weight("has no elements"), "packed": "the weight has no elements"},
    "outputs_zero": {**float_weight("has no elements"), "packed": "the weight has no elements"},
    "empty_beside_a_layer": {"packed": "empty.indices: the weight has no elements"},
    "huge_input": {"integers": "Got invalid dimensions for input: big"},
    "huge_reshape": loads_but_not_in_integers("Dimension product overflow"),
    "huge_expand": {"integers": "running Expand node"},
    "optional_input": {"integers": "'maybe': 'optional.*; given x"},
    "input_without_type": "Field 'type' of 'value_info' is required",
    "own_domain_beside_a_layer": {"integers": "com.example:Mystery.* is not a registered"},
    "standard_operator_that_does_not_exist": "No Op registered for Mystery",
    "domain_not_imported": "No opset import for domain 'com.example'",
    "opset_zero": "its opset is 0, known are 1 to",
    "opset_of_the_future": "its opset is 99, known are 1 to .* Export it again",
    "opsets_twice": r"opsets \[18, 13\] at once: name one",
    "opset_absent": "No opset import for domain ''",
    "ir_version_zero": "does not have an ir_version",
    "ir_version_of_the_future": "ir_version 99 is higher",
    "only_layers_in_a_branch": {
        "packed": "inside: it is inside a subgraph",
        "integers": "inside: it is inside a subgraph",
        "dynamic": "inside: it is inside a subgraph",
    },
    "function_that_calls_itself": "must not be recursive",
    "function_of_our_domain": "compiled already",
    "name_that_is_no_text": "is no UTF-8",
    "squeezed": {"packed": "Squeeze reads the codebook weight"},
    "unsqueezed": {**float_weight(FEW), "packed": "Unsqueeze reads the codebook weight"},
    "sliced": {"packed": "Slice reads the codebook weight"},
    "reshaped_wrongly": r"Reshape does not fit a weight \[4, 3\]",
    "from_floats_of_a_constant_node": {"packed": "no codebook weight"},
    "sparse_constant": "node_s: a sparse constant is not supported. Export it again",
    "constant_node_without_a_value": "node_nothing: a Constant with 0 values, wanted one",
    "weight_that_callers_may_replace": float_weight("so a caller may replace it: take it out of the inputs"),
    "weight_on_the_left": {"packed": "no codebook weight"},
    "stack_of_matrices": float_weight(FEW),
    "sizes_that_do_not_fit": loads_but_not_in_integers("running CodebookMatMul node"),
    "half_network": float_weight("is float16 .*, not float32"),
    "double_network": float_weight("is float64 .*, not float32"),
    "nan_weight": {"packed": "codebook has a value that is not finite"},
    "infinite_weight": {"packed": "codebook has a value that is not finite"},
    "nan_bias": "w: bias has a value that is not finite",
    "index_outside": "index 4 is outside a codebook of 4 entries",
    "index_far_below": "index -2147483648 is outside a codebook of 4 entries",
    "large_codebook": "257 entries, an index of 8 bits reaches 256",
    "empty_codebook": "the codebook has no entries",
    "codebook_that_callers_may_replace": dict.fromkeys(WAYS, "its codebook is a graph input"),
    "indices_that_are_given": {
        "packed": "indices are not constant",
        "integers": "nothing|reads the codebook weight",
        "dynamic": "indices are not constant",
    },
    "shape_not_as_declared": float_weight("take it out of the inputs"),
    "tensor_without_a_type": "'data_type' of 'tensor' is required",
    "tensor_of_an_unknown_type": "tensor u: there is no element type 99",
    "tensor_without_a_name": "'name' of 'init' is required",
    "too_few_typed_numbers": "tensor name: u.*too small for the declared shape",
    "bytes_and_numbers_at_once": "one and only one value field",
    "three_axes": float_weight(FEW),
    "no_axes": float_weight(FEW),
    **dict.fromkeys(
        ("kernel_not_of_the_weight", "kernel_huge", "kernel_negative", "kernel_of_one_axis", "strides_of_three_axes"),
        "node_y: strides .* or group .* do not fit the kernel",
    ),
    **dict.fromkeys(
        ("strides_zero", "strides_negative", "dilations_zero", "group_zero", "group_negative"),
        "node_y: strides .* or group .* do not fit the kernel",
    ),
    "strides_huge": r"strides \[1099511627776, 1099511627776\].* exceed 2147483647",
    "dilations_huge": r"dilations \[1099511627776, 1099511627776\].* exceed 2147483647",
    "pads_huge": "pads .* exceed 2147483647",
    "pads_beyond_64_bits": "pads .* exceed 2147483647",
    "pads_negative": "negative ones cut the input",
    "pads_too_few": r"pads \(1, 1\) do not fit 5 outputs",
    "group_that_does_not_divide": "group 2 .* do not fit 5 outputs",
    "group_huge": "group 1099511627776 .* do not fit 5 outputs",
    "auto_pad_unknown": "node_y: there is no auto_pad 'SOMEHOW'",
    "auto_pad_same_of_free_sizes": "auto_pad is SAME_UPPER and the size of its input is not known",
    "kernel_larger_than_the_image": {"integers": "running CodebookConv node"},
    "channels_that_do_not_fit": {"integers": "running CodebookConv node"},
    "attribute_of_the_wrong_type": "Mismatched attribute type in 'node_y : strides'",
    "attribute_that_does_not_exist": "Unrecognized attribute: colour",
    "attribute_twice": "'group' appeared multiple times",
    "attribute_by_reference_outside_a_function": "refers to one of a function, but the node is in none",
    "alpha_nan": "alpha is nan",
    "alpha_infinite": "alpha is inf",
    "beta_infinite": "beta is inf",
    "trans_a": "transA is 1",
    "bias_of_rows": r"its bias is float32 \[2, 1\]",
    "bias_that_does_not_fit": r"its bias is float32 \[5\]",
    "computed_bias": "its bias is not constant",
    "too_many_operands": "input size 4 not in range",
    "too_few_operands": "input size 1 not in range",
    "missing_operand": "input 0 is marked single but has an empty string",
    "missing_weight": "input 1 is marked single but has an empty string",
    "unknown_cast": loads_but_not_in_integers("does not specify a valid type"),
    "normalization_of_other_channels": {"packed": DOES_NOT_LOAD, "integers": "running BatchNormalization node"},
    "pool_zero": ODD_POOL,
    "pool_negative": ODD_POOL,
    "pool_strides_zero": ODD_POOL,
    "pool_pads_huge": ODD_POOL,
    "pool_dilations_zero": ODD_POOL,
    "pool_huge": {"integers": "running MaxPool node"},
    "concat_along_a_far_axis": loads_but_not_in_integers("running Concat node"),
    "flatten_at_a_far_axis": loads_but_not_in_integers("running Flatten node"),
    "transpose_of_too_few_axes": {"integers": "perm size: 1"},
    "transposed_weight_of_too_few_axes": "Transpose does not fit a weight",
    "branches_of_one_output_each": loads_but_not_in_integers("If node has 2 but subgraphs produce 1"),
}
REFUSED_QUANTIZED = {
    "codes_of_16_bits": DOES_NOT_LOAD,
    "zero_point_of_another_type": DOES_NOT_LOAD,
    "zero_point_of_a_float": DOES_NOT_LOAD,
    "nan_weight_scale": "node_y: the scale of its quantized weight is float32, not finite float32",
    "weight_scale_of_rows": "its scale is not one factor for each of 3 output channels",
    "weight_scale_of_a_far_axis": "has 3 numbers along axis 5",
    "weight_scale_of_too_many": "has 7 numbers along axis 1",
    "weight_codes_beyond_int8": "they do not fit int8",
    "empty_codes": "the weight has no elements",
}
# What onnxruntime refuses to load or to run on what is tried here, compiled or not, or what is rounded on its way.
NOT_COMPARED = {
    *("nodes_of_one_name", "wrong_value_info", "huge_input", "huge_expand", "own_domain_beside_a_layer"),
    *("optional_input", "pads_and_auto_pad", "kernel_larger_than_the_image", "channels_that_do_not_fit", "pool_huge"),
    *("transpose_of_too_few_axes", "scale_of_two_numbers", "image_of_no_shape", "image_behind_an_unknown_reshape"),
}
NOT_TRIED = {"batch_zero", "no_shape", "strings"}  # no small inputs can be made up
ROUNDED = {("weight_times_itself", "dynamic"), ("weight_on_the_left", "dynamic")}  # their rows are not of 0 to 255


def models_of(module):
    """The makers of models in ``module``, by name."""
    found = {name: make for name, make in vars(module).items() if inspect.isfunction(make)}
    return {name: make for name, make in found.items() if list(inspect.signature(make).parameters) == ["way"]}


FLOAT_MODELS = {name: make for module in (graphs, weights, attributes) for name, make in models_of(module).items()}


def multiplies_images_only(proto):
    return {node.op_type for node in proto.graph.node} & {"Conv", "MatMul", "Gemm"} == {"Conv"}


def ways_of(name):
    """The ways to try: what is refused whichever way is tried in one."""
    if isinstance(REFUSED.get(name), str):
        return ("packed",)
    return WAYS[:2] if multiplies_images_only(FLOAT_MODELS[name]("packed")) else WAYS


CASES = [(name, way) for name in FLOAT_MODELS for way in ways_of(name)]


def wanted_message(name, way):
    """What the error must say; None where there must be none."""
    told = REFUSED.get(name)
    return told if told is None or isinstance(told, str) else told.get(way)


def check(name, way, proto, wanted, folder):
    result = compiled(proto, way, folder)
    if wanted is not None:
        assert isinstance(result, Exception), "it was compiled"
        assert str(result).startswith(str(folder / "odd.onnx")), result
        assert re.search(wanted, str(result)), result
        return
    assert not isinstance(result, Exception), result
    assert not result.not_run or name in NOT_COMPARED | NOT_TRIED, result.not_run
    if name not in NOT_COMPARED and (name, way) not in ROUNDED:
        assert_same_outputs(proto, folder)


@pytest.mark.parametrize(("name", "way"), CASES)
def test_an_odd_model_is_compiled_or_refused(name, way, tmp_path):
    proto = FLOAT_MODELS[name](way)
    check(name, way, proto, wanted_message(name, way), tmp_path)


@pytest.mark.parametrize("name", models_of(quantized))
def test_an_odd_quantized_model_is_compiled_or_refused(name, tmp_path):
    check(name, "packed", models_of(quantized)[name]("packed"), REFUSED_QUANTIZED.get(name), tmp_path)


def test_what_makes_integers_without_samples_leaves_convolutions_alone(tmp_path):
    check("plain", "dynamic", attributes.plain("dynamic"), NO_IMAGES, tmp_path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:10]))
def test_any_name_is_taken(name, way, tmp_path):
    check("named", way, graphs.named(name)(way), None, tmp_path)


def test_what_is_listed_is_there():
    assert set(REFUSED) <= set(FLOAT_MODELS)
    assert set(REFUSED_QUANTIZED) <= set(models_of(quantized))
    assert {*FLOAT_MODELS, *models_of(quantized)} >= NOT_COMPARED | NOT_TRIED
