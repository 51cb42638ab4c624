"""`fastconv.dask`: the bits of the same call in memory, whatever the chunks and the scheduler."""

from __future__ import annotations

import inspect
import os
import pickle
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import ndimage, tiled
from fastconv._parts import Operation

from .part_calls import (
    EXAMPLES,
    MODES,
    NAMES,
    Call,
    assert_same_bits,
    computing,
    convolutions,
    filters,
    pools,
    whole_of,
)
from .processes import answer
from .reference import Array

pytest.importorskip("dask")
pytest.importorskip("distributed")

import dask
import dask.array as da
import distributed

import fastconv.dask as lazy
from fastconv.dask import _graph, _lazily
from fastconv.dask._lazily import lazily

# Arrays with infinities are among those that are drawn, and NumPy adds some of them up.
pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered:RuntimeWarning")

campaign = settings.get_profile("campaign")
SMALL = {1: 120, 2: 26, 3: 11}
MOST_CHUNKS = 60


# ---------------------------------------------------------------- any call, any chunks


def chunks_of(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Chunks of an array: of one element, smaller than any window, of any extents, or all in one."""
    chunks: list[tuple[int, ...]] = []
    count = 1
    for extent in shape:
        most = max(MOST_CHUNKS // count, 1)
        kind = rng.integers(4)
        if kind == 0 or extent <= 1 or most == 1:
            of_axis: tuple[int, ...] = (extent,)
        elif kind == 1 and extent <= most:
            of_axis = (1,) * extent
        elif kind == 2:
            size = max(int(rng.integers(1, 4)), -(-extent // most))
            of_axis = tuple(min(size, extent - at) for at in range(0, extent, size))
        else:
            ends = {0, extent, *rng.integers(1, extent, min(int(rng.integers(1, 5)), most - 1)).tolist()}
            of_axis = tuple(np.diff(sorted(ends)).tolist())
        chunks.append(of_axis)
        count *= len(of_axis)
    return tuple(chunks)


def blocks_of(y: Any, **scheduler: Any) -> Array:
    """Compute every block by itself, each of which has the declared shape and type; put them together."""
    assert tuple(sum(axis) for axis in y.chunks) == y.shape
    assert all(extent > 0 for axis, whole in zip(y.chunks, y.shape, strict=True) for extent in axis if whole)
    keys = list(np.ndindex(*y.numblocks))
    blocks = dask.compute(*(y.blocks[key] for key in keys), **scheduler)
    result = np.empty(y.shape, y.dtype)
    ends = [np.cumsum([0, *axis]) for axis in y.chunks]
    for key, block in zip(keys, blocks, strict=True):
        assert type(block) is np.ndarray
        assert block.dtype == y.dtype
        assert block.shape == tuple(axis[i] for axis, i in zip(y.chunks, key, strict=True))
        result[tuple(slice(end[i], end[i + 1]) for end, i in zip(ends, key, strict=True))] = block
    return result


def check_call(call: Call) -> None:
    """One after another in this thread, and by a pool of threads."""
    x, given, whole = whole_of(call)
    lazily = getattr(lazy, call.name)
    rng = call.rng()
    array = da.from_array(x, chunks_of(rng, x.shape))
    # Chunks lie at three places, or who knows where; few as small as these would have their borders together.
    places = {chunk: str(rng.integers(3)) for chunk in np.ndindex(array.numblocks) if rng.random() < 0.8}
    places = places if rng.random() < 0.5 else {}
    share = rng.choice([_graph._SHARE, 0.1])
    with (
        computing(call, 1),
        patch.object(_lazily, "_places", lambda x: places),
        patch.object(_graph, "_SHARE", share),
    ):
        if isinstance(whole, Exception):
            with pytest.raises(type(whole)):
                lazily(array, **given)
            return
        result = lazily(array, **given)
        assert (result.shape, result.dtype, result._meta.dtype) == (whole.shape, whole.dtype, whole.dtype)
        how = (
            {"scheduler": "threads", "num_workers": 2} if rng.random() < 0.5 else {"scheduler": "synchronous"}
        )
        assert_same_bits(blocks_of(result, **how), whole, f"{array.chunks} by {how} of {call}")


@given(filters(SMALL))
@settings(max_examples=150)
def test_filter(call: Call) -> None:
    """Any filter."""
    check_call(call)


@given(convolutions(SMALL))
@settings(max_examples=150)
def test_convolution(call: Call) -> None:
    """Any convolution."""
    check_call(call)


@given(pools(SMALL))
@settings(max_examples=150)
def test_pool(call: Call) -> None:
    """Any pool."""
    check_call(call)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(campaign)
@given(st.one_of(filters(), convolutions(), pools()))
def test_call_campaign(call: Call) -> None:
    """Any of them, at length, of larger arrays."""
    check_call(call)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunk", [1, 2, 5, 8, -1])
def test_windows_larger_than_chunks(chunk: int, mode: str) -> None:
    """A window that sees many chunks, and beyond both ends of the image."""
    x = np.random.default_rng(0).standard_normal((8, 9))
    image = da.from_array(x, chunk)
    for name, how in (("gaussian_filter", {"sigma": 4.0}), ("uniform_filter", {"size": 31}), ("sobel", {})):
        whole = getattr(ndimage, name)(x, **how, mode=mode)
        result = getattr(lazy, name)(image, **how, mode=mode)
        if (name, mode) != ("uniform_filter", "wrap"):  # whose axes may have to stay whole
            assert result.chunks == image.chunks
        assert_same_bits(result.compute(scheduler="synchronous"), whole, name)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (2, 0, 3)])
def test_empty_arrays(shape: tuple[int, ...]) -> None:
    """Of no elements comes nothing, in the type that it has in memory."""
    x = np.zeros(shape, np.float32)
    image = da.from_array(x, chunks=2)
    result = lazy.gaussian_filter(image, 1.0, output="float64")
    assert (result.shape, result.dtype) == (shape, np.float64)
    assert_same_bits(result.compute(), ndimage.gaussian_filter(x, 1.0, output="float64"), shape)


def test_no_images() -> None:
    """A batch of none is computed, as it is in memory."""
    x, w = np.zeros((0, 3, 8, 9), np.float32), np.ones((4, 3, 3, 3), np.float32)
    assert_same_bits(lazy.conv2d(da.from_array(x), w).compute(), fastconv.conv2d(x, w), "conv2d")
    assert_same_bits(lazy.max_pool2d(da.from_array(x), 2).compute(), fastconv.max_pool2d(x, 2), "max_pool2d")


def test_chunks_without_elements() -> None:
    """Chunks that are empty, as a selection leaves them, are none of the result's."""
    x = np.random.default_rng(1).standard_normal((10, 5))
    rows = np.array([True] * 3 + [False] * 3 + [True] * 4)
    image = da.from_array(x, (3, 5))[da.from_array(rows, 3)].compute_chunk_sizes()
    assert image.chunks[0] == (3, 0, 3, 1)
    result = lazy.gaussian_filter(image, 1.0)
    assert result.chunks[0] == (3, 3, 1)
    assert_same_bits(blocks_of(result), ndimage.gaussian_filter(x[rows], 1.0), "empty chunks")


def test_one_after_another() -> None:
    """Results are arrays like others: filtered again, pooled, sliced, added up."""
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((3, 2, 40, 50)), rng.standard_normal((4, 2, 5, 5))
    image = da.from_array(x, (1, 1, 13, 17))
    y = lazy.max_pool2d(lazy.conv2d(image, w, stride=2, padding=2, activation="relu"), 3, 2)
    z = lazy.gaussian_filter(y[:, 1], [0, 1.0, 2.0], mode="wrap") - 1
    expected = fastconv.max_pool2d(fastconv.conv2d(x, w, stride=2, padding=2, activation="relu"), 3, 2)
    expected = ndimage.gaussian_filter(expected[:, 1], [0, 1.0, 2.0], mode="wrap") - 1
    assert_same_bits(z.compute(), expected, "one after another")


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
@pytest.mark.parametrize("chunk", [1, 3, 10, 50])
def test_chunks_follow_the_input(stride: int, chunk: int) -> None:
    """A result's chunk lies where the input's does; those that would have no output are left out."""
    x = np.random.default_rng(3).standard_normal((1, 1, 50))
    signal = da.from_array(x, (1, 1, chunk))
    result = lazy.max_pool1d(signal, 3, stride, padding=1)
    assert result.shape == (1, 1, -(-50 // stride))
    assert len(result.chunks[2]) <= min(len(signal.chunks[2]), result.shape[2])
    ends = np.cumsum(signal.chunks[2])
    # Windows lie around their outputs' places: those of a chunk are the ones whose middle it has.
    middles = np.arange(result.shape[2]) * stride
    expected = np.diff([0, *(int((middles < end).sum()) for end in ends)])
    assert result.chunks[2] == tuple(expected[expected > 0].tolist())
    assert_same_bits(blocks_of(result), fastconv.max_pool1d(x, 3, stride, padding=1), (stride, chunk))


def test_channels_are_made_one_chunk() -> None:
    """Of a convolution, since every output needs all of them; not of a pool."""
    image = da.zeros((4, 6, 20, 30), chunks=(1, 2, 10, 10), dtype=np.float32)
    convolved = lazy.conv2d(image, np.ones((8, 6, 3, 3), np.float32), padding=1)
    assert convolved.chunks == ((1,) * 4, (8,), (10, 10), (10, 10, 10))
    pooled = lazy.avg_pool2d(image, 2)
    assert pooled.chunks == ((1,) * 4, (2, 2, 2), (5, 5), (5, 5, 5))


# ---------------------------------------------------------------- nothing before compute()


def test_nothing_is_computed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the input's blocks nor the result's, for any function."""
    computed: list[Any] = []

    def block(block_info: Any = None) -> Array:
        computed.append(block_info)
        raise AssertionError("computed too early")

    real = Operation.compute
    monkeypatch.setattr(Operation, "compute", lambda *args: computed.append(args) or real(*args))
    for name, (shape, how) in EXAMPLES.items():
        meta = np.empty((0,) * len(shape), np.float32)
        chunks = tuple((extent - extent // 2, extent // 2) for extent in shape)
        x = da.map_blocks(block, chunks=chunks, dtype=np.float32, meta=meta)
        result = getattr(lazy, name)(x, **how)
        assert repr(result).startswith(f"dask.array<{name}")
        assert not computed, name
        with pytest.raises(AssertionError, match="too early"):
            result.compute(scheduler="synchronous")
        computed.clear()


def test_each_block_is_computed_once() -> None:
    """What neighbours need of a chunk is cut out of it, not computed again."""
    computed: Counter[Any] = Counter()

    def block(block_info: Any = None) -> Array:
        place = block_info[None]["chunk-location"]
        computed[place] += 1
        return np.full((10, 10), sum(place), np.float32)

    x = da.map_blocks(
        block, chunks=((10,) * 4, (10,) * 3), dtype=np.float32, meta=np.empty((0, 0), np.float32)
    )
    lazy.gaussian_filter(x, 2.0).compute(scheduler="synchronous")
    assert len(computed) == 12
    assert set(computed.values()) == {1}


def test_a_part_computes_what_it_needs() -> None:
    """A slice of the result asks for the chunks around it alone."""
    computed: set[Any] = set()

    def block(block_info: Any = None) -> Array:
        computed.add(block_info[None]["chunk-location"])
        return np.zeros((10, 10), np.float32)

    x = da.map_blocks(
        block, chunks=((10,) * 9, (10,) * 9), dtype=np.float32, meta=np.empty((0, 0), np.float32)
    )
    lazy.maximum_filter(x, 3)[40:45, 40:45].compute(scheduler="synchronous")
    assert computed <= {(i, j) for i in range(3, 6) for j in range(3, 6)}
    assert (4, 4) in computed


# ---------------------------------------------------------------- what is refused

IMAGES = np.zeros((2, 3, 8, 9), np.float32)
WEIGHT = np.zeros((4, 3, 3, 3), np.float32)


def images() -> Any:
    return da.from_array(IMAGES, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lazy.gaussian_filter(IMAGES, 1.0), TypeError, r"(?s)input=.*expected a dask array"),
        (lambda: lazy.conv2d(IMAGES.tolist(), WEIGHT), TypeError, r"(?s)input=.*expected a dask array"),
        (lambda: lazy.conv2d(images(), da.from_array(WEIGHT)), TypeError, r"\bweight\b.* dask array"),
        (lambda: lazy.conv2d(images(), weight=da.from_array(WEIGHT)), TypeError, r"\bweight\b.* dask array"),
        (lambda: lazy.conv2d(images(), WEIGHT, da.zeros(4)), TypeError, r"\bbias\b.* dask array"),
        (lambda: lazy.correlate(images(), da.ones((3,) * 4)), TypeError, r"\bweights\b.* dask array"),
        (lambda: lazy.gaussian_filter(images(), 1.0, output=IMAGES), TypeError, "output is an array"),
        (lambda: lazy.laplace(images(), output=images()), TypeError, r"\boutput\b.* dask array"),
        (lambda: lazy.laplace(images(), images()), TypeError, r"\boutput\b.* dask array"),
        (lambda: lazy.conv2d(images(), WEIGHT, out=IMAGES), TypeError, "out is an array"),
        (lambda: lazy.avg_pool2d(images(), 2, out=IMAGES), TypeError, "out is an array"),
        (lambda: lazy.max_pool2d(images(), 2, return_indices=True), ValueError, "return_indices is True"),
        (lambda: lazy.conv2d(images(), WEIGHT[:, :2]), ValueError, r"weight|input"),
        (lambda: lazy.conv2d(images(), WEIGHT, stride=0), ValueError, "stride=0"),
        (lambda: lazy.gaussian_filter(images(), -1.0), ValueError, "sigma is -1"),
        (lambda: lazy.max_pool2d(images(), 99), ValueError, "kernel_size"),
        (lambda: lazy.maximum_filter(images().astype("c8"), 3), TypeError, "complex64"),
        (lambda: lazy.laplace(images().astype("U3")), TypeError, "input has dtype <U3"),
    ],
)
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    """At once, in words that name the argument; nothing waits for compute()."""
    with pytest.raises(error, match=message) as caught:
        call()
    assert type(caught.value) is error


def test_unknown_chunks() -> None:
    """How long a selection is is not known, so neither is where it is to be cut; dask can find it out."""
    x = np.arange(20.0)
    some = da.from_array(x, 6)
    some = some[some > 7]
    assert np.isnan(some.shape[0])
    with pytest.raises(ValueError, match=r"input has chunks .*nan.*compute_chunk_sizes"):
        lazy.gaussian_filter1d(some, 1.0)
    known = some.compute_chunk_sizes()
    assert_same_bits(
        lazy.gaussian_filter1d(known, 1.0).compute(), ndimage.gaussian_filter1d(x[x > 7], 1.0), ""
    )


def test_names_of_parameters() -> None:
    """Are those of the functions in memory, the input's too."""
    for name in NAMES:
        function = getattr(ndimage if name in ndimage.__all__ else fastconv, name)
        lazily = getattr(lazy, name)
        assert lazily.__name__ == name
        signature = inspect.signature(lazily)
        assert list(signature.parameters) == list(inspect.signature(function).parameters)
    image = da.from_array(IMAGES[0, 0], 3)
    assert_same_bits(
        lazy.uniform_filter(input=image, size=3).compute(), ndimage.uniform_filter(IMAGES[0, 0], 3), "input="
    )


@pytest.mark.parametrize("name", NAMES)
def test_documentation(name: str) -> None:
    """Every parameter is described, the input as a dask array; there are no examples of arrays in memory."""
    doc = inspect.getdoc(getattr(lazy, name)) or ""
    titles = re.findall(r"^(\w[\w ]*)\n-{3,}$", doc, re.MULTILINE)
    assert titles[:3] == ["Parameters", "Returns", "Raises"] or titles[:2] == ["Parameters", "Returns"]
    assert "Examples" not in titles
    assert "See Also" in titles
    assert re.search(r"^input : dask.array.Array$", doc, re.MULTILINE)
    for parameter in inspect.signature(getattr(lazy, name)).parameters:
        assert re.search(rf"^[*\w, ]*\b{parameter}\b[*\w, ]*( :|$)", doc, re.MULTILINE), parameter


def test_all_functions() -> None:
    """Every function that is computed in parts has its lazy one, and no other has."""
    assert sorted(lazy.__all__) == lazy.__all__ == sorted(NAMES)


# ---------------------------------------------------------------- the graph


def layer_of(y: Any) -> dict[Any, Any]:
    """The tasks of a result's own layer."""
    return dict(y.dask.layers[y.name])


def test_names_tell_what_is_computed() -> None:
    """The same call has the same keys, in any process; another argument, input or type has others."""
    x, other = da.from_array(IMAGES, 2, name="images"), da.from_array(IMAGES, 2, name="others")
    name = lazy.conv2d(x, WEIGHT, padding=1).name
    assert name.startswith("conv2d-")
    assert lazy.conv2d(x, WEIGHT.copy(), padding=1).name == name
    different = {
        lazy.conv2d(other, WEIGHT, padding=1).name,
        lazy.conv2d(x, WEIGHT + 1, padding=1).name,
        lazy.conv2d(x, WEIGHT, padding=2).name,
        lazy.conv2d(x, WEIGHT, padding=1, activation="relu").name,
        lazy.conv2d(x, WEIGHT, padding=1, padding_mode="reflect").name,
        name,
    }
    assert len(different) == 6
    names = {lazy.gaussian_filter(x, sigma).name for sigma in (1, 2, 3)}
    assert len(names) == 3
    computed = lazy.conv2d(x, WEIGHT)
    computed.compute(scheduler="synchronous")  # which packs weights
    assert lazy.conv2d(x, WEIGHT).name == computed.name
    code = """
        import numpy as np, dask.array as da, fastconv.dask
        x = da.from_array(np.zeros((2, 3, 8, 9), np.float32), 2, name="images")
        print(fastconv.dask.conv2d(x, np.zeros((4, 3, 3, 3), np.float32), padding=1).name)
    """
    assert answer(code) == name


def test_weights_travel_once() -> None:
    """The operation is one key of the graph, however many blocks there are."""
    w = np.random.default_rng(4).standard_normal((64, 64, 3, 3)).astype(np.float32)

    def pickled(chunk: int) -> tuple[int, int]:
        y = lazy.conv2d(
            da.zeros((4, 64, 256, 256), chunks=(1, 64, chunk, chunk), dtype=np.float32), w, padding=1
        )
        layer = layer_of(y)
        holding = [key for key, task in layer.items() if len(pickle.dumps(task)) >= w.nbytes]
        assert len(holding) == 1
        assert not isinstance(holding[0], tuple)  # it is no block
        return len(pickle.dumps(layer)), y.npartitions

    (few, of_few), (many, of_many) = pickled(64), pickled(16)
    assert few < w.nbytes + 100_000
    assert (of_few, of_many) == (64, 1024)
    assert (many - few) / (of_many - of_few) < 3000  # bytes for a block and its borders


def test_tasks_of_a_block() -> None:
    """One for each block and one for each chunk's borders, with what a window sees of its neighbours."""
    x = da.zeros((200, 200), chunks=50, dtype=np.float32, name="x")
    layer = layer_of(lazy.gaussian_filter(x, 1.0))  # four elements to each side
    tasks = {key: task for key, task in layer.items() if isinstance(key, tuple)}
    borders = {key: task for key, task in tasks.items() if str(key[0]).endswith("-borders")}
    blocks = {key: task for key, task in tasks.items() if key not in borders}
    assert len(blocks) == len(borders) == 16
    for key, task in blocks.items():
        whole = [d for d in task.dependencies if isinstance(d, tuple) and d[0] == "x"]
        assert whole == [("x", *key[1:])]  # of neighbours no more than their borders
        beside = [d[1:] for d in task.dependencies if isinstance(d, tuple) and str(d[0]).endswith("-borders")]
        assert sorted(beside) == sorted(
            (i, j)
            for i in range(max(key[1] - 1, 0), min(key[1] + 2, 4))
            for j in range(max(key[2] - 1, 0), min(key[2] + 2, 4))
            if (i, j) != key[1:]
        )
    chunk = np.random.default_rng(5).standard_normal((50, 50)).astype(np.float32)
    for key, task in borders.items():
        assert set(task.dependencies) == {("x", *key[1:])}
        cut = task({("x", *key[1:]): chunk})
        sides = [(key[1 + axis] > 0) + (key[1 + axis] < 3) for axis in range(2)]
        assert cut.shape == (4 * 50 * sum(sides) + 4 * 4 * sides[0] * sides[1],)  # each once
        assert not np.shares_memory(cut, chunk)  # a view would keep the chunk


def tasks_of(filtered: Any) -> dict[str, dict[Any, Any]]:
    """The tasks of blocks ("") and of borders ("-borders")."""
    tasks: dict[str, dict[Any, Any]] = {"": {}, "-borders": {}}
    for key, task in layer_of(filtered).items():
        if isinstance(key, tuple):
            tasks[key[0].removeprefix(filtered.name)][key] = task
    return tasks


def test_borders_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """One task cuts those of chunks out that lie at the same place, and blocks read what they need."""
    x = np.random.default_rng(5).standard_normal((1200, 800)).astype(np.float32)
    image = da.from_array(x, chunks=100)
    every = list(np.ndindex(image.numblocks))
    for place, share, count in (
        # An eighth of a chunk's 10,000 elements is less than the 1,664 of its borders.
        (lambda chunk: "one", 8, 96),
        (lambda chunk: "one", 0.6, 4 * 3),  # 10,000 / 0.6 is what ten have: three along each axis
        (lambda chunk: None, 0.6, 96),
        (lambda chunk: str(chunk[1] // 4), 0.01, 2),  # neighbours all, at two places
        (lambda chunk: str(sum(chunk) % 2), 0.6, 2 * 4 * 3),
    ):
        places = {chunk: place(chunk) for chunk in every if place(chunk) is not None}
        monkeypatch.setattr(_lazily, "_places", lambda image, places=places: places)
        monkeypatch.setattr(_graph, "_SHARE", share)
        filtered = lazy.gaussian_filter(image, 1.0)  # four elements to each side
        tasks = tasks_of(filtered)
        assert (len(tasks[""]), len(tasks["-borders"])) == (96, count)
        for task in tasks[""].values():
            assert len([d for d in task.dependencies if "borders" in str(d)]) <= min(count, 8)
        assert_same_bits(
            filtered.compute(scheduler="synchronous"), ndimage.gaussian_filter(x, 1.0), "together"
        )


def test_no_borders_without_windows() -> None:
    """Where no window reaches a neighbour a block needs its chunk alone."""
    x = da.zeros((4, 3, 32, 32), chunks=(1, 3, 8, 8), dtype=np.float32, name="x")
    for y in (
        lazy.max_pool2d(x, 2),
        lazy.conv2d(x, np.ones((4, 3, 1, 1), np.float32)),
        lazy.avg_pool2d(x, 4),
    ):
        layer = layer_of(y)
        assert len(layer) == 1 + 4 * 16
        for key, task in layer.items():
            if isinstance(key, tuple):
                assert [d for d in task.dependencies if isinstance(d, tuple)] == [("x", *key[1:])]


def test_a_graph_of_many_blocks_is_made_fast() -> None:
    """In steps whose number grows with the blocks: ten times as many take no hundred times as many."""

    def steps(blocks: int) -> int:
        x = da.zeros(blocks * 10, chunks=10, dtype=np.float32)
        count = 0

        def step(*_: Any) -> None:
            nonlocal count
            count += 1

        before = sys.getprofile()
        sys.setprofile(step)
        try:
            lazy.gaussian_filter1d(x, 1.0)
        finally:
            sys.setprofile(before)
        return count

    assert steps(1000) < 20 * steps(100)


# ---------------------------------------------------------------- threads


def told_threads(array: Any) -> Any:
    """How many threads the task of each element may use, told by a function like those of fastconv.

    Made here, so that it travels by value: these tests cannot be imported where nothing is tested.
    """

    def told(input: Any) -> Array:
        """Tell how many threads a call may use.

        Parameters
        ----------
        input : array_like
            Of any shape.

        Returns
        -------
        ndarray
            Of that shape.
        """
        return np.full(np.shape(input), fastconv.get_num_threads(), np.int64)

    return lazily(told)(array)


def test_threads_of_tasks() -> None:
    """All for a task where tasks come one after another, one where they are computed at the same time."""
    told = told_threads(da.zeros(4, chunks=1))
    fastconv.set_num_threads(5)
    assert told.compute(scheduler="synchronous").tolist() == [5] * 4
    assert told.compute(scheduler="threads", num_workers=2).tolist() == [1] * 4
    with ThreadPoolExecutor(1) as pool:  # others may compute beside it
        assert pool.submit(told.compute, scheduler="synchronous").result().tolist() == [1] * 4
    assert fastconv.get_num_threads() == 5


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_threads_that_were_asked_for(scheduler: str) -> None:
    """By dask's configuration, when it is computed; by `fastconv.threads` where no other was."""
    told = told_threads(da.zeros(4, chunks=1))
    with dask.config.set({"fastconv.threads": 3}):
        assert told.compute(scheduler=scheduler).tolist() == [3] * 4
    with fastconv.threads(2):
        assert told.compute(scheduler="synchronous").tolist() == [2] * 4


def test_threads_of_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """What such a function is told is what a filter's own kernel may use."""
    seen: list[int] = []
    real = Operation.compute

    def noting(self: Operation, *args: Any) -> Array:
        seen.append(fastconv.get_num_threads())
        return real(self, *args)

    monkeypatch.setattr(Operation, "compute", noting)
    blurred = lazy.gaussian_filter(da.ones((40, 40), chunks=20), 1.0)
    blurred.compute(scheduler="threads", num_workers=2)
    assert seen == [1] * 4


@pytest.mark.parametrize("value", [0, -1, "many", 1.5])
def test_threads_that_are_none(value: Any) -> None:
    """An error that says what was asked for."""
    told = told_threads(da.zeros(4, chunks=1))
    with dask.config.set({"fastconv.threads": value}), pytest.raises((TypeError, ValueError)) as caught:
        told.compute(scheduler="synchronous")
    assert str(value) in str(caught.value)


def test_threads_are_left_as_they_were() -> None:
    """Those that a task was given are its own, those of the process are not changed."""
    before = fastconv.get_num_threads()
    with dask.config.set({"fastconv.threads": before + 3}):
        told_threads(da.zeros(4, chunks=1)).compute(scheduler="synchronous")
    assert fastconv.get_num_threads() == before


# ---------------------------------------------------------------- processes

IN_PROCESSES = """
import dask
import dask.array as da
import numpy as np
import fastconv
import fastconv.dask

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 16, 64, 64)).astype(np.float32)
    w = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
    with fastconv.threads(2):  # whose threads a forked child does not have
        assert fastconv.explain("conv2d n2 ic16 ih64 iw64 oc16 kh3 kw3 s1 p1 nchw f32").threads == 2
        expected = fastconv.conv2d(x, w, padding=1)
    y = fastconv.dask.conv2d(da.from_array(x, (1, 16, 32, 32)), w, padding=1)
    with dask.config.set({{"multiprocessing.context": "{context}", "fastconv.threads": {threads}}}):
        result = y.compute(scheduler="processes", num_workers=2)
        assert result.tobytes() == expected.tobytes()
    assert fastconv.conv2d(x, w, padding=1).tobytes() == expected.tobytes()
    print("done")
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("context", "threads"), [("spawn", 2), ("fork", None), ("fork", 2)])
def test_processes(context: str, threads: int | None, tmp_path: Path) -> None:
    """The scheduler of processes, forked and fresh, after threads of fastconv were used in the parent."""
    if context == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    script = tmp_path / "script.py"  # spawned processes import it
    script.write_text(IN_PROCESSES.format(context=context, threads=threads))
    assert answer(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')") == "done"


def test_threads_in_processes() -> None:
    """A task of a process among others has one thread."""
    told = told_threads(da.zeros(4, chunks=2))
    assert told.compute(scheduler="processes", num_workers=2).tolist() == [1] * 4


# ---------------------------------------------------------------- a cluster


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers, each a process with one thread, and a nanny that starts it again."""
    with (
        dask.config.set({"distributed.worker.daemon": True, "distributed.comm.timeouts.connect": "30s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", processes=True
        ) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("gaussian_filter", {"sigma": [0, 0, 2.0, 1.0], "mode": "wrap"}),
        ("uniform_filter", {"size": [1, 1, 9, 12]}),
        ("conv2d", {"weight": np.random.default_rng(6).standard_normal((9, 8, 3, 3)), "padding": 1}),
        ("max_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
    ],
)
def test_on_a_cluster(client: Any, name: str, how: dict[str, Any]) -> None:
    """The bits of the same call in memory."""
    x = np.random.default_rng(7).standard_normal((2, 8, 90, 70))
    whole = getattr(ndimage if name in ndimage.__all__ else fastconv, name)(x, **how)
    result = getattr(lazy, name)(da.from_array(x, (1, 4, 30, 20)), **how)
    assert_same_bits(result.compute(scheduler=client), whole, name)


@pytest.mark.timeout(120)
def test_borders_of_chunks_by_workers(client: Any) -> None:
    """Of chunks that a worker holds one task cuts the borders out, there; of others each has its own."""
    x = np.random.default_rng(5).standard_normal((96, 64)).astype(np.float32)

    def slowly(chunk: Array) -> Array:
        time.sleep(0.5)
        return chunk

    image = client.persist(da.from_array(x, chunks=32).map_blocks(np.copy, dtype=x.dtype))
    distributed.wait(image)
    waiting = client.persist(image.map_blocks(slowly, dtype=x.dtype))
    holding = {key[1:]: by[0] for key, by in client.who_has(image).items()}
    with patch.object(_graph, "_SHARE", 0.01):
        filtered, later = lazy.gaussian_filter(image, 1.0), lazy.gaussian_filter(waiting, 1.0)
    borders = tasks_of(filtered)["-borders"]
    assert len(borders) == len(set(holding.values()))
    for task in borders.values():
        assert len({holding[key[1:]] for key in task.dependencies}) == 1
    assert len(tasks_of(later)["-borders"]) == 6
    whole = ndimage.gaussian_filter(x, 1.0)
    assert_same_bits(later.compute(), whole, "later")
    distributed.wait(waiting)
    with patch.object(_graph, "_SHARE", 0.01):
        now = lazy.gaussian_filter(waiting, 1.0)
    assert now.name != later.name  # whose tasks are others
    assert_same_bits(now.compute(), whole, "now")
    assert_same_bits(filtered.compute(), whole, "before")


@pytest.mark.timeout(120)
def test_threads_of_workers(client: Any) -> None:
    """One for a task, unless the workers' configuration says otherwise."""
    told = told_threads(da.zeros(4, chunks=1))
    assert told.compute(scheduler=client).tolist() == [1] * 4
    client.run(dask.config.set, {"fastconv.threads": 2})
    try:
        told = told_threads(da.ones(4, chunks=1))  # other keys, which are computed anew
        assert told.compute(scheduler=client).tolist() == [2] * 4
    finally:
        client.run(dask.config.set, {"fastconv.threads": None})


def killer(mark: Path) -> Any:
    """A task that ends the process of the worker that computes a certain block, the first time."""

    def task(block: Array, block_info: Any = None) -> Array:
        if block_info[0]["chunk-location"] == (2, 1):
            try:
                mark.touch(exist_ok=False)
            except FileExistsError:
                return block
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    return task


@pytest.mark.timeout(120)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_worker_that_is_killed(client: Any, tmp_path: Path) -> None:
    """Between blocks that it has computed: its nanny starts another, and the result is right."""
    rng = np.random.default_rng(8)
    x, w = rng.standard_normal((60, 60)), rng.standard_normal((5, 5))
    mark = tmp_path / "killed"
    image = lazy.correlate(da.from_array(x, 15), w, mode="wrap")
    result = lazy.gaussian_filter(image.map_blocks(killer(mark), dtype=float), 1.5)
    expected = ndimage.gaussian_filter(ndimage.correlate(x, w, mode="wrap"), 1.5)
    before = set(client.run(os.getpid).values())
    assert_same_bits(result.compute(scheduler=client), expected, "after a worker was killed")
    assert mark.exists()
    client.wait_for_workers(2, timeout=60)
    assert set(client.run(os.getpid).values()) != before


# ---------------------------------------------------------------- tiles by the workers of a cluster


def zarr_arrays(folder: Path, x: Array, chunks: tuple[int, ...]) -> tuple[Any, Any]:
    """The numbers on disk, and an array of zeros beside them."""
    zarr = pytest.importorskip("zarr")
    both = [
        zarr.create_array(str(folder / name), shape=x.shape, dtype=x.dtype, chunks=chunks)
        for name in ("input", "output")
    ]
    both[0][...] = x
    return both[0], both[1]


@pytest.mark.timeout(120)
def test_tiles_by_workers(client: Any, tmp_path: Path) -> None:
    """Workers open the arrays where they are, and each tile is told once."""
    x = np.random.default_rng(9).standard_normal((300, 200))
    source, output = zarr_arrays(tmp_path, x, (50, 40))
    told: list[tuple[int, int]] = []
    result = tiled.gaussian_filter(source, 2.0, mode="wrap")
    result.store(output, memory="17.2MB", client=client, progress=lambda *args: told.append(args[:2]))
    count = told[0][1]
    assert count > 3
    assert told == [(i, count) for i in range(1, count + 1)]
    assert_same_bits(output[...], ndimage.gaussian_filter(x, 2.0, mode="wrap"), "by workers")


@pytest.mark.timeout(120)
def test_tiles_by_workers_of_which_one_is_killed(client: Any, tmp_path: Path) -> None:
    """Its tile is done by another, or by the one that its nanny starts."""
    x = np.random.default_rng(10).standard_normal((400, 300))
    source, output = zarr_arrays(tmp_path, x, (40, 40))
    pids = list(client.run(os.getpid).values())

    def progress(done: int, count: int, left: float) -> None:
        if done == 3:
            assert count > 8
            os.kill(pids[0], signal.SIGKILL)

    tiled.uniform_filter(source, 7).store(output, memory="17.5MB", client=client, progress=progress)
    assert_same_bits(output[...], ndimage.uniform_filter(x, 7), "after a worker was killed")
    client.wait_for_workers(2, timeout=60)


@pytest.mark.timeout(120)
def test_tiles_by_workers_interrupted(client: Any, tmp_path: Path) -> None:
    """What is done is noted; the next run goes on without workers, and no worker writes any more."""
    x = np.random.default_rng(11).standard_normal((400, 300))
    source, output = zarr_arrays(tmp_path, x, (40, 40))
    result, journal = tiled.maximum_filter(source, 5), tmp_path / "journal"

    def progress(done: int, count: int, left: float) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        result.store(output, memory="17.5MB", client=client, journal=journal, progress=progress)
    assert len(journal.read_text().split()) >= 4
    before = output[...].tobytes()
    assert client.processing() == {worker: () for worker in client.processing()}
    assert output[...].tobytes() == before
    told: list[int] = []
    result.store(output, memory="17.5MB", journal=journal, progress=lambda done, *_: told.append(done))
    assert told[0] == 5
    assert_same_bits(output[...], ndimage.maximum_filter(x, 5), "gone on with")


def test_tiles_by_workers_of_arrays_in_memory(client: Any, tmp_path: Path) -> None:
    """Workers would be sent copies: refused before anything is written, whichever of the two it is."""
    x = np.ones((20, 20))
    mapped = np.memmap(tmp_path / "map", np.float64, "w+", shape=x.shape)
    source, output = zarr_arrays(tmp_path, x, (10, 10))
    for array in (x, mapped):
        with pytest.raises(TypeError, match=r"^input is .*expected an array that workers can open"):
            tiled.laplace(array).store(output, client=client)
        with pytest.raises(TypeError, match=r"^output is .*expected an array that workers can open"):
            tiled.laplace(source).store(array, client=client)
    assert not output[...].any()
    assert not mapped.any()
