"""`fastconv.tiled`: arrays on disk, tile by tile, with the bits of the same call in memory.

What is promised about memory, about runs that are stopped and about disks that are full is tried in processes
of its own, which are measured, killed, or have no more room.
"""

from __future__ import annotations

import errno
import inspect
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile, mkdtemp
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import ndimage, tiled
from fastconv._parts import Operation
from fastconv.tiled import TiledArray, Tiling

from .part_calls import (
    EXAMPLES,
    NAMES,
    Call,
    Drawn,
    assert_same_bits,
    computing,
    convolutions,
    draw_array,
    filters,
    numpy_dtype,
    part_of,
    pools,
    regions,
    whole_of,
)
from .processes import HANGS, answer, python
from .reference import Array
from .variants import instruction_set

# Arrays with infinities are among those that are drawn, and NumPy adds some of them up.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered:RuntimeWarning")

campaign = settings.get_profile("campaign")
MARK = "fastconv_unfinished"
KINDS = ("memory", "memmap", "zarr", "zarr-shards", "hdf5", "hdf5-chunks")


class Sliced:
    """An array of which nothing is known but a shape, a type and slices; counts them."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.reads: list[Any] = []
        self.writes: list[Any] = []

    def __getitem__(self, key: Any) -> Array:
        self.reads.append(key)
        return self.array[key].copy()

    def __setitem__(self, key: Any, values: Array) -> None:
        self.writes.append(key)
        self.array[key] = values


class Disk:
    """Makes arrays of every kind in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        self.files: list[Any] = []

    def path(self) -> Path:
        self.count += 1
        return self.folder / f"array{self.count}"

    def new(self, kind: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array of zeros; with chunks of seven elements a side if it has chunks."""
        dtype = np.dtype(dtype)
        chunks = tuple(min(7, max(extent, 1)) for extent in shape)
        if kind == "memory":
            return np.zeros(shape, dtype)
        if kind == "sliced":
            return Sliced(np.zeros(shape, dtype))
        if kind == "memmap":
            return np.memmap(self.path(), dtype, "w+", shape=shape)
        if kind.startswith("zarr"):
            zarr = pytest.importorskip("zarr")
            shards = tuple(2 * c for c in chunks) if kind == "zarr-shards" else None
            return zarr.create_array(str(self.path()), shape=shape, dtype=dtype, chunks=chunks, shards=shards)
        h5py = pytest.importorskip("h5py")
        file = h5py.File(self.path(), "w")
        self.files.append(file)
        how = {"chunks": chunks, "compression": "gzip"} if kind == "hdf5-chunks" and 0 not in shape else {}
        return file.create_dataset("data", shape, dtype, **how)

    def holding(self, kind: str, x: Array) -> Any:
        """An array with these numbers."""
        array = self.new(kind, x.shape, x.dtype)
        if x.size:
            (array.array if kind == "sliced" else array)[...] = x
        return array

    def close(self) -> None:
        for file in self.files:
            file.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.close()


def content(array: Any) -> Array:
    """All of an array on disk."""
    return np.asarray(array.array if isinstance(array, Sliced) else array[...])


def tiles_of(tiling: Tiling) -> int:
    return prod(tiling.counts)


def chunks_of(output: Any) -> Any:
    """What an output stores together."""
    return getattr(output, "shards", None) or getattr(output, "chunks", None)


def memory_for(result: TiledArray, output: Any = None, tiles: int = 20) -> int:
    """The least memory in which a result has at most so many tiles."""
    low, high = 1, 2**36
    while low < high:
        middle = (low + high) // 2
        try:
            enough = tiles_of(result.tiling(middle, chunks_of(output))) <= tiles
        except ValueError:
            enough = False
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


# ---------------------------------------------------------------- any call, any array


def check_call(call: Call, folder: Path) -> None:
    """As little memory as there may be, of and to arrays of kinds that follow from the call's seed."""
    x, given, whole = whole_of(call)
    rng = call.rng()
    # Those of other libraries know no bfloat16.
    kinds = (*KINDS, "sliced") if call.input.dtype != "bfloat16" else ("memory", "memmap", "sliced")
    source, to = rng.choice(kinds, 2)
    disk = Disk(Path(mkdtemp(dir=folder)))
    try:
        with computing(call, 1):
            if isinstance(whole, Exception):
                with pytest.raises(type(whole)):
                    getattr(tiled, call.name)(x, **given)
                return
            result = getattr(tiled, call.name)(disk.holding(source, x), **given)
            assert (result.shape, result.dtype) == (whole.shape, whole.dtype)
            output = disk.new(to, whole.shape, whole.dtype)
            result.store(output, memory=memory_for(result, output))
            assert_same_bits(content(output), whole, f"{source} to {to}: {call}")
            for region in regions(rng, whole.shape, 1) if whole.size else ():
                part = result[tuple(slice(*run) for run in region)]
                assert_same_bits(part, part_of(whole, region), f"{region} of {source}: {call}")
    finally:
        disk.close()
        rmtree(disk.folder)


def any_call(most: dict[int, int]) -> Any:
    return st.one_of(filters(most), convolutions(most), pools(most))


@given(any_call({1: 400, 2: 60, 3: 15}))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_call(tmp_path: Path, call: Call) -> None:
    """Any function."""
    check_call(call, tmp_path)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(campaign, suppress_health_check=list(HealthCheck))
@given(any_call({1: 4000, 2: 200, 3: 40}))
def test_call_campaign(tmp_path: Path, call: Call) -> None:
    """Any function, at length, of larger arrays."""
    check_call(call, tmp_path)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of tiles, and the memory planned for beside them, as small as the arrays of these tests."""
    module = sys.modules[Operation.__module__]
    monkeypatch.setattr(module, "_BLOCK_BYTES", 1024)
    monkeypatch.setattr(module, "_BESIDE_BYTES", 1024)


@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_kinds_of_arrays(disk: Disk, small_blocks: None, source: str, to: str) -> None:
    """From each to each, in many tiles: a filter with windows and a convolution."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 43)).astype(np.float32)
    result = tiled.gaussian_filter(disk.holding(source, x), 1.5, mode="wrap")
    output = disk.new(to, x.shape, np.float32)
    memory = memory_for(result, output)
    assert tiles_of(result.tiling(memory, chunks_of(output))) > 3
    result.store(output, memory=memory)
    assert_same_bits(content(output), ndimage.gaussian_filter(x, 1.5, mode="wrap"), (source, to))
    images, w = rng.standard_normal((1, 2, 30, 22)), rng.standard_normal((3, 2, 3, 3))
    convolved = tiled.conv2d(disk.holding(source, images), w, padding=1)
    output = disk.new(to, convolved.shape, np.float64)
    convolved.store(output, memory=memory_for(convolved, output))
    assert_same_bits(content(output), fastconv.conv2d(images, w, padding=1), (source, to))


@pytest.mark.parametrize("name", NAMES)
def test_example(disk: Disk, small_blocks: None, name: str) -> None:
    """Every function, tile by tile."""
    shape, how = EXAMPLES[name]
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    result = getattr(tiled, name)(disk.holding("memmap", x), **how)
    whole = getattr(ndimage if name in ndimage.__all__ else fastconv, name)(x, **how)
    assert repr(result) == f"TiledArray({name}, shape={whole.shape}, dtype=float32)"
    output = disk.new("memmap", whole.shape, whole.dtype)
    memory = memory_for(result)
    assert tiles_of(result.tiling(memory)) > 1
    result.store(output, memory=memory)
    assert_same_bits(content(output), whole, name)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "complex64", ">f4", "<i2"])
