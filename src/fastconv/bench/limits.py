"""What the machine can do at most: multiply-adds by instruction set, bytes by level of the memory.

No figure stands alone: each row says what share of its own limit it reached, and which limit that is
(Williams, Waterman, Patterson 2009, "Roofline", https://doi.org/10.1145/1498765.1498785).
"""

from __future__ import annotations

from dataclasses import dataclass

import fastconv
from fastconv import Problem, _fastconv
from fastconv.bench.data import computed_in
from fastconv.bench.machine import as_asked

ARITHMETIC, MEMORY = "arithmetic", "memory"


@dataclass(frozen=True)
class Limits:
    """Measured with a number of threads, together.

    Attributes
    ----------
    threads : int
        How many.
    gflops : dict
        By instruction set and then by type: GFLOP/s of bare multiply-adds.
    gbytes : dict
        By level, ``"L1"``, ``"L2"``, ``"L3"`` and ``"memory"``: GB/s of loads, or of loads and stores if
        that is more.
    capacities : dict
        By level of cache: bytes that all threads' caches hold together.
    """

    threads: int
    gflops: dict[str, dict[str, float]]
    gbytes: dict[str, float]
    capacities: dict[str, int]

    def level(self, size: int) -> str:
        """Return the nearest level that holds so many bytes."""
        fitting = [level for level, capacity in self.capacities.items() if size <= capacity]
        return fitting[0] if fitting else MEMORY

    def of(self, problem: Problem, instruction_set: str, cold: bool = False) -> tuple[str, float]:
        """Return which limit a problem meets, and the seconds that it takes at least there.

        Either its operations, by the definition, at the peak of arithmetic; or its bytes, each moved once,
        from the nearest level that holds all of them: from memory if caches are cold.
        """
        level = MEMORY if cold else self.level(problem.bytes)
        bounds = {
            ARITHMETIC: problem.flops / self.gflops[instruction_set][computed_in(problem)] / 1e9,
            level: problem.bytes / self.gbytes[level] / 1e9,
        }
        limit = max(bounds, key=bounds.__getitem__)
        return limit, bounds[limit]


def measure_peak(threads: int, bursts: int = 4, seconds: float = 0.05) -> dict[str, float]:
    """Measure the GFLOP/s of bare multiply-adds, by type: the best of bursts, a disturbed one is no peak."""
    found = [_fastconv.measure_peak(seconds, threads) for _ in range(bursts)]
    return {
        "float32": max(peak["float32"] for peak in found),
        "float64": max(peak["float64"] for peak in found),
    }


_MOST_BYTES = 2**30  # for a buffer that no cache holds


def measure_limits(threads: int, seconds: float = 0.1) -> Limits:
    """Measure what the machine can do with so many threads, each figure for some such time."""
    cpu = _fastconv.cpu_info()
    own = {"L1": threads * cpu["l1d"], "L2": threads * cpu["l2"]}
    capacities = {level: size for level, size in {**own, "L3": cpu["l3"]}.items() if size}
    sizes = {level: size // 2 for level, size in capacities.items()}
    if "L3" in sizes:  # well beyond the caches before it, whatever part of it others use
        sizes["L3"] = min(sizes["L3"], 4 * own["L2"])
    sizes[MEMORY] = min(_MOST_BYTES, 2 * max([2**26, *capacities.values()]))
    gflops = {}
    for name in fastconv.instruction_sets():
        with as_asked(None, name):
            gflops[name] = measure_peak(threads, 2, seconds)
    gbytes = {level: _fastconv.measure_bandwidth(size, seconds, threads) for level, size in sizes.items()}
    return Limits(threads, gflops, gbytes, capacities)
