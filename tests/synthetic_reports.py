"""Reports of runs that never were: plausible figures by arithmetic, the same each time."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import fastconv
from fastconv import Problem
from fastconv.bench.data import computed_in
from fastconv.bench.kernels import kernel_names
from fastconv.bench.limits import Limits
from fastconv.bench.machine import Machine
from fastconv.bench.parts import sweeps
from fastconv.bench.problems import LAYERS
from fastconv.bench.report import Report, Row
from fastconv.bench.settings import Settings

ISA = "x86-64-v4"
# Ways of each library, and what share of the roof the first of them reaches.
LIBRARIES: dict[str, tuple[tuple[str, ...], float]] = {
    "fastconv": ((), 0.8),
    "numpy": (("im2col", "windows"), 0.2),
    "scipy": (("correlate", "fftconvolve"), 0.04),
    "opencv": (("dnn",), 0.5),
    "torch": (("conv", "channels last", "compiled"), 0.6),
    "onnxruntime": (("session",), 0.55),
    "openvino": (("compiled",), 0.66),
    "ncnn": (("winograd", "sgemm"), 0.45),
    "numba": (("loops",), 0.3),
    "cython": (("loops",), 0.25),
    "mine:Own": (("call",), 0.1),
}
_VERSIONS = {"fastconv": fastconv.__version__, "numpy": "2.4.6", "torch": "2.13.0+cpu"}
_GFLOPS = {"x86-64-v2": 24.0, "x86-64-v3": 96.0, "x86-64-v4": 180.0}
_GBYTES = {"L1": 320.0, "L2": 110.0, "L3": 38.0, "memory": 14.0}
_CAPACITIES = {"L1": 48 << 10, "L2": 2 << 20, "L3": 32 << 20}


def limits(threads: int) -> Limits:
    """What the machine that is not there can do."""
    gflops = {name: {"float32": f * threads, "float64": f * threads / 2} for name, f in _GFLOPS.items()}
    gbytes = {level: rate * threads**0.7 for level, rate in _GBYTES.items()}
    return Limits(threads, gflops, gbytes, {level: size * threads for level, size in _CAPACITIES.items()})


def machine(threads: int) -> Machine:
    """With whatever fields the class has."""
    values: dict[str, Any] = {
        "date": "2026-11-30T06:27:00+00:00",
        "processor": "Imaginary(R) Processor 9000 @ 3.10GHz",
        "cores": 4,
        "caches": {"l1d": 48 << 10, "l2": 2 << 20, "l3": 32 << 20},
        "system": "Linux x86_64",
        "instruction_set": ISA,
        "threads": threads,
        "load": 0.08,
        "fastconv": fastconv.__version__,
        "numpy": _VERSIONS["numpy"],
        "python": "3.11.9",
        "build": {"compiler": "GCC 14.2"},
    }
    return Machine(**{field.name: values.get(field.name, {}) for field in dataclasses.fields(Machine)})


def noise(*key: object) -> float:
    """Return a number between -1 and 1 that only depends on the key."""
    return zlib.crc32(repr(key).encode()) / 2**31 - 1


def rows(part: str, name: str, text: str, threads: int, libraries: Sequence[str]) -> list[Row]:
    """All ways of all libraries on one problem."""
    problem = Problem(text)
    found = []
    for library in libraries:
        ways, share = LIBRARIES[library]
        shares = {
            way: share * 0.8**number * math.exp(0.4 * noise(name, library, way))
            for number, way in enumerate(ways)
        }
        if library == "fastconv":
            shares = _our_shares(name, problem)
        for way, reached in shares.items():
            chosen = next(other for other in [*shares][::-1] if shares[other] == reached)
            found.append(_row(part, name, problem, threads, library, way, chosen, reached))
    default = next((row.seconds for row in found if row.is_default), math.nan)
    return [_with_ratio(row, row.seconds / default) for row in found]


def _our_shares(name: str, problem: Problem) -> dict[str, float]:
    """What the algorithms reach: the larger an image the more Winograd's; ``auto`` mostly the best."""
    algorithms = [way for way in kernel_names(problem) if way != "auto"]
    fitting = {"winograd4": 1.9, "winograd2": 1.5, "im2col": 0.85, "direct": 0.7, "depthwise": 0.5}
    shares = {way: fitting.get(way, 0.9) * math.exp(0.25 * noise(name, way, "ours")) for way in algorithms}
    extent = problem.input_shape[-1]
    for way in shares.keys() & {"winograd2", "winograd4"}:
        shares[way] *= 1 - (2 if way == "winograd2" else 7) / (extent + 8)
    best = sorted(shares, key=shares.__getitem__)
    if "pool" in problem.op:
        return shares
    chosen = best[-2] if noise(name, "auto") > 0.6 else best[-1]
    return {"auto": shares[chosen], **shares}


