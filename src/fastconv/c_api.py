"""Where C and Cython code finds fastconv: header, build files, the functions that `c_api.pxd` declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import _fastconv

__all__ = ["get_cmake_dir", "get_include"]

__pyx_capi__: dict[str, Any] = _fastconv._cython_functions


def get_include() -> str:
    """Return the folder of ``fastconv.h``, for a compiler's ``-I``.

    The header describes a small interface for C: a plan is made for a convolution and its weights, run on
    plain memory from any number of threads, without the interpreter's lock, and destroyed. Nothing is linked;
    the functions come through a capsule, ``fastconv_import()``. CMake's ``find_package(fastconv)`` finds the
    same in `get_cmake_dir`, with the target ``fastconv::fastconv``, pkg-config as ``fastconv``. Cython code
    says ``cimport fastconv.c_api``.

    Returns
    -------
    str
        An absolute path.

    Examples
    --------
    >>> from pathlib import Path
    >>> import fastconv
    >>> (Path(fastconv.get_include()) / "fastconv.h").is_file()
    True
    """
    return str(Path(__file__).parent / "include")


def get_cmake_dir() -> str:
    """Return the folder of ``fastconv-config.cmake``, for ``-Dfastconv_DIR``.

    Returns
    -------
    str
        An absolute path.

    Examples
    --------
    >>> from pathlib import Path
    >>> import fastconv
    >>> (Path(fastconv.get_cmake_dir()) / "fastconv-config.cmake").is_file()
    True
    """
    return str(Path(__file__).parent / "cmake")
