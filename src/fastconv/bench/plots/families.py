"""Families of layers: which network or kind they are of, and how their rows stand in columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

from fastconv.bench.plots.style import colour
from fastconv.bench.report import Case


class Family(NamedTuple):
    """Colour and name."""

    colour: str
    label: str


_RESNET = Family(colour("blue"), "ResNet-50")
_VGG = Family(colour("cyan"), "VGG-16")
_MOBILENET = Family(colour("green"), "MobileNetV2")
_LENET = Family(colour("purple"), "LeNet-5")
_POOLING = Family(colour("amber"), "pooling")
_OTHER = Family(colour("slate"), "other convolutions")
_FAMILIES = {
    "photo": Family(colour("orange"), "photograph"),
    "r50": _RESNET,
    "resnet50": _RESNET,
    "vgg": _VGG,
    "vgg16": _VGG,
    "mbv2": _MOBILENET,
    "mobilenetv2": _MOBILENET,
    "lenet": _LENET,
    "lenet5": _LENET,
    "efficientnet_b0": Family(colour("teal"), "EfficientNet-B0"),
    "unet": Family(colour("pink"), "U-Net"),
    "yolov3_tiny": Family(colour("coral"), "YOLOv3-tiny"),
}
_UNEVEN = 0.62  # the most of all that one of two columns may hold
_Item = TypeVar("_Item")


def is_pooling(case: Case) -> bool:
    """Return whether a problem pools, so that bytes count and not operations."""
    return "pool" in case.problem.partition(" ")[0]


def is_winograd(way: str) -> bool:
    """Return whether an algorithm multiplies less than the definition, which may lift it above a roof."""
    return "winograd" in way.lower()


def family(case: Case) -> Family:
    """Return which family a problem is of, by the first part of its name; by its kind if that says nothing.

    Examples
    --------
    >>> from fastconv.bench.plots.families import family
    >>> from fastconv.bench.report import Case
    >>> family(Case("layers", "vgg.conv1_1", "conv2d ...", 1, [])).label
    'VGG-16'
    """
    return _FAMILIES.get(case.name.partition(".")[0], _POOLING if is_pooling(case) else _OTHER)


def two_columns(blocks: Sequence[Sequence[_Item]]) -> list[list[Sequence[_Item]]]:
    """Split blocks into two columns in their order: between two of them, unless that is too uneven.

    Examples
    --------
    >>> from fastconv.bench.plots.families import two_columns
    >>> two_columns(["aaa", "b", "cccc"])
    [['aaa', 'b'], ['cccc']]
    >>> two_columns(["a", "bbbbbbb"])
    [['a', 'bbb'], ['bbbb']]
    """
    heights = [len(block) + 1 for block in blocks]
    cuts = range(1, len(blocks))
    cut = min(cuts, key=lambda cut: max(sum(heights[:cut]), sum(heights[cut:])), default=0)
    if cut and max(sum(heights[:cut]), sum(heights[cut:])) <= _UNEVEN * sum(heights):
        return [[*blocks[:cut]], [*blocks[cut:]]]
    items = (sum(map(len, blocks)) + 1) // 2
    columns: list[list[Sequence[_Item]]] = [[], []]
    for block in blocks:
        first, second = block[: max(items, 0)], block[max(items, 0) :]
        columns[0] += [first] if first else []
        columns[1] += [second] if second else []
        items -= len(block)
    return columns


def by_family(cases: Sequence[Case]) -> list[Sequence[Case]]:
    """Return neighbouring layers of one family together."""
    return [list(group) for _, group in groupby(cases, family)]
