"""Trained float networks as ONNX files, with the images that calibrate them and those that judge them."""

import csv
import pathlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from qcompile.datasets import load
from qcompile.errors import DataError
from qcompile.frontend import export_onnx
from qcompile.frontend.pretrained import read_parameters
from qcompile.models import build_network

SEED = 0
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Case:
    """A float model in ``source`` and its data; inputs are float32 [count, channels, height, width].

    ``what`` says in words how the data was chosen.
    """

    source: pathlib.Path
    calibration: Floats
    inputs: Floats
    labels: npt.NDArray[np.int64]
    what: str


def cifar_case(name: str, reference: pathlib.Path, data_dir: pathlib.Path, folder: pathlib.Path) -> Case:
    """A CIFAR ResNet: 1,000 training images calibrate, the 10,000 test images judge."""
    data = load("cifar10", data_dir)
    chosen = np.random.default_rng(SEED).permutation(len(data.train_images))[:1000]
    what = "1,000 training images calibrate; accuracy on the 10,000 test images."
    source = _export(name, read_parameters(reference), folder)
    return Case(source, data.train_images[chosen], data.test_images, data.test_labels, what)


def imagenet_case(name: str, reference: pathlib.Path, data_dir: pathlib.Path, folder: pathlib.Path) -> Case:
    """An ImageNet network: 200 of the sample's 1,000 images of 224 pixels, one of each class, calibrate."""
    images, labels = _read_sample(data_dir)
    what = "200 of 1,000 images of ImageNet, one of each class, calibrate; accuracy on the 800 others."
    return _split(_export(name, read_parameters(reference), folder), images, labels, what)


def keywords_case(name: str, reference: pathlib.Path, data_dir: pathlib.Path, folder: pathlib.Path) -> Case:
    """Keyword spotting: 200 of 1,000 spoken words calibrate."""
    path = next((path for path in (data_dir / "kws" / "kws01.npz", data_dir / "kws01.npz") if path.exists()), None)
    if path is None:
        raise DataError(f"{data_dir}: found no kws01.npz; name the folder that holds the data with --data-dir")
    data = np.load(path)
    sounds = (data["x_test"].astype(np.float32) - data["zero_point"]) * data["scale"]
    what = "200 of 1,000 spoken words calibrate; accuracy on the 800 others."
    source = _export(name, _from_keras(name, np.load(reference)), folder)
    return _split(source, sounds[:, np.newaxis].astype(np.float32), data["y_test"].astype(np.int64), what)


def _export(name: str, parameters: dict[str, torch.Tensor], folder: pathlib.Path) -> pathlib.Path:
    network = build_network(name)
    network.load_state_dict(parameters)
    path = folder / f"{name}.onnx"
    export_onnx(network.eval(), {}, (torch.zeros(2, *network.input_shape),), path)
    return path


def _split(source: pathlib.Path, inputs: Floats, labels: npt.NDArray[np.int64], what: str) -> Case:
    order = np.random.default_rng(SEED).permutation(len(inputs))
    chosen, others = order[:200], order[200:]
    return Case(source, inputs[chosen], inputs[others], labels[others], what)


def _read_sample(data_dir: pathlib.Path) -> tuple[Floats, npt.NDArray[np.int64]]:
    folder = data_dir / "imagenet-sample"
    if not (folder / "labels.csv").exists():
        raise DataError(f"{folder}: found no labels.csv; name the folder that holds imagenet-sample with --data-dir")
    with (folder / "labels.csv").open() as file:
        rows = [(row[0], int(row[1])) for row in csv.reader(file)]
    images = [np.asarray(Image.open(folder / name).convert("RGB")).transpose(2, 0, 1) for name, _ in rows]
    return np.stack(images).astype(np.float32) / np.float32(255), np.array([label for _, label in rows])


def _from_keras(name: str, weights: Any) -> dict[str, torch.Tensor]:
    """The parameters that Keras saved, layer by layer: kernels [height, width, inputs, outputs], depthwise [.., 1]."""
    network, number = build_network(name), 0
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.BatchNorm2d | torch.nn.Linear):
            prefix = f"layer_with_weights-{number}/"
            found = {key.removeprefix(prefix): weights[key] for key in weights.files if key.startswith(prefix)}
            module.load_state_dict({key: torch.from_numpy(array) for key, array in _as_torch(module, found).items()})
            number += 1
    return network.state_dict()


def _as_torch(module: torch.nn.Module, found: dict[str, Any]) -> dict[str, Any]:
    if isinstance(module, torch.nn.BatchNorm2d):
        names = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
        return {names[key]: array for key, array in found.items()} | {"num_batches_tracked": np.array(0)}
    if isinstance(module, torch.nn.Linear):
        return {"weight": found["kernel"].T.copy(), "bias": found["bias"]}
    axes = (3, 2, 0, 1) if "kernel" in found else (2, 3, 0, 1)
    kernel = found.get("kernel", found.get("depthwise_kernel"))
    return {"weight": kernel.transpose(axes).copy(), "bias": found["bias"]}