@pytest.mark.parametrize("kind", ["memmap", "zarr", "hdf5"])
def test_types(disk: Disk, kind: str, dtype: str) -> None:
    """Of every type; what is stored in another order of bytes is read and computed all the same."""
    x = draw_array(np.random.default_rng(3), Drawn((2, 3, 30, 21), dtype))
    if dtype == "float16":
        result, whole = tiled.max_pool2d(disk.holding(kind, x), 3), fastconv.max_pool2d(x, 3)
    else:
        result, whole = tiled.uniform_filter(disk.holding(kind, x), 3), ndimage.uniform_filter(x, 3)
    output = disk.new(kind, whole.shape, numpy_dtype(whole.dtype.name))
    result.store(output, memory=memory_for(result, output))
    assert_same_bits(content(output), whole, dtype)


def test_output_with_another_order_of_bytes(disk: Disk) -> None:
    """Is of the same numbers; the result's type is the machine's own."""
    x = np.random.default_rng(4).standard_normal((40, 30))
    output = disk.new("memmap", x.shape, ">f8")
    result = tiled.sobel(x)
    try:
        result.store(output)
    except TypeError as error:
        assert re.search(r"output has dtype >f8, expected float64", str(error))  # noqa: PT017
    else:
        np.testing.assert_array_equal(output, ndimage.sobel(x))


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0)])
@pytest.mark.parametrize("kind", ["memory", "zarr"])
def test_empty_arrays(disk: Disk, kind: str, shape: tuple[int, ...]) -> None:
    """Nothing is stored of nothing."""
    result = tiled.gaussian_filter(disk.new(kind, shape, np.float32), 1.0)
    output = disk.new(kind, shape, np.float32)
    result.store(output, memory=1)
    assert result[:].shape == shape
    assert content(output).shape == shape


# ---------------------------------------------------------------- windows


def test_windows_of_a_result(disk: Disk) -> None:
    """Slices as NumPy takes them, of step one; no more is read than they need."""
    x = np.random.default_rng(5).standard_normal((90, 80))
    source = disk.holding("sliced", x)
    whole = ndimage.gaussian_filter(x, 1.0)
    result = tiled.gaussian_filter(source, 1.0)
    for key in (
        (slice(10, 20), slice(30, 35)),
        slice(85, None),
        slice(-3, None),
        (slice(None), slice(0, 1)),
        slice(50, 10),
        (slice(5, 9, 1), slice(None)),
        slice(200, 300),
        slice(-500, 4),
        (),
    ):
        assert_same_bits(result[key], whole[key].copy(), key)
    source.reads.clear()
    result[40:50, 30:31]
    assert source.reads == [(slice(36, 54), slice(26, 35))]


@pytest.mark.parametrize(
    "key", [3, (slice(None), 2), slice(0, 9, 2), slice(9, 0, -1), (slice(None),) * 3, None, [1, 2]], ids=repr
)
def test_windows_that_are_none(key: Any) -> None:
    """What is no window is an IndexError that says what is."""
    result = tiled.gaussian_filter(np.zeros((20, 20)), 1.0)
    with pytest.raises(IndexError, match=r"index .* expected up to 2 slices of step 1"):
        result[key]


def test_nothing_is_read_before(disk: Disk) -> None:
    """Shape, type and tiling are known without a look at the array."""
    source = disk.new("sliced", (500, 400), np.uint8)
    for name, (shape, how) in EXAMPLES.items():
        source.shape, source.dtype = shape, np.dtype(np.float32)
        result = getattr(tiled, name)(source, **how)
        result.tiling("1GB")
    assert source.reads == []


# ---------------------------------------------------------------- tiles


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1000000", 1000000),
        ("1000000B", 1000000),
        ("2kB", 2000),
        ("2 KiB", 2048),
        ("1.5MiB", 1572864),
        (" 3 mb ", 3000000),
        ("0.25GiB", 2**28),
        ("1T", 10**12),
        ("1TiB", 2**40),
        (12345, 12345),
        (np.int64(12345), 12345),
    ],
)
def test_memory_in_words(text: Any, count: int) -> None:
    """A number with a unit is that many bytes: the same limit for both."""
    result = tiled.gaussian_filter1d(np.zeros(10**6), 1.0)

    def tiling(memory: Any) -> Tiling | str:
        try:
            return result.tiling(memory)
        except ValueError as error:
            return re.sub(r"memory is .*?, expected", "", str(error))

    assert tiling(text) == tiling(count)
    needed = memory_for(result, tiles=10**9)  # between these two the answer changes
    assert isinstance(tiling(f"{needed}B"), Tiling)
    assert isinstance(tiling(f"{needed - 1} B"), str)


@pytest.mark.parametrize(
    "memory", ["", "much", "1XB", "-1MB", "1 2MB", "MB", "1.2.3MB", "1iB", 0, "0MB", -5, 1.5, None, True]
)
def test_memory_that_is_none(memory: Any) -> None:
    """An error that quotes it."""
    result = tiled.gaussian_filter(np.zeros((20, 20)), 1.0)
    with pytest.raises((TypeError, ValueError), match=re.escape(f"memory is {memory!r}")):
        result.tiling(memory)
    with pytest.raises((TypeError, ValueError), match=re.escape(f"memory is {memory!r}")):
        result.store(np.zeros((20, 20)), memory=memory)


def test_too_little_memory() -> None:
    """Is refused before anything is written, with what the smallest tile needs."""
    output = np.zeros((1000, 1000))
    result = tiled.gaussian_filter(np.ones((1000, 1000)), 3.0)
    words = r"memory is 1000, expected \d+ bytes or more: a tile of \d+ x \d+ needs that"
    with pytest.raises(ValueError, match=words) as caught:
        result.store(output, memory=1000)
    assert not output.any()
    (needed,) = re.findall(r"expected (\d+) bytes", str(caught.value))
    assert result.tiling(int(needed)).memory == int(needed)
    with pytest.raises(ValueError, match="memory is"):
        result.tiling(int(needed) - 1)


