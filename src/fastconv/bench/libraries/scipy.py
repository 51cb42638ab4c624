"""SciPy: its correlations of images and of signals, which use one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
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
from fastconv.bench.libraries.library import Library, Prepared


class SciPy(Library):
    """Filters channel after channel; its functions know neither strides nor sums over channels."""

    name = "scipy"
    settling = 0.0

    def version(self) -> str:
        return str(scipy.__version__)

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        if not (plain(problem, "float32", "float64") and filters_channels(problem)):
            return []
        ways = ["ndimage.correlate"] if centred(problem) else []
        ways.append("signal.correlate")
        if problem.rank == 1:
            ways.append("signal.oaconvolve")
        return ways

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        assert arrays.weight is not None
        kernels = weight_first(problem, arrays.weight)[:, 0]
        images, apply = input_first(problem, arrays.x), _FILTERS[way](problem)

        def call() -> NDArray[Any]:
            y = np.empty((problem.n, problem.oc, *problem.output_size), images.dtype)
            for image, result in zip(images, y, strict=True):
                for plane, kernel, filtered in zip(image, kernels, result, strict=True):
                    filtered[...] = apply(plane, kernel)
            return y

        return Prepared(call, lambda y: output_as(problem, y))


_Filter = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]


def _image(problem: Problem) -> _Filter:
    return lambda plane, kernel: scipy.ndimage.correlate(plane, kernel, mode="constant")


def _signal(problem: Problem) -> _Filter:
    if centred(problem):
        return lambda plane, kernel: scipy.signal.correlate(plane, kernel, mode="same", method="auto")
    return lambda plane, kernel: scipy.signal.correlate(np.pad(plane, problem.padding), kernel, mode="valid")


def _long_signal(problem: Problem) -> _Filter:
    if centred(problem):
        return lambda plane, kernel: scipy.signal.oaconvolve(plane, kernel[::-1], mode="same")
    return lambda plane, kernel: scipy.signal.oaconvolve(
        np.pad(plane, problem.padding), kernel[::-1], mode="valid"
    )


_FILTERS: dict[str, Callable[[Problem], _Filter]] = {
    "ndimage.correlate": _image,
    "signal.correlate": _signal,
    "signal.oaconvolve": _long_signal,
}
