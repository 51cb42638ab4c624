"""``fastconv run``: a network in ONNX's format on an image or an array."""

import statistics
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fastconv._explanation import duration
from fastconv.cli.display import make_console, make_table
from fastconv.cli.photo import read_photo

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_GREY = np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
_TOP = 5
_RUNS = 5


@click.command("run")
@click.argument("model", type=_FILE)
@click.option(
    "-i", "--input", "inputs", multiple=True, required=True, metavar="[NAME=]FILE", help="See above."
)
@click.option("--resize", is_flag=True, help="Scale an image to the extents that the network wants.")
@click.option("--mean", metavar="NUMBER,...", help="Of each channel, subtracted from an image of 0 to 1.")
@click.option("--std", metavar="NUMBER,...", help="Of each channel, by which it is then divided.")
@click.option("--times", is_flag=True, help="How long each layer takes.")
def run_network(
    model: Path, inputs: tuple[str, ...], resize: bool, mean: str | None, std: str | None, times: bool
) -> None:
    """Run MODEL, a network in ONNX's format, and print its outputs: shapes and largest values.

    --input is an array (.npy), given as it is, or an image: its pixels are 0 to 1 for an input of floats, 0
    to 255 for one of bytes, in the order of axes and with the colours that the network declares. With several
    inputs, NAME=FILE for each.

    --times runs the network six times and gives the medians of the last five.
    """
    try:
        from fastconv import onnx
    except ModuleNotFoundError as missing:
        raise click.ClickException(f"run needs {missing.name}: pip install 'fastconv[onnx]'") from missing
    session = onnx.load(model)
    files = _files(inputs, [tensor.name for tensor in session.inputs])
    tensors = {tensor.name: tensor for tensor in session.inputs}
    arrays = {
        name: np.load(path, allow_pickle=False)
        if path.suffix.lower() == ".npy"
        else read_image(path, tensors[name], resize, _numbers(mean, "--mean"), _numbers(std, "--std"))
        for name, path in files.items()
    }
    seconds: list[list[float]] = [[] for _ in session.steps]
    runs = 1 + _RUNS if times else 1
    with _progress() as display:
        task = display.add_task("", total=runs * len(session.steps))
        order = {id(step): number for number, step in enumerate(session.steps)}

        def observe(step: Any, elapsed: float) -> None:
            seconds[order[id(step)]].append(elapsed)
            display.update(task, advance=1, description=step.node.op)

        for _ in range(runs):
            try:
                outputs = session.run(arrays, observe)
            except TypeError as error:  # an array of another type
                raise click.ClickException(str(error)) from error
    console = make_console()
    if times:
        _show_times(console, session, [statistics.median(step[-_RUNS:]) for step in seconds])
    for name, value in outputs.items():
        _show_output(console, name, value)


def _files(inputs: tuple[str, ...], names: list[str]) -> dict[str, Path]:
    """Return which file belongs to which input."""
    found: dict[str, Path] = {}
    for text in inputs:
        name, equals, path = text.partition("=")
        if not equals or name not in names:
            if len(names) != 1:
                raise click.BadParameter(
                    f"{text!r}: expected NAME=FILE with one of {', '.join(names) or 'no names'}",
                    param_hint="--input",
                )
            name, path = names[0], text
        if not Path(path).is_file():
            raise click.BadParameter(f"{path}: there is no such file", param_hint="--input")
        if name in found:
            raise click.BadParameter(f"{name} is given twice", param_hint="--input")
        found[name] = Path(path)
    return found


def _numbers(text: str | None, option: str) -> NDArray[np.float64] | None:
    if text is None:
        return None
    try:
        return np.array([float(part) for part in text.split(",")])
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r}: expected numbers with commas between", param_hint=option
        ) from error


