import torch

from qcompile.frontend.mixed.stream_quantizer import StreamQuantizer


def make(shift):
    quantizer = StreamQuantizer()
    x = torch.rand(4, 3, 5, generator=torch.Generator().manual_seed(0)) - shift
    quantizer.initialize_steps(x)
    return quantizer, x


def test_numbers_are_rounded_to_256_codes():
    for shift in (0.0, 0.5):
        quantizer, x = make(shift)
        step = quantizer.positive_step().detach()
        codes = quantizer(x).detach() / step
        # step * code / step is off by two roundings of 2^-24 of at most 255.
        assert ((codes - (x / step).round()).abs() <= 1e-4).all()
        assert ((quantizer(x) - x).abs() <= 0.52 * step).all()  # the largest one may be cut a little
        assert bool(quantizer.signed) == (shift > 0)


def test_numbers_outside_are_cut():
    quantizer, _ = make(0.0)
    step = quantizer.positive_step().item()
    found = quantizer(torch.tensor([[-3.0, 9.0]]))
    assert torch.equal(found, torch.tensor([[0.0, 255.0]]) * step)


def test_the_step_and_its_sign_are_part_of_the_saved_state():
    quantizer, x = make(0.5)
    other = StreamQuantizer()
    other.load_state_dict(quantizer.state_dict())
    assert torch.equal(other(x), quantizer(x))


def test_the_step_is_learned():
    quantizer, x = make(0.0)
    quantizer(3 * x).sum().backward()
    assert quantizer.step.grad > 0  # a larger step would cut less
