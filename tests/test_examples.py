"""The examples in their short form: that they run as commands, and that what they found is right."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import ndimage

pytest.importorskip("matplotlib")
runner = pytest.importorskip("click.testing")

FOLDER = Path(__file__).parent.parent / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import an example by its name, as running it would."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


def invoke(module: Any, *arguments: str) -> str:
    """Run the command, which must succeed; return what it printed."""
    result = runner.CliRunner().invoke(module.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.output)


def check_picture(path: Path) -> None:
    """A picture of some size that is not of one colour."""
    image = pytest.importorskip("PIL.Image").open(path)
    pixels = np.asarray(image.convert("L"))
    assert min(pixels.shape) > 300
    assert pixels.std() > 10


def test_all_are_tested() -> None:
    """A new example needs a test here."""
    assert {path.stem for path in FOLDER.glob("*.py")} == {
        "cross", "digits", "drop_in_scipy", "edges", "figures", "padding_and_stride",
    }  # fmt: skip


def test_digits(example: Any, tmp_path: Path) -> None:
    """Four epochs read most digits, and the saved network reads them as well."""
    pytest.importorskip("sklearn")
    digits = example("digits")
    printed = invoke(digits, "--short", "--output", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {
        "features.png", "filters.png", "history.png", "network.npz",
    }  # fmt: skip
    for path in tmp_path.glob("*.png"):
        check_picture(path)
    data, network = digits.load(0), digits.build(np.random.default_rng(1))
    assert len(data.labels) + len(data.test_labels) == 1797
    assert len(data.test_labels) == 360
    network.load(tmp_path / "network.npz")
    share = digits.accuracy(network, data.test_images, data.test_labels)
    assert share > 0.9
    assert f"{share:.2%} of the held-out digits" in printed


def test_digits_are_learnt_the_same_way_again(example: Any) -> None:
    """A seed decides everything: two runs give the same numbers, bit for bit, on any number of threads."""
    pytest.importorskip("sklearn")
    digits = example("digits")
    data, weights = digits.load(3), []
    for threads in (1, 2):
        rng = np.random.default_rng(3)
        network = digits.build(rng)
        with fastconv.threads(threads):
            history = digits.train(network, data, 1, 64, rng)
        assert history.test_accuracy[0] > 0.3  # of which chance explains 0.1 +- 0.016
        weights.append(network.state_dict())
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name])


def test_cross(example: Any, tmp_path: Path) -> None:
    """Each part is found where it is and nowhere else, and pooling keeps it."""
    cross = example("cross")
    printed = invoke(cross, "--short", "--output", str(tmp_path))
    check_picture(tmp_path / "cross.png")
    assert "crossing: at (3, 3)" in printed
    result = cross.detect(9)
    falling, crossing, rising = (set(map(tuple, np.argwhere(found > 0.999))) for found in result.maps)
    assert crossing == {(3, 3)}
    assert falling == {(1, 1), (2, 2), (4, 4), (5, 5)}
    assert rising == {(row, 6 - column) for row, column in falling}
    assert result.maps.max() <= 1 + 1e-15
    np.testing.assert_array_equal(result.rectified, np.maximum(result.maps, 0))
    assert result.pooled.shape == (3, 4, 4)
    np.testing.assert_array_equal(result.pooled.max((1, 2)), result.maps.max((1, 2)))
    with pytest.raises(SystemExit):
        cross.main(["--size", "8", "--output", str(tmp_path)])


@pytest.mark.parametrize("installed", [True, False])
def test_drop_in_scipy(example: Any, monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    """Every call is routed, the results are the same; without scikit-image SciPy's part runs."""
    pytest.importorskip("scipy")
    pytest.importorskip("PIL")
    drop_in = example("drop_in_scipy")
    if installed:
        pytest.importorskip("skimage")
    else:
        monkeypatch.setitem(sys.modules, "skimage", None)
    printed = invoke(drop_in, "--short")
    assert ("scikit-image is not installed" in printed) != installed
    outcomes = drop_in.run(None, short=True)  # which compares
    assert len(outcomes) == len(drop_in.SCIPY) + len(drop_in.scikit_image())
    assert [outcome.name for outcome in outcomes if not outcome.routed or outcome.handed_back] == []


def test_edges(example: Any, tmp_path: Path) -> None:
    """A ramp has the gradient that it was made with; derivatives of a photograph are those of ndimage."""
    pytest.importorskip("PIL")
    edges = example("edges")
    assert "128 x 150 pixels" in invoke(edges, "--short", "--output", str(tmp_path))
    check_picture(tmp_path / "edges.png")
    ramp = np.add.outer(0.03 * np.arange(40.0), 0.04 * np.arange(50.0))
    found = edges.find_edges(ramp, 1.5)
    inside = (slice(8, -8),) * 2
    np.testing.assert_allclose(found.strength[inside], 0.05, rtol=1e-12)
    np.testing.assert_allclose(found.angle[inside], np.arctan2(0.03, 0.04), rtol=1e-12)
    np.testing.assert_allclose(found.laplacian[inside], 0, atol=1e-13)
    photo = edges.read(None)[:64, :80].astype(np.float64)
    found = edges.find_edges(photo, 1.5)
    np.testing.assert_allclose(found.right, ndimage.sobel(found.smooth, 1, mode="nearest") / 8, atol=1e-14)
    np.testing.assert_allclose(found.down, ndimage.sobel(found.smooth, 0, mode="nearest") / 8, atol=1e-14)
    assert found.outline(0.1).mean() == pytest.approx(0.1, abs=1e-3)


def test_padding_and_stride(example: Any, tmp_path: Path) -> None:
    """Every output has the extent of the formula, and is the mean of its window."""
    module = example("padding_and_stride")
    invoke(module, "--short", "--output", str(tmp_path))
    check_picture(tmp_path / "padding_and_stride.png")
    picture = module.disc(16)
    cases = module.compute(16, 5)
    assert len(cases) == 12
    for padding, stride, output in cases:
        padded = np.pad(picture, padding)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))[::stride, ::stride]
        assert output.shape == ((16 + 2 * padding - 5) // stride + 1,) * 2
        np.testing.assert_allclose(output, windows.mean((-1, -2)), atol=1e-14)
