"""Integers, exactly, by kernels of floats.

A float of 53 bits holds every integer up to 2**53, so sums that stay below it, in whatever order, round
nothing. Where they would not, input and weights are cut into limbs of so few bits that theirs do, and the
sums of the limbs, each at its place, are added up modulo 2**64.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from . import _fastconv
from ._arrays import Array
from ._results import result_array
from ._sums import Sums

__all__ = ["algorithm_of", "check_types", "computed"]

WORD = 64
BYTES_OF_WORD = 4  # of what is multiplied in one instruction
# Integers of smaller magnitude are floats of this type.
EXACT: tuple[tuple[type[np.floating[Any]], int], ...] = ((np.float32, 2**24), (np.float64, 2**53))


# ---------------------------------------------------------------- arguments


def algorithm_of(algorithm: Any) -> Any:
    """Return an algorithm that adds up the products of the definition and nothing else."""
    if isinstance(algorithm, str) and algorithm.startswith("winograd"):
        raise ValueError(
            f"algorithm={algorithm!r}: expected another for integers, whose sums are exact: "
            "Winograd's transforms round"
        )
    return "strict" if isinstance(algorithm, str) and algorithm == "auto" else algorithm


def check_types(x: Array, w: Array, b: Array | None) -> None:
    """Fail unless the types go together."""
    arrays = {"input": x, "weight": w} | ({} if b is None else {"bias": b})
    for name, array in arrays.items():
        if array.dtype.kind not in "iu":
            raise TypeError(f"{name}: dtype {array.dtype}, expected integers as input, of dtype {x.dtype}")
    if b is not None and of_bytes(x, w) and code_of(b) != "i4":
        raise TypeError(f"bias: dtype {b.dtype}, expected int32 with input and weight of 8 bits")
    if any(code_of(array) == "u8" for array in arrays.values()):
        for name, array in arrays.items():
            if array.dtype.kind != "u":
                raise TypeError(f"{name}: dtype {array.dtype}, expected unsigned integers beside uint64")


def code_of(a: Array) -> str:
    """Return kind and size of elements in any byte order."""
    return a.dtype.str[1:]


def of_bytes(x: Array, w: Array) -> bool:
    """Whether sums are int32."""
    return x.dtype.itemsize == w.dtype.itemsize == 1


def fits_words(w: Array, groups: int, group_channels: int) -> bool:
    """Whether the processor has dot products of bytes, and these weights fit bytes with a sign, and words."""
    full = groups == 1 or group_channels >= BYTES_OF_WORD
    return _fastconv.has_dot() and full and w.min(initial=0) >= -128 and w.max(initial=0) <= 127


def result_type(x: Array, w: Array, b: Array | None) -> np.dtype[Any]:
    """Return the type of sums."""
    if of_bytes(x, w):
        return np.dtype(np.int32)
    unsigned = any(a is not None and code_of(a) == "u8" for a in (x, w, b))
    return np.dtype(np.uint64 if unsigned else np.int64)


def bounds_of(activation: Any, dtype: np.dtype[Any]) -> tuple[int | None, int | None]:
    """Return the clamp that an activation of integers is."""
    expected = "expected None, 'relu', 'relu6' or a (low, high) pair of integers or None, for integers"
    named: dict[str, tuple[int | None, int | None]] = {"relu": (0, None), "relu6": (0, 6)}
    if activation is None:
        return None, None
    if isinstance(activation, str):
        if activation not in named:
            raise ValueError(f"activation={activation!r}: {expected}")
        return named[activation]
    try:
        bounds = tuple(activation)
        if any(isinstance(bound, bool) for bound in bounds):
            raise TypeError
        low, high = (None if bound is None else operator.index(bound) for bound in bounds)
    except TypeError:
        raise TypeError(f"activation={activation!r:.200}: {expected}") from None
    except ValueError:  # not two
        raise ValueError(f"activation={activation!r:.200}: {expected}") from None
    for bound in (low, high):
        if bound is not None and not np.iinfo(dtype).min <= bound <= np.iinfo(dtype).max:
            raise ValueError(f"activation={activation!r}: expected bounds that {dtype} holds")
    if low is not None and high is not None and low > high:
        raise ValueError(f"activation={activation!r}: expected low <= high")
    return low, high


# ---------------------------------------------------------------- how large sums become


def largest(a: Array) -> int:
    """Return the largest magnitude."""
    return max(int(a.max()), -int(a.min())) if a.size else 0


def bits_of(a: Array) -> int:
    """Return how many bits hold every element, in two's complement if any is negative."""
    low, high = int(a.min()), int(a.max())
    return high.bit_length() if low >= 0 else max(high.bit_length(), (~low).bit_length()) + 1


class Size(NamedTuple):
    """What bounds every sum of products, partial ones included."""

    input: int
    """The largest magnitude in the input."""
    weight: int
    """The largest sum of magnitudes of weights, over the output channels."""
    terms: int
    """How many weights such a sum has."""


