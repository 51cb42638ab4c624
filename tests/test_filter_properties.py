"""Random filters and convolutions of arrays of small integers, where every result is exact.

Three hundred by default, always the same; ``pytest -m campaign`` looks at new ones, as in `test_properties`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import ndimage, signal

from . import reference_filters as ref
from .reference import Array
from .reference_filters import MODES
from .variants import instruction_set

campaign = settings.get_profile("campaign")
DTYPES = ["float32", "float64", "uint8", "int16", "int32"]
EXTENTS = {1: 700, 2: 90, 3: 24, 4: 10}
TAPS = {1: 60, 2: 9, 3: 5, 4: 3}


class Filter(NamedTuple):
    """An array, a kernel or a box, and how they meet."""

    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    origins: tuple[int, ...]
    modes: tuple[str, ...]
    cval: int
    dtype: str
    to: str
    separable: bool
    isa: str
    threads: int
    seed: int


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    """Of one to four axes, the last one short in places; some kernels are one line along every axis."""
    rank = draw(st.integers(1, 4))
    shape = [draw(st.integers(1, EXTENTS[rank])) for _ in range(rank)]
    if draw(st.booleans()):
        shape[-1] = draw(st.integers(1, 4))
    kernel = tuple(draw(st.one_of(st.just(1), st.integers(1, TAPS[rank]))) for _ in range(rank))
    dtype = draw(st.sampled_from(DTYPES))
    return Filter(
        tuple(shape),
        kernel,
        tuple(draw(st.integers(-(k // 2), (k - 1) // 2)) for k in kernel),
        tuple(draw(st.sampled_from(MODES)) for _ in range(rank)),
        draw(st.integers(-2, 2)),
        dtype,
        draw(st.one_of(st.just(dtype), st.sampled_from(DTYPES))),
        draw(st.booleans()),
        draw(st.sampled_from(fastconv.instruction_sets())),
        draw(st.integers(1, 3)),
        draw(st.integers(0, 2**32 - 1)),
    )


def integers(rng: Any, shape: tuple[int, ...], dtype: str) -> Array:
    return np.asarray(rng.integers(0 if dtype[0] == "u" else -9, 10, shape).astype(dtype))


def check(actual: Array, value: Array, to: str) -> None:
    expected = ref.cut(value, to) if np.dtype(to).kind in "iu" else value.astype(to)
    np.testing.assert_array_equal(actual, expected, strict=True)


def check_filter(f: Filter) -> None:
    """Correlation and convolution; minimum and maximum over a footprint and over its whole box."""
    rng = np.random.default_rng(f.seed)
    x = integers(rng, f.shape, f.dtype)
    w = rng.integers(-5, 6, f.kernel).astype(np.float64)
    if f.separable:
        lines = [rng.integers(-2, 3, k).astype(np.float64) for k in f.kernel]
        for line in lines:
            line[len(line) // 2] = 1
        w = np.ones(f.kernel)
        for line in np.ix_(*lines):
            w = w * line
    footprint = rng.random(f.kernel) < 0.7
    footprint.flat[0] = True
    how: Any = {"output": f.to, "mode": f.modes, "cval": f.cval, "origin": f.origins}
    exact = x.astype(np.float64)
    with instruction_set(f.isa), fastconv.threads(f.threads):
        for name in ("correlate", "convolve"):
            value = getattr(ref, name)(exact, w, f.modes, f.cval, f.origins)
            check(getattr(ndimage, name)(x, w, **how), value, f.to)
        for name, pick in (("minimum", np.minimum), ("maximum", np.maximum)):
            function = getattr(ndimage, f"{name}_filter")
            for seen in (footprint, np.ones_like(footprint)):
                value = ref.extremum(exact, seen, f.modes, f.cval, f.origins, pick)
                check(function(x, footprint=seen, **how), value, f.to)


def check_signal(f: Filter, swapped: bool) -> None:
    """Every mode, with the longer array first or last."""
    rng = np.random.default_rng(f.seed)
    x, w = integers(rng, f.shape, f.dtype), integers(rng, f.kernel, f.dtype)
    if swapped:
        x, w = w, x
    pairs = list(zip(x.shape, w.shape, strict=True))
    valid = all(n >= k for n, k in pairs) or all(n <= k for n, k in pairs)
    with instruction_set(f.isa), fastconv.threads(f.threads):
        for mode in ("full", "same", *(["valid"] if valid else [])):
            for name, taps in (("convolve", w), ("correlate", ref.reversed_conjugate(w))):
                value = ref.full(*((x, taps) if x.size > w.size else (taps, x)))[
                    ref.parts(x.shape, w.shape, mode)
                ]
                actual = getattr(signal, name)(x, w, mode, "direct")
                np.testing.assert_array_equal(actual, value, strict=True)


@given(filters())
def test_filter(f: Filter) -> None:
    """Whatever the axes, extents, modes, origins and types."""
    check_filter(f)


@given(filters(), st.booleans())
def test_signal(f: Filter, swapped: bool) -> None:
    """Whatever the extents and types."""
    check_signal(f, swapped)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(campaign)
@given(filters())
def test_filter_campaign(f: Filter) -> None:
    """More of them."""
    check_filter(f)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@settings(campaign)
@given(filters(), st.booleans())
def test_signal_campaign(f: Filter, swapped: bool) -> None:
    """More of them."""
    check_signal(f, swapped)