@pytest.mark.parametrize("chunks", [None, (7, 5), (64, 64), (1000, 1000)])
@pytest.mark.parametrize("memory", [18 * 10**6, 20 * 10**6, 32 * 10**6, 10**9])
def test_tiles(memory: int, chunks: tuple[int, int] | None) -> None:
    """Multiples of the output's chunks that cover it, within the memory; more memory, no more tiles."""
    result = tiled.gaussian_filter(np.broadcast_to(np.float32(0), (3000, 1000)), 2.0)
    if chunks == (1000, 1000) and memory < 33 * 10**6:  # a chunk does not fit
        with pytest.raises(ValueError, match="a tile of 1000 x 1000 needs that"):
            result.tiling(memory, chunks)
        return
    tiling = result.tiling(memory, chunks)
    assert tiling.memory <= memory
    axes = zip(tiling.tile, tiling.counts, (3000, 1000), chunks or (1, 1), strict=True)
    for tile, count, extent, chunk in axes:
        assert (count - 1) * tile < extent <= count * tile
        assert tile % chunk == 0 or tile >= extent
    assert tiles_of(result.tiling(2 * memory, chunks)) <= tiles_of(tiling)
    count = tiles_of(tiling)
    shown = f"{count} {'tile' if count == 1 else 'tiles'} of {tiling.tile[0]} x {tiling.tile[1]}"
    assert str(tiling) == f"{shown}, in at most {tiling.memory / 1e6:.0f} MB"


def test_axes_that_are_not_cut() -> None:
    """Of a convolution channels stay together, since each tile would read all of them again."""
    images = np.broadcast_to(np.float32(0), (4, 8, 200, 300))
    result = tiled.conv2d(images, np.ones((16, 8, 3, 3), np.float32), padding=1)
    tiling = result.tiling(memory_for(result, tiles=10**9))
    assert tiling.tile[1] == 16
    assert tiling.counts[1] == 1
    assert prod(tiling.counts) > 4


@pytest.mark.parametrize("kind", ["zarr", "zarr-shards", "hdf5-chunks"])
def test_no_two_tiles_share_a_chunk(disk: Disk, small_blocks: None, kind: str) -> None:
    """Or it would be decoded, changed and encoded twice."""
    x = np.random.default_rng(6).standard_normal((60, 33)).astype(np.float32)
    output = disk.new(kind, x.shape, np.float32)
    together = getattr(output, "shards", None) or output.chunks
    written: list[Any] = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(output, name)

        def __getitem__(self, key: Any) -> Any:
            return output[key]

        def __setitem__(self, key: Any, values: Any) -> None:
            written.append(key)
            output[key] = values

    result = tiled.maximum_filter(x, 3)
    result.store(Watched(), memory=memory_for(result, output, 9))
    assert len(written) > 4
    for key in written:
        for run, chunk, extent in zip(key, together, x.shape, strict=True):
            assert run.start % chunk == 0
            assert run.stop % chunk == 0 or run.stop == extent
    assert_same_bits(content(output), ndimage.maximum_filter(x, 3), kind)


def test_tiling_refuses_chunks() -> None:
    """That do not go with the result's axes."""
    result = tiled.gaussian_filter(np.zeros((20, 20)), 1.0)
    for chunks in ((5,), (5, 5, 5), (0, 5), (-1, 5)):
        with pytest.raises(ValueError, match="chunks"):
            result.tiling("1GB", chunks)


MEASURE = """
import os, resource, sys
import numpy as np
import fastconv
from fastconv import tiled

def peak():  # of memory that is the process's own or a file's
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

def opened(path, shape):
    return {opened}

def created(path, shape):
    return {created}

fastconv.set_num_threads(2)
make = lambda x: {call}
os.chdir({folder!r})
result = make(opened("input", {shape}))
output = created("output", result.shape)
tiling = result.tiling({memory}, getattr(output, "chunks", None))
# Once with as few numbers as there may be: what libraries allocate when they are first used.
shape = [min(n, 70) for n in {shape}]
created("little", shape)[...] = 1
few = make(opened("little", tuple(shape)))
few.store(created("few", few.shape))
before = peak()
result.store(output, memory={memory})
print(peak() - before, tiling.memory, int(np.prod(tiling.counts)))
"""

# A file of what can hardly be compressed.
FILL = """
import os
import numpy as np

os.chdir({folder!r})
path, shape = "input", {shape}
image = {created}
for at in range(0, shape[0], 1000):
    image[at : at + 1000] = np.random.default_rng(at).random((1000, shape[1]), np.float32)
"""

tells_memory = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system tells no process's memory"
)

# Of a process that is measured: stacks and workspaces of two threads, tables, pages that are read ahead.
ALLOWANCE = 12 * 2**20


def check_memory(folder: Path, shape: tuple[int, ...], call: str, memory: int, **arrays: str) -> None:
    """Fail if a process that stores a result many times as large takes more than its tiling says."""
    code = MEASURE.format(shape=shape, folder=str(folder), call=call, memory=memory, **arrays)
    printed = answer(code, MALLOC_TRIM_THRESHOLD_="65536")
    taken, planned, tiles = printed.split()
    assert int(planned) <= memory < 4 * prod(shape)
    assert int(tiles) > 1
    assert int(taken) <= int(planned) + ALLOWANCE


@tells_memory
@pytest.mark.parametrize(
    ("shape", "call", "memory"),
    [
        ((6000, 5000), "tiled.gaussian_filter(x, 2.0)", 40 * 10**6),
        ((6000, 5000), "tiled.uniform_filter(x, 31)", 30 * 10**6),
        ((4, 3000, 2500), "tiled.gaussian_gradient_magnitude(x, 1.0)", 60 * 10**6),
        ((6000, 5000), "tiled.minimum_filter(x, footprint=np.eye(5))", 30 * 10**6),
        ((2, 4, 2000, 1800), "tiled.conv2d(x, np.ones((8, 4, 3, 3), np.float32), padding=1)", 50 * 10**6),
        ((2, 16, 1000, 1200), "tiled.conv2d(x, np.ones((16, 16, 3, 3), np.float32), padding=1)", 50 * 10**6),
        ((2, 8, 1400, 1500), "tiled.max_pool2d(x, 3, 2, padding=1)", 30 * 10**6),
    ],
)
def test_memory_is_as_planned(tmp_path: Path, shape: tuple[int, ...], call: str, memory: int) -> None:
    """Of memory maps: their pages count."""
    with (tmp_path / "input").open("wb") as file:
        file.truncate(4 * prod(shape))
    opened, created = (f"np.memmap(path, np.float32, {mode!r}, shape=tuple(shape))" for mode in ("r", "w+"))
    check_memory(tmp_path, shape, call, memory, opened=opened, created=created)


@tells_memory
def test_memory_of_narrow_tiles_is_as_planned(tmp_path: Path) -> None:
    """Of a memory map the system shows more around what is read."""
    pytest.importorskip("zarr")
    shape = (2000, 40_000)
    with (tmp_path / "input").open("wb") as file:
        file.truncate(4 * prod(shape))
    opened = "np.memmap(path, np.float32, 'r', shape=tuple(shape))"
    mapped = "np.memmap(path, np.float32, 'w+', shape=tuple(shape))"
    stored = "__import__('zarr').create_array(path, shape=shape, dtype='f4', chunks=(500, 500))"
    created = f"{mapped} if path == 'little' else {stored}"  # the little one is read as a map
    check_memory(tmp_path, shape, "tiled.gaussian_filter(x, 2.0)", 60 * 10**6, opened=opened, created=created)


