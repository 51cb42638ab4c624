"""profile: the stages of an algorithm, their times and rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv

RNG = np.random.default_rng(3)
WEIGHT = RNG.standard_normal((32, 16, 3, 3)).astype(np.float32)
IMAGES = RNG.standard_normal((2, 16, 40, 30)).astype(np.float32)


@pytest.mark.parametrize("algorithm", ["winograd2", "winograd4", "direct", "im2col"])
def test_stages(algorithm: str) -> None:
    """Times are positive, shares add up to one, and the text names every stage."""
    conv = fastconv.Conv2d(WEIGHT, padding=1, algorithm=algorithm)
    profile = conv.profile(IMAGES, calls=3)
    assert (profile.algorithm, profile.calls) == (algorithm, 3)
    assert profile.problem == conv.explain(IMAGES.shape).problem
    assert len(profile.stages) == (3 if algorithm.startswith("winograd") else 1)
    assert sum(stage.share for stage in profile.stages) == pytest.approx(1)
    for stage in profile.stages:
        assert stage.seconds > 0
        assert stage.rate > 0
        assert stage.unit in ("FLOP/s", "B/s")
        assert stage.name in str(profile)


def test_work() -> None:
    """The products of Winograd's algorithm are those of its tiles: 10 x 7 whole ones and 10 at the edge."""
    (_, multiply, _) = fastconv.Conv2d(WEIGHT, padding=1, algorithm="winograd4").profile(IMAGES).stages
    assert multiply.unit == "FLOP/s"
    assert multiply.rate * multiply.seconds == pytest.approx(2 * 2 * 10 * 6 * (7 * 6 + 4) * 16 * 32)
    (all_of_it,) = fastconv.Conv2d(WEIGHT, padding=1, algorithm="direct").profile(IMAGES).stages
    assert all_of_it.rate * all_of_it.seconds == pytest.approx(2 * 2 * 40 * 30 * 9 * 16 * 32)


def test_it_computes_nothing_else() -> None:
    """A profile leaves the object as it was, also on an empty batch."""
    conv = fastconv.Conv2d(WEIGHT, padding=1)
    before = conv(IMAGES)
    conv.profile(IMAGES)
    np.testing.assert_array_equal(conv(IMAGES), before)
    assert all(stage.rate >= 0 for stage in conv.profile(IMAGES[:0]).stages)


@pytest.mark.parametrize(
    ("x", "calls", "error", "message"),
    [
        (IMAGES, 0, ValueError, "calls=0: expected a positive number"),
        (IMAGES, 1.5, TypeError, "integer"),
        (IMAGES[:, :3], 1, ValueError, "input: shape"),
        (IMAGES.astype(np.float64), 1, TypeError, "input"),
    ],
)
def test_bad_arguments(x: Any, calls: Any, error: type[Exception], message: str) -> None:
    """Bad arguments are named."""
    with pytest.raises(error, match=message):
        fastconv.Conv2d(WEIGHT).profile(x, calls=calls)
