"""Libraries that do what no library should, for the benchmark to find out."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastconv import Problem
from fastconv.bench import Limits, Prepared, runner
from fastconv.bench.libraries.fastconv import Fastconv

TINY = "conv2d n1 ic4 ih9 iw8 oc6 kh3 kw3 s1 p1 nchw f32 bias relu"
LIMITS = Limits(
    1,
    {name: {"float32": 100.0, "float64": 50.0} for name in ("x86-64-v2", "x86-64-v3", "x86-64-v4", "neon")},
    {"L1": 100.0, "L2": 50.0, "memory": 10.0},
    {"L1": 2**15, "L2": 2**20},
)


class Song:
    """A canary that says what it is told; when there is no more, that it is quiet."""

    told: list[bool] = []  # noqa: RUF012 - of all, since a run makes its own

    def __init__(self, threads: int) -> None:
        pass

    def forget(self, processes: object) -> None:
        """Nothing was heard."""

    def quiet(self, processes: object) -> bool:
        """Say it."""
        return self.told.pop(0) if self.told else True


def make_quick(monkeypatch: pytest.MonkeyPatch, *told: bool) -> None:
    """Let a run measure no limits, and hear what is told of a canary."""
    monkeypatch.setattr(Song, "told", [*told])
    monkeypatch.setattr(runner, "Canary", Song)
    monkeypatch.setattr(
        runner,
        "measure_limits",
        lambda threads: Limits(threads, LIMITS.gflops, LIMITS.gbytes, LIMITS.capacities),
    )


class Changed(Fastconv):
    """What fastconv computes, with something done to the result."""

    name = "changed"
    settling = 0.0

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        """One is enough."""
        return ["direct"]

    def prepare(self, way: str, problem: Problem, arrays: Any, prepared: bool) -> Prepared:
        """As fastconv does."""
        call: Callable[[], Any] = super().prepare(way, problem, arrays, prepared).call
        return Prepared(lambda: self.change(call()))

    def change(self, y: Any) -> Any:
        """Return another result."""
        return y


class OneElement(Changed):
    def change(self, y: Any) -> Any:
        y[0, 2, 3, 4] += 1e-3
        return y


class Planted(OneElement):
    """A wrong result of fastconv's own."""

    name = "fastconv"


class OneNaN(Changed):
    def change(self, y: Any) -> Any:
        y[0, 0, 0, 0] = np.nan
        return y


class Cropped(Changed):
    def change(self, y: Any) -> Any:
        return y[:, :, 1:]


class Widened(Changed):
    def change(self, y: Any) -> Any:
        return y.astype(np.float64)


class Failing(Changed):
    def change(self, y: Any) -> Any:
        raise RuntimeError("out of order")


class Dying(Changed):
    """Takes its process down, but on pools."""

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        return ["pool"] if "pool" in problem.op else ["direct"]

    def change(self, y: Any) -> Any:
        if y.dtype == np.float32:
            os.kill(os.getpid(), signal.SIGKILL)
        return y


class DyingLater(Changed):
    """Fails when it is timed: at its third call."""

    calls = 0

    def change(self, y: Any) -> Any:
        self.calls += 1
        if self.calls > 2:
            raise RuntimeError("tired")
        return y


class Talking(Changed):
    def change(self, y: Any) -> Any:
        print("what a result!", flush=True)
        os.write(1, b"indeed\n")
        return y


class Absent(Changed):
    def __init__(self, threads: int, instruction_set: str) -> None:
        raise ImportError("No module named 'absent'")


class Counting(Changed):
    """Says how it was asked."""

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        return ["packed"] if prepared else []

    def prepare(self, way: str, problem: Problem, arrays: Any, prepared: bool) -> Prepared:
        return super().prepare("direct", problem, arrays, prepared)._replace(chosen="its own")
