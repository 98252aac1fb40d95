import copy

import pytest
import torch
from torch import nn

from qcompile.bit_plan import LayerBits
from qcompile.errors import DataError, QCompileError
from qcompile.frontend.mixed.candidates import Candidates
from qcompile.frontend.mixed.quantized_layer import QuantizedLayer

CANDIDATES = Candidates((2, 4, 8), (3, 8))
LAYERS = {
    "linear": (lambda: nn.Linear(5, 3), (4, 5)),
    "linear on three axes": (lambda: nn.Linear(5, 3, bias=False), (2, 4, 5)),
    "conv1d": (lambda: nn.Conv1d(2, 4, 3, stride=2, padding=1), (2, 2, 9)),
    "conv2d": (lambda: nn.Conv2d(4, 6, 3, stride=(1, 2), padding=(2, 1), dilation=2, groups=2), (2, 4, 9, 8)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, padding="same", groups=4, bias=False), (2, 4, 5, 5)),
}


def make(kind="conv2d", *, seed=0, **settings):
    torch.manual_seed(seed)
    layer, shape = LAYERS[kind][0](), LAYERS[kind][1]
    quantized = QuantizedLayer(layer, CANDIDATES, **settings)
    x = torch.rand(shape)
    quantized.initialize_steps(x)
    return layer, quantized, x


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("steps_per", ["layer", "channel"])
def test_the_result_is_the_layer_on_codes_times_steps(kind, steps_per):
    layer, quantized, x = make(kind, steps_per=steps_per)
    for bits in (LayerBits(2, 3), LayerBits(4, 8)):
        quantized.choose(bits)
        step = quantized.activation_step(bits.activation)
        codes = (x / step).round().clamp(0, 2**bits.activation - 1)
        like = copy.deepcopy(layer)
        like.weight.data = quantized.weight_codes(bits.weight) * quantized.weight_step(bits.weight).detach()
        assert torch.equal(quantized(x), like(codes * step))


@pytest.mark.parametrize("steps_per", ["layer", "channel"])
def test_weight_codes_are_whole_numbers_of_their_bits(steps_per):
    _, quantized, _ = make(steps_per=steps_per)
    for bits in CANDIDATES.weight:
        codes = quantized.weight_codes(bits)
        assert torch.equal(codes, codes.round())
        assert not codes.requires_grad
        assert -(2 ** (bits - 1)) <= codes.min() < 0 < codes.max() <= 2 ** (bits - 1) - 1
        step = quantized.weight_step(bits)
        assert step.shape == (() if steps_per == "layer" else (6, 1, 1, 1))
        assert (step > 0).all()


def test_the_parameters_are_those_of_the_layer():
    layer, quantized, _ = make()
    assert quantized.weight is layer.weight
    assert quantized.bias is layer.bias
    assert {name for name, _ in quantized.named_parameters()} == {
        *("weight", "bias", "weight_steps.2", "weight_steps.4", "weight_steps.8"),
        *("activation_steps.3", "activation_steps.8"),
    }


def test_more_bits_are_nearer_to_the_float_layer():
    layer, quantized, x = make()
    errors = []
    for bits in (LayerBits(2, 3), LayerBits(4, 3), LayerBits(8, 8)):
        quantized.choose(bits)
        errors.append((quantized(x) - layer(x)).norm().item())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02 * layer(x).norm()  # 128 and 255 codes: half a percent each at most


def test_activations_are_signed_where_the_batch_goes_below_zero():
    _, quantized, x = make()
    assert not quantized.signed
    quantized.initialize_steps(x - 0.5)
    assert quantized.signed
    quantized.choose(LayerBits(8, 3))
    assert quantized.activation_codes(3).lowest == -4
    quantized.initialize_steps(x)
    assert not quantized.signed


def test_only_the_steps_that_are_chosen_get_gradients():
    _, quantized, x = make()
    quantized.choose(LayerBits(4, 3))
    quantized(x).square().mean().backward()
    with_gradient = {name for name, parameter in quantized.named_parameters() if parameter.grad is not None}
    assert with_gradient == {"weight", "bias", "weight_steps.4", "activation_steps.3"}


def test_the_gradient_of_the_mean_loss_does_not_depend_on_how_often_the_batch_is_repeated():
    gradients = []
    for repeats in (1, 4):
        _, quantized, x = make()
        quantized(x.repeat(repeats, 1, 1, 1)).square().mean().backward()
        gradients.append(quantized.activation_steps["8"].grad)
    # Two float32 sums of n = 576 and 2304 terms of either sign; 1e-4 of the result is n 2^-24 of the terms.
    assert torch.isclose(*gradients, rtol=1e-3, atol=0)


def test_training_steps_lower_the_error_of_few_bits():
    layer, quantized, x = make("linear")
    wanted = layer(x).detach()
    quantized.choose(LayerBits(2, 3))
    optimizer = torch.optim.SGD(quantized.parameters(), lr=0.05)
    losses = []
    for _ in range(100):
        loss = (quantized(x) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


def test_a_layer_that_reads_codes_does_not_round_them_once_more_to_eight_bits():
    _, quantized, x = make()
    rounded = quantized(x)
    quantized.reads_codes = True
    assert not torch.equal(quantized(x), rounded)
    quantized.choose(LayerBits(8, 3))
    fewer = quantized(x)
    quantized.reads_codes = False
    assert torch.equal(quantized(x), fewer)


@pytest.mark.parametrize("kind", LAYERS)
def test_under_autocast_codes_are_those_of_float32(kind):
    _, quantized, x = make(kind)
    exact = quantized(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = quantized(x)
        assert found.dtype == torch.bfloat16
    # Codes times steps are cast to 8 bits before they are multiplied: 2^-8 for the two, 2^-9 for the result, of the
    # sum of magnitudes. Weights rounded from bfloat16 would be off by whole steps.
    magnitudes = quantized.multiply(x.abs(), quantized.weight.abs(), None) + 1
    assert ((found.float() - exact).abs() <= 2.0**-6 * magnitudes).all()
    found.float().sum().backward()
    assert quantized.weight.grad.dtype == torch.float32


def test_bits_that_are_no_candidates_are_refused():
    _, quantized, _ = make()
    with pytest.raises(DataError, match="3 weight bits, wanted 2 or 4 or 8"):
        quantized.choose(LayerBits(3, 3))
    with pytest.raises(DataError, match="4 activation bits, wanted 3 or 8"):
        quantized.choose(LayerBits(2, 4))
    assert quantized.bits == LayerBits(8, 8)


def test_other_padding_than_zeros_is_refused():
    with pytest.raises(QCompileError, match='padding_mode is "reflect", wanted "zeros"'):
        QuantizedLayer(nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), CANDIDATES)


def test_layers_of_ones_own_are_refused():
    class Own(nn.Linear):
        pass

    for layer in (Own(2, 2), nn.Conv3d(1, 1, 1), nn.BatchNorm2d(3)):
        with pytest.raises(QCompileError, match=f"{type(layer).__name__} cannot be quantized"):
            QuantizedLayer(layer, CANDIDATES)
