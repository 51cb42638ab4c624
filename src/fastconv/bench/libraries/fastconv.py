"""fastconv itself: ``auto``, and every algorithm that supports a problem."""

from __future__ import annotations

import fastconv
from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.kernels import kernel_call, kernel_names
from fastconv.bench.libraries.library import Library, Prepared


class Fastconv(Library):
    """`Conv2d` and its sisters with weights packed once, or `conv2d` without; pools."""

    name = "fastconv"
    settling = 0.005

    def __init__(self, threads: int, instruction_set: str) -> None:
        super().__init__(threads, instruction_set)
        fastconv.set_num_threads(threads)
        fastconv.set_instruction_set(instruction_set)

    def version(self) -> str:
        return fastconv.__version__

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        return kernel_names(problem)

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        call = kernel_call(problem, arrays, way, prepared)
        return Prepared(call, chosen=fastconv.explain(problem, way).algorithm)
