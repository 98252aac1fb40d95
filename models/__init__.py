"""Network definitions and recipes. ``build_network`` finds a network by name."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcompile.models.network import Network

NETWORK_NAMES = (
    *("digits", "lenet300", "lenet5", "resnet20", "resnet32", "resnet56", "vgg12"),
    *("resnet18", "mobilenetv2", "efficientnet-lite0", "dscnn"),
)


def build_network(name: str) -> "Network":
    """A new network with random weights, drawn from torch's global generator.

    Raises ValueError, listing the names, if there is no network of that name.
    """
    from qcompile.models import dscnn, efficientnet_lite, imagenet_resnet, lenet, mobilenet, resnet, vgg

    match name:
        case "digits":
            return lenet.DigitsNet()
        case "lenet300":
            return lenet.LeNet300()
        case "lenet5":
            return lenet.LeNet5()
        case "resnet20" | "resnet32" | "resnet56":
            return resnet.ResNet(blocks=(int(name.removeprefix("resnet")) - 2) // 6)
        case "vgg12":
            return vgg.VGG12()
        case "resnet18":
            return imagenet_resnet.ResNet18()
        case "mobilenetv2":
            return mobilenet.MobileNetV2()
        case "efficientnet-lite0":
            return efficientnet_lite.EfficientNetLite0()
        case "dscnn":
            return dscnn.DSCNN()
    raise ValueError(f'no network is called "{name}"; there are {", ".join(NETWORK_NAMES)}')
