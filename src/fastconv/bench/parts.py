"""The parts of a run: which problems, against what, with how many threads.

``layers`` is the benchmark proper. The others answer one question each with few problems of one kind:
``algorithms``, which algorithm is fastest where; ``batch``, ``size`` and ``threads``, what the time of one
operation becomes as these grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastconv import Problem

LAYERS, ALGORITHMS, BATCH, SIZE, THREADS = PARTS = ("layers", "algorithms", "batch", "size", "threads")


@dataclass(frozen=True)
class Part:
    """Problems that are measured alike.

    Attributes
    ----------
    name : str
        One of `PARTS`.
    problems : mapping of str to Problem
        By name.
    libraries : tuple of str
        Only these; empty for all.
    threads : int, optional
        None leaves what the settings say.
    processes, rounds : int, optional
        Other than the settings say.
    """

    name: str
    problems: Mapping[str, Problem]
    libraries: tuple[str, ...] = ()
    threads: int | None = None
    processes: int | None = None
    rounds: int | None = None


_MAP_CHANNELS, _MAP_EXTENTS = (8, 16, 32, 64, 128, 256, 512), (7, 14, 28, 56, 112, 224)
_MOST_OPERATIONS = 4e9
_BATCHES, _SIZES = (1, 2, 4, 8, 16, 32), (14, 28, 56, 112, 224, 448)
_ALONE, _ROUNDS = 1, 3  # enough to see how a curve goes


def _square(channels: int, extent: int, batch: int = 1) -> Problem:
    side = f"ih{extent} iw{extent} oc{channels}"
    return Problem(f"conv2d n{batch} ic{channels} {side} kh3 kw3 s1 p1 nchw f32")


def layers(problems: Mapping[str, Problem]) -> Part:
    """Return the part with these problems, measured as the settings say."""
    return Part(LAYERS, problems)


def sweeps(threads: int) -> list[Part]:
    """Return all parts but the first, for a machine on which so many threads are used at most.

    Examples
    --------
    >>> from fastconv.bench.parts import sweeps
    >>> [part.name for part in sweeps(2)]
    ['algorithms', 'batch', 'size', 'threads', 'threads']
    """
    channels_and_extents = {
        f"{channels}@{extent}": _square(channels, extent)
        for channels in _MAP_CHANNELS
        for extent in _MAP_EXTENTS
    }
    few = {
        name: problem for name, problem in channels_and_extents.items() if problem.flops <= _MOST_OPERATIONS
    }
    batches = {f"batch.{batch}": _square(64, 28, batch) for batch in _BATCHES}
    sizes = {f"size.{extent}": _square(64, extent) for extent in _SIZES}
    one = {
        "3x3": _square(128, 56),
        "1x1": Problem("conv2d n1 ic256 ih28 iw28 oc256 kh1 kw1 s1 p0 nchw f32"),
        "depthwise": Problem("conv2d n1 ic128 ih112 iw112 oc128 kh3 kw3 s1 p1 g128 nchw f32"),
    }
    counts = sorted({*(2**i for i in range(threads.bit_length())), threads})
    return [
        Part(ALGORITHMS, few, ("fastconv",), None, _ALONE, _ROUNDS),
        Part(BATCH, batches, (), None, _ALONE, _ROUNDS),
        Part(SIZE, sizes, (), None, _ALONE, _ROUNDS),
        *(Part(THREADS, one, (), count, _ALONE, _ROUNDS) for count in counts),
    ]
