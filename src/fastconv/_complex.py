"""Complex numbers by one operator on real ones.

With the real and the imaginary parts of an input as twice the batch, and those of the weights as twice the
output channels of each group, one call gives all four sums of (a + ib)(c + id) = ac - bd + i(ad + bc).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arrays import Array
from ._results import result_array
from ._sums import Sums

__all__ = ["check_types", "computed"]


def check_types(x: Array, w: Array, b: Array | None) -> None:
    """Fail unless all are complex numbers of one size."""
    if x.dtype.itemsize > 16:
        raise TypeError(f"input: dtype {x.dtype}, expected complex64 or complex128")
    for name, array in (("weight", w), ("bias", b)):
        if array is not None and (array.dtype.kind, array.dtype.itemsize) != ("c", x.dtype.itemsize):
            raise TypeError(f"{name}: dtype {array.dtype}, expected {x.dtype.newbyteorder('=')} as input")


def computed(sums: Sums, activation: Any, out: Any) -> Array:
    """Return the sums with the bias."""
    if activation is not None:
        raise ValueError(f"activation={activation!r}: expected None with complex numbers")
    y = result_array(out, sums.shape, sums.x.dtype, sums.inputs())

    x = np.stack((sums.x.real, sums.x.imag))
    if sums.x.ndim == sums.w.ndim:  # there is a batch
        x = x.reshape(2 * x.shape[1], *x.shape[2:])
    w = sums.w.reshape(sums.grouped)
    w = np.concatenate((w.real, w.imag), sums.outputs)
    i, j = sums.group, sums.group + 2
    w = w.reshape(*w.shape[:i], w.shape[i] * w.shape[i + 1], *w.shape[j:])

    groups, c = sums.grouped[i], sums.channels
    before, after = sums.shape[:c], sums.shape[c + 1 :]
    of_group = sums.shape[c] // groups
    parts = sums.floats(x, w).reshape(2, *before, groups, 2, of_group, *after)
    (ac, ad), (bc, bd) = np.moveaxis(parts, c + 2, 1)
    split = y.reshape(*before, groups, of_group, *after)
    np.subtract(ac, bd, out=split.real)
    np.add(ad, bc, out=split.imag)
    if sums.b is not None:
        y += sums.along_channels(sums.b)
    return y