def read_image(
    path: Path,
    tensor: Any,
    resize: bool = False,
    mean: NDArray[np.float64] | None = None,
    std: NDArray[np.float64] | None = None,
) -> NDArray[Any]:
    """Read an image as an input of a network: a batch of one, with the channels and axes that it declares."""
    shape = tensor.shape
    if shape is None or len(shape) != 4 or tensor.dtype is None or tensor.dtype.kind not in "fu":
        raise ValueError(
            f"input {tensor.name!r} takes no image but {tensor.dtype} {shape}: give an array (.npy)"
        )
    last = shape[1] not in (1, 3) and shape[3] in (1, 3)
    channels = shape[3] if last else shape[1]
    height, width = shape[1:3] if last else shape[2:]
    pixels, _ = read_photo(path)
    colours = pixels[..., None] if pixels.ndim == 2 else pixels
    if colours.shape[2] in (2, 4):  # alpha
        colours = colours[..., :-1]
    if channels == 1 and colours.shape[2] == 3:
        colours = (colours @ _GREY)[..., None]
    if channels == 3 and colours.shape[2] == 1:
        colours = np.repeat(colours, 3, axis=2)
    values: NDArray[np.floating[Any]] = colours.astype(np.float32) / np.iinfo(pixels.dtype).max
    if resize:
        wanted = [extent if isinstance(extent, int) else None for extent in (height, width)]
        values = _resized(values, wanted[0] or values.shape[0], wanted[1] or values.shape[1])
    for name, numbers in (("--mean", mean), ("--std", std)):
        if numbers is not None and numbers.size not in (1, values.shape[2]):
            raise ValueError(
                f"{name}: {numbers.size} numbers, expected one for each of {values.shape[2]} channels"
            )
    if tensor.dtype.kind == "u":
        values = np.rint(values * np.iinfo(tensor.dtype).max)
    else:
        values = (values - (0 if mean is None else mean)) / (1 if std is None else std)
    batch = values[None] if last else values.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(batch.astype(tensor.dtype))


def _resized(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    planes = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        for plane in np.ascontiguousarray(values.transpose(2, 0, 1))
    ]
    return np.stack(planes, axis=-1)


def _progress() -> Progress:
    """Return a bar on the error stream, so that a pipe gets the results alone."""
    columns = (TextColumn("{task.description:20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _show_times(console: Console, session: Any, seconds: list[float]) -> None:
    total = sum(seconds) or 1.0
    table = make_table()
    table.add_column("layer", overflow="fold")
    table.add_column("operator", no_wrap=True)
    table.add_column("by", no_wrap=True)
    for heading in ("time", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    for step, time in zip(session.steps, seconds, strict=True):
        node = step.node
        label = node.op if node.activation is None else f"{node.op} + {node.activation}"
        by = "onnx.reference" if step.by_reference else "fastconv"
        name = node.proto.name or node.outputs[0]
        style = "bold" if time > 0.05 * total else ""
        table.add_row(escape(name), escape(label), by, duration(time), f"{time / total:.1%}", style=style)
    console.print(table)
    shares: dict[str, float] = {}
    for step, time in zip(session.steps, seconds, strict=True):
        shares[step.node.op] = shares.get(step.node.op, 0.0) + time / total
    most = sorted(shares.items(), key=lambda item: -item[1])[:_TOP]
    parts = ", ".join(f"{op} {share:.0%}" for op, share in most)
    console.print(f"{len(seconds)} layers in {duration(sum(seconds))}: {parts}")


def _show_output(console: Console, name: str, value: Any) -> None:
    if not isinstance(value, np.ndarray):
        console.print(f"{escape(name)}: {type(value).__name__} of {len(value)}", soft_wrap=True)
        return
    console.print(f"{escape(name)}: {value.dtype} {value.shape}", soft_wrap=True)
    if value.size == 0 or value.dtype.kind not in "fiu":
        return
    flat = value.reshape(-1)
    for place in np.argsort(-flat.astype(np.float64), kind="stable")[:_TOP]:
        index = ", ".join(str(int(axis)) for axis in np.unravel_index(place, value.shape))
        console.print(f"  \\[{index}]  {flat[place]:.6g}" if index else f"  {flat[place]:.6g}")
