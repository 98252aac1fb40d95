import pytest
import torch

from qcompile.models import build_network


@pytest.mark.parametrize("name", ["digits", "lenet300", "lenet5"])
def test_weights_start_xavier_uniform_and_biases_zero(name):
    torch.manual_seed(0)
    for parameter_name, parameter in build_network(name).named_parameters():
        if parameter.dim() == 1:
            assert not parameter.any(), parameter_name
            continue
        receptive = parameter[0, 0].numel()
        limit = (6 / (receptive * (parameter.shape[0] + parameter.shape[1]))) ** 0.5
        assert 0.9 * limit < parameter.abs().max() <= limit, parameter_name
