"""What can be wrong with a model."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["ModelError", "UnsupportedError", "check_size"]


class ModelError(ValueError):
    """A model that cannot be read or run: the message names the file, or the node, and what is wrong.

    Examples
    --------
    >>> import fastconv.onnx
    >>> fastconv.onnx.load(b"no model")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    fastconv.onnx.errors.ModelError: model: not an ONNX model: ...
    """


class UnsupportedError(Exception):
    """A node that the operators here do not compute: `onnx.reference` shall. Never seen by callers."""


def _memory() -> int:
    """Bytes of the machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not POSIX
        return 1 << 40


_MEMORY = _memory()


def check_size(shape: tuple[int, ...], dtype: DTypeLike) -> None:
    """Refuse an array larger than the machine's memory before anybody asks the system for it."""
    if any(extent < 0 for extent in shape):
        raise ModelError(f"shape {shape}: expected no negative extent")
    needed = np.dtype(dtype).itemsize
    for extent in shape:
        needed *= extent
    if needed > _MEMORY:
        raise ModelError(f"shape {shape} of {np.dtype(dtype)}: {needed} bytes, this machine has {_MEMORY}")
