"""Whether the machine did something else meanwhile: work whose time is known, and who used the cores."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from fastconv import _fastconv

SHARE = 0.65
"""Of the best rate seen: below that, something slowed the processor, and more than its own clock, which wide
vectors slow by a sixth."""

OTHERS = 0.15
"""Of one core's time: more than that, and other processes (or the host's) were at work."""

_BURSTS = 20  # of a twentieth of a millisecond for each of the two types
_SPAN = 0.25  # seconds: time is accounted in hundredths, so that less tells little


class Canary:
    """Asked between rounds, says whether the machine was there for them.

    Bare multiply-adds on all threads need nothing but the processor, and show what slows it at that moment.
    The system's account of its cores' time shows what happened since the last question; only Linux has it.

    Parameters
    ----------
    threads : int
        How many multiply.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._best = max(self._rate() for _ in range(20))
        self._since = (time.perf_counter(), others_seconds([]))

    def quiet(self, processes: Iterable[int]) -> bool:
        """Say whether the processor gives what it gave at best, and has worked for these processes alone."""
        alone = self._alone([os.getpid(), *processes])
        rate = self._rate()
        self._best = max(self._best, rate)
        return alone and rate >= SHARE * self._best

    def forget(self, processes: Iterable[int]) -> None:
        """Begin to account from now on."""
        self._since = time.perf_counter(), others_seconds([os.getpid(), *processes])

    def _alone(self, processes: list[int]) -> bool:
        begun, before = self._since
        now = time.perf_counter()
        if now - begun < _SPAN:
            return True
        used = others_seconds(processes)
        self._since = now, used
        return used - before <= OTHERS * (now - begun)

    def _rate(self) -> float:
        """Return the mean rate of some milliseconds: unlike a peak, it has every interruption in it."""
        _fastconv.measure_peak(1e-9, self._threads)  # wakes the threads
        times = 0.0
        for _ in range(_BURSTS):
            peak = _fastconv.measure_peak(1e-9, self._threads)  # one burst
            times += 1 / peak["float32"] + 1 / peak["float64"]
        return 1 / times


_PROC = Path("/proc")
_IDLE = (3, 4)  # idle, and waiting for disks
_GUESTS = 8  # what follows is counted before: user, nice, system, idle, iowait, irq, softirq, steal


def others_seconds(processes: Iterable[int]) -> float:
    """Return the seconds that cores have worked since the system began, but for some processes.

    What a host took from a virtual machine is in them; 0 where there is no such account.
    """
    try:
        first = (_PROC / "stat").read_text().partition("\n")[0]
        counts = [int(text) for text in first.split()[1 : 1 + _GUESTS]]
        ticks = sum(count for place, count in enumerate(counts) if place not in _IDLE)
        for process in processes:
            fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
            ticks -= int(fields[11]) + int(fields[12])  # user and system, the 14th and 15th of all
    except (OSError, ValueError, IndexError):
        return 0.0
    return ticks / os.sysconf("SC_CLK_TCK")
