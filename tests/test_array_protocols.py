"""Arrays of others: what shows its memory to NumPy is read where it lies, and gives the bits of an array."""

from __future__ import annotations

import array
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import filters, ndimage, quantized, signal, tf_nn

from .reference import Array

# ---------------------------------------------------------------- who shows an array


class Interface:
    """Only `__array_interface__`."""

    def __init__(self, x: Array) -> None:
        self.x = x
        self.__array_interface__ = x.__array_interface__


class Maker:
    """Only `__array__`."""

    def __init__(self, x: Array) -> None:
        self.x = x

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.x


class Capsule:
    """Only `__dlpack__`, which numpy.asarray does not ask for."""

    def __init__(self, x: Array) -> None:
        self.x = x

    def __dlpack__(self, **how: Any) -> Any:
        return self.x.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.x.__dlpack_device__()


class Elsewhere(Capsule):
    """On a graphics card, as its first number says."""

    def __dlpack__(self, **how: Any) -> Any:
        raise BufferError("not on the processor")

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


def read_only(x: Array) -> memoryview:
    """A buffer that cannot be written to."""
    return memoryview(x).toreadonly()


def in_bytes(x: Array) -> memoryview:
    """Bytes, which are immutable, seen as numbers."""
    return memoryview(x.tobytes()).cast("B").cast(x.dtype.char, x.shape)


def in_ctypes(x: Array) -> Any:
    """An array of arrays of C numbers."""
    kind: Any = np.ctypeslib.as_ctypes_type(x.dtype)
    for extent in reversed(x.shape):
        kind = kind * extent
    return kind.from_buffer_copy(x.tobytes())


def in_array(x: Array) -> memoryview:
    """The standard library's `array`, which has one axis, with more of them."""
    return memoryview(array.array(x.dtype.char, x.ravel().tolist())).cast("B").cast(x.dtype.char, x.shape)


def tensor(x: Array) -> Any:
    """A tensor of torch."""
    return pytest.importorskip("torch").from_numpy(x)


def strided_tensor(x: Array) -> Any:
    """Every second element of a tensor twice as wide."""
    torch = pytest.importorskip("torch")
    return torch.from_numpy(np.repeat(x, 2, axis=-1))[..., ::2]


FORMS: dict[str, Callable[[Array], Any]] = {
    "memoryview": memoryview,
    "read-only": read_only,
    "bytes": in_bytes,
    "array.array": in_array,
    "ctypes": in_ctypes,
    "__array_interface__": Interface,
    "__array__": Maker,
    "__dlpack__": Capsule,
    "torch": tensor,
    "torch-strided": strided_tensor,
}


def normal(*shape: int, dtype: Any = np.float32) -> Array:
    return np.random.default_rng(5).standard_normal(shape).astype(dtype)


def small(*shape: int, dtype: Any = np.uint8) -> Array:
    return np.random.default_rng(6).integers(0, 9, shape).astype(dtype)


