"""``fastconv run``: what it prints, how it reads images, what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")

import onnx
import onnx.parser

from fastconv.cli.run import read_image
from fastconv.onnx import Tensor

from .test_cli import invoke, refused

FLOAT = np.dtype(np.float32)


def write(path: Path, text: str) -> Path:
    """Write a model from its text."""
    onnx.save(onnx.parser.parse_model('<ir_version: 10, opset_import: ["": 22]>\n' + text), path)
    return path


@pytest.fixture
def negative(tmp_path: Path) -> Path:
    """A network of two layers for an image of two rows."""
    return write(
        tmp_path / "negative.onnx",
        "n (float[1, 3, 2, w] x) => (float[1, 3, 1, w] y) {"
        "z = Neg (x)\n y = MaxPool <kernel_shape = [2, 1]> (z) }",
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Four colours, and the alpha of one of them."""
    pixels = np.array([[[255, 0, 0, 255], [0, 255, 0, 255]], [[0, 0, 255, 255], [51, 102, 153, 0]]], np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def test_an_image(negative: Path, photo: Path) -> None:
    result = invoke("run", negative, "--input", photo)
    assert result.exit_code == 0, result.output
    first, *values = result.stdout.splitlines()
    assert first == "y: float32 (1, 3, 1, 2)"
    # Of each column and colour the least, negative: zeros, and the green of the right column.
    assert [line.rsplit(maxsplit=1)[0].strip() for line in values] == [
        "[0, 0, 0, 0]",
        "[0, 0, 0, 1]",
        "[0, 1, 0, 0]",
        "[0, 2, 0, 0]",
        "[0, 2, 0, 1]",
    ]
    assert {line.split()[-1].lstrip("-") for line in values} == {"0"}


def test_an_array_and_times(negative: Path, tmp_path: Path) -> None:
    array = tmp_path / "x.npy"
    np.save(array, -np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2))
    result = invoke("run", negative, "--input", f"x={array}", "--times")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["layer", "operator", "by", "time", "share"]
    assert [line.split()[:3] for line in lines[2:4]] == [
        ["z", "Neg", "fastconv"],
        ["y", "MaxPool", "fastconv"],
    ]
    assert lines[4].startswith("2 layers in ")
    assert lines[5] == "y: float32 (1, 3, 1, 2)"
    assert lines[6].split() == ["[0,", "2,", "0,", "1]", "11"]


def test_how_images_are_read(photo: Path) -> None:
    colours = read_image(photo, Tensor("x", (1, 3, None, None), FLOAT))
    assert colours.shape == (1, 3, 2, 2)
    np.testing.assert_allclose(colours[0, :, 1, 1], [0.2, 0.4, 0.6], rtol=1e-6)
    last = read_image(photo, Tensor("x", ("N", None, None, 3), FLOAT))
    np.testing.assert_array_equal(last, colours.transpose(0, 2, 3, 1))
    grey = read_image(photo, Tensor("x", (1, 1, 2, 2), FLOAT))
    np.testing.assert_allclose(grey[0, 0], [[0.299, 0.587], [0.114, 0.363]], rtol=1e-6)
    whole = read_image(photo, Tensor("x", (1, 3, 2, 2), np.dtype(np.uint8)))
    np.testing.assert_array_equal(whole[0, :, 1, 1], [51, 102, 153])
    scaled = read_image(photo, Tensor("x", (1, 3, 4, 6), FLOAT), resize=True)
    assert scaled.shape == (1, 3, 4, 6)
    centred = read_image(
        photo, Tensor("x", (1, 3, 2, 2), FLOAT), mean=np.array([0.2, 0.4, 0.6]), std=np.array([2.0])
    )
    np.testing.assert_allclose(centred[0, :, 1, 1], 0, atol=1e-6)
    np.testing.assert_allclose(centred[0, 0, 0, 0], 0.4, rtol=1e-6)


def vector_file(folder: Path) -> Path:
    path = folder / "vector.npy"
    np.save(path, np.zeros(3, np.float32))
    return path


def test_what_is_refused(negative: Path, photo: Path, tmp_path: Path) -> None:
    assert "not an ONNX model" in refused("run", photo, "--input", photo)
    assert "there is no such file" in refused("run", negative, "--input", tmp_path / "none.png")
    assert "is not an image" in refused("run", negative, "--input", negative)
    assert "'1;2': expected numbers" in refused("run", negative, "--input", photo, "--mean", "1;2")
    assert "--mean: 2 numbers" in refused("run", negative, "--input", photo, "--mean", "1,2")
    wide = tmp_path / "wide.npy"
    np.save(wide, np.zeros((1, 3, 2, 2)))
    assert "dtype float64, expected float32" in refused("run", negative, "--input", wide)
    np.save(wide, np.zeros((1, 3, 3, 2), np.float32))
    assert "shape (1, 3, 3, 2), expected (1, 3, 2, 'w')" in refused("run", negative, "--input", wide)
    vector = write(tmp_path / "vector.onnx", "n (float[3] x) => (float[3] y) { y = Neg (x) }")
    assert "input 'x' takes no image but float32 (3,)" in refused("run", vector, "--input", photo)
    two = write(tmp_path / "two.onnx", "n (float[3] a, float[3] b) => (float[3] y) { y = Add (a, b) }")
    assert "expected NAME=FILE with one of a, b" in refused("run", two, "--input", wide)
    assert "a is given twice" in refused("run", two, "--input", f"a={wide}", "--input", f"a={wide}")
    assert "input 'b': missing" in refused("run", two, "--input", f"a={vector_file(tmp_path)}")


def test_without_onnx_one_line_says_what_to_install(negative: Path, photo: Path) -> None:
    code = (
        "import sys; sys.modules['onnx'] = None; from fastconv.cli import main; "
        f"sys.argv = ['fastconv', 'run', {str(negative)!r}, '--input', {str(photo)!r}]; main()"
    )
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: run needs onnx: pip install 'fastconv[onnx]'"
