"""Which instruction set runs, how it is detected, and what the library tells about itself."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv._fastconv import cpu_info, measure_bandwidth, measure_peak, x86_level

from .problems import CONVOLUTIONS
from .processes import answer, python

NAMES = ["x86-64-v2", "x86-64-v3", "x86-64-v4", "neon"]
FIRST = "import fastconv; print(fastconv.instruction_set(), *fastconv.instruction_sets())"

# ---------------------------------------------------------------- the choice


def test_instruction_sets() -> None:
    """Known names, lowest first; the highest is in use unless the environment lowers it."""
    usable = list(fastconv.instruction_sets())
    assert usable == [name for name in NAMES if name in usable] != []
    assert answer(FIRST, FASTCONV_ISA=None).split() == [usable[-1], *usable]


def test_set_instruction_set() -> None:
    """Each can be set, and prepared objects follow."""
    conv = fastconv.Conv2d(np.ones((3, 2, 3, 3)))
    for name in fastconv.instruction_sets():
        fastconv.set_instruction_set(name)
        assert fastconv.instruction_set() == name
        assert conv.explain((1, 2, 5, 5)).instruction_set == name
        assert fastconv.explain(CONVOLUTIONS["1d"]).instruction_set == name


@pytest.mark.parametrize("name", fastconv.instruction_sets())
def test_environment_lowers(name: str) -> None:
    """FASTCONV_ISA is the highest that is used, and the higher ones are not offered either."""
    usable = list(fastconv.instruction_sets())
    assert answer(FIRST, FASTCONV_ISA=name).split() == [name, *usable[: usable.index(name) + 1]]


def test_environment_only_lowers() -> None:
    """Asking for more than the processor has gives what it has."""
    highest = "x86-64-v4" if "x86-64-v2" in fastconv.instruction_sets() else "neon"
    assert answer(FIRST, FASTCONV_ISA=highest).split()[0] == fastconv.instruction_sets()[-1]


@pytest.mark.parametrize("value", ["avx9", "x86-64-v5", "V3", " "])
def test_bad_environment(value: str) -> None:
    """Another value fails the import, with the variable, the value and the names that are known."""
    process = python("import fastconv", FASTCONV_ISA=value)
    assert process.returncode == 1
    last = process.stderr.strip().splitlines()[-1]
    assert "FASTCONV_ISA" in last
    assert value in last
    assert fastconv.instruction_sets()[0] in last


# ---------------------------------------------------------------- detection


def bits(*numbers: int) -> int:
    """A register with these bits set."""
    return sum(1 << n for n in numbers)


# Bits from the processors' manuals, by the level that they belong to.
FEATURES = {
    1: {"1.edx": {"fpu": 0, "cx8": 8, "cmov": 15, "mmx": 23, "fxsr": 24, "sse": 25, "sse2": 26}},
    2: {
        "1.ecx": {"sse3": 0, "ssse3": 9, "cx16": 13, "sse4.1": 19, "sse4.2": 20, "popcnt": 23},
        "80000001.ecx": {"lahf": 0},
    },
    3: {
        "1.ecx": {"fma": 12, "movbe": 22, "osxsave": 27, "avx": 28, "f16c": 29},
        "7.ebx": {"bmi1": 3, "avx2": 5, "bmi2": 8},
        "80000001.ecx": {"lzcnt": 5},
    },
    4: {"7.ebx": {"avx512f": 16, "avx512dq": 17, "avx512cd": 28, "avx512bw": 30, "avx512vl": 31}},
}
ALL_STATE = 0xE7


def processor(level: int, without: tuple[str, int] | None = None) -> dict[str, int]:
    """CPUID of a processor of this level, perhaps without one bit."""
    registers = dict.fromkeys(("1.ecx", "1.edx", "7.ebx", "80000001.ecx"), 0)
    for number in range(1, level + 1):
        for register, features in FEATURES[number].items():
            registers[register] |= bits(*features.values())
    if without:
        registers[without[0]] &= ~bits(without[1])
    return registers


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4])
def test_level(level: int) -> None:
    """A processor with all features of a level has that level."""
    assert x86_level(processor(level), ALL_STATE) == level


MISSING = [
    (level, register, feature, bit)
    for level, registers in FEATURES.items()
    for register, features in registers.items()
    for feature, bit in features.items()
]


@pytest.mark.parametrize(("level", "register", "feature", "bit"), [m for m in MISSING if m[0] > 1])
def test_missing_feature(level: int, register: str, feature: str, bit: int) -> None:
    """One missing feature takes away its level and those above."""
    assert x86_level(processor(4, without=(register, bit)), ALL_STATE) == level - 1


STATES = {
    2: (0x0, 0x1, 0x3, 0x5, 0xE3, 0xE5),
    3: (0x7, 0x27, 0x47, 0x67, 0x87, 0xA7, 0xC7),
    4: (0xE7, 0x602E7),
}


@pytest.mark.parametrize(
    ("xcr0", "level"), [(xcr0, level) for level, all_ in STATES.items() for xcr0 in all_]
)
def test_operating_system(xcr0: int, level: int) -> None:
    """Registers that the system does not save at a switch are not used, whatever the processor can."""
    assert x86_level(processor(4), xcr0) == level


def test_nothing_known() -> None:
    """A processor without any feature bit has no level."""
    assert x86_level(processor(0), 0) == 0


# ---------------------------------------------------------------- what it tells


def test_show_config(capsys: pytest.CaptureFixture[str]) -> None:
    """How it was built, printed or returned."""
    config = fastconv.show_config(mode="dicts")
    assert config["version"] == fastconv.__version__
    assert set(fastconv.instruction_sets()) <= set(config["instruction_sets"]) <= set(NAMES)
    assert "fast-math" not in config["flags"]
    assert fastconv.show_config() is None
    printed = capsys.readouterr().out
    assert all(str(value) in printed for value in (config["version"], config["compiler"]))


def test_show_runtime(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it runs on, as data that JSON can carry."""
    monkeypatch.setenv("FASTCONV_NUM_THREADS", "7")
    fastconv.set_num_threads(3)
    facts = fastconv.show_runtime(mode="dicts")
    assert facts["threads"] == 3
    assert facts["instruction_set"] == fastconv.instruction_set()
    assert facts["instruction_sets"] == list(fastconv.instruction_sets())
    assert facts["environment"]["FASTCONV_NUM_THREADS"] == "7"
    assert facts["numpy"] == np.__version__
    assert json.loads(json.dumps(facts)) == facts
    fastconv.show_runtime()
    assert fastconv.instruction_set() in capsys.readouterr().out


