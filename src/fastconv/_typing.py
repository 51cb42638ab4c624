"""The type aliases that the public signatures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""A result or an `out`: float32, float64, float16 or bfloat16, whichever the input has."""

NumberArray: TypeAlias = NDArray[Any]
"""A result or an `out`: floating, complex or integer numbers, as the input says."""

IndexArray: TypeAlias = NDArray[np.int64]

Shape: TypeAlias = Sequence[SupportsIndex]

Axes: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""One number for every spatial axis, or one per axis."""

Padding: TypeAlias = Axes | Sequence[Sequence[SupportsIndex]] | Literal["valid", "same"]
"""One number, one per axis, one (before, after) pair per axis, or a rule."""

OutputSize: TypeAlias = SupportsIndex | Sequence[SupportsIndex | None] | None
"""Output extents of an adaptive pool; None keeps the input's extent."""

Layout: TypeAlias = Literal["NCHW", "NHWC", "NCL", "NLC", "NCW", "NWC", "NCDHW", "NDHWC"]

Activation: TypeAlias = (
    Literal["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu"] | tuple[float | None, float | None]
)
"""A named activation, or a (low, high) clamp with either end open."""

PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular", "symmetric"]
"""What the positions around an image show."""
