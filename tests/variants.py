"""The ways to compute one problem: every usable instruction set, algorithm and number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

import fastconv
from fastconv import Problem
from fastconv._fastconv import supports

from .reference import Array

THREADS = (1, 2, 3, 8)


def algorithms(problem: Problem) -> list[str]:
    """The algorithms, by name, that can compute a problem on the present instruction set."""
    return [name for name in fastconv.algorithms() if not supports(name, problem)]


def rounding_algorithms(problem: Problem) -> list[str]:
    """Those that only add products of inputs and weights: all but Winograd, which adds other numbers."""
    return [name for name in algorithms(problem) if not name.startswith("winograd")]


def chosen(problem: Problem, algorithm: str = "auto") -> str:
    """The algorithm behind a choice such as "auto"."""
    return fastconv.explain(problem, algorithm).algorithm


def widest(problem: Problem) -> str:
    """The algorithm with the widest bound among those that a plain function may choose."""
    return "winograd4" if "winograd4" in algorithms(problem) else "direct"


@contextmanager
def instruction_set(name: str) -> Iterator[None]:
    """Compute with one instruction set, then with the previous one again."""
    before = fastconv.instruction_set()
    fastconv.set_instruction_set(name)
    try:
        yield
    finally:
        fastconv.set_instruction_set(before)


def variants(problem: Problem, threads: tuple[int, ...] = (2,)) -> Iterator[tuple[str, str]]:
    """Enter every combination in turn: yields the algorithm's name and a description of the variant."""
    for name in fastconv.instruction_sets():
        with instruction_set(name):
            for algorithm in algorithms(problem):
                for n in threads:
                    with fastconv.threads(n):
                        yield algorithm, f"{algorithm} on {name} with threads={n}"


def everywhere(
    call: Callable[[], Array], threads: tuple[int, ...] = (1, 2, 3)
) -> Iterator[tuple[Array, str]]:
    """The result on each instruction set, which must have the same bits for each number of threads."""
    for name in fastconv.instruction_sets():
        results = []
        with instruction_set(name):
            for n in threads:
                with fastconv.threads(n):
                    results.append(call())
        for other in results[1:]:
            np.testing.assert_array_equal(other, results[0], strict=True, err_msg=name)
        yield results[0], name