@tells_memory
@pytest.mark.parametrize("chunk", [250, 1000])
@pytest.mark.parametrize("kind", ["zarr", "zarr, compressed", "hdf5, compressed"])
def test_memory_of_chunks_is_as_planned(tmp_path: Path, kind: str, chunk: int) -> None:
    """They are decoded and encoded, some at a time."""
    if kind.startswith("hdf5"):
        pytest.importorskip("h5py")
        opened = "__import__('h5py').File(path)['image']"
        created = (
            "__import__('h5py').File(path, 'w').create_dataset("
            f"'image', shape, 'f4', chunks=tuple(np.minimum(shape, {chunk})), compression='lzf')"
        )
    else:
        pytest.importorskip("zarr")
        how = "" if kind.endswith("compressed") else ", compressors=None"
        opened = "__import__('zarr').open_array(path, mode='r')"
        created = (
            f"__import__('zarr').create_array(path, shape=shape, dtype='f4', chunks=({chunk}, {chunk}){how})"
        )
    shape = (7000, 6000)
    answer(FILL.format(folder=str(tmp_path), shape=shape, created=created))
    memory = (45 if chunk == 250 else 150) * 10**6
    check_memory(tmp_path, shape, "tiled.gaussian_filter(x, 2.0)", memory, opened=opened, created=created)


# ---------------------------------------------------------------- what is refused


def test_input_that_is_none() -> None:
    """Nothing to slice, or of which shape and type are not known."""
    for value in ([[1.0, 2.0]], 3.0, "image.npy", object(), None):
        with pytest.raises(TypeError, match=r"input=.*expected an array with shape, dtype and slices"):
            tiled.gaussian_filter(value, 1.0)
    with pytest.raises(TypeError, match=r"output=.*expected an array with shape, dtype and slices"):
        tiled.laplace(np.zeros((5, 5))).store([[1.0]])


@pytest.mark.parametrize("kind", KINDS)
def test_output_of_another_shape_or_type(disk: Disk, kind: str) -> None:
    """Before anything is written."""
    result = tiled.laplace(np.ones((20, 30), np.float32), mode="constant")
    for shape, dtype, error in (
        ((20, 31), np.float32, ValueError),
        ((20,), np.float32, ValueError),
        ((20, 30, 1), np.float32, ValueError),
        ((20, 30), np.float64, TypeError),
        ((20, 30), np.int32, TypeError),
    ):
        output = disk.new(kind, shape, dtype)
        words = r"output has (shape .*, expected \(20, 30\)|dtype .*, expected float32)"
        with pytest.raises(error, match=words):
            result.store(output)
        assert not content(output).any()
        assert MARK not in getattr(output, "attrs", {})


@pytest.mark.parametrize(
    ("name", "how", "message"),
    [
        ("gaussian_filter", {"sigma": 1, "output": np.zeros((20, 30))}, "output is an array"),
        ("gaussian_filter", {"sigma": -1}, "sigma is -1"),
        ("conv2d", {"weight": np.ones((1, 1, 3, 3)), "out": np.zeros((1, 18, 28))}, "out is an array"),
        ("max_pool2d", {"kernel_size": 2, "return_indices": True}, "return_indices is True"),
    ],
)
def test_refused(name: str, how: dict[str, Any], message: str) -> None:
    """What cannot be computed in parts, and what the function itself refuses, at once."""
    x = np.zeros((20, 30) if name == "gaussian_filter" else (1, 20, 30))
    with pytest.raises((TypeError, ValueError), match=message):
        getattr(tiled, name)(x, **how)


@pytest.mark.parametrize("kind", ["memory", "memmap", "zarr", "hdf5"])
def test_result_over_its_input(disk: Disk, kind: str) -> None:
    """Tiles would read what tiles before them have written."""
    x = np.random.default_rng(7).standard_normal((200, 100))
    array = disk.holding(kind, x)
    result = tiled.gaussian_filter(array, 2.0)
    others = [array]
    if kind == "memmap":
        others.append(np.memmap(array.filename, x.dtype, "r+", shape=x.shape))
    elif kind == "zarr":
        others.append(pytest.importorskip("zarr").open_array(str(disk.folder / "array1"), mode="r+"))
    elif kind == "hdf5":
        others.append(array.file["data"])
    for other in others:  # opened once more it is the same
        with pytest.raises(ValueError, match="output"):
            result.store(other, memory=memory_for(result, array))
    assert_same_bits(content(array), x, kind)


def test_result_over_a_view_of_its_input(disk: Disk) -> None:
    """So they would where both lie in one file; not where they lie in parts of it that do not overlap."""
    x = np.random.default_rng(8).standard_normal((2, 100, 60))
    both = disk.holding("memmap", x)
    result = tiled.gaussian_filter(both[0], 2.0)
    with pytest.raises(ValueError, match="output"):
        result.store(both.reshape(200, 60)[50:150], memory=memory_for(result))
    assert_same_bits(content(both), x, "view")
    result.store(both[1], memory=memory_for(result))
    assert_same_bits(content(both[1]), ndimage.gaussian_filter(x[0], 2.0), "beside it")


CUT_SHORT = """
import os
import numpy as np
from fastconv import tiled

x = np.memmap({path!r}, np.float64, "w+", shape=(100, 100))
y = np.memmap({path!r} + "2", np.float64, "w+", shape=(98, 100))
def expect(text, call):
    try:
        call()
    except ValueError as error:
        assert text in str(error) and "cut short" in str(error), error
    else:
        raise AssertionError("no error: " + text)
result = tiled.laplace({view})
output = np.zeros(result.shape)
os.truncate(x.filename, 40000)
expect("input: " + x.filename + " has 40000 bytes, expected 80000", lambda: tiled.laplace({view}))
expect("input: " + x.filename + " has 40000 bytes, expected 80000", lambda: result[:])
expect("input: " + x.filename + " has 40000 bytes, expected 80000", lambda: result.store(output))
os.truncate(y.filename, 40000)
ones = tiled.laplace(np.ones((98, 100)))
expect("output: " + y.filename + " has 40000 bytes, expected", lambda: ones.store(y))
print("done")
"""


@pytest.mark.parametrize("view", ["x", "x[60:]", "x[60:, ::2]", "x[::-1]", "x.T", "np.asarray(x)[1:]"])
def test_a_file_that_was_cut_short(tmp_path: Path, view: str) -> None:
    """To read behind its end would end the process: an error before anything is read or written."""
    process = python(CUT_SHORT.format(path=str(tmp_path / "input"), view=view))
    assert process.stdout == "done\n", (process.returncode, process.stderr)


def test_views_of_files(disk: Disk) -> None:
    """Parts of mapped files, from their middle on, backwards and by steps, read and written."""
    x = np.random.default_rng(9).standard_normal((90, 80))
    source, output = disk.holding("memmap", x), disk.new("memmap", (90, 80), np.float64)
    for view in (np.s_[40:], np.s_[::-1], np.s_[10:70:3, ::2], np.s_[:, 7:9]):
        result = tiled.gaussian_filter(source[view], 1.0)
        output[...] = 0
        result.store(output[view], memory=memory_for(result))
        expected = np.zeros_like(x)
        expected[view] = ndimage.gaussian_filter(x[view], 1.0)
        assert_same_bits(content(output), expected, view)


