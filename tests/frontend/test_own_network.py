"""What README.md promises: one's own network, data and training loop, from learning to a model that runs."""

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

from qcompile.frontend import Adaptive, Schedule, export_onnx, learn_compressed


def test_an_ordinary_training_loop_learns_low_bit_weights_and_exports_them(tmp_path):
    torch.manual_seed(0)
    inputs = torch.randn(600, 8)
    labels = (inputs[:, :4].prod(dim=1) > 0).long()
    network = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))

    def train(epochs, learning_rate):
        optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=0.9)
        for _ in range(epochs):
            for batch in torch.randperm(600).split(50):
                optimizer.zero_grad()
                F.cross_entropy(network(inputs[batch]), labels[batch]).backward()
                optimizer.step()

    train(60, 0.1)
    learned = learn_compressed(
        network,
        {"0": Adaptive(16), "*": Adaptive(2)},
        lambda step: train(6, step.clip(0.05)),
        Schedule(first_penalty=1e-3, growth=1.25, iterations=30),
    )
    export_onnx(network, learned.weights, (inputs[:2],), tmp_path / "exported.onnx")

    assert [len(network[layer].weight.unique()) for layer in (0, 2, 4)] == [16, 2, 2]
    session = onnxruntime.InferenceSession(tmp_path / "exported.onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": inputs.numpy()})
    np.testing.assert_allclose(logits, network(inputs).detach().numpy(), rtol=1e-4, atol=1e-4)
    assert np.mean(logits.argmax(axis=1) == labels.numpy()) > 0.95
