"""Arrays flush against memory that nobody may touch: one element outside is a segmentation fault."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np

from .reference import Array

PAGE = mmap.PAGESIZE
PROT_NONE = 0


def guarded(shape: tuple[int, ...], dtype: Any, flush: str) -> Array:
    """An array between two pages without access, flush with the first ("start") or the second ("end")."""
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    pages = -(-nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)  # stays mapped as long as the array refers to it
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for guard in (address, address + (pages + 1) * PAGE):
        if libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect failed")
    offset = PAGE if flush == "start" else (pages + 1) * PAGE - nbytes
    return np.ndarray(shape, dtype, memory, offset)


def guarded_copy(array: Array, flush: str) -> Array:
    """The same numbers in guarded memory, read-only."""
    copy = guarded(array.shape, array.dtype, flush)
    copy[...] = array
    copy.flags.writeable = False
    return copy