def test_a_map_that_is_copied_when_it_is_written(disk: Disk) -> None:
    """What was written to such a map is in memory alone; it stays there."""
    before = disk.holding("memmap", np.zeros((3000, 300)))
    before.flush()
    x = np.memmap(before.filename, np.float64, "c", shape=before.shape)
    x[...] = np.random.default_rng(10).standard_normal(x.shape)
    kept = x.copy()
    result = tiled.uniform_filter(x, 5)
    output = disk.new("memmap", x.shape, np.float64)
    result.store(output, memory=memory_for(result, output))
    assert_same_bits(content(x), kept, "input")
    assert_same_bits(content(output), ndimage.uniform_filter(kept, 5), "output")
    to = np.memmap(output.filename, np.float64, "c", shape=before.shape)
    to[...] = 0
    result.store(to, memory=memory_for(result))
    assert_same_bits(content(to), ndimage.uniform_filter(kept, 5), "output of the same kind")


def test_files_that_have_no_name_any_more(disk: Disk) -> None:
    """A map shows its file when that was removed, too, or never had a name."""
    x = np.random.default_rng(17).standard_normal((60, 50))
    source, output = disk.holding("memmap", x), disk.new("memmap", x.shape, np.float64)
    os.unlink(source.filename)
    os.unlink(output.filename)
    result = tiled.laplace(source)
    result.store(output, memory=memory_for(result))
    assert_same_bits(content(output), ndimage.laplace(x), "removed")
    with TemporaryFile() as file:
        nameless = np.memmap(file, np.float64, "w+", shape=x.shape)
        result.store(nameless, memory=memory_for(result))
        assert_same_bits(content(nameless), ndimage.laplace(x), "nameless")


def test_an_output_that_cannot_be_written(disk: Disk) -> None:
    """Is an error, and the file is as it was."""
    array = disk.holding("memmap", np.ones((20, 20)))
    array.flush()
    closed = np.memmap(array.filename, np.float64, "r", shape=(20, 20))
    with pytest.raises(ValueError, match="read-only"):
        tiled.laplace(np.zeros((20, 20))).store(closed)
    assert content(array).all()


# ---------------------------------------------------------------- progress


def test_progress(disk: Disk, small_blocks: None) -> None:
    """After every tile: how many are done, how many there are, and seconds that are no fewer than none."""
    x = np.random.default_rng(11).standard_normal((100, 40))
    result = tiled.gaussian_filter(x, 1.0)
    memory = memory_for(result)
    count = tiles_of(result.tiling(memory))
    told: list[tuple[int, int, float]] = []
    output = disk.new("memmap", x.shape, np.float64)
    result.store(output, memory=memory, progress=lambda *args: told.append(args))
    assert [done for done, _, _ in told] == list(range(1, count + 1))
    assert {all for _, all, _ in told} == {count}
    assert all(isinstance(left, float) and left >= 0 for _, _, left in told)
    assert told[-1][2] == 0


# ---------------------------------------------------------------- journals


class Run(NamedTuple):
    """A result in many tiles, which is stored with a journal."""

    result: TiledArray
    memory: int
    count: int
    expected: Array
    journal: Path


@pytest.fixture
def run(tmp_path: Path, small_blocks: None) -> Run:
    x = np.random.default_rng(12).standard_normal((120, 50)).astype(np.float32)
    result = tiled.gaussian_filter(x, 1.5)
    memory = memory_for(result)
    count = tiles_of(result.tiling(memory))
    assert count >= 6
    return Run(result, memory, count, ndimage.gaussian_filter(x, 1.5), tmp_path / "journal")


def stop_after(tiles: int) -> Callable[[int, int, float], None]:
    """Ctrl-C once so many are done."""

    def progress(done: int, count: int, left: float) -> None:
        if done == tiles:
            raise KeyboardInterrupt

    return progress


def interrupted(run: Run, output: Any, tiles: int) -> None:
    """Store so many tiles of a result, no more."""
    with pytest.raises(KeyboardInterrupt):
        run.result.store(output, memory=run.memory, journal=run.journal, progress=stop_after(tiles))
    assert run.journal.exists()


@pytest.mark.parametrize("tiles", [1, 3, -1])
@pytest.mark.parametrize("kind", ["sliced", "memmap", "zarr", "hdf5-chunks"])
def test_a_run_that_was_interrupted_goes_on(disk: Disk, run: Run, kind: str, tiles: int) -> None:
    """With what is left; progress counts on from there, and at the end there is no journal."""
    output = disk.new(kind, run.result.shape, run.result.dtype)
    count = tiles_of(run.result.tiling(run.memory, chunks_of(output)))
    stop = tiles % count
    interrupted(run, output, stop)
    told: list[int] = []
    if kind == "sliced":
        assert len(output.writes) == stop
    run.result.store(
        output, memory=run.memory, journal=run.journal, progress=lambda done, *_: told.append(done)
    )
    assert told == list(range(stop + 1, count + 1))
    assert_same_bits(content(output), run.expected, (kind, tiles))
    assert not run.journal.exists()
    if kind == "sliced":
        assert len(output.writes) == count
        assert len({str(key) for key in output.writes}) == count


def test_interrupted_again_and_again(disk: Disk, run: Run) -> None:
    """One tile more each time."""
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    for tiles in range(1, run.count):
        interrupted(run, output, tiles)
        assert len(output.writes) == tiles
    run.result.store(output, memory=run.memory, journal=run.journal)
    assert len(output.writes) == run.count
    assert_same_bits(content(output), run.expected, "again and again")


def test_interrupted_after_the_last_tile(disk: Disk, run: Run) -> None:
    """All is done but for the journal's end."""
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    interrupted(run, output, run.count)
    told: list[Any] = []
    run.result.store(output, memory=run.memory, journal=run.journal, progress=lambda *args: told.append(args))
    assert len(output.writes) == run.count
    assert not run.journal.exists()
    assert_same_bits(content(output), run.expected, "nothing left")


class Broken(Sliced):
    """Fails at one of its writes."""

    fails_at = 3

    def __setitem__(self, key: Any, values: Array) -> None:
        if len(self.writes) + 1 == self.fails_at:
            self.fails_at = 0
            self.array[key] = -1  # half of what was to be written
            raise OSError("the disk has gone")
        super().__setitem__(key, values)


def test_a_tile_that_failed_is_not_noted(run: Run) -> None:
    """Whatever was written of it: it is computed again."""
    output = Broken(np.zeros(run.result.shape, run.result.dtype))
    with pytest.raises(OSError, match="the disk has gone"):
        run.result.store(output, memory=run.memory, journal=run.journal)
    assert len(run.journal.read_text().split("\n")) == 1 + 2 + 1
    run.result.store(output, memory=run.memory, journal=run.journal)
    assert len(output.writes) == run.count
    assert_same_bits(output.array, run.expected, "broken")


def test_tiles_are_noted_after_they_are_flushed(run: Run) -> None:
    """What is noted is on the disk: the output is flushed first, and where that fails nothing is noted."""

    class Unsafe(Sliced):
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1
            if run.journal.exists():
                return
            raise OSError("not on the disk")

    output = Unsafe(np.zeros(run.result.shape, run.result.dtype))
    with pytest.raises(OSError, match="not on the disk"):
        run.result.store(output, memory=run.memory, journal=run.journal)
    assert output.flushes
    assert not run.journal.exists()


