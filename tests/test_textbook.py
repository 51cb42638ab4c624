"""The worked examples of the texts that convolution is taught with, to the digit they print."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem

from . import reference as ref
from .problems import CODES
from .variants import algorithms

DTYPES = [np.float32, np.float64]

# A picture of an X: background -1, both diagonals of the inner 7x7 are 1.
PICTURE = np.full((9, 9), -1.0)
PICTURE[1:8, 1:8][(np.eye(7) + np.eye(7)[::-1]) > 0] = 1
DIAGONAL = np.array([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 9

FIRST_ROW = [0.77, -0.11, 0.11, 0.33, 0.55, -0.11, 0.33]
MAIN_DIAGONAL = [0.77, 1, 1, 0.55, 1, 1, 0.77]
POOLED = [[1, 0.33, 0.55, 0.33], [0.33, 1, 0.33, 0.55], [0.55, 0.33, 1, 0.11], [0.33, 0.55, 0.11, 0.77]]


def cut(x: Any) -> Any:
    """Two digits after the point and the rest cut off, as the text prints them; 0.999999 is a 1."""
    return np.trunc(np.round(np.asarray(x, np.float64), 5) * 100) / 100


def feature_map(dtype: Any, **parameters: Any) -> Any:
    """The picture under the diagonal kernel."""
    picture, kernel = PICTURE.astype(dtype)[None, None], DIAGONAL.astype(dtype)[None, None]
    return fastconv.conv2d(picture, kernel, **parameters)[0, 0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_feature_map(dtype: Any, isa: str) -> None:
    """9x9 under 3x3 is 7x7; the diagonal answers with ones. Every algorithm prints the same digits."""
    problem = Problem(f"conv2d n1 ic1 ih9 iw9 oc1 kh3 kw3 s1 p0 nchw {CODES[np.dtype(dtype).name]}")
    for algorithm in ["auto", *algorithms(problem)]:
        y = feature_map(dtype, algorithm=algorithm)
        assert y.shape == (7, 7)
        np.testing.assert_array_equal(cut(y[0]), FIRST_ROW, err_msg=algorithm)
        np.testing.assert_array_equal(cut(y.diagonal()), MAIN_DIAGONAL, err_msg=algorithm)


@pytest.mark.parametrize("dtype", DTYPES)
def test_strides_and_padding(dtype: Any) -> None:
    """Strides of (2, 2) and (3, 3) give 4x4 and 3x3, every second and third value; "same" gives 9x9."""
    whole = feature_map(dtype)
    two, three, same = (
        feature_map(dtype, stride=(2, 2)),
        feature_map(dtype, stride=(3, 3)),
        feature_map(dtype, padding="same"),
    )
    assert (two.shape, three.shape, same.shape) == ((4, 4), (3, 3), (9, 9))
    np.testing.assert_array_equal(cut(two), cut(whole[::2, ::2]))
    np.testing.assert_array_equal(cut(three), cut(whole[::3, ::3]))
    np.testing.assert_array_equal(cut(same[1:-1, 1:-1]), cut(whole))


@pytest.mark.parametrize("dtype", DTYPES)
def test_pooled_map(dtype: Any, isa: str) -> None:
    """2x2 maxima of the 7x7 map, stride 2: "same" keeps the odd row and column; "valid" drops them."""
    y = feature_map(dtype)[None, None]
    np.testing.assert_array_equal(cut(fastconv.max_pool2d(y, 2, 2, "same")[0, 0]), POOLED)
    valid = fastconv.max_pool2d(y, 2, 2, "valid")[0, 0]
    assert valid.shape == (3, 3)
    np.testing.assert_array_equal(cut(valid), np.array(POOLED)[:3, :3])


def test_rectified_map() -> None:
    """The rectifier keeps what is positive and makes the rest 0."""
    y = feature_map(np.float64)
    np.testing.assert_array_equal(fastconv.relu(y), np.where(y > 0, y, 0))
    np.testing.assert_array_equal(feature_map(np.float64, activation="relu"), fastconv.relu(y))


@pytest.mark.parametrize("dtype", DTYPES)
def test_stack_with_channels_last(dtype: Any) -> None:
    """(N,9,9,1) under (3,3,1,2) is (N,7,7,2), under (3,3,2,2) then (N,5,5,2)."""
    kernels = np.stack([DIAGONAL, DIAGONAL[::-1]], axis=-1)[:, :, None, :].astype(dtype)
    x = np.broadcast_to(PICTURE[None, :, :, None], (3, 9, 9, 1)).astype(dtype)
    y = fastconv.conv2d(x, kernels, layout="NHWC")
    assert y.shape == (3, 7, 7, 2)
    np.testing.assert_array_equal(cut(y[1, :, :, 0]), cut(feature_map(dtype)))
    np.testing.assert_array_equal(
        cut(y[2, :, :, 1]), cut(feature_map(dtype)[::-1])
    )  # the picture is symmetric
    z = fastconv.conv2d(y, np.ones((3, 3, 2, 2), dtype), layout="NHWC")
    assert z.shape == (3, 5, 5, 2)
    np.testing.assert_array_equal(cut(z[0, 0, 0]), cut([y[0, :3, :3].sum(dtype=np.float64)] * 2))


def test_same_and_valid() -> None:
    """A 10x10 image under 3x3 stays 10x10 with "same" and becomes 8x8 with "valid"; "valid" is no padding."""
    x, w = np.random.default_rng(7).standard_normal((1, 1, 10, 10)), np.ones((1, 1, 3, 3))
    assert fastconv.conv2d(x, w, padding="same").shape == (1, 1, 10, 10)
    assert fastconv.conv2d(x, w, padding="valid").shape == (1, 1, 8, 8)
    np.testing.assert_array_equal(fastconv.conv2d(x, w, padding="valid"), fastconv.conv2d(x, w))


def test_kernel_is_not_flipped() -> None:
    """What networks call convolution is correlation: the kernel lies on the image as it is written."""
    impulse = np.zeros((1, 1, 3, 3))
    impulse[0, 0, 1, 1] = 1
    kernel = np.arange(9.0).reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(fastconv.conv2d(impulse, kernel, padding=1)[0, 0], kernel[0, 0, ::-1, ::-1])


def test_definition_knows_the_examples() -> None:
    """The examples hold the definition itself to what the texts print."""
    y = ref.conv(PICTURE[None, None], DIAGONAL[None, None])
    np.testing.assert_array_equal(cut(y[0, 0, 0]), FIRST_ROW)
    np.testing.assert_array_equal(cut(y[0, 0].diagonal()), MAIN_DIAGONAL)
    np.testing.assert_array_equal(cut(ref.max_pool(y, 2, 2, "same")[0][0, 0]), POOLED)
