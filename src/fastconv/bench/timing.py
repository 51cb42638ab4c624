"""How a call is timed: alike for every library."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

_CLOCK = 2e-5  # seconds: so long that reading the clock does not count
_LONG = 0.1  # seconds: a call as long as this brings back caches and threads by itself
_LEAST = 3  # calls


def time_call(call: Callable[[], Any], seconds: float) -> float:
    """Return the median seconds of a call, of several in succession for about so long, and of three at least.

    Calls before them, for as long, bring back what others drove out: caches, threads, memory that was given
    back to the system. A call that takes long does that by itself. Quick calls are timed in groups.
    """
    begin = time.perf_counter()
    first = _time(call, 1)
    if first >= _LONG:
        return first
    while time.perf_counter() < begin + seconds:
        first = _time(call, 1)
    group = max(1, math.ceil(_CLOCK / max(first, 1e-7)))
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while len(samples) < _LEAST or time.perf_counter() < end:
        samples.append(_time(call, group))
    return statistics.median(samples)


def time_cold(call: Callable[[], Any], evict: Callable[[], Any]) -> float:
    """Return the median seconds of a call behind `evict`, of three."""
    samples = []
    for _ in range(_LEAST):
        evict()
        samples.append(_time(call, 1))
    return statistics.median(samples)


def in_turn(
    calls: Sequence[Callable[[], Any]], rounds: int = 9, sample: float = 0.003, seconds: float = 0.8
) -> list[list[float]]:
    """Time calls of this process in turn, once a round; a round has the same place in every list.

    Parameters
    ----------
    calls : sequence of callable
        What to time; they share this process, its threads and its memory.
    rounds : int
        Rounds at most; it ends after three if it has used its `seconds`.
    sample : float
        Seconds of each call's turn, see `time_call`.
    seconds : float
        Time for all.
    """
    samples: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    for done in range(rounds):
        if done >= _LEAST and time.perf_counter() > end:
            break
        for found, call in zip(samples, calls, strict=True):
            found.append(time_call(call, sample))
    return samples


def _time(call: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