CALLS: dict[str, tuple[Callable[..., Any], list[Array]]] = {
    "conv2d": (fastconv.conv2d, [normal(2, 3, 9, 8), normal(4, 3, 3, 3), normal(4)]),
    "conv2d-float64": (fastconv.conv2d, [normal(3, 9, 8, dtype=float), normal(4, 3, 3, 3, dtype=float)]),
    "conv2d-bytes": (fastconv.conv2d, [small(2, 3, 9, 8), small(4, 3, 3, 3, dtype=np.int8)]),
    "conv2d-int64": (fastconv.conv2d, [small(3, 9, 8, dtype=np.int64), small(4, 3, 3, 3, dtype=np.int64)]),
    "Conv1d": (lambda x, w, b: fastconv.Conv1d(w, b)(x), [normal(2, 3, 9), normal(4, 3, 3), normal(4)]),
    "conv_transpose2d": (fastconv.conv_transpose2d, [normal(2, 3, 5, 4), normal(3, 4, 3, 3), normal(4)]),
    "conv2d_weight": (
        lambda x, dy: fastconv.grad.conv2d_weight(x, (4, 3, 3, 3), dy),
        [normal(2, 3, 9, 8), normal(2, 4, 7, 6)],
    ),
    "linear": (fastconv.linear, [normal(5, 7), normal(4, 7), normal(4)]),
    "linear_weight": (fastconv.grad.linear_weight, [normal(5, 7), normal(5, 4)]),
    "max_pool2d": (lambda x: fastconv.max_pool2d(x, 2), [normal(2, 3, 9, 8)]),
    "avg_pool2d": (lambda x: fastconv.avg_pool2d(x, 2), [normal(2, 3, 9, 8)]),
    "relu": (fastconv.relu, [normal(2, 3, 9, 8)]),
    "softmax": (fastconv.softmax, [normal(5, 7)]),
    "unfold": (lambda x: fastconv.unfold(x, 3), [normal(2, 3, 9, 8)]),
    "pad2d": (lambda x: fastconv.pad2d(x, 1), [normal(2, 3, 9, 8)]),
    "gaussian_filter": (lambda x: ndimage.gaussian_filter(x, 1.0), [normal(9, 8)]),
    "correlate": (ndimage.correlate, [normal(9, 8), normal(3, 3, dtype=float)]),
    "signal.convolve": (signal.convolve, [normal(9, 8), normal(3, 3)]),
    "filter_image": (filters.filter_image, [normal(9, 8), normal(3, 3)]),
    "conv_integer": (quantized.conv_integer, [small(2, 3, 9, 8), small(4, 3, 3, 3)]),
    "tf_nn.conv2d": (lambda x, w: tf_nn.conv2d(x, w, 1, "SAME"), [normal(2, 9, 8, 3), normal(3, 3, 3, 4)]),
    "tf_nn.max_pool2d": (lambda x: tf_nn.max_pool2d(x, 2, 2, "SAME"), [normal(2, 9, 8, 3)]),
}


def check(name: str, form: Callable[[Array], Any]) -> None:
    """One argument after another, and all at once; the result is an array."""
    function, plain = CALLS[name]
    expected = function(*plain)
    others = [form(x) for x in plain]
    for given in ([*plain[:i], other, *plain[i + 1 :]] for i, other in enumerate(others)):
        y = function(*given)
        assert isinstance(y, np.ndarray)
        np.testing.assert_array_equal(y, expected, strict=True)
    np.testing.assert_array_equal(function(*others), expected, strict=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CALLS)
def test_bits_of_arrays(name: str, form: str) -> None:
    """Whoever holds the numbers, the result is that of an array."""
    check(name, FORMS[form])


def test_memory_of_dlpack_elsewhere() -> None:
    """What the processor cannot read is refused, naming the argument."""
    for call in (
        lambda x: fastconv.max_pool2d(x, 1),
        lambda x: tf_nn.max_pool2d(x, 1, 1, "SAME"),
        lambda input: ndimage.sobel(input),
    ):
        with pytest.raises(TypeError, match=r"^input=<.*Elsewhere object.*expected an array of"):
            call(Elsewhere(normal(1, 4, 4, 1)))


SHOWN = [
    "__dlpack__",
    "memoryview",
    "read-only",
    "bytes",
    "array.array",
    "ctypes",
    "__array_interface__",
    "__array__",
    "torch",
]


