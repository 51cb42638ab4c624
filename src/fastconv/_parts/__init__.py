"""Functions of whole arrays, computed in parts with the same bits: what `dask` and `tiled` stand on.

`operation` says which part of the result needs which part of the input, and computes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._arrays import Array
from .axes import Run
from .convolution import CONVOLUTIONS, conv_operation
from .documentation import documented
from .filters import filter_operation
from .operation import Operation, Region, Source, size_of, within
from .pooling import POOLS, pool_operation
from .sources import Mosaic

__all__ = ["Mosaic", "Operation", "Region", "Run", "Source", "documented", "operation", "size_of", "within"]


def operation(
    function: Callable[..., Array], shape: tuple[int, ...], dtype: np.dtype[Any], *args: Any, **kwargs: Any
) -> Operation:
    """Return what a function of fastconv does to an array of that shape and dtype, with other arguments."""
    if function in CONVOLUTIONS:
        return conv_operation(function, shape, dtype, *args, **kwargs)
    if function in POOLS:
        return pool_operation(function, shape, dtype, *args, **kwargs)
    return filter_operation(function, shape, dtype, *args, **kwargs)
