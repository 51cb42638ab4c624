"""The threads of fastconv among those that the package ``threadpoolctl`` shows and limits.

That package finds thread pools by the files that a process has loaded. A controller tells it which file is
fastconv's; numbers of threads are read and set by `fastconv.get_num_threads` and `fastconv.set_num_threads`,
so the file needs no functions for it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from . import _fastconv

__all__ = ["register"]


def _get(controller: Any) -> int:
    return _fastconv.get_num_threads()


def _set(controller: Any, num_threads: int) -> None:
    _fastconv.set_num_threads(num_threads)


def _version(controller: Any) -> str:
    return str(_fastconv.build_info()["version"])


@cache  # a second controller would show the same file twice
def register() -> None:
    """Make ``threadpoolctl`` know fastconv, from now on and once.

    ``threadpool_limits`` then limits fastconv too, for the whole process, under the name ``"fastconv"`` for
    `user_api`. Not meant for use within `fastconv.threads`, whose number it would take for the process's.

    Raises
    ------
    ImportError
        There is no ``threadpoolctl``, or one older than 3.2.

    Examples
    --------
    >>> import fastconv
    >>> from fastconv import threadpools
    >>> from threadpoolctl import threadpool_info, threadpool_limits
    >>> threadpools.register()
    >>> with threadpool_limits(1, user_api="fastconv"):
    ...     fastconv.get_num_threads()
    1
    >>> [pool["prefix"] for pool in threadpool_info() if pool["user_api"] == "fastconv"]
    ['_fastconv']
    """
    library = import_module("threadpoolctl")
    if not hasattr(library, "register"):
        raise ImportError(f"threadpoolctl {library.__version__}, expected 3.2 or later")
    members = {
        "user_api": "fastconv",
        "internal_api": "fastconv",
        "filename_prefixes": ("_fastconv",),
        "get_num_threads": _get,
        "set_num_threads": _set,
        "get_version": _version,
        "__doc__": "The threads of fastconv.",
    }
    library.register(type("FastconvController", (library.LibController,), members))
