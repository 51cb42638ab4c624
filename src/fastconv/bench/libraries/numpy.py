"""NumPy: what a good programmer writes, see `fastconv.bench.baselines`."""

from __future__ import annotations

from functools import partial

import numpy as np

from fastconv import Problem
from fastconv.bench.baselines import baselines
from fastconv.bench.data import Arrays
from fastconv.bench.libraries.library import Library, Prepared


class NumPy(Library):
    """Its threads, those of its matrix product, sleep soon: see `fastconv.bench.processes.environment`."""

    name = "numpy"
    settling = 0.005

    def version(self) -> str:
        return np.__version__

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        return [*baselines(problem)]

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        return Prepared(partial(baselines(problem)[way], problem, arrays.x, arrays.weight, arrays.bias))
