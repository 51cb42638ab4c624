"""Threads, instruction sets, algorithms: what runs, and how to see and limit it.

Environment variables that set the start:

``FASTCONV_NUM_THREADS``
    Number of threads; without it ``OMP_NUM_THREADS``, else the cores that the process may use.
``FASTCONV_ISA``
    Highest instruction set to use; it can only lower the choice.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, overload

import numpy as np

from . import _fastconv
from ._explanation import Explanation

__all__ = [
    "algorithms",
    "explain",
    "get_num_threads",
    "instruction_set",
    "instruction_sets",
    "set_instruction_set",
    "set_num_threads",
    "show_config",
    "show_runtime",
    "threads",
]


def set_num_threads(n: int) -> None:
    """Set the number of threads that one call may use, for the whole process.

    Parameters
    ----------
    n : int
        At least 1. Results have the same bits for every `n`.

    Raises
    ------
    TypeError, ValueError
        `n` is not an int, or less than 1.

    See Also
    --------
    threads : The same for a block of code, in the calling thread alone.

    Examples
    --------
    >>> import fastconv
    >>> before = fastconv.get_num_threads()
    >>> fastconv.set_num_threads(1)
    >>> fastconv.get_num_threads()
    1
    >>> fastconv.set_num_threads(before)
    """
    _fastconv.set_num_threads(n)


def get_num_threads() -> int:
    """Tell how many threads a call from here may use.

    Returns
    -------
    int
        Inside `threads` the number given there, else that of the process.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.get_num_threads() >= 1
    True
    """
    return _fastconv.get_num_threads()


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Limit the calls in a ``with`` block to `n` threads.

    Only calls made by the thread that entered the block are affected; blocks nest.

    Parameters
    ----------
    n : int
        At least 1.

    Returns
    -------
    context manager
        Restores the number from before on leaving; also usable as a decorator.

    Raises
    ------
    TypeError, ValueError
        On entering, `n` is not an int, or less than 1.

    Examples
    --------
    >>> import fastconv
    >>> with fastconv.threads(1):
    ...     fastconv.get_num_threads()
    1
    """
    _fastconv.push_threads(n)
    try:
        yield
    finally:
        _fastconv.pop_threads()


def instruction_set() -> str:
    """Name the instruction set in use.

    Returns
    -------
    str
        One of `instruction_sets`.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.instruction_set() in fastconv.instruction_sets()
    True
    """
    return _fastconv.instruction_set()


def instruction_sets() -> tuple[str, ...]:
    """List the instruction sets that this build has kernels for and this processor runs.

    Returns
    -------
    tuple of str
        Lowest first, of ``"x86-64-v2"``, ``"x86-64-v3"``, ``"x86-64-v4"``, ``"neon"``.

    Examples
    --------
    >>> import fastconv
    >>> len(fastconv.instruction_sets()) >= 1
    True
    """
    return tuple(_fastconv.instruction_sets())


def set_instruction_set(name: str) -> None:
    """Use the kernels of another instruction set from now on, in the whole process.

    Meant for tests and comparisons: the highest one, which is the default, is the fastest.

    Parameters
    ----------
    name : str
        One of `instruction_sets`.

    Raises
    ------
    TypeError, ValueError
        `name` is not a str, or not usable here.

    Examples
    --------
    >>> import fastconv
    >>> highest = fastconv.instruction_set()
    >>> fastconv.set_instruction_set(fastconv.instruction_sets()[0])
    >>> fastconv.set_instruction_set(highest)
    """
    _fastconv.set_instruction_set(name)


def algorithms() -> dict[str, str]:
    """List the algorithms that ``algorithm=`` accepts beside ``"auto"``.

    Returns
    -------
    dict of str to str
        Name to a one-line description.

    Examples
    --------
    >>> import fastconv
    >>> "direct" in fastconv.algorithms()
    True
    """
    return _fastconv.algorithms()


def explain(problem: str | _fastconv.Problem, algorithm: str = "auto") -> Explanation:
    """Say how a problem would be computed, and why so, without computing it.

    Parameters
    ----------
    problem : str or Problem
        Such as ``"conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f32"``; see `Problem`.
    algorithm : str
        ``"auto"``, ``"strict"``, or a name from `algorithms`; see `conv2d`. Weights count as packed.

    Returns
    -------
    Explanation
        ``print`` it, or read its fields.

    Raises
    ------
    TypeError
        `problem` is neither a str nor a Problem.
    ValueError
        A problem string that does not parse, with the word that does not; or an unsupported algorithm, with
        the reason.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.explain("conv1d n1 ic1 iw1000 oc1 kw9 nchw f32", "direct").algorithm
    'direct'
    """
    return Explanation(**_fastconv.explain(problem, algorithm))


@overload
def show_config(mode: Literal["stdout"] = ...) -> None: ...
@overload
def show_config(mode: Literal["dicts"]) -> dict[str, Any]: ...
def show_config(mode: Literal["stdout", "dicts"] = "stdout") -> dict[str, Any] | None:
    """Show how this copy was built.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        Print, or return.

    Returns
    -------
    dict or None
        With ``mode="dicts"``: ``version``, ``compiler``, ``flags``, ``instruction_sets``.

    Raises
    ------
    ValueError
        Another mode.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.show_config(mode="dicts")["version"] == fastconv.__version__
    True
    """
    return _show(dict(_fastconv.build_info()), mode)


@overload
def show_runtime(mode: Literal["stdout"] = ...) -> None: ...
@overload
def show_runtime(mode: Literal["dicts"]) -> dict[str, Any]: ...
def show_runtime(mode: Literal["stdout", "dicts"] = "stdout") -> dict[str, Any] | None:
    """Show what this process runs on: what a bug report needs beside `show_config`.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        Print, or return.

    Returns
    -------
    dict or None
        With ``mode="dicts"``: ``version``, ``python``, ``numpy``, ``platform``, ``cpu``, ``instruction_set``,
        ``instruction_sets``, ``threads``, and ``environment``, the variables that are set.

    Raises
    ------
    ValueError
        Another mode.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.show_runtime(mode="dicts")["threads"] == fastconv.get_num_threads()
    True
    """
    variables = ("FASTCONV_ISA", "FASTCONV_NUM_THREADS", "OMP_NUM_THREADS")
    facts = {
        "version": _fastconv.build_info()["version"],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cpu": dict(_fastconv.cpu_info()),
        "instruction_set": instruction_set(),
        "instruction_sets": list(instruction_sets()),
        "threads": get_num_threads(),
        "environment": {name: os.environ[name] for name in variables if name in os.environ},
    }
    return _show(facts, mode)


def _show(facts: dict[str, Any], mode: str) -> dict[str, Any] | None:
    if mode == "dicts":
        return facts
    if mode != "stdout":
        raise ValueError(f'mode must be "stdout" or "dicts", got {mode!r}')
    for name, value in facts.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for key, item in value.items():
                print(f"  {key}: {item}")
        elif isinstance(value, list):
            print(f"{name}: {', '.join(map(str, value))}")
        else:
            print(f"{name}: {value}")
    return None