def _row(
    part: str, name: str, problem: Problem, threads: int, library: str, way: str, chosen: str, share: float
) -> Row:
    limit, least = limits(threads).of(problem, ISA)
    seconds = least / share + 2e-6
    rounding = 2.0 ** (-52 if computed_in(problem) == "float64" else -23)
    growth = 30 if "winograd4" in (way, chosen) else 2
    return Row(
        part, name, str(problem), threads, library, way, chosen if library == "fastconv" else "",
        difference=rounding * growth * math.exp(noise(name, library, chosen, "error")),
        samples=[[seconds * (1 + 0.02 * noise(name, way, i, j)) for j in range(3)] for i in range(3)],
        seconds=seconds,
        spread=0.01,
        gflops=problem.flops / seconds / 1e9,
        gbytes=problem.bytes / seconds / 1e9,
        limit=limit,
        share=least / seconds,
    )  # fmt: skip


def _with_ratio(row: Row, ratio: float) -> Row:
    wide = 0.05 * abs(noise(row.name, row.library, "wide")) * (not row.is_default)
    return dataclasses.replace(row, ratio=ratio, ratio_low=ratio * (1 - wide), ratio_high=ratio * (1 + wide))


def report(
    libraries: Sequence[str] = tuple(LIBRARIES)[:8],
    problems: Mapping[str, str] = LAYERS,
    sweeping: bool = True,
    threads: int = 2,
) -> Report:
    """Return a run of these libraries on these layers, with the other parts or without."""
    found = [row for name, text in problems.items() for row in rows("layers", name, text, threads, libraries)]
    for part in sweeps(4) if sweeping else []:
        among = [library for library in libraries if not part.libraries or library in part.libraries]
        for name, problem in part.problems.items():
            found += rows(part.name, name, str(problem), part.threads or threads, among)
    return Report(
        machine=machine(threads),
        settings=Settings(),
        limits=[limits(count) for count in sorted({1, 2, 4, threads})],
        libraries={library: _VERSIONS.get(library, "1.2.3") for library in libraries},
        rows=found,
        seconds=754.0,
    )


def minimal() -> Report:
    """One layer, fastconv and NumPy, nothing else."""
    return report(["fastconv", "numpy"], {"one": LAYERS["r50.l1.3x3"]}, sweeping=False, threads=1)


def changed(report: Report, changes: dict[int, dict[str, Any]]) -> Report:
    """Return the report with other values in some rows."""
    rows = [dataclasses.replace(row, **changes.get(number, {})) for number, row in enumerate(report.rows)]
    return dataclasses.replace(report, rows=rows)


def eventful() -> Report:
    """Return a run with all that can be said about one."""
    whole = changed(
        report(),
        {
            3: {"status": "differs", "note": "0.3 <where> 1e-4 is allowed"},
            5: {"status": "disturbed", "note": "another process was busy"},
            20: {"status": "error", "note": "no memory"},
        },
    )
    libraries = {**whole.libraries, "cython": "needs Cython & setuptools"}
    machine = dataclasses.replace(whole.machine, load=1.5)
    return dataclasses.replace(whole, machine=machine, repeated=2, complete=False, libraries=libraries)
