"""OpenCV: its filter of images, and its reader of networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.libraries._channels_first import (
    centred,
    filters_channels,
    input_first,
    output_as,
    plain,
    weight_first,
)
from fastconv.bench.libraries._onnx import expressible, model
from fastconv.bench.libraries.library import Library, Prepared

# As many channels as an image has whose pixels the filter takes at once.
_COLOURS = 4


class OpenCV(Library):
    """``filter2D`` for channels that are filtered by themselves, ``dnn`` for layers of a network."""

    name = "opencv"
    settling = 0.005

    def __init__(self, threads: int, instruction_set: str) -> None:
        super().__init__(threads, instruction_set)
        cv2.setNumThreads(threads)

    def version(self) -> str:
        return str(cv2.__version__)

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        if problem.rank != 2:
            return []
        ways = []
        if plain(problem, "float32", "float64") and filters_channels(problem) and centred(problem):
            ways.append("filter2D")
        if prepared and expressible(problem, "float32") and not _misread(problem):
            ways.append("dnn")
        return ways

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        if way == "dnn":
            return _network(problem, arrays)
        assert arrays.weight is not None
        kernels = weight_first(problem, arrays.weight)[:, 0]
        alike = bool((kernels == kernels[0]).all())
        if problem.layout == "NHWC" and alike and problem.ic <= _COLOURS:
            return Prepared(_filter_images(arrays.x, kernels[0]))
        planes = input_first(problem, arrays.x)
        return Prepared(_filter_planes(planes, kernels), lambda y: output_as(problem, y))


def _misread(problem: Problem) -> bool:
    """Return whether ``dnn`` computes something else, as version 5.0 does.

    Convolutions read memory beyond the image where a kernel of one pixel has padding, and take kernels of
    nine in a row for those of three by three; depthwise ones do not. Means of windows that reach beyond the
    padding are divided by the size of the window.
    """
    if problem.op.startswith("avg"):
        return problem.ceil_mode and problem.count_include_pad
    if problem.op.startswith("max") or problem.groups == problem.ic == problem.oc:
        return False
    pixels = math.prod(problem.kernel_size)
    padded_pixel = pixels == 1 and problem.padding != ((0, 0), (0, 0))
    return padded_pixel or (pixels == 9 and problem.kernel_size != (3, 3))


def _filter_images(images: NDArray[Any], kernel: NDArray[Any]) -> Callable[[], NDArray[Any]]:
    """Filter all channels of an image at once."""

    def call() -> NDArray[Any]:
        y = np.empty_like(images)
        for image, result in zip(images, y, strict=True):
            cv2.filter2D(image, -1, kernel, dst=result, borderType=cv2.BORDER_CONSTANT)
        return y

    return call


def _filter_planes(images: NDArray[Any], kernels: NDArray[Any]) -> Callable[[], NDArray[Any]]:
    """Filter channel after channel, each by its own kernel."""

    def call() -> NDArray[Any]:
        y = np.empty_like(images)
        for image, result in zip(images, y, strict=True):
            for plane, kernel, filtered in zip(image, kernels, result, strict=True):
                cv2.filter2D(plane, -1, kernel, dst=filtered, borderType=cv2.BORDER_CONSTANT)
        return y

    return call


def _network(problem: Problem, arrays: Arrays) -> Prepared:
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model(problem, arrays), np.uint8))
    x = input_first(problem, arrays.x)

    def call() -> Any:
        net.setInput(x)
        return net.forward()

    return Prepared(call, lambda y: output_as(problem, np.asarray(y)))
