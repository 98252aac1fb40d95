import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from onnx.reference import ReferenceEvaluator

from qcompile.frontend.mixed.quantizer import (
    SMALLEST_STEP,
    CodeRange,
    fake_quantize,
    positive_step,
    round_to_codes,
    signed_codes,
    unsigned_codes,
)

BITS = (2, 3, 4, 5, 6, 8)
RANGES = [signed_codes(bits) for bits in BITS] + [unsigned_codes(bits) for bits in BITS]


def make_inputs(codes, step):
    """Numbers in and out of the range, the bounds and every half between two codes among them."""
    random = np.random.default_rng(0).normal(0, codes.highest, 500)
    halves = np.arange(codes.lowest - 2, codes.highest + 2.5, 0.5)
    return (np.concatenate([random, halves]) * step).astype(np.float32)


def test_the_codes_of_some_bits():
    assert [signed_codes(bits) for bits in (2, 8)] == [CodeRange(-2, 1), CodeRange(-128, 127)]
    assert [unsigned_codes(bits) for bits in (2, 8)] == [CodeRange(0, 3), CodeRange(0, 255)]


@pytest.mark.parametrize("codes", RANGES)
@pytest.mark.parametrize("step", [0.25, 0.1])
def test_codes_are_those_of_numpy_with_halves_to_even(codes, step):
    x, step = make_inputs(codes, step), np.float32(step)
    expected = np.clip(np.rint(x / step), codes.lowest, codes.highest)
    found = round_to_codes(torch.from_numpy(x), torch.tensor(step), codes)
    assert np.array_equal(found.numpy(), expected)
    rounded = fake_quantize(torch.from_numpy(x), torch.tensor(step), codes, 1)
    assert np.array_equal(rounded.numpy(), expected * step)


def quantize_linear(zero_point):
    initializers = [helper.make_tensor("zero_point", onnx.TensorProto.UINT8, [], [zero_point])]
    inputs = [helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", ["count"]), ("step", []))]
    nodes = [helper.make_node("QuantizeLinear", ["x", "step", "zero_point"], ["y"])]
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, ["count"])]
    graph = helper.make_graph(nodes, "quantize", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@pytest.mark.parametrize("codes", [signed_codes(8), unsigned_codes(8)])
@pytest.mark.parametrize("step", [0.25, 0.1, 0.0123])
def test_codes_are_those_of_onnx_quantize_linear(codes, step):
    model = quantize_linear(-codes.lowest)
    feeds = {"x": make_inputs(codes, step), "step": np.array(step, np.float32)}
    found = round_to_codes(torch.from_numpy(feeds["x"]), torch.from_numpy(feeds["step"]), codes).numpy() - codes.lowest
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for run in (ReferenceEvaluator(model).run, session.run):
        assert np.array_equal(run(None, feeds)[0], found)


def paper_gradients(x, step, codes, upstream, count):
    """Esser et al., arXiv 1902.08153, equations 3 and 5 and section 2.2, number by number in float64."""
    by_x, by_step = [], 0.0
    for value, gradient in zip(x.tolist(), upstream.tolist(), strict=True):
        ratio = value / step
        if ratio <= codes.lowest:
            slope, passes = codes.lowest, 0.0
        elif ratio >= codes.highest:
            slope, passes = codes.highest, 0.0
        else:
            slope, passes = -ratio + round(ratio), 1.0  # Python rounds halves to even too
        by_x.append(gradient * passes)
        by_step += gradient * slope
    return by_x, by_step / (count * codes.highest) ** 0.5


@pytest.mark.parametrize("codes", RANGES)
def test_gradients_are_those_of_the_paper_inside_outside_and_at_the_bounds(codes):
    x = torch.from_numpy(make_inputs(codes, 0.25)).requires_grad_()  # a power of two: the same ratio in float64
    step = torch.tensor(0.25, requires_grad=True)
    upstream = torch.randn(len(x), generator=torch.Generator().manual_seed(1))
    fake_quantize(x, step, codes, 700).backward(upstream)
    by_x, by_step = paper_gradients(x.detach(), 0.25, codes, upstream, 700)
    assert x.grad.tolist() == by_x
    # A float32 sum of n terms errs by at most n 2^-24 of the sum of their magnitudes, which are at most |gradient| * m.
    m = max(-codes.lowest, codes.highest)
    bound = 2 * len(x) * 2.0**-24 * m * upstream.abs().sum().item() / (700 * codes.highest) ** 0.5
    assert abs(step.grad.item() - by_step) <= bound


def test_each_step_of_a_column_gets_the_gradient_of_its_row():
    x = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))
    steps = torch.tensor([0.5, 0.1, 1.0]).reshape(3, 1, 1).requires_grad_()
    fake_quantize(x, steps, signed_codes(3), 10).square().sum().backward()
    for row, step, gradient in zip(x, steps.detach().flatten(), steps.grad.flatten(), strict=True):
        alone = step.clone().requires_grad_()
        fake_quantize(row, alone, signed_codes(3), 10).square().sum().backward()
        assert torch.isclose(gradient, alone.grad, rtol=1e-6, atol=0)  # 10 terms: 10 * 2^-24


def test_no_gradient_is_computed_for_a_fixed_step():
    x = torch.tensor([0.2, 9.0], requires_grad=True)
    fake_quantize(x, torch.tensor(0.5), signed_codes(3), 2).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_bfloat16_is_rounded_in_float32_and_stays_bfloat16():
    x = torch.arange(-2, 2, 0.01).bfloat16().requires_grad_()
    step = torch.tensor(0.011, requires_grad=True)
    result = fake_quantize(x, step, signed_codes(8), 1)
    expected = fake_quantize(x.detach().float(), step.detach(), signed_codes(8), 1).bfloat16()
    assert result.dtype == torch.bfloat16
    assert torch.equal(result, expected)
    result.float().sum().backward()
    assert (x.grad.dtype, step.grad.dtype) == (torch.bfloat16, torch.float32)


def test_a_step_at_or_below_zero_is_read_as_a_tiny_one_and_can_be_pushed_back():
    steps = torch.tensor([-0.5, 0.0, 1e-12, 0.1], requires_grad=True)
    found = positive_step(steps)
    assert found.tolist() == torch.tensor([SMALLEST_STEP] * 3 + [0.1]).tolist()
    found.sum().backward()
    assert steps.grad.tolist() == [1.0] * 4


def test_an_empty_tensor_stays_empty():
    assert fake_quantize(torch.zeros(0, 3), torch.tensor(1.0), signed_codes(2), 1).shape == (0, 3)
