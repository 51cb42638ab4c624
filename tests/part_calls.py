"""Random calls of the functions that are computed in parts, shared by the tests of parts, dask and tiles.

A `Call` is drawn by hypothesis: a function, its arguments, the numbers in its arrays, and how it is computed.
Which part is asked for, and how the input is cut, follows from its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import fastconv
from fastconv import ndimage
from fastconv._parts import Mosaic, Operation, Region, Run, operation

from .reference import Array
from .variants import instruction_set

FILTERS = tuple(ndimage.__all__)
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
POOLS = tuple(f"{kind}_pool{rank}d" for kind in ("max", "avg", "lp") for rank in (1, 2, 3))
NAMES = (*FILTERS, *CONVOLUTIONS, *POOLS)

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
PADDING_MODES = ("zeros", "zeros", "zeros", "reflect", "replicate", "circular", "symmetric")
LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}

FLOATS = ("float32", "float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
HALVES = ("float16", "bfloat16") if find_spec("ml_dtypes") else ("float16",)
COMPLEX = ("complex64", "complex128")
CONV_TYPES = (*FLOATS, "float32", *HALVES, "int8", "uint8", "int16", "int64", "uint64", *COMPLEX)
FILTER_TYPES = (*FLOATS, "float32", "bool", *INTEGERS, *COMPLEX, ">f4", ">i2")
POOL_TYPES = (*FLOATS, *HALVES)
MAX_TYPES = (*POOL_TYPES, "int8", "uint8", "int16", "uint16", "int32", "uint32")
AVG_TYPES = (*POOL_TYPES, *COMPLEX)


class Drawn(NamedTuple):
    """An argument that is an array: drawn from the seed of its call."""

    shape: tuple[int, ...]
    dtype: str
    what: str = "normal"


class Call(NamedTuple):
    """A call and how it is computed."""

    name: str
    input: Drawn
    arguments: dict[str, Any]
    """All but the input, by name."""
    isa: str
    threads: tuple[int, int]
    """For the whole, and for parts of it."""
    seed: int

    @property
    def function(self) -> Callable[..., Array]:
        """The function for arrays in memory."""
        return getattr(ndimage if self.name in FILTERS else fastconv, self.name)

    def arrays(self) -> tuple[Array, dict[str, Any]]:
        """The input and the other arguments."""
        rng = np.random.default_rng(self.seed)
        x = draw_array(rng, self.input)
        given = {
            name: draw_array(rng, value) if isinstance(value, Drawn) else value
            for name, value in self.arguments.items()
        }
        return x, given

    def rng(self) -> np.random.Generator:
        """Decides what is not drawn by hypothesis: regions and pieces."""
        return np.random.default_rng([self.seed, 1])


def numpy_dtype(name: str) -> np.dtype[Any]:
    """A dtype by its name; bfloat16 is of another package."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def draw_array(rng: np.random.Generator, drawn: Drawn) -> Array:
    """Numbers of an array.

    "normal" ones are of magnitude one, "spread" ones of many magnitudes (integers: of all), among which
    Winograd's tiles are left to another algorithm; "special" ones have NaN, infinities and zeros of both
    signs between them. "ones" and "flags" are for kernels and footprints.
    """
    shape, dtype, what = drawn.shape, numpy_dtype(drawn.dtype), drawn.what
    if what == "ones":
        return np.ones(shape, dtype)
    if what == "flags":
        flags = rng.random(shape) < 0.6
        flags.flat[rng.integers(flags.size)] = True
        return flags
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low, high = int(limits.min), int(limits.max)
        if what != "spread":
            low, high = max(low, -1000), min(high, 1000)
        return rng.integers(low, high, shape, dtype.newbyteorder("="), endpoint=True).astype(dtype)
    x: Any = rng.standard_normal(shape)
    if dtype.kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    if what == "spread":
        x = np.ldexp(1.0, rng.integers(-9, 10, shape)) * x
    if what == "special" and x.size:
        for value in (np.nan, np.inf, -np.inf, 0.0, -0.0):
            x.flat[rng.integers(x.size)] = value
    return x.astype(dtype)


