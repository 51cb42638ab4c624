"""The machine and the versions that figures belong to."""

import contextlib
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

import fastconv
from fastconv import _fastconv


@dataclass(frozen=True)
class Machine:
    """Where and with what a run was made; see `describe_machine`.

    `load` is how many processes wanted a core in the minute before, by the system's count.
    """

    date: str
    processor: str
    cores: int
    caches: dict[str, int]
    system: str
    instruction_set: str
    threads: int
    load: float
    fastconv: str
    numpy: str
    python: str
    build: dict[str, Any]


_TIMES_DEPEND_ON = ("processor", "cores", "instruction_set", "threads", "numpy")


def differences(first: Machine, second: Machine) -> list[str]:
    """Say in what two machines differ that times depend on, but for fastconv itself."""
    return [
        f"{name}: {getattr(first, name)}, then {getattr(second, name)}"
        for name in _TIMES_DEPEND_ON
        if getattr(first, name) != getattr(second, name)
    ]


def describe_machine() -> Machine:
    """Describe this machine as fastconv uses it now."""
    cpu: dict[str, Any] = {**_fastconv.cpu_info()}
    build: dict[str, Any] = {**_fastconv.build_info()}
    return Machine(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        processor=str(cpu["model"]),
        cores=int(cpu["cores"]),
        caches={name: int(cpu[name]) for name in ("l1d", "l2", "l3")},
        system=f"{platform.system()} {platform.machine()}",
        instruction_set=fastconv.instruction_set(),
        threads=fastconv.get_num_threads(),
        load=round(os.getloadavg()[0], 2),
        fastconv=str(build.pop("version")),
        numpy=np.__version__,
        python=platform.python_version(),
        build=build,
    )


@contextlib.contextmanager
def as_asked(threads: int | None, instruction_set: str | None) -> Iterator[None]:
    """Use a number of threads and an instruction set for a while; None leaves what is set."""
    before = fastconv.instruction_set()
    if instruction_set:
        fastconv.set_instruction_set(instruction_set)
    try:
        with fastconv.threads(threads) if threads else contextlib.nullcontext():
            yield
    finally:
        fastconv.set_instruction_set(before)


def fair_environment(threads: int) -> dict[str, str]:
    """Return the environment variables under which libraries can be timed side by side.

    All get as many threads as fastconv. OpenBLAS's idle threads, which otherwise keep a core busy for 100 ms
    after a product and so slow down whatever is timed next, fall asleep after 2^20 cycles: soon, but not
    between two products that follow each other. They count only if set before a library is imported.
    """
    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**dict.fromkeys(counts, str(threads)), "OPENBLAS_THREAD_TIMEOUT": "20"}
