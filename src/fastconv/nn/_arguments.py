"""Checks that several layers share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from operator import index
from types import ModuleType
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from .._typing import Activation, Axes, Layout


def positive(name: str, value: SupportsIndex, least: int = 1) -> int:
    """Return an integer, positive unless another `least` is given."""
    if isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: expected an integer")
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r}: expected an integer") from None
    if number < least:
        raise ValueError(
            f"{name}={number}: expected {'a positive integer' if least else 'an integer from 0 on'}"
        )
    return number


def extents(name: str, value: Axes, rank: int, least: int = 1) -> tuple[int, ...]:
    """Return an integer for each axis, of one for all or one for each."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (positive(name, value, least),) * rank
    if len(value) != rank:
        raise ValueError(f"{name}={value!r}: expected an integer or {rank} of them")
    return tuple(positive(name, extent, least) for extent in value)


def in_range(name: str, value: Any, low: float, high: float, *, below: bool = False) -> float:
    """Return a number with ``low <= value <= high``, or with `below` ``low <= value < high``."""
    if isinstance(value, bool | np.bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r}: expected a number")
    number = float(value)
    if not (low <= number <= high) or (below and number == high):
        sign = "<" if below or math.isinf(high) else "<="
        raise ValueError(f"{name}={value!r}: expected {low:g} <= {name} {sign} {high:g}")
    return number


def float_type(dtype: DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype={dtype!r}: expected float32 or float64") from None
    if dtype is None or kind not in (np.float32, np.float64):
        raise TypeError(f"dtype={dtype!r}: expected float32 or float64")
    return kind.newbyteorder("=")


def channel_axis(layout: str, ndim: int) -> int:
    """Return the axis of the channels in a batch."""
    return ndim - 1 if layout.endswith("C") else 1


def check_activation(activation: Activation | None) -> Activation | None:
    """Return an activation that can be undone; whether there is one of that name, functions find."""
    if isinstance(activation, str) and activation == "silu":
        raise ValueError(
            "activation='silu': expected one that can be undone from its result; let a layer SiLU follow"
        )
    return activation


def check_layout(layout: Layout) -> Literal["NCHW", "NHWC"]:
    """Return one of the two layouts that layers of any rank take."""
    if not isinstance(layout, str):
        raise TypeError(f"layout={layout!r}: expected a string")
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout={layout!r}: expected 'NCHW' or 'NHWC'")
    return layout


def ranked(module: ModuleType, name: str, rank: int, suffix: str = "") -> Callable[..., Any]:
    """Return the function or class for so many spatial axes, such as ``conv2d`` or ``conv2d_input``."""
    found: Callable[..., Any] = getattr(module, f"{name}{rank}d{suffix}")
    return found