def size_of(sums: Sums) -> Size:
    """Return the bounds of these sums."""
    w = sums.w.reshape(sums.grouped)
    axes = tuple(axis for axis in range(w.ndim) if axis not in (sums.group, sums.outputs))
    terms = sums.terms()
    # the magnitude of the least int64 wraps to itself, and is right when read without a sign
    magnitudes = w if w.dtype.kind == "u" else np.abs(w.astype(np.int64)).view(np.uint64)
    sum_in: Any = np.uint64 if largest(w) * terms < 2**WORD else object
    return Size(largest(sums.x), int(magnitudes.sum(axes, sum_in).max(initial=0)), terms)


# ---------------------------------------------------------------- limbs


class Cut(NamedTuple):
    """How many limbs the input and the weights have, and of how many bits."""

    input_bits: int
    input_limbs: int
    weight_bits: int
    weight_limbs: int

    def pairs(self) -> list[tuple[int, int]]:
        """Return the limbs to multiply: a product beyond the word is nothing modulo 2**64."""
        return [
            (i, j)
            for i in range(self.input_limbs)
            for j in range(self.weight_limbs)
            if i * self.input_bits + j * self.weight_bits < WORD
        ]


def cut(x: Array, w: Array, size: Size) -> Cut:
    """Return the limbs with the fewest pairs, among those whose sums are all below 2**53."""
    input_bits, weight_bits = bits_of(x), bits_of(w)
    found = []
    for bits in range(1, input_bits + 1):
        limbs = -(-input_bits // bits)
        room = (2**53 - 1) // (size.input if limbs == 1 else 2**bits - 1)
        fitting = weight_bits if size.weight <= room else (room // size.terms + 1).bit_length() - 1
        if fitting:
            found.append(Cut(bits, limbs, fitting, -(-weight_bits // fitting)))
    return min(found, key=lambda one: len(one.pairs()))


def limb(a: Array, i: int, bits: int, last: bool) -> Array:
    """Return the i-th limb of each element as float64; the last alone has a sign."""
    part = a.astype(np.uint64 if a.dtype.kind == "u" else np.int64) >> i * bits
    return (part if last else part & (2**bits - 1)).astype(np.float64, order="C")


def fill_by_limbs(sums: Sums, size: Size, y: Array) -> None:
    """Fill `y` with the sums modulo 2**64."""
    how = cut(sums.x, sums.w, size)
    weights = [limb(sums.w, j, how.weight_bits, j == how.weight_limbs - 1) for j in range(how.weight_limbs)]
    whole = y.view(np.uint64)
    whole[...] = 0
    at, x, products = -1, sums.x, None
    for i, j in how.pairs():
        if i != at:
            at, x = i, limb(sums.x, i, how.input_bits, i == how.input_limbs - 1)
        products = sums.floats(x, weights[j], products)
        shift = np.uint64(i * how.input_bits + j * how.weight_bits)
        whole += products.astype(np.int64).view(np.uint64) << shift


# ---------------------------------------------------------------- results


def fill(sums: Sums, size: Size, y: Array) -> None:
    """Fill `y` with the sums, without bias."""
    for kind, end in EXACT:
        if size.input * size.weight < end:
            products = sums.floats(sums.x.astype(kind, order="C"), sums.w.astype(kind, order="C"))
            return np.copyto(y, products, casting="unsafe")
    fill_by_limbs(sums, size, y)


def check_range(y: Array, dtype: np.dtype[Any]) -> None:
    """Fail unless every sum is one of the type."""
    for at in (y.argmin(), y.argmax()) if y.size else ():
        place = np.unravel_index(at, y.shape)
        if not np.iinfo(dtype).min <= y[place] <= np.iinfo(dtype).max:
            raise OverflowError(
                f"input: the sum at {tuple(map(int, place))} is {y[place]}, expected sums that {dtype}, "
                "the type of those of 8 bits, holds; those of 16 bits are int64"
            )


def computed(sums: Sums, activation: Any, out: Any) -> Array:
    """Return the sums with the bias, after the activation."""
    dtype = result_type(sums.x, sums.w, sums.b)
    low, high = bounds_of(activation, dtype)
    y = result_array(out, sums.shape, dtype, sums.inputs())
    bias = 0 if sums.b is None else largest(sums.b)
    wide = False
    if sums.dots and 255 * 128 * sums.terms() + bias < 2**31:  # which takes no look at the arrays
        total = y
        sums.dots(y)
    else:
        size = size_of(sums)
        wide = dtype == np.int32 and size.input * size.weight + bias >= 2**31
        total = np.empty(y.shape, np.int64) if wide else y
        fill(sums, size, total)
    if sums.b is not None:
        total += sums.along_channels(sums.b)
    if wide:
        check_range(total, dtype)
        np.copyto(y, total, casting="unsafe")
    if low is not None:
        np.maximum(y, y.dtype.type(low), out=y)
    if high is not None:
        np.minimum(y, y.dtype.type(high), out=y)
    return y