def test_many_tiles_are_noted_while_they_are_done(
    disk: Disk, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every so many seconds, not only at the end."""
    monkeypatch.setattr("fastconv.tiled._tiles._RECORD_EVERY", -1.0)
    seen: list[int] = []

    def progress(done: int, count: int, left: float) -> None:
        seen.append(len(run.journal.read_text().splitlines()) - 1)

    output = disk.new("memmap", run.result.shape, run.result.dtype)
    run.result.store(output, memory=run.memory, journal=run.journal, progress=progress)
    lines = list(range(1, run.count + 1))
    # Notes of one tile each are set apart by empty lines.
    assert [tiles for tiles in seen if tiles] == seen
    assert len(seen) == len(lines)
    assert seen == sorted(seen)


def noted(journal: Path) -> set[int]:
    """The tiles that whole lines of a journal say are done."""
    whole, _, _ = journal.read_text().rpartition("\n")
    return {int(line[1:-1]) for line in whole.split("\n")[1:] if re.fullmatch(r"\[\d+\]", line)}


def test_a_journal_that_is_cut_anywhere(disk: Disk, run: Run) -> None:
    """As power that is lost leaves it: it never says that a tile is done that is not, and the run goes on."""
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    done = run.count - 2
    interrupted(run, output, done)
    text, half = run.journal.read_bytes(), output.array.copy()
    assert noted(run.journal) == set(range(done))
    for length in range(len(text) + 1):
        run.journal.write_bytes(text[:length])
        output.array[...] = half
        output.writes.clear()
        whole_lines = noted(run.journal) if b"\n" in text[:length] else set()
        try:
            run.result.store(output, memory=run.memory, journal=run.journal)
        except ValueError as error:
            # Of a first line that is not whole nothing can be told but that no tile was noted behind it.
            assert not whole_lines, length
            assert f"journal: {run.journal}" in str(error)  # noqa: PT017
            continue
        # A line may be whole but for its end.
        assert run.count - len(output.writes) in (len(whole_lines), len(whole_lines) + 1), length
        assert_same_bits(output.array, run.expected, length)
        assert not run.journal.exists()


def test_a_journal_without_a_whole_line_begins_anew(disk: Disk, run: Run) -> None:
    """No tile was noted: there is nothing to go on from, and nothing to be careful with."""
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    interrupted(run, output, 1)
    first = run.journal.read_text().split("\n")[0]
    for text in ("", first[:1], first[: len(first) // 2], first[:-1], first, first + "\n"):
        run.journal.write_text(text)
        output.writes.clear()
        run.result.store(output, memory=run.memory, journal=run.journal)
        assert len(output.writes) == run.count


def test_a_journal_that_was_cut_is_gone_on_with_and_cut_again(disk: Disk, run: Run) -> None:
    """What follows half a line is not taken for its other half."""
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    interrupted(run, output, 2)
    for tiles in range(3, run.count):
        text = run.journal.read_bytes().rstrip(b"\n")
        run.journal.write_bytes(text[:-1])  # the last tile's line without its bracket
        left = noted(run.journal)
        before = len(output.writes)
        interrupted(run, output, tiles)
        assert len(output.writes) - before == tiles - len(left)
    run.result.store(output, memory=run.memory, journal=run.journal)
    assert_same_bits(output.array, run.expected, "cut and cut again")


@pytest.mark.parametrize(
    "text",
    [
        "not a journal\n",
        "[1, 2]\n[0]\n",
        "3\n",
        "words without an end",
        "[",
        "{first}\n[0]\n[1, 2]\n",
        "{first}\n[0]\nnonsense\n",
        "{first}\n[0]\n\x00\x00\x00\x00\n",
        "{first}\n[-1]\n",
        "{first}\n[0]\n[{count}]\n",
        "{first}\n[0]\n[true]\n",
        "{first}\n[0.0]\n",
        "{first}\n{first}\n",
    ],
)
def test_a_journal_that_is_none(disk: Disk, run: Run, text: str) -> None:
    """A file that says something else is refused, and stays as it is."""
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    interrupted(run, output, 1)
    first = run.journal.read_text().split("\n")[0]
    run.journal.write_text(text.replace("{first}", first).replace("{count}", str(run.count)))
    before = run.journal.read_bytes()
    output.writes.clear()
    with pytest.raises(ValueError, match=re.escape(f"journal: {run.journal}")):
        run.result.store(output, memory=run.memory, journal=run.journal)
    assert run.journal.read_bytes() == before
    assert not output.writes


def other_runs() -> dict[str, Callable[[Array], TiledArray]]:
    return {
        "arguments": lambda x: tiled.gaussian_filter(x, 1.6),
        "mode": lambda x: tiled.gaussian_filter(x, 1.5, mode="wrap"),
        "function": lambda x: tiled.uniform_filter(x, 3),
        "input": lambda x: tiled.gaussian_filter(x.astype(np.float64), 1.5, output=np.float32),
        "shape": lambda x: tiled.gaussian_filter(np.concatenate([x, x]), 1.5),
        "output": lambda x: tiled.gaussian_filter(x, 1.5, output=np.float64),
    }


@pytest.mark.parametrize("what", other_runs())
def test_a_journal_of_another_run(disk: Disk, run: Run, what: str) -> None:
    """Other arguments, another function, another input: refused, in words, before anything is written."""
    interrupted(run, disk.new("sliced", run.result.shape, run.result.dtype), 2)
    before = run.journal.read_bytes()
    x = np.random.default_rng(12).standard_normal((120, 50)).astype(np.float32)
    other = other_runs()[what](x)
    output = disk.new("sliced", other.shape, other.dtype)
    with pytest.raises(ValueError, match=r"journal: .* is of another run, whose .* differs"):
        other.store(output, memory=memory_for(other), journal=run.journal)
    assert not output.writes
    assert run.journal.read_bytes() == before


def test_a_journal_of_other_tiles(disk: Disk, run: Run) -> None:
    """More memory, larger tiles: the journal's are others."""
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    interrupted(run, output, 2)
    with pytest.raises(ValueError, match=r"whose tile differs"):
        run.result.store(output, memory="1GB", journal=run.journal)


def test_a_journal_of_an_output_that_is_gone(disk: Disk, run: Run) -> None:
    """Another, empty one is refused: the tiles that the journal speaks of are not in it."""
    interrupted(run, disk.new("memmap", run.result.shape, run.result.dtype), 3)
    empty = disk.new("sliced", run.result.shape, run.result.dtype)
    with pytest.raises(ValueError, match=r"output does not hold what the journal says is done"):
        run.result.store(empty, memory=run.memory, journal=run.journal)
    assert not empty.writes
    run.journal.unlink()
    run.result.store(empty, memory=run.memory, journal=run.journal)
    assert_same_bits(content(empty), run.expected, "anew")


def test_a_journal_of_an_input_that_has_changed(disk: Disk, run: Run) -> None:
    """As far as the tile that is computed again shows it."""
    output = disk.new("memmap", run.result.shape, run.result.dtype)
    interrupted(run, output, 3)
    changed = tiled.gaussian_filter(np.zeros((120, 50), np.float32), 1.5)
    with pytest.raises(ValueError, match="input has changed"):
        changed.store(output, memory=run.memory, journal=run.journal)


def test_an_output_of_zeros_that_is_gone(disk: Disk, run: Run) -> None:
    """Tiles of zeros are no proof: an empty output holds them too, so another tile is looked at."""
    x = np.zeros((120, 50), np.float32)
    x[:30] = np.random.default_rng(13).standard_normal((30, 50))
    result = tiled.gaussian_filter(x, 1.5)
    blank = Run(result, run.memory, run.count, ndimage.gaussian_filter(x, 1.5), run.journal)
    interrupted(blank, disk.new("memmap", x.shape, np.float32), run.count - 1)
    with pytest.raises(ValueError, match=r"output does not hold what the journal says is done"):
        result.store(disk.new("memmap", x.shape, np.float32), memory=run.memory, journal=run.journal)


def test_a_run_goes_on_with_another_instruction_set_or_not(disk: Disk, tmp_path: Path) -> None:
    """Sums in another order have other bits: never a result of both."""
    if len(fastconv.instruction_sets()) < 2:
        pytest.skip("there is but one instruction set")
    rng = np.random.default_rng(14)
    x = rng.standard_normal((1, 16, 120, 60)).astype(np.float32)
    # The last tiles that are done have the same bits by any: pixels apart from one another give the weights.
    x[:, :, 20:] = 0
    x[:, 3, 20::5, ::5] = 1
    w = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
    wholes = {}
    for isa in fastconv.instruction_sets():
        with instruction_set(isa):
            wholes[isa] = fastconv.conv2d(x, w)
    first, *_, last = fastconv.instruction_sets()
    assert wholes[first].tobytes() != wholes[last].tobytes()
    output = disk.new("memmap", wholes[first].shape, np.float32)
    with instruction_set(first):
        result = tiled.conv2d(x, w)
        memory = memory_for(result)
        half = tiles_of(result.tiling(memory)) // 2
        with pytest.raises(KeyboardInterrupt):
            result.store(output, memory=memory, journal=tmp_path / "journal", progress=stop_after(half))
    with instruction_set(last), pytest.raises(ValueError, match=r"journal|output"):
        tiled.conv2d(x, w).store(output, memory=memory, journal=tmp_path / "journal")
    with instruction_set(first):
        result.store(output, memory=memory, journal=tmp_path / "journal")
    assert_same_bits(content(output), wholes[first], first)


def test_the_same_run_in_other_words(disk: Disk, run: Run) -> None:
    """Positional or by name, lists or tuples, strings made anew: what is computed is the same."""
    x = np.random.default_rng(12).standard_normal((120, 50)).astype(np.float32)
    interrupted(run, disk.new("memmap", run.result.shape, run.result.dtype), 1)
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    mode = "".join(["re", "flect"])
    first = tiled.gaussian_filter(x, 1.0, mode=["reflect", "reflect"])
    second = tiled.gaussian_filter(x, sigma=1.0, mode=[mode, "reflect"])
    run.journal.unlink()
    with pytest.raises(KeyboardInterrupt):
        first.store(output, memory=run.memory, journal=run.journal, progress=stop_after(2))
    second.store(output, memory=run.memory, journal=run.journal)
    assert_same_bits(content(output), ndimage.gaussian_filter(x, 1.0), "in other words")


def test_a_run_without_a_journal_leaves_none(disk: Disk, run: Run, tmp_path: Path) -> None:
    """No file but the arrays."""
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    run.result.store(output, memory=run.memory)
    run.result.store(output, memory=run.memory, journal=run.journal)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- the mark of what is not whole


@pytest.mark.parametrize("kind", ["zarr", "hdf5", "hdf5-chunks"])
def test_mark_of_what_is_not_whole(disk: Disk, run: Run, kind: str) -> None:
    """An attribute of the output, from before the first tile until after the last."""
    output = disk.new(kind, run.result.shape, run.result.dtype)
    output.attrs["unit"] = "lux"
    marks: list[bool] = []

    def progress(done: int, count: int, left: float) -> None:
        marks.append(bool(output.attrs[MARK]))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.result.store(output, memory=run.memory, journal=run.journal, progress=progress)
    assert marks == [True, True]
    assert output.attrs[MARK]
    run.result.store(output, memory=run.memory, journal=run.journal)
    assert dict(output.attrs) == {"unit": "lux"}
    assert_same_bits(content(output), run.expected, kind)


def test_mark_that_others_see(disk: Disk, run: Run, tmp_path: Path) -> None:
    """It is on the disk, not in this process alone."""
    zarr = pytest.importorskip("zarr")
    output = disk.new("zarr", run.result.shape, run.result.dtype)
    with pytest.raises(KeyboardInterrupt):
        run.result.store(output, memory=run.memory, progress=stop_after(1))
    assert zarr.open_array(str(tmp_path / "array1"), mode="r").attrs[MARK]
    run.result.store(output, memory=run.memory)
    assert MARK not in zarr.open_array(str(tmp_path / "array1"), mode="r").attrs


# ---------------------------------------------------------------- processes that are killed

# After each tile it waits for a line: it is never further than one tile from where its parent thinks it is.
KILLED = """
import os, sys
import numpy as np
from fastconv import tiled
from fastconv._parts import Operation

folder, kind, memory, seconds = sys.argv[1:]
module = sys.modules[Operation.__module__]
module._BLOCK_BYTES = module._BESIDE_BYTES = 1024
sys.modules["fastconv.tiled._tiles"]._RECORD_EVERY = float(seconds)
x = np.load(os.path.join(folder, "input.npy"), mmap_mode="r")
path = os.path.join(folder, "output")
if kind == "memmap":
    output = np.memmap(path, np.float32, "r+" if os.path.exists(path) else "w+", shape=x.shape)
elif kind == "zarr":
    import zarr
    output = (zarr.open_array(path) if os.path.exists(path)
              else zarr.create_array(path, shape=x.shape, dtype=np.float32, chunks=(16, 16)))
def progress(done, count, left):
    print(done, count, flush=True)
    sys.stdin.readline()
journal = os.path.join(folder, "journal")
tiled.gaussian_filter(x, 1.5).store(output, memory=int(memory), journal=journal, progress=progress)
print("stored")
"""


@pytest.mark.timeout(120)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("kind", ["memmap", "zarr"])
def test_a_process_that_is_killed(tmp_path: Path, small_blocks: None, kind: str) -> None:
    """At any moment: the next one goes on, and does again what was not noted and no more."""
    zarr = pytest.importorskip("zarr") if kind == "zarr" else None
    rng = np.random.default_rng(15)
    x = rng.standard_normal((300, 200)).astype(np.float32)
    np.save(tmp_path / "input.npy", x)
    result = tiled.gaussian_filter(x, 1.5)
    chunks = None if kind == "memmap" else (16, 16)
    memory = memory_for(result, tiles=60)
    count = tiles_of(result.tiling(memory, chunks))
    assert count > 30
    journal = tmp_path / "journal"
    done = 0
    # Tiles are noted one by one, or (in a thousand seconds) none before the end.
    for seconds, tiles in ((-1, 8), (-1, 3), (1000, 5), (-1, 10)):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), kind, str(memory), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            for tile in range(1, tiles + 1):
                assert process.stdout.readline().split() == [str(done + tile), str(count)]
                process.stdin.write("\n")
                process.stdin.flush()
            time.sleep(rng.uniform(0, 0.02))  # it is somewhere in the next tile, or behind it
            process.kill()
            assert process.wait(HANGS) == -signal.SIGKILL
        least = done + tiles if seconds < 0 else done
        now = noted(journal)
        assert now == set(range(len(now)))
        assert least <= len(now) <= (least + 1 if seconds < 0 else done)
        done = len(now)
    printed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), kind, str(memory), "1000"],
        input="\n" * count,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=True,
    ).stdout.splitlines()
    assert printed[-1] == "stored"
    assert len(printed) - 1 == count - done
    if zarr is None:
        stored = np.fromfile(tmp_path / "output", np.float32).reshape(x.shape)
    else:
        stored = zarr.open_array(str(tmp_path / "output"), mode="r")[...]
    assert_same_bits(stored, ndimage.gaussian_filter(x, 1.5), kind)
    assert not journal.exists()


