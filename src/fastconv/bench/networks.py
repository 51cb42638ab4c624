"""The convolutions and pools of whole networks, for one image: layers that differ, and how often each comes.

A network is written down as it is in its paper: a few lines that follow the image through it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from fastconv import Problem

__all__ = ["NETWORKS", "Layers", "network"]

Layers = dict[str, int]
"""Problem strings in the order of the network, and how often each comes."""


@dataclass
class _Image:
    """What is left of the image at some point of a network: channels, and pixels on a side."""

    layers: Counter[str]
    channels: int
    extent: int

    def conv(
        self, channels: int, kernel: int, stride: int = 1, groups: int = 1, padding: int | None = None
    ) -> None:
        """Convolve; without `padding`, so that a stride of 1 keeps the extent."""
        p = kernel // 2 if padding is None else padding
        group = f" g{groups}" if groups > 1 else ""
        self._add(
            f"conv2d n1 ic{self.channels} ih{self.extent} iw{self.extent} oc{channels} kh{kernel} kw{kernel} "
            f"s{stride} p{p}{group} nchw f32"
        )

    def depthwise(self, kernel: int, stride: int = 1) -> None:
        """Convolve each channel by itself."""
        self.conv(self.channels, kernel, stride, self.channels)

    def pool(self, kernel: int, stride: int, padding: int = 0, kind: str = "max") -> None:
        """Reduce windows."""
        self._add(
            f"{kind}_pool2d n1 c{self.channels} ih{self.extent} iw{self.extent} kh{kernel} kw{kernel} "
            f"s{stride} p{padding} nchw f32"
        )

    def branch(self) -> _Image:
        """Return an image that goes another way from here."""
        return _Image(self.layers, self.channels, self.extent)

    def _add(self, text: str) -> None:
        problem = Problem(text)
        self.layers[str(problem)] += 1
        _, self.channels, self.extent, _ = problem.output_shape


def _resnet50(image: _Image) -> None:
    image.conv(64, 7, 2)
    image.pool(3, 2, 1)
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            stride = 2 if block == 0 and width > 64 else 1
            shortcut = image.branch()
            image.conv(width, 1)
            image.conv(width, 3, stride)
            image.conv(4 * width, 1)
            if block == 0:
                shortcut.conv(4 * width, 1, stride)
    image.pool(7, 1, kind="avg")


def _vgg16(image: _Image) -> None:
    for channels, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            image.conv(channels, 3)
        image.pool(2, 2)


def _mobilenetv2(image: _Image) -> None:
    image.conv(32, 3, 2)
    blocks = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    for expansion, channels, repeats, first_stride in blocks:
        for repeat in range(repeats):
            _inverted(image, expansion, channels, 3, first_stride if repeat == 0 else 1)
    image.conv(1280, 1)
    image.pool(7, 1, kind="avg")


def _efficientnet_b0(image: _Image) -> None:
    image.conv(32, 3, 2)
    blocks = (
        *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)),
        *((6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
    )
    for expansion, channels, repeats, first_stride, kernel in blocks:
        for repeat in range(repeats):
            _inverted(image, expansion, channels, kernel, first_stride if repeat == 0 else 1, squeezed=True)
    image.conv(1280, 1)
    image.pool(7, 1, kind="avg")


def _inverted(
    image: _Image, expansion: int, channels: int, kernel: int, stride: int, *, squeezed: bool = False
) -> None:
    """Do an inverted residual: expand, filter each channel, perhaps weigh the channels, project."""
    before = image.channels
    if expansion > 1:
        image.conv(expansion * before, 1)
    image.depthwise(kernel, stride)
    if squeezed:
        weights = image.branch()
        weights.pool(weights.extent, 1, kind="avg")
        weights.conv(max(1, before // 4), 1)
        weights.conv(image.channels, 1)
    image.conv(channels, 1)


def _unet(image: _Image) -> None:
    joined = []
    for channels in (64, 128, 256, 512):
        image.conv(channels, 3, padding=0)
        image.conv(channels, 3, padding=0)
        joined.append(channels)
        image.pool(2, 2)
    image.conv(1024, 3, padding=0)
    image.conv(1024, 3, padding=0)
    for channels in reversed(
        joined
    ):  # after a transposed convolution by 2, beside what was left of the way down
        image.extent *= 2
        image.channels = 2 * channels
        image.conv(channels, 3, padding=0)
        image.conv(channels, 3, padding=0)
    image.conv(2, 1)


def _yolov3_tiny(image: _Image) -> None:
    for channels in (16, 32, 64, 128):
        image.conv(channels, 3)
        image.pool(2, 2)
    image.conv(256, 3)
    finer = image.branch()
    image.pool(2, 2)
    image.conv(512, 3)
    image.conv(1024, 3)  # behind a pool of 2 x 2 that keeps the extent
    image.conv(256, 1)
    coarse = image.branch()
    coarse.conv(512, 3)
    coarse.conv(255, 1)
    image.conv(128, 1)
    finer.channels += image.channels  # twice as large, beside the finer one
    finer.conv(256, 3)
    finer.conv(255, 1)


def _lenet5(image: _Image) -> None:
    for channels in (6, 16):
        image.conv(channels, 5, padding=0)
        image.pool(2, 2, kind="avg")
    image.conv(120, 5, padding=0)


NETWORKS: dict[str, tuple[Callable[[_Image], None], int, int]] = {
    "resnet50": (
        _resnet50,
        3,
        224,
    ),  # He et al. 2015, https://arxiv.org/abs/1512.03385; strides in the 3x3 layers
    "vgg16": (_vgg16, 3, 224),  # Simonyan, Zisserman 2014, https://arxiv.org/abs/1409.1556
    "mobilenetv2": (_mobilenetv2, 3, 224),  # Sandler et al. 2018, https://arxiv.org/abs/1801.04381
    "efficientnet_b0": (_efficientnet_b0, 3, 224),  # Tan, Le 2019, https://arxiv.org/abs/1905.11946
    "unet": (_unet, 1, 572),  # Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597
    "yolov3_tiny": (_yolov3_tiny, 3, 416),  # Redmon, Farhadi 2018, https://arxiv.org/abs/1804.02767
    "lenet5": (_lenet5, 1, 32),  # LeCun et al. 1998, https://doi.org/10.1109/5.726791
}
"""How each network is followed, and the channels and extent of its image."""


def network(name: str) -> Layers:
    """Return the layers of a network that differ, in its order, and how often each comes.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.

    Raises
    ------
    ValueError
        Another name.

    Examples
    --------
    >>> from fastconv.bench.networks import network
    >>> for problem, count in network("lenet5").items():
    ...     print(count, problem)
    1 conv2d n1 ic1 ih32 iw32 oc6 kh5 kw5 s1 p0 nchw f32
    1 avg_pool2d n1 c6 ih28 iw28 kh2 kw2 nchw f32
    1 conv2d n1 ic6 ih14 iw14 oc16 kh5 kw5 s1 p0 nchw f32
    1 avg_pool2d n1 c16 ih10 iw10 kh2 kw2 nchw f32
    1 conv2d n1 ic16 ih5 iw5 oc120 kh5 kw5 s1 p0 nchw f32
    """
    if name not in NETWORKS:
        raise ValueError(f"network={name!r}: expected one of {', '.join(NETWORKS)}")
    follow, channels, extent = NETWORKS[name]
    image = _Image(Counter(), channels, extent)
    follow(image)
    return dict(image.layers)