@pytest.mark.parametrize("form", SHOWN)
def test_memory_is_read_where_it_lies(form: str) -> None:
    """Beside the result, which is given, a call on 4 MB takes no memory that Python counts."""
    x = normal(1, 1, 1000, 1000)
    other, out = FORMS[form](x), np.empty_like(x)
    fastconv.relu(other, out=out)  # imports are done
    tracemalloc.start()
    try:
        fastconv.relu(other, out=out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes / 10
    np.testing.assert_array_equal(out, np.maximum(x, 0))


@pytest.mark.parametrize("form", ["memoryview", "__array_interface__", "__array__", "__dlpack__", "torch"])
def test_next_call_sees_what_was_written(form: str) -> None:
    """The memory is the caller's: a prepared object's input too, but not its weights, which it has packed."""
    x, w = np.ones((1, 1, 8)), np.ones((1, 1, 3))
    other, weight = FORMS[form](x), FORMS[form](w)
    conv = fastconv.Conv1d(weight)
    assert (conv(other) == 3).all()
    x[:], w[:] = 2, 7
    assert (conv(other) == 6).all()
    assert (fastconv.conv1d(other, weight) == 42).all()


@pytest.mark.parametrize("form", FORMS)
def test_results_need_arrays(form: str) -> None:
    """`out` is an ndarray or refused by name: no result goes into a copy that nobody sees."""
    x, w = np.ones((1, 1, 8)), np.ones((1, 1, 3))
    calls: list[Callable[..., Any]] = [
        lambda out: fastconv.conv1d(x, w, out=out),
        lambda out: fastconv.conv1d(x.astype(int), w.astype(int), out=out),
        lambda out: fastconv.Conv1d(w)(x, out),
        lambda out: fastconv.max_pool1d(x, 1, out=out),
        lambda out: fastconv.relu(x, out=out),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"^out=.*expected an ndarray or None"):
            call(FORMS[form](np.empty((1, 1, 6))))


def test_out_may_be_the_memory_of_others() -> None:
    """Seen as an array it takes the result."""
    torch = pytest.importorskip("torch")
    y, x = torch.zeros(4), torch.tensor([-1.0, 2.0, -3.0, 4.0])
    fastconv.relu(x, out=np.asarray(y))
    assert y.tolist() == [0, 2, 0, 4]


def test_out_overlaps_the_memory_of_others() -> None:
    """An input is seen through its protocol, so that a result in its memory is refused."""
    x = np.ones((1, 1, 8))
    for form in ("memoryview", "__array_interface__", "__array__", "__dlpack__"):
        with pytest.raises(ValueError, match=r"^out: .*overlaps input"):
            fastconv.avg_pool1d(FORMS[form](x), 1, out=x)


# ---------------------------------------------------------------- what is refused


def test_types_are_those_of_arrays() -> None:
    """A type that no kernel has is refused as that of an array."""
    for value in (memoryview(bytes(8)), bytearray(8), array.array("i", [1, 2]), b"bytes"):
        with pytest.raises(TypeError, match=r"^x: dtype .* expected float32"):
            fastconv.relu(value)
    with pytest.raises(TypeError, match=r"^weight: dtype float64, expected float32"):
        fastconv.conv1d(memoryview(normal(1, 8)), memoryview(np.ones((1, 1, 3))))


class Broken:
    """Cannot make the array that it promises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        raise self.error


@pytest.mark.parametrize("error", [TypeError("no"), ValueError("no"), RuntimeError("no"), BufferError("no")])
def test_broken_promises(error: Exception) -> None:
    """The argument is named, whatever was raised, also by functions that are Python's."""
    w = np.ones((1, 1, 1, 1))
    for call in (lambda x: fastconv.conv2d(x, w), lambda x: tf_nn.conv2d(x, w, 1, "SAME")):
        with pytest.raises(TypeError, match=r"^input=<.*Broken object.*expected an array of"):
            call(Broken(error))


def test_tensors_that_are_no_arrays() -> None:
    """One that requires a gradient, and one of a type that NumPy has not."""
    torch = pytest.importorskip("torch")
    for x in (torch.ones(1, 1, 4, requires_grad=True), torch.ones(1, 1, 4, dtype=torch.bfloat16)):
        with pytest.raises(TypeError, match=r"^input=tensor"):
            fastconv.conv1d(x, np.ones((1, 1, 2), np.float32))