# ---------------------------------------------------------------- disks that are full

# Prints what was raised, and ends before a library that has half a file in its hands can fail once more.
FULL = """
import os, resource, signal
import numpy as np
from fastconv import tiled
import {library}

output = {output}
if {limit}:  # what a file may have, as a disk that is full
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
x = np.random.default_rng(0).standard_normal((600, 500))
try:
    tiled.laplace(x).store(output, memory="18.2MB", journal={journal!r})
    print("stored", flush=True)
except OSError as error:
    print(type(error).__name__, error.errno, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="this system cannot limit files")
@pytest.mark.parametrize(
    ("library", "output"),
    [
        ("zarr", "zarr.create_array({path!r}, shape=(600, 500), dtype='f8', chunks=(200, 200))"),
        ("h5py", "h5py.File({path!r}, 'w').create_dataset('data', (600, 500), 'f8')"),
    ],
)
def test_a_file_that_may_not_grow(tmp_path: Path, library: str, output: str) -> None:
    """An OSError, and the journal knows no tile that could not be written."""
    pytest.importorskip(library)
    path, journal = str(tmp_path / "output"), tmp_path / "journal"
    code = FULL.format(library=library, output=output.format(path=path), limit=200000, journal=str(journal))
    assert answer(code) == f"OSError {errno.EFBIG}"
    if library == "zarr":
        assert not journal.exists()  # not even one chunk had room


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte, where this user may make one."""
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(where)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user cannot make a small disk")
    yield where
    subprocess.run(["umount", str(where)], check=True)


