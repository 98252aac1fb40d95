"""EfficientNet-Lite0 for ImageNet: EfficientNet (Tan and Le, arXiv 1905.11946) without squeeze and swish, with ReLU6.

Takes float32 images [batch, 3, 224, 224] with pixels in [0, 1], gives logits [batch, 1000]. It is the network as first
published, padded as TensorFlow pads. The names of its parameters are those of timm's tf_efficientnet_lite0; weights
under the names of EfficientNet-PyTorch are renamed when they are loaded.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from qcompile.models.network import Network, NormalizePixels

# Expansion, channels, blocks, stride of the first block, kernel.
STAGES = (
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)),
    *((6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
)
EPSILON = 1e-3
# Their names in EfficientNet-PyTorch, whose blocks are numbered through; the parts of a block that expands come first.
OTHER_LAYERS = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
OTHER_PARTS = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
OTHER_PARTS |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
OTHER_SEPARABLE = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}


class EfficientNetLite0(Network):
    """16 inverted residual blocks with 3x3 and 5x5 kernels between a 3x3 and a 1x1 convolution."""

    input_shape = (3, 224, 224)
    classes = 1000
    resampling = "bicubic"

    def __init__(self) -> None:
        super().__init__()
        self.normalize = NormalizePixels((127 / 255,) * 3, (128 / 255,) * 3)
        self.pad = _padding(3, 2)
        self.conv_stem = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32, eps=EPSILON)
        self.blocks = _make_stages(32)
        self.conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(1280, eps=EPSILON)
        self.classifier = nn.Linear(1280, 1000)
        self.register_load_state_dict_pre_hook(_rename)  # type: ignore[no-untyped-call]  # missing in torch

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [batch, 1000] of images [batch, 3, 224, 224]."""
        features = F.relu6(self.bn1(self.conv_stem(self.pad(self.normalize(images)))))
        features = F.relu6(self.bn2(self.conv_head(self.blocks(features))))
        logits: torch.Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


class SeparableBlock(nn.Module):
    """Depthwise convolution, then 1x1: the first stage, which does not expand."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.pad = _padding(kernel, stride)
        self.conv_dw = _depthwise(channels_in, stride, kernel)
        self.bn1 = nn.BatchNorm2d(channels_in, eps=EPSILON)
        self.conv_pw = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out, eps=EPSILON)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [batch, channels_out, height / stride, width / stride]."""
        result: torch.Tensor = self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(self.pad(features))))))
        return result


class InvertedResidual(nn.Module):
    """1x1 to more channels, depthwise, 1x1 to fewer; a shortcut where the size stays."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, kernel: int, expansion: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        self.conv_pw = nn.Conv2d(channels_in, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner, eps=EPSILON)
        self.pad = _padding(kernel, stride)
        self.conv_dw = _depthwise(inner, stride, kernel)
        self.bn2 = nn.BatchNorm2d(inner, eps=EPSILON)
        self.conv_pwl = nn.Conv2d(inner, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out, eps=EPSILON)
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [batch, channels_out, height / stride, width / stride]."""
        inner = F.relu6(self.bn2(self.conv_dw(self.pad(F.relu6(self.bn1(self.conv_pw(features)))))))
        result: torch.Tensor = self.bn3(self.conv_pwl(inner))
        return features + result if self.has_shortcut else result


def _rename(network: nn.Module, parameters: dict[str, Any], prefix: str, *_: Any) -> None:
    """Gives ``parameters``, in place, the names of ``network`` where they have the other ones."""
    for name in network.state_dict():
        other = prefix + _other_name(name)
        if other in parameters:
            parameters[prefix + name] = parameters.pop(other)


def _other_name(name: str) -> str:
    """What EfficientNet-PyTorch calls the parameter ``name``."""
    layer, rest = name.split(".", 1)
    if layer != "blocks":
        return f"{OTHER_LAYERS.get(layer, layer)}.{rest}"
    stage, block, part, rest = rest.split(".", 3)
    number = sum(blocks for _, _, blocks, _, _ in STAGES[: int(stage)]) + int(block)
    return f"_blocks.{number}.{(OTHER_PARTS if int(stage) else OTHER_SEPARABLE)[part]}.{rest}"


def _padding(kernel: int, stride: int) -> nn.ZeroPad2d:
    """What TensorFlow's SAME adds, to images of an even size where the stride is 2."""
    before, odd = divmod(kernel - stride, 2)
    return nn.ZeroPad2d((before, before + odd) * 2)


def _depthwise(channels: int, stride: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel, stride, groups=channels, bias=False)


def _make_stages(channels: int) -> nn.Sequential:
    stages = []
    for expansion, width, blocks, stride, kernel in STAGES:
        stage: list[nn.Module] = []
        for block in range(blocks):
            step = stride if block == 0 else 1
            if expansion == 1:
                stage.append(SeparableBlock(channels, width, step, kernel))
            else:
                stage.append(InvertedResidual(channels, width, step, kernel, expansion))
            channels = width
        stages.append(nn.Sequential(*stage))
    return nn.Sequential(*stages)
