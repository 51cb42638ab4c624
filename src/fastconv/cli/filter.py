"""``fastconv filter``: a photograph or an array on disk in, a filtered one out."""

import io
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from fastconv import filters
from fastconv.cli.photo import FORMATS, read_photo, write_photo

_ARRAYS = (".npy", ".zarr", ".tif", ".tiff")


@click.command("filter")
@click.argument("image", type=click.Path(exists=True, path_type=Path))
@click.option("-k", "--kernel", required=True, metavar="NAME|FILE", help="A name, or a text file of numbers.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="See above.")
@click.option("--size", type=int, help="Rows and columns of box and gaussian.")
@click.option("--sigma", type=float, help="Standard deviation of gaussian, in pixels.")
@click.option("--scale", type=float, default=1.0, show_default=True, help="Multiply the result by this.")
@click.option("--offset", type=float, default=0.0, show_default=True, help="Then add this.")
@click.option("--axes", metavar="ROWS,COLUMNS", help="Of an array: which axes are the image's, from 0.")
@click.option("--memory", metavar="SIZE", help="Of an array: what may be in memory at a time.  [512MB]")
@click.option("--scheduler", metavar="ADDRESS", help="Of an array: the dask cluster that computes it.")
@click.pass_context
def filter_file(
    ctx: click.Context,
    image: Path,
    kernel: str,
    output: Path,
    size: int | None,
    sigma: float | None,
    scale: float,
    offset: float,
    axes: str | None,
    memory: str | None,
    scheduler: str | None,
) -> None:
    """Filter IMAGE, a photo or an array on disk, into a file of the kind that its name says.

    The kernel is sobel, scharr, prewitt (these three give the length of the gradient), laplace, gaussian,
    box, sharpen, emboss or identity, or a text file with one row of numbers a line.

    Outside the image its last pixels go on. The result is rounded and clipped to what a pixel holds (0 to
    255 in a byte), that of an array of floats is left as it is. It is never rescaled unless asked: laplace
    and emboss show their negative values with --offset 128.

    A photo, grey or colour, becomes a .png or .jpg. Each colour is filtered by itself and alpha is kept.

    An array, .npy, .zarr (x.zarr/0 is one inside a group) or .tif, may be larger than memory and becomes one
    of these. It is an image of rows and columns, of rows, columns and up to 4 colours, or a stack whose last
    two axes are the images. It is computed tile by tile into OUTPUT.partial, which becomes OUTPUT when it is
    whole. Ctrl-C exits with 130 and keeps what is done: the same command goes on from there.

    --scheduler has a dask cluster compute the tiles, whose workers must see the same files; --memory is then
    for each of their threads.
    """
    suffix = output.suffix.lower()
    numbers = _kernel(kernel, size, sigma)
    if suffix in FORMATS:
        for option, value in (("--axes", axes), ("--memory", memory), ("--scheduler", scheduler)):
            if value is not None:
                raise click.UsageError(f"{option} belongs to arrays, and {output} will be a photo")
        _filter_photo(image, output, numbers, scale, offset)
        return
    from fastconv.cli import disk

    if disk.kind_of(output) is None:
        expected = ", ".join([*FORMATS, *_ARRAYS])
        raise click.BadParameter(f"{output} does not end in {expected}", param_hint="--output")
    filtering = disk.Filtering(numbers, scale, offset, _axes(axes))
    ctx.exit(disk.filter_array(image, output, filtering, memory or "512MB", scheduler))


def _filter_photo(
    photo: Path, output: Path, kernel: NDArray[np.float64], scale: float, offset: float
) -> None:
    pixels, profile = read_photo(photo)
    colours = pixels.shape[2] if pixels.ndim == 3 else 1
    seen = pixels[..., : colours - 1] if colours in (2, 4) else pixels
    result = filters.filter_pixels(seen, kernel, scale, offset)
    if colours in (2, 4):
        result = np.concatenate([result, pixels[..., -1:]], axis=-1)
    write_photo(output, result, profile)


def _axes(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        rows, columns = (int(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r}: expected two numbers, such as 0,1", param_hint="--axes"
        ) from error
    return rows, columns


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