@pytest.mark.parametrize(
    ("library", "output"),
    [
        ("numpy", "np.memmap({path!r}, 'f8', 'w+', shape=(600, 500))"),
        ("numpy", "np.memmap({path!r}, 'f8', 'w+', shape=(1200, 500))[600:]"),
        ("numpy", "np.memmap({path!r}, 'f8', 'w+', shape=(600, 500))[::-1]"),
        ("numpy", "np.memmap({path!r}, 'f8', 'w+', shape=(500, 600)).T"),
        ("numpy", "np.asarray(np.memmap({path!r}, 'f8', 'w+', shape=(600, 500)))"),
        ("zarr", "zarr.create_array({path!r}, shape=(600, 500), dtype='f8', chunks=(100, 100))"),
        ("h5py", "h5py.File({path!r}, 'w').create_dataset('data', (600, 500), 'f8')"),
    ],
)
def test_a_full_disk(full_disk: Path, tmp_path: Path, library: str, output: str) -> None:
    """2.4 megabytes on a disk of one: an OSError, whatever the array, and never the end of the process."""
    pytest.importorskip(library)
    made = output.format(path=str(full_disk / "output"))
    journal = str(tmp_path / "journal")
    printed = answer(FULL.format(library=library, output=made, limit=0, journal=journal))
    assert printed == f"OSError {errno.ENOSPC}"
    if library == "numpy":  # room is taken before the first tile
        assert not Path(journal).exists()


# ---------------------------------------------------------------- names and words


def test_all_functions() -> None:
    """Every function that is computed in parts, and the types of what they return."""
    functions = [name for name in tiled.__all__ if name.islower()]
    assert sorted(functions) == functions == sorted(NAMES)
    assert set(tiled.__all__) - set(functions) == {"Progress", "TiledArray", "Tiling"}


@pytest.mark.parametrize("name", NAMES)
def test_documentation(name: str) -> None:
    """The parameters of the function in memory, all described; the input as an array on disk."""
    function = getattr(tiled, name)
    original = getattr(ndimage if name in ndimage.__all__ else fastconv, name)
    signature = inspect.signature(function)
    assert list(signature.parameters) == list(inspect.signature(original).parameters)
    doc = inspect.getdoc(function) or ""
    titles = re.findall(r"^(\w[\w ]*)\n-{3,}$", doc, re.MULTILINE)
    assert {"Parameters", "Returns", "See Also"} <= set(titles)
    assert "Examples" not in titles
    assert re.search(r"^input : array on disk$", doc, re.MULTILINE)
    assert re.search(r"^fastconv.tiled.TiledArray$", doc, re.MULTILINE)
    for parameter in signature.parameters:
        assert re.search(rf"^[*\w, ]*\b{parameter}\b[*\w, ]*( :|$)", doc, re.MULTILINE), parameter


def test_input_by_name() -> None:
    """As the functions in memory take it."""
    x = np.random.default_rng(16).standard_normal((9, 8))
    assert_same_bits(tiled.gaussian_filter(input=x, sigma=1.0)[:], ndimage.gaussian_filter(x, 1.0), "input=")


def test_needs_neither_dask_nor_zarr() -> None:
    """Arrays of other libraries are used, not the libraries."""
    code = dedent(
        """
        import sys
        import numpy as np
        from fastconv import tiled
        output = np.zeros((50, 50))
        tiled.gaussian_filter(np.ones((50, 50)), 1.0).store(output)
        print(*sorted({"dask", "zarr", "h5py", "distributed"} & set(sys.modules)))
        """
    )
    assert answer(code) == ""


def test_time_left_is_of_what_is_left(disk: Disk, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a tile takes a second, as many seconds as tiles; of a run that goes on by its own tiles."""
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    output = disk.new("sliced", run.result.shape, run.result.dtype)
    told: list[float] = []

    def progress(done: int, count: int, left: float) -> None:
        told.append(left / max(count - done, 1))
        if done == 3 and len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.result.store(output, memory=run.memory, journal=run.journal, progress=progress)
    run.result.store(output, memory=run.memory, journal=run.journal, progress=progress)
    assert len(told) == run.count
    assert told[:-1] == [told[0]] * (run.count - 1)
