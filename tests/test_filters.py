"""Image filters: the kernels, the function, and ``fastconv filter``, against the definition written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fastconv import filters
from fastconv.bench import photograph
from fastconv.cli.filter import read_kernel

from .test_cli import invoke, refused


def expected(image: NDArray[Any], stack: NDArray[Any]) -> NDArray[Any]:
    """The definition: each colour by itself, edges repeated, magnitude of several, rounded and clipped."""
    stack = np.asarray(stack, np.float64)
    stack = stack.reshape(-1, *stack.shape[-2:])
    planes = np.atleast_3d(image).astype(np.float64)
    around = [((extent - 1) // 2, extent // 2) for extent in stack.shape[1:]]
    padded = np.pad(planes, [*around, (0, 0)], mode="edge")
    height, width = image.shape[:2]
    squares = np.zeros_like(planes)
    for kernel in stack:
        result = np.zeros_like(planes)
        for (p, q), factor in np.ndenumerate(kernel):
            result += factor * padded[p : p + height, q : q + width]
        squares += result**2
    final = result if len(stack) == 1 else np.sqrt(squares)
    limit = np.iinfo(image.dtype).max
    return np.clip(np.rint(final), 0, limit).astype(image.dtype).reshape(image.shape)


def photo(*shape: int, dtype: Any = np.uint8) -> NDArray[Any]:
    """Steps and noise, so that edges clip and flat parts do not."""
    random = np.random.default_rng(list(shape))
    limit = np.iinfo(dtype).max
    steps = np.add.outer(np.arange(shape[0]) // 7, np.arange(shape[1]) // 5) % 2 * (limit // 2)
    steps = steps.reshape(*steps.shape, *[1] * (len(shape) - 2))
    return (steps + random.integers(0, limit // 3, shape)).astype(dtype)


# ---------------------------------------------------------------- the kernels and the function


@pytest.mark.parametrize("name", filters.NAMES)
def test_named_kernels(name: str) -> None:
    kernel = filters.kernel(name)
    assert kernel.dtype == np.float64
    assert kernel.shape == (2, 3, 3) if name in ("sobel", "scharr", "prewitt") else kernel.ndim == 2
    total = {"sobel": 0, "scharr": 0, "prewitt": 0, "laplace": 0}.get(name, 1)
    np.testing.assert_allclose(kernel.sum(axis=(-2, -1)), total, atol=1e-15)


def test_gradients_point_where_the_image_rises() -> None:
    ramp = np.tile(np.arange(6.0), (5, 1))
    for name, weight in (("sobel", 8), ("scharr", 32), ("prewitt", 6)):
        along_row, along_column = filters.kernel(name)
        assert filters.filter_image(ramp, along_row)[2, 2] == weight  # the slope 1 over two pixels
        assert filters.filter_image(ramp.T, along_column)[2, 2] == weight
        assert filters.filter_image(ramp, along_column)[2, 2] == 0


@pytest.mark.parametrize("dtype", ["uint8", "int16", "bool", "float32", "float64"])
def test_filter_image_dtypes(dtype: str) -> None:
    image = (photo(9, 10, 3) % 2).astype(dtype)
    result = filters.filter_image(image, "laplace")
    assert result.dtype == (np.float32 if dtype == "float32" else np.float64)
    assert result.shape == image.shape
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(filters.filter_image(image[::-1, ::2], "identity"), image[::-1, ::2])


@pytest.mark.parametrize(
    ("image", "kernel", "error", "message"),
    [
        (np.zeros(3), "box", ValueError, r"image has shape \(3,\)"),
        (np.zeros((0, 3)), "box", ValueError, r"image has shape \(0, 3\)"),
        (np.zeros((3, 3), complex), "box", TypeError, "image has dtype complex128"),
        (np.zeros((3, 3)), np.zeros(3), ValueError, r"kernel has shape \(3,\)"),
        (np.zeros((3, 3)), "boxes", ValueError, "name is 'boxes'"),
    ],
)
def test_filter_image_refuses(image: Any, kernel: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        filters.filter_image(image, kernel)


# ---------------------------------------------------------------- the command


def opened(path: Path) -> NDArray[Any]:
    """The pixels of a file."""
    with Image.open(path) as image:
        return np.asarray(image)


def filtered(tmp_path: Path, image: NDArray[Any], *arguments: Any, suffix: str = ".png") -> NDArray[Any]:
    """Write, filter and read again."""
    source, target = tmp_path / "in.png", tmp_path / f"out{suffix}"
    Image.fromarray(image).save(source)
    result = invoke("filter", source, "-o", target, *arguments)
    assert (result.exit_code, result.output) == (0, "")
    return opened(target)


@pytest.mark.parametrize("shape", [(37, 41), (37, 41, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize("name", filters.NAMES)
def test_filter_is_the_definition(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    image = photo(*shape)
    np.testing.assert_array_equal(
        filtered(tmp_path, image, "--kernel", name), expected(image, filters.kernel(name))
    )


@pytest.mark.parametrize("colours", [2, 4], ids=["grey", "colour"])
def test_alpha_is_kept(tmp_path: Path, colours: int) -> None:
    image = photo(20, 30, colours)
    result = filtered(tmp_path, image, "-k", "box")
    np.testing.assert_array_equal(result[..., -1], image[..., -1])
    np.testing.assert_array_equal(result[..., :-1], expected(image[..., :-1], np.full((3, 3), 1 / 9)))


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path) -> None:
    image = photo(21, 22, dtype=np.uint16)
    result = filtered(tmp_path, image, "-k", "sharpen")
    assert result.dtype == np.uint16
    assert result.max() > 255
    np.testing.assert_array_equal(result, expected(image, filters.kernel("sharpen")))


@pytest.mark.parametrize("shape", [(24, 31), (24, 31, 3)], ids=["grey", "colour"])
def test_jpeg_in_and_out(tmp_path: Path, shape: tuple[int, ...]) -> None:
    Image.fromarray(photo(*shape)).save(tmp_path / "in.jpg", quality=90)
    seen = opened(tmp_path / "in.jpg")
    assert invoke("filter", tmp_path / "in.jpg", "-k", "emboss", "-o", tmp_path / "out.JPEG").exit_code == 0
    Image.fromarray(expected(seen, filters.kernel("emboss"))).save(tmp_path / "same.jpg", quality=95)
    with Image.open(tmp_path / "out.JPEG") as output:
        assert output.format == "JPEG"
        np.testing.assert_array_equal(np.asarray(output), opened(tmp_path / "same.jpg"))


def test_a_real_photograph(tmp_path: Path) -> None:
    result = filtered(tmp_path, photograph(), "-k", "sobel")
    np.testing.assert_array_equal(result, expected(photograph(), filters.kernel("sobel")))


def test_a_photo_taken_sideways_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn clockwise to show
    image = photo(20, 30)
    Image.fromarray(image).save(tmp_path / "in.png", exif=exif)
    assert invoke("filter", tmp_path / "in.png", "-k", "identity", "-o", tmp_path / "out.png").exit_code == 0
    np.testing.assert_array_equal(opened(tmp_path / "out.png"), np.rot90(image, -1))


@pytest.mark.parametrize(("mode", "becomes"), [("1", "L"), ("P", "RGB"), ("CMYK", "RGB")])
def test_other_kinds_of_pixels_become_grey_or_colour(tmp_path: Path, mode: str, becomes: str) -> None:
    image = Image.fromarray(photo(12, 13, 3)).convert(mode)
    image.save(tmp_path / "in.tiff")
    assert invoke("filter", tmp_path / "in.tiff", "-k", "identity", "-o", tmp_path / "out.png").exit_code == 0
    with Image.open(tmp_path / "out.png") as output:
        assert output.mode == becomes
        np.testing.assert_array_equal(np.asarray(output), np.asarray(image.convert(becomes)))


def test_size_and_sigma(tmp_path: Path) -> None:
    image = photo(30, 33)
    result = filtered(tmp_path, image, "-k", "gaussian", "--sigma", 2.5, "--size", 7)
    np.testing.assert_array_equal(result, expected(image, filters.gaussian(2.5, 7)))
    result = filtered(tmp_path, image, "-k", "box", "--size", 4)
    np.testing.assert_array_equal(result, expected(image, filters.box(4)))


def test_scale_and_offset_are_only_what_was_asked(tmp_path: Path) -> None:
    image = np.repeat(np.array([[0, 0, 100, 100]], np.uint8), 3, axis=0)
    assert filtered(tmp_path, image, "-k", "laplace").tolist()[1] == [0, 100, 0, 0]
    shown = filtered(tmp_path, image, "-k", "laplace", "--scale", 0.5, "--offset", 128)
    assert shown.tolist()[1] == [128, 178, 78, 128]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1 2 3\n4 5 6\n", [[1, 2, 3], [4, 5, 6]]),
        ("# a row\n0.5, -25e-2\n\n", [[0.5, -0.25]]),
        ("1\n2\n3", [[1], [2], [3]]),
        ("2", [[2]]),
    ],
)
def test_kernel_from_a_text_file(tmp_path: Path, text: str, numbers: Any) -> None:
    file = tmp_path / "kernel.txt"
    file.write_text(text)
    np.testing.assert_array_equal(read_kernel(file), numbers)
    image = photo(15, 16, 3)
    np.testing.assert_array_equal(filtered(tmp_path, image, "-k", file), expected(image, np.array(numbers)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3\n", "not a rectangle"),
        ("1 two\n", "not a rectangle of numbers"),
        ("# nothing\n\n", "no numbers"),
        ("1 nan\n", "not finite"),
    ],
)
def test_a_bad_kernel_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "kernel.txt").write_text(text)
    Image.fromarray(photo(8, 8)).save(tmp_path / "in.png")
    error = refused("filter", tmp_path / "in.png", "-k", tmp_path / "kernel.txt", "-o", tmp_path / "out.png")
    assert message in error
    assert "kernel.txt" in error
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.png", "-k", "sobble", "-o", "out.png"], "'sobble' is neither a file nor one of sobel"),
        (["missing.png", "-k", "box", "-o", "out.png"], "'missing.png' does not exist"),
        (["text.png", "-k", "box", "-o", "out.png"], "text.png is not an image"),
        (["broken.png", "-k", "box", "-o", "out.png"], "broken.png"),
        (["in.png", "-k", "box", "-o", "out.gif"], "out.gif does not end in .png"),
        (["in.png", "-k", "box", "-o", "nowhere/out.png"], "nowhere/out.png: No such file or directory"),
        (["in.png", "-k", "sobel", "--size", "5", "-o", "out.png"], "size belongs to 'box' and 'gaussian'"),
        (["in.png", "-k", "box", "--sigma", "1", "-o", "out.png"], "sigma belongs to 'gaussian'"),
        (["in.png", "-k", "box", "--size", "0", "-o", "out.png"], "size is 0"),
        (["in.png", "-k", "gaussian", "--sigma", "-1", "-o", "out.png"], "sigma is -1.0"),
        (["in.png", "-k", "kernel.txt", "--size", "3", "-o", "out.png"], "not to a kernel from a file"),
        (["alpha.png", "-k", "box", "-o", "out.jpg"], "JPEG cannot keep the alpha"),
        (["deep.png", "-k", "box", "-o", "out.jpg"], "JPEG cannot keep the 16 bits"),
        (["in.png", "-o", "out.png"], "Missing option"),
    ],
)
def test_filter_refuses_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo(9, 9)).save("in.png")
    Image.fromarray(photo(9, 9, 4)).save("alpha.png")
    Image.fromarray(photo(9, 9, dtype=np.uint16)).save("deep.png")
    Path("text.png").write_text("no picture")
    Path("broken.png").write_bytes(Path("in.png").read_bytes()[:60])
    Path("kernel.txt").write_text("1")
    assert message in refused("filter", *arguments)
    assert not list(tmp_path.glob("out.*"))