def weights(*shape: int) -> Array:
    """Those of an example."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


PLANE, IMAGES, SIGNALS, VOLUMES = (41, 37), (2, 3, 15, 22), (2, 3, 50), (1, 2, 9, 10, 12)

# A call of every function, of float32: the shape of its input and its other arguments.
EXAMPLES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "convolve": (PLANE, {"weights": [[1.0, 2.0, 0.5], [0.25, -1.0, 3.0]], "mode": "mirror"}),
    "convolve1d": (PLANE, {"weights": [1.0, -2.0, 0.5, 4.0], "axis": 0}),
    "correlate": (PLANE, {"weights": [[1.0, 2.0], [0.5, -1.0], [3.0, 0.1]], "mode": ["wrap", "nearest"]}),
    "correlate1d": (PLANE, {"weights": [1.0, -2.0, 0.5]}),
    "gaussian_filter": (PLANE, {"sigma": 1.2}),
    "gaussian_filter1d": (PLANE, {"sigma": 2.0, "axis": 0, "mode": "wrap"}),
    "gaussian_gradient_magnitude": (PLANE, {"sigma": 1.0}),
    "gaussian_laplace": (PLANE, {"sigma": [1.0, 0.6], "mode": "nearest"}),
    "laplace": (PLANE, {"mode": "constant", "cval": 1.5}),
    "maximum_filter": (PLANE, {"size": [5, 2]}),
    "maximum_filter1d": (PLANE, {"size": 9, "axis": 0}),
    "minimum_filter": (PLANE, {"footprint": [[True, False, True], [False, True, False]]}),
    "minimum_filter1d": (PLANE, {"size": 4, "mode": "wrap"}),
    "prewitt": (PLANE, {"mode": ["constant", "reflect"], "cval": 2.0}),
    "sobel": (PLANE, {"axis": 0}),
    "uniform_filter": (PLANE, {"size": [9, 3]}),
    "uniform_filter1d": (PLANE, {"size": 6}),
    "conv1d": (SIGNALS, {"weight": weights(4, 3, 5), "padding": "same"}),
    "conv2d": (IMAGES, {"weight": weights(4, 3, 3, 3), "bias": weights(4), "stride": 2, "padding": 1}),
    "conv3d": (VOLUMES, {"weight": weights(3, 2, 2, 3, 3), "padding_mode": "circular", "padding": 1}),
    "max_pool1d": (SIGNALS, {"kernel_size": 3, "stride": 2, "padding": 1}),
    "max_pool2d": (IMAGES, {"kernel_size": 3, "dilation": 2, "stride": 1}),
    "max_pool3d": (VOLUMES, {"kernel_size": 2, "ceil_mode": True}),
    "avg_pool1d": (SIGNALS, {"kernel_size": 4, "count_include_pad": False, "padding": 2}),
    "avg_pool2d": (IMAGES, {"kernel_size": (6, 2), "stride": 1}),
    "avg_pool3d": (VOLUMES, {"kernel_size": 3, "stride": 2, "divisor_override": 5}),
    "lp_pool1d": (SIGNALS, {"norm_type": 2.0, "kernel_size": 3}),
    "lp_pool2d": (IMAGES, {"norm_type": 3.0, "kernel_size": 2, "stride": 1}),
    "lp_pool3d": (VOLUMES, {"norm_type": 1.0, "kernel_size": 2, "padding": "same"}),
}


# ---------------------------------------------------------------- strategies

seeds = st.integers(0, 2**32 - 1)
numbers = st.sampled_from(["normal", "normal", "normal", "spread", "special"])


def of_axes(values: st.SearchStrategy[Any], count: int) -> st.SearchStrategy[Any]:
    """One value for all axes, or one for each."""
    return st.one_of(values, st.lists(values, min_size=count, max_size=count))


def extents(most: int, few: int) -> st.SearchStrategy[int]:
    """Some small ones, some large."""
    return st.one_of(st.integers(1, few), st.integers(1, most), st.integers(most // 2, most))


def how(draw: st.DrawFn) -> tuple[str, tuple[int, int], int]:
    """How a call is computed: never the whole with as many threads as parts of it."""
    threads = draw(st.sampled_from([(1, 2), (2, 1), (1, 3)]))
    return draw(st.sampled_from(fastconv.instruction_sets())), threads, draw(seeds)


@st.composite
def filters(draw: st.DrawFn, most: dict[int, int] | None = None, names: tuple[str, ...] = FILTERS) -> Call:
    """A call of a function of `fastconv.ndimage`, on an array of up to `most` elements along each axis."""
    most = most or {1: 400, 2: 110, 3: 34}
    name = draw(st.sampled_from(FILTERS))
    rank = draw(st.sampled_from([1, 2, 2, 2, 3, 3]))
    shape = tuple(draw(extents(most[rank], 5)) for _ in range(rank))
    dtypes = [t for t in FILTER_TYPES if t[0] != "c" or not name.startswith(("maximum", "minimum"))]
    dtype = draw(st.sampled_from(dtypes))
    given: dict[str, Any] = {}
    if draw(st.booleans()):
        given["cval"] = draw(st.integers(-2, 2)) / 2
    if draw(st.integers(0, 2)) == 0:
        given["output"] = draw(st.sampled_from(["float32", "float64", "int32", "uint8"]))
    along = list(range(rank))
    mode = st.sampled_from(MODES)
    if name.endswith("1d"):
        given["mode"] = draw(mode)
        given["axis"] = draw(st.integers(-rank, rank - 1))
        along = [given["axis"] % rank]
    elif name in ("prewitt", "sobel"):
        given["mode"] = draw(of_axes(mode, rank))
        given["axis"] = draw(st.integers(-rank, rank - 1))
    else:
        if draw(st.integers(0, 2)) == 0:
            along = draw(st.permutations(along))[: draw(st.integers(1, rank))]
            given["axes"] = tuple(along)
        given["mode"] = draw(of_axes(mode, len(along)))
    given.update(draw(windows(name, dtype, len(along), max(shape[axis] for axis in along))))
    return Call(name, Drawn(shape, dtype, draw(numbers)), given, *how(draw))


@st.composite
def windows(draw: st.DrawFn, name: str, dtype: str, count: int, longest: int) -> dict[str, Any]:
    """What a filter's windows are: kernels and boxes up to a little longer than the axis, Gaussians."""
    few = st.integers(1, {1: 30, 2: 9, 3: 5}[count])
    long = st.one_of(st.integers(1, 5), st.integers(1, min(longest + 8, 60)))
    if name.startswith(("correlate", "convolve")):
        taps = tuple(draw(few) for _ in range(count))
        kinds = ["float64", "float64", "int64"] + ["complex128"] * (np.dtype(dtype).kind == "c")
        what = draw(st.sampled_from(["normal", "ones"]))
        weights = Drawn(taps, draw(st.sampled_from(kinds)), what)
        origins = [draw(st.integers(-((k - 1) // 2), (k - 1) // 2)) for k in taps]
        origin: Any = origins[0] if name.endswith("1d") else origins
        return {"weights": weights} | ({"origin": origin} if draw(st.booleans()) else {})
    if name.startswith("gaussian"):
        sigma = st.sampled_from([0.0, 0.5, 1.3, 4.0])
        given: dict[str, Any] = {"sigma": draw(sigma if name.endswith("1d") else of_axes(sigma, count))}
        if draw(st.integers(0, 3)) == 0:
            given["truncate"] = 2.5
        if draw(st.integers(0, 3)) == 0:
            given["radius"] = draw(st.integers(0, 12))
        if name in ("gaussian_filter", "gaussian_filter1d"):
            given["order"] = draw(st.sampled_from([0, 0, 1, 2]))
        return given
    if not name.startswith(("uniform", "maximum", "minimum")):
        return {}
    if name in ("maximum_filter", "minimum_filter") and draw(st.booleans()):
        return {"footprint": Drawn(tuple(draw(st.integers(1, 4)) for _ in range(count)), "bool", "flags")}
    size = draw(long if name.endswith("1d") else of_axes(long, count))
    sizes = size if isinstance(size, list) else [size]
    origin = draw(st.integers(-((min(sizes) - 1) // 2), (min(sizes) - 1) // 2))
    return {"size": size, "origin": origin}


@st.composite
def means(draw: st.DrawFn) -> Call:
    """Means of windows that are tall and images that are higher: rows that are summed together."""
    shape = (draw(st.integers(1, 90)), draw(st.one_of(st.integers(1, 12), st.integers(1, 70))))
    size = (draw(st.integers(1, 30)), draw(st.integers(1, 9)))
    if draw(st.booleans()):
        shape, size = (draw(st.integers(1, 12)), *shape), (draw(st.integers(1, 3)), *size)
    if draw(st.booleans()):
        shape, size = (*shape, draw(st.integers(1, 3))), (*size, 1)
    given = {"size": size, "mode": draw(st.sampled_from(MODES))}
    dtype = draw(st.sampled_from(["float32", "float64"]))
    return Call("uniform_filter", Drawn(shape, dtype), given, *how(draw))


def span(kernel: int, dilation: int) -> int:
    """Places that a window covers."""
    return (kernel - 1) * dilation + 1


def placed(layout: str, channels: int, size: Sequence[int]) -> tuple[int, ...]:
    """The shape of an image."""
    return (*size, channels) if layout.endswith("C") else (channels, *size)


@st.composite
def images(draw: st.DrawFn, layout: str, channels: int, size: Sequence[int]) -> tuple[int, ...]:
    """The shape of some images, or of one without a batch."""
    n = draw(st.sampled_from([None, 1, 1, 2, 3]))
    return placed(layout, channels, size) if n is None else (n, *placed(layout, channels, size))


@st.composite
def convolutions(draw: st.DrawFn, most: dict[int, int] | None = None) -> Call:
    """A call of a convolution, of images of up to `most` pixels along each axis."""
    most = most or {1: 260, 2: 60, 3: 16}
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    layout = draw(st.sampled_from(LAYOUTS[rank]))
    dtype = draw(st.sampled_from(CONV_TYPES))
    wide = {1: 24, 2: 24, 3: 9}[rank]
    groups = draw(st.sampled_from([1, 1, 1, 2, 0]))
    ic, oc = draw(st.integers(1, wide)), draw(st.integers(1, wide))
    if groups == 0:  # depthwise
        groups, oc = ic, ic * draw(st.sampled_from([1, 1, 2]))
    elif groups == 2:
        ic, oc = 2 * (ic // 2 + 1), 2 * (oc // 2 + 1)
    elif rank < 3 and draw(st.integers(0, 3)) == 0:  # enough for Winograd's algorithm to be chosen
        ic = oc = 40
    any_kernel = st.tuples(*[st.integers(1, 4)] * rank)
    kernel = draw(st.one_of(st.just((3,) * rank), st.just((3,) * rank), any_kernel, st.just((1,) * rank)))
    dilation = draw(st.sampled_from([1, 1, 1, 2, 3]))
    spans = [span(k, dilation) for k in kernel]
    mode = draw(st.sampled_from(PADDING_MODES))
    padding: Any = draw(
        st.one_of(
            st.sampled_from([0, 1, 1, 2, "same", "valid"]),
            st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=rank, max_size=rank),
        )
    )
    size = []
    for i, covered in enumerate(spans):
        around = covered - 1 if padding == "same" else sum(ends(padding, i))
        shown = max(around if padding == "same" else max(ends(padding, i)) + 1, 1)
        least = max(covered - (0 if padding == "same" else around), shown if mode != "zeros" else 1, 1)
        size.append(max(draw(extents(most[rank], 8)), least))
    weight = (*kernel, ic // groups, oc) if layout.endswith("C") else (oc, ic // groups, *kernel)
    given: dict[str, Any] = {
        "weight": Drawn(weight, dtype),
        "layout": layout,
        "groups": groups,
        "dilation": dilation,
        "padding": padding,
        "padding_mode": mode,
    }
    if draw(st.booleans()):
        given["stride"] = draw(of_axes(st.integers(1, 3), rank))
    kind = numpy_dtype(dtype).kind
    if draw(st.booleans()):
        given["bias"] = Drawn((oc,), "int32" if dtype in ("int8", "uint8") else dtype)
    if kind not in "iuc" and draw(st.integers(0, 2)) == 0:
        given["activation"] = draw(st.sampled_from(["relu", "silu", (-1.0, 1.0)]))
    if draw(st.integers(0, 2)) == 0:
        names = ["strict", "direct", "im2col", "depthwise"]
        names += ["pointwise"] * (max(kernel) == 1) + ["dot"] * (dtype == "bfloat16")
        square = kernel[0] == kernel[-1] in (2, 3)
        names += ["winograd", "winograd2", "winograd4"] * (square and kind not in "iu")
        given["algorithm"] = draw(st.sampled_from(names))
    # Eight bits times eight: sums that do not fit are an error, and of large numbers most would not.
    what = draw(numbers) if dtype not in ("int8", "uint8") else "normal"
    return Call(f"conv{rank}d", Drawn(draw(images(layout, ic, size)), dtype, what), given, *how(draw))


def ends(padding: Any, axis: int) -> tuple[int, int]:
    """The padding at both ends of an axis, if it is said by numbers."""
    if isinstance(padding, int):
        return padding, padding
    return (0, 0) if isinstance(padding, str) else padding[axis]


@st.composite
def pools(draw: st.DrawFn, most: dict[int, int] | None = None) -> Call:
    """A call of a pool of fixed windows."""
    most = most or {1: 260, 2: 70, 3: 18}
    name = draw(st.sampled_from(POOLS))
    kind, rank = name[:3], int(name[-2])
    layout = draw(st.sampled_from(LAYOUTS[rank]))
    dtype = draw(st.sampled_from({"max": MAX_TYPES, "avg": AVG_TYPES, "lp_": POOL_TYPES}[kind]))
    tall = {1: 40, 2: 20, 3: 7}[rank]
    kernel = tuple(draw(st.one_of(st.integers(1, 4), st.integers(1, tall))) for _ in range(rank))
    dilation = draw(st.sampled_from([1, 1, 2, 3])) if kind == "max" else 1
    padding: Any = draw(
        st.one_of(
            st.sampled_from([0, "same", "valid"]),
            st.tuples(*[st.tuples(st.integers(0, k // 2), st.integers(0, k // 2)) for k in kernel]),
        )
    )
    size = []
    for i, k in enumerate(kernel):
        least = max(1 if padding == "same" else span(k, dilation) - sum(ends(padding, i)), 1)
        size.append(max(draw(extents(most[rank], 8)), least))
    given: dict[str, Any] = {
        "kernel_size": kernel,
        "layout": layout,
        "padding": padding,
        "ceil_mode": draw(st.booleans()),
    }
    if draw(st.booleans()):
        given["stride"] = draw(of_axes(st.integers(1, 5), rank))
    if kind == "lp_":
        given["norm_type"] = draw(st.sampled_from([1.0, 2.0, 3.0, 0.5]))
    if kind == "max":
        given["dilation"] = dilation
    if kind == "avg":
        given["count_include_pad"] = draw(st.booleans())
        if rank > 1 and draw(st.integers(0, 3)) == 0:
            given["divisor_override"] = 5
    channels = draw(st.one_of(st.integers(1, 4), st.integers(1, 20)))
    return Call(name, Drawn(draw(images(layout, channels, size)), dtype, draw(numbers)), given, *how(draw))


# ---------------------------------------------------------------- regions and pieces


def cuts(rng: np.random.Generator, extent: int, most: int = 3) -> tuple[Run, ...]:
    """An axis, cut in up to `most` places."""
    places = {0, extent, *rng.integers(0, extent + 1, rng.integers(0, most + 1)).tolist()}
    return tuple(pairwise(sorted(places))) or ((0, extent),)


def pieces(rng: np.random.Generator, x: Array) -> Mosaic:
    """An array cut along every axis, each piece in memory of its own."""
    each = product(*(cuts(rng, extent) for extent in x.shape))
    return Mosaic([(tuple(begin for begin, _ in region), part_of(x, region).copy()) for region in each])


def regions(rng: np.random.Generator, shape: Sequence[int], count: int) -> Iterator[Region]:
    """Parts of a result; one in four axes is whole, so that ends are often among them."""
    for _ in range(count):
        region = []
        for extent in shape:
            begin = int(rng.integers(0, extent))
            end = int(rng.integers(begin + 1, extent + 1))
            region.append((0, extent) if rng.random() < 0.25 else (begin, end))
        yield tuple(region)


def part_of(whole: Array, region: Region) -> Array:
    """That part."""
    return whole[tuple(slice(*run) for run in region)]


def assert_same_bits(actual: Array, expected: Array, what: Any) -> None:
    """Type, shape and every bit."""
    assert isinstance(actual, np.ndarray)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), what
    if actual.tobytes() != expected.tobytes():
        differ = np.frombuffer(actual.tobytes(), np.uint8) != np.frombuffer(expected.tobytes(), np.uint8)
        elements = differ.reshape(-1, actual.itemsize).any(1).reshape(actual.shape)
        at = tuple(int(i) for i in np.argwhere(elements)[0])
        values = f"{actual[at]!r} instead of {expected[at]!r}"
        raise AssertionError(f"{what}: {elements.sum()} of {elements.size} differ, at {at} {values}")


@contextmanager
def computing(call: Call, which: int) -> Iterator[None]:
    """With the call's instruction set, and its threads for the whole (0) or for parts (1)."""
    with instruction_set(call.isa), fastconv.threads(call.threads[which]):
        yield


def whole_of(call: Call) -> tuple[Array, dict[str, Any], Array | Exception]:
    """The input, the other arguments, and the result in memory or the error that it is.

    Calls are drawn to be right; an algorithm by name is one that cannot compute them now and then.
    """
    x, given = call.arrays()
    try:
        with computing(call, 0):
            return x, given, call.function(x, **given)
    except ValueError as error:
        if "algorithm" not in given:
            raise
        return x, given, error


def operation_of(call: Call, x: Array, given: dict[str, Any]) -> Operation:
    """The call as an operation."""
    return operation(call.function, x.shape, x.dtype, **given)
