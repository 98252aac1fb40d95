"""The layers that bench/integer_layers.py times."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """x [m, k] times a weight [n, k]."""

    m: int
    k: int
    n: int
    bits: int

    def __str__(self) -> str:
        return f"{self.m} x {self.k} x {self.n}"

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.m * self.k * self.n


@dataclass(frozen=True)
class Convolution:
    """A square image and kernel, padded so that stride 1 keeps its size."""

    size: int
    channels: int
    outputs: int
    kernel: int
    bits: int
    stride: int = 1
    group: int = 1
    x_bits: int = 8

    def __str__(self) -> str:
        kind = "depthwise" if self.group > 1 else f"{self.channels} ->"
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        codes = f", x of {self.x_bits} bits" if self.x_bits < 8 else ""
        return f"{self.kernel}x{self.kernel} {kind} {self.outputs} at {self.size}x{self.size}{stride}{codes}"

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        positions = (-(-self.size // self.stride)) ** 2
        return 2 * positions * self.kernel**2 * self.channels // self.group * self.outputs


CASES: tuple[Product | Convolution, ...] = (
    *(Product(1, 4096, 4096, bits) for bits in (1, 2, 3, 4, 8)),
    *(Product(m, 1024, 1024, 4) for m in (8, 64, 196)),
    *(
        Convolution(size, width, width, 3, 4)
        for width, size in ((16, 32), (64, 8), (64, 56), (128, 28), (256, 14), (512, 7))
    ),
    Convolution(14, 96, 576, 1, 4),
    Convolution(14, 576, 96, 1, 4),
    Convolution(224, 3, 64, 7, 4, stride=2),
    *(
        Convolution(size, width, width, 3, 4, group=width)
        for width, size in ((144, 56), (192, 28), (576, 14), (960, 7))
    ),
    Convolution(14, 672, 672, 5, 4, group=672),
    *(
        Convolution(size, width, width, 3, 1, x_bits=x_bits)
        for x_bits in (1, 2)
        for width, size in ((64, 56), (128, 28), (256, 14), (512, 7))
    ),
    *(Convolution(14, 256, 1024, 1, 1, x_bits=x_bits) for x_bits in (1, 2)),
)
