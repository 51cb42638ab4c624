"""What an adapter is: how one library computes a problem, as somebody who knows the library would call it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastconv import Problem
from fastconv.bench.data import Arrays


class Prepared(NamedTuple):
    """A problem made ready: what is timed, and how its result is read.

    Attributes
    ----------
    call : callable
        Takes nothing and computes the problem; this alone is timed.
    array : callable
        Makes an array of the call's result, in the problem's layout and type.
    chosen : str
        The algorithm that runs, where the library tells.
    """

    call: Callable[[], Any]
    array: Callable[[Any], NDArray[Any]] = np.asarray
    chosen: str = ""


class Library(ABC):
    """One library, in a process of its own.

    A subclass says which `ways` it has for a problem, and makes one of them ready in `prepare`. Its module
    may import the library at the top: it is loaded in that process alone, whose environment limits OpenMP,
    OpenBLAS and MKL to the run's threads before anything is imported.

    Parameters
    ----------
    threads : int
        How many threads to use; what the environment does not limit, the subclass has to.
    instruction_set : str
        What fastconv uses, as in `fastconv.instruction_sets`: for code that is compiled here.

    Attributes
    ----------
    name : str
        What tables call it.
    settling : float
        Seconds that its threads may stay awake after a call, waiting for the next: as long nothing else is
        timed. OpenMP's stay awake for 5 to 8 ms (seen in the time of the processor that they use).
    """

    name: ClassVar[str]
    settling: ClassVar[float] = 0.02

    def __init__(self, threads: int, instruction_set: str) -> None:
        self.threads = threads
        self.instruction_set = instruction_set

    @abstractmethod
    def version(self) -> str:
        """Return the library's version."""

    @abstractmethod
    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        """Return the names of the ways in which the library computes a problem; none if it cannot.

        With `prepared`, whatever can be done once for all calls is done in `prepare`: packing weights,
        compiling. Without, weights arrive with every call; a library that cannot do that has no ways then.
        """

    @abstractmethod
    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        """Make one of the ways ready for a problem and its arrays, which nobody changes."""