def test_cpu_info() -> None:
    """The processor, and no more cores than this process may use."""
    info = cpu_info()
    assert set(info) == {"model", "cores", "l1d", "l2", "l3"}
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert 1 <= info["cores"] <= (usable or 1)
    assert info["l1d"] >= 0
    assert info["l2"] >= 0
    assert info["l3"] >= 0


def test_measure_peak() -> None:
    """A rate for each type."""
    peak: Any = measure_peak(0.02, 1)
    assert set(peak) == {"float32", "float64"}
    assert peak["float32"] > 0
    assert peak["float64"] > 0


def test_measure_bandwidth() -> None:
    """A rate, for buffers of a byte as well as of many; nothing else."""
    assert all(measure_bandwidth(size, 0.001, 2) > 0 for size in (1, 10_000, 3_000_000))
    for arguments, name in (((0, 0.1, 1), "bytes=0"), ((9, 0.0, 1), "seconds=0"), ((9, 0.1, 0), "n=0")):
        with pytest.raises(ValueError, match=name):
            measure_bandwidth(*arguments)


def test_algorithms() -> None:
    """The promised names, each with a line that says what it is; the dict is the caller's own."""
    found = fastconv.algorithms()
    assert set(found) == {
        "direct",
        "im2col",
        "pointwise",
        "winograd2",
        "winograd4",
        "depthwise",
        "dot",
        "pool",
    }
    assert all(line.strip() and "\n" not in line for line in found.values())
    found.clear()
    assert fastconv.algorithms()
