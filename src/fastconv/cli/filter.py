"""``fastconv filter``: a photograph in, a filtered one out."""

import io
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fastconv import filters

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


@click.command("filter")
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-k", "--kernel", required=True, metavar="NAME|FILE", help="A name, or a text file of numbers.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A PNG or JPEG file.")
@click.option("--size", type=int, help="Rows and columns of box and gaussian.")
@click.option("--sigma", type=float, help="Standard deviation of gaussian, in pixels.")
@click.option("--scale", type=float, default=1.0, show_default=True, help="Multiply the result by this.")
@click.option("--offset", type=float, default=0.0, show_default=True, help="Then add this.")
def filter_photo(
    photo: Path, kernel: str, output: Path, size: int | None, sigma: float | None, scale: float, offset: float
) -> None:
    """Filter PHOTO, PNG or JPEG, grey or colour.

    The kernel is sobel, scharr, prewitt (these three give the length of the gradient), laplace, gaussian,
    box, sharpen, emboss or identity, or a text file with one row of numbers a line.

    Each colour is filtered by itself and alpha is kept. Outside the photo its last pixels go on. The result
    is rounded and clipped to what a pixel holds (0 to 255, or 65535 in a grey PNG of 16 bits). It is never
    rescaled unless asked: laplace and emboss show their negative values with --offset 128.
    """
    if output.suffix.lower() not in _FORMATS:
        raise click.BadParameter(f"{output} does not end in {', '.join(_FORMATS)}", param_hint="--output")
    numbers = _kernel(kernel, size, sigma)
    pixels, profile = read_photo(photo)
    colours = pixels.shape[2] if pixels.ndim == 3 else 1
    seen = pixels[..., : colours - 1] if colours in (2, 4) else pixels
    result = filters.to_pixels(filters.filter_image(seen, numbers) * scale + offset, pixels.dtype)
    if colours in (2, 4):
        result = np.concatenate([result, pixels[..., -1:]], axis=-1)
    write_photo(output, result, profile)


def _kernel(kernel: str, size: int | None, sigma: float | None) -> NDArray[np.float64]:
    if kernel in filters.NAMES:
        return filters.kernel(kernel, size, sigma)
    if not Path(kernel).is_file():
        names = ", ".join(filters.NAMES)
        raise click.BadParameter(f"{kernel!r} is neither a file nor one of {names}", param_hint="--kernel")
    if size is not None or sigma is not None:
        raise click.UsageError("--size and --sigma belong to box and gaussian, not to a kernel from a file")
    return read_kernel(Path(kernel))


def read_kernel(path: Path) -> NDArray[np.float64]:
    """Read a kernel from a text file: a row a line, blanks or commas between numbers, # for comments."""
    text = path.read_text(encoding="utf-8", errors="replace").replace(",", " ")
    lines = [line for line in text.splitlines() if line.partition("#")[0].strip()]
    if not lines:
        raise ValueError(f"the kernel file {path} has no numbers")
    try:
        numbers = np.loadtxt(io.StringIO("\n".join(lines)), ndmin=2)
    except ValueError as error:
        raise ValueError(f"the kernel file {path} is not a rectangle of numbers: {error}") from error
    if not np.isfinite(numbers).all():
        raise ValueError(f"the kernel file {path} has numbers that are not finite")
    return numbers


def read_photo(path: Path) -> tuple[NDArray[Any], bytes | None]:
    """Read a photo, upright, and its colour profile: (rows, columns) if grey, else a last axis of 2 to 4."""
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path} is not an image that Pillow knows") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # a broken file, or a giant one
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's own error, which names the file
        raise ValueError(f"{path} cannot be read: {error}") from error
    profile = upright.info.get("icc_profile")
    if upright.mode in ("I;16", "I;16B", "I;16L", "I;16N"):
        return np.asarray(upright).astype(np.uint16), profile
    if upright.mode not in ("L", "LA", "RGB", "RGBA"):
        upright, profile = _plain(upright), None if upright.mode == "CMYK" else profile
    return np.asarray(upright), profile


def _plain(image: Image.Image) -> Image.Image:
    """Convert black and white, palettes and inks to grey or colour, with alpha if there is any."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        return image.convert("RGB")
    raise ValueError(f"pixels of kind {image.mode!r} are not supported: expected 8 bits, or grey of 16 bits")


def write_photo(path: Path, pixels: NDArray[Any], profile: bytes | None = None) -> None:
    """Write pixels as PNG or JPEG, by the suffix."""
    kind = _FORMATS[path.suffix.lower()]
    if kind == "JPEG" and pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        raise ValueError(f"{path}: JPEG cannot keep the alpha of this photo, write a PNG")
    if kind == "JPEG" and pixels.dtype != np.uint8:
        raise ValueError(f"{path}: JPEG cannot keep the 16 bits of this photo, write a PNG")
    options: dict[str, Any] = {"quality": 95} if kind == "JPEG" else {}
    Image.fromarray(pixels).save(path, kind, icc_profile=profile, **options)
