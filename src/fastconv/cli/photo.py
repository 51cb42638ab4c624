"""Photographs in files: PNG and JPEG, and whatever else Pillow reads."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = ["FORMATS", "read_photo", "write_photo"]

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


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
    kind = FORMATS[path.suffix.lower()]
    if kind == "JPEG" and pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        raise ValueError(f"{path}: JPEG cannot keep the alpha of this photo, write a PNG")
    if kind == "JPEG" and pixels.dtype != np.uint8:
        raise ValueError(f"{path}: JPEG cannot keep the 16 bits of this photo, write a PNG")
    options: dict[str, Any] = {"quality": 95} if kind == "JPEG" else {}
    Image.fromarray(pixels).save(path, kind, icc_profile=profile, **options)
