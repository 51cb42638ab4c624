"""``fastconv filter`` of arrays on disk, and the files that it reads and writes."""

from __future__ import annotations

import os
import pickle
import re
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastconv import filters, tiled
from fastconv.cli import disk
from fastconv.tiled import files
from fastconv.tiled.files import create_array, open_array

from .processes import python
from .test_cli import invoke, refused

tifffile = pytest.importorskip("tifffile")
zarr = pytest.importorskip("zarr")

Array = NDArray[Any]
SHAPE = (300, 280)
# Little more than what is needed beside the arrays of a tile, so that there are several tiles.
SMALL = "17MB"


def numbers(shape: tuple[int, ...], dtype: Any) -> Array:
    """Noise of the whole range of a type of integers, or around zero."""
    random = np.random.default_rng(list(shape))
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return random.integers(limits.min, limits.max, shape, kind.newbyteorder("="), True).astype(kind)
    return random.standard_normal(shape).astype(kind)


def write_zarr(path: Path, values: Array, **options: Any) -> None:
    options.setdefault("chunks", tuple(min(n, 70) for n in values.shape))
    zarr.create_array(path, shape=values.shape, dtype=values.dtype, **options)[...] = values


def write_member(path: Path, values: Array) -> None:
    group = zarr.open_group(path.parent, mode="w")
    group.create_array(path.name, shape=values.shape, dtype=values.dtype, chunks=(64, 100))[...] = values


SOURCES: dict[str, tuple[str, Callable[[Path, Array], Any]]] = {
    "npy": ("in.npy", np.save),
    "npy, first axis first": ("in.npy", lambda path, x: np.save(path, np.asfortranarray(x))),
    "npy, other byte order": ("in.npy", lambda path, x: np.save(path, x.astype(x.dtype.newbyteorder(">")))),
    "zarr": ("in.zarr", write_zarr),
    "zarr, shards": ("in.zarr", lambda path, x: write_zarr(path, x, chunks=(35, 40), shards=(70, 80))),
    "zarr, format 2": ("in.zarr", lambda path, x: write_zarr(path, x, zarr_format=2)),
    "zarr, in a group": ("in.zarr/0", write_member),
    "tiff": ("in.tif", tifffile.imwrite),
    "tiff, other byte order": ("in.tiff", lambda path, x: tifffile.imwrite(path, x, byteorder=">")),
    "tiff, large": ("in.tif", lambda path, x: tifffile.imwrite(path, x, bigtiff=True)),
    "tiff, tiles": ("in.tif", lambda path, x: tifffile.imwrite(path, x, tile=(64, 96))),
    "tiff, strips": ("in.tif", lambda path, x: tifffile.imwrite(path, x, rowsperstrip=7)),
    "tiff, compressed": ("in.tif", lambda path, x: tifffile.imwrite(path, x, compression="zlib")),
}
OUTPUTS = ["out.npy", "out.zarr", "out.zarr/a/0", "out.tif"]


def read(path: Path) -> Array:
    """The numbers of a file, by its own library."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix in (".tif", ".tiff"):
        return tifffile.memmap(path, mode="r").copy()
    return np.asarray(zarr.open_array(path, mode="r")[...])


def filtered(source: Path, output: Path, *arguments: Any) -> tuple[Array, str]:
    """What the command makes of a file, and what it says."""
    result = invoke("filter", source, "-o", output, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert not [left for left in output.parent.glob(f"{output.name}.*")]
    return read(output), result.stdout


def tiles(said: str) -> int:
    """How many tiles the command said it makes."""
    found = re.search(r"^(\d+) tiles? of ", said, re.MULTILINE)
    assert found is not None
    return int(found[1])


def assert_same(actual: Array, expected: Array) -> None:
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()


# ---------------------------------------------------------------- every format, every shape


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("source", SOURCES)
def test_every_format_in(tmp_path: Path, source: str, dtype: str) -> None:
    name, write = SOURCES[source]
    image = numbers(SHAPE, dtype)
    write(tmp_path / name, image)
    memory = SMALL
    if source == "tiff, compressed":  # in one piece, which is decoded for each tile
        memory = {"uint16": "17.3MB", "float32": "18MB"}[dtype]
    result, said = filtered(tmp_path / name, tmp_path / "out.npy", "-k", "sobel", "--memory", memory)
    assert tiles(said) > 1
    assert_same(result, filters.filter_pixels(image, "sobel"))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_format_out(tmp_path: Path, output: str, dtype: str) -> None:
    image = numbers(SHAPE, dtype)
    write_zarr(tmp_path / "in.zarr", image)
    options = ("-k", "gaussian", "--sigma", 1.5, "--scale", 3, "--offset", -2, "--memory", "18MB")
    result, _ = filtered(tmp_path / "in.zarr", tmp_path / output, *options)
    assert_same(result, filters.filter_pixels(image, filters.gaussian(1.5), 3, -2))
    if output.startswith("out.zarr"):
        assert zarr.open_array(tmp_path / output, mode="r").chunks == (70, 70)


def test_chunks_of_a_new_zarr_array(tmp_path: Path) -> None:
    for shape, chunks in (
        ((1500, 1030), (1024, 1024)),
        ((40, 1030, 3), (40, 1024, 3)),
        ((5, 40, 60), (1, 40, 60)),
    ):
        np.save(tmp_path / "in.npy", np.zeros(shape, np.uint8))
        result, _ = filtered(tmp_path / "in.npy", tmp_path / "out.zarr", "-k", "box")
        array = zarr.open_array(tmp_path / "out.zarr", mode="r")
        assert array.chunks == chunks
        assert array.metadata.zarr_format == 3
        assert not result.any()


def test_shards_are_kept_and_not_shared_by_tiles(tmp_path: Path) -> None:
    image = numbers(SHAPE, np.uint8)
    write_zarr(tmp_path / "in.zarr", image, chunks=(25, 70), shards=(100, 140))
    result, said = filtered(tmp_path / "in.zarr", tmp_path / "out.zarr", "-k", "box", "--memory", "17.02MB")
    assert_same(result, filters.filter_pixels(image, "box"))
    array = zarr.open_array(tmp_path / "out.zarr", mode="r")
    assert (array.chunks, array.shards) == ((25, 70), (100, 140))
    assert re.search("[1-9] tiles of [12]00 x (140|280)", said)


@pytest.mark.parametrize("suffix", ["npy", "zarr", "tif"])
@pytest.mark.parametrize("colours", [1, 2, 3, 4])
def test_colours_last(tmp_path: Path, colours: int, suffix: str) -> None:
    image = numbers((90, 80, colours), np.uint8)
    np.save(tmp_path / "in.npy", image)
    result, said = filtered(tmp_path / "in.npy", tmp_path / f"out.{suffix}", "-k", "emboss")
    assert f": 90 x 80 x {colours}, uint8" in said
    assert_same(result, filters.filter_pixels(image, "emboss"))


@pytest.mark.parametrize("suffix", ["npy", "zarr", "tif"])
@pytest.mark.parametrize("shape", [(5, 90, 80), (1, 70, 60), (2, 3, 50, 40), (2, 60, 50, 3)])
def test_stacks(tmp_path: Path, shape: tuple[int, ...], suffix: str) -> None:
    image = numbers(shape, np.float32)
    for compression in (None, "zlib"):
        tifffile.imwrite(tmp_path / "in.tif", image, photometric="minisblack", compression=compression)
        result, _ = filtered(tmp_path / "in.tif", tmp_path / f"out.{suffix}", "-k", "scharr")
        assert_same(result, filters.filter_image(image, "scharr", axes=(-2, -1)))


def test_axes(tmp_path: Path) -> None:
    image = numbers((40, 3, 50), np.uint8)
    np.save(tmp_path / "in.npy", image)
    kernel = tmp_path / "kernel.txt"
    kernel.write_text("1 2 3 4\n0 -1 0 2")
    for text, axes in (("0,2", (0, 2)), ("2,0", (2, 0)), ("-3,-1", (0, 2))):
        result, _ = filtered(tmp_path / "in.npy", tmp_path / "out.npy", "-k", kernel, "--axes", text)
        assert_same(result, filters.filter_pixels(image, [[1, 2, 3, 4], [0, -1, 0, 2]], axes=axes))
    colours = numbers((2, 60, 50, 3), np.uint8)
    np.save(tmp_path / "in.npy", colours)
    result, _ = filtered(tmp_path / "in.npy", tmp_path / "out.tif", "-k", "box", "--axes", "1,2")
    assert_same(result, filters.filter_pixels(colours, "box", axes=(1, 2)))


def test_booleans_become_numbers(tmp_path: Path) -> None:
    image = numbers(SHAPE, np.uint8) > 100
    np.save(tmp_path / "in.npy", image)
    result, _ = filtered(tmp_path / "in.npy", tmp_path / "out.npy", "-k", "box")
    assert_same(result, filters.filter_image(image, "box"))


def test_an_output_is_replaced_even_if_it_is_the_input(tmp_path: Path) -> None:
    image = numbers(SHAPE, np.uint8)
    for name, write in (("a.npy", np.save), ("a.zarr", write_zarr), ("a.tif", tifffile.imwrite)):
        write(tmp_path / name, image)
        result, _ = filtered(tmp_path / name, tmp_path / name, "-k", "box")
        assert_same(result, filters.filter_pixels(image, "box"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system tells no process's memory")
@pytest.mark.parametrize(("kind", "memory"), [("npy", 64), ("zarr", 120)])
def test_memory_stays_below_what_was_stated(tmp_path: Path, kind: str, memory: int) -> None:
    """Of files of 144 MB, pages of files included, and what threads keep that decode chunks of 4 MB."""
    if kind == "npy":
        with create_sparse(tmp_path / "in.npy", (6000, 6000), np.float32):
            pass
    else:
        image = zarr.create_array(tmp_path / "in.zarr", shape=(6000, 6000), chunks=(1000, 1000), dtype="f4")
        for at in range(0, 6000, 1000):  # what can hardly be compressed
            image[at : at + 1000] = np.random.default_rng(at).random((1000, 6000), np.float32)
    printed = python(
        f"""
        import os
        from pathlib import Path
        from fastconv.cli.app import app
        def run(source, memory):
            options = ["-k", "sobel", "-o", "out.{kind}", "--memory", memory]
            app(["filter", source, *options], standalone_mode=False)
            lines = Path("/proc/self/status").read_text().splitlines()  # ru_maxrss begins with the parent's
            return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024
        os.chdir({str(tmp_path)!r})
        import numpy as np
        from fastconv.tiled.files import create_array
        create_array("little.{kind}", (100, 100), np.float32)[:] = np.ones((100, 100))
        before = run("little.{kind}", "{memory}MB")
        print(run("in.{kind}", "{memory}MB") - before)
        """,
        PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
    )
    assert printed.returncode == 0, printed.stderr
    assert float(printed.stdout.split()[-1]) < memory * 1000**2 / 1024**2


@contextmanager
def create_sparse(path: Path, shape: tuple[int, ...], dtype: Any) -> Iterator[None]:
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)
    yield


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.npy", "-o", "out.npy", "--memory", "1MB"], "memory is '1MB', expected"),
        (["in.npy", "-o", "out.zarr", "--memory", "much"], "memory is 'much', expected bytes"),
        (["in.npy", "-o", "out.gif"], "out.gif does not end in .png, .jpg, .jpeg, .npy, .zarr, .tif, .tiff"),
        (["in.npy", "-o", "out.png"], "in.npy is not an image"),
        (["in.png", "-o", "out.npy"], "in.png is of no kind that is known: expected .npy"),
        (["in.png", "-o", "out.png", "--memory", "1GB"], "--memory belongs to arrays"),
        (["in.png", "-o", "out.png", "--axes", "0,1"], "--axes belongs to arrays"),
        (["in.png", "-o", "out.png", "--scheduler", "tcp://nowhere:1"], "--scheduler belongs to arrays"),
        (["missing.npy", "-o", "out.npy"], "'missing.npy' does not exist"),
        (["cut.npy", "-o", "out.npy"], "cut.npy has 6064 bytes, expected 6128: it was cut short"),
        (["header.npy", "-o", "out.npy"], "header.npy is not a .npy file"),
        (["text.npy", "-o", "out.npy"], "text.npy is not a .npy file"),
        (["empty.npy", "-o", "out.npy"], "empty.npy is not a .npy file"),
        (["objects.npy", "-o", "out.npy"], "objects.npy has dtype object, expected numbers"),
        (["records.npy", "-o", "out.npy"], "records.npy has dtype"),
        (["complex.npy", "-o", "out.npy"], "complex.npy: image has dtype complex128, expected real numbers"),
        (["half.npy", "-o", "out.npy"], "half.npy: input has dtype float16"),
        (["line.npy", "-o", "out.npy"], "line.npy has shape (9,), expected rows and columns"),
        (["nothing.npy", "-o", "out.npy"], "nothing.npy has shape (0, 3), expected rows and columns"),
        (["in.npy", "-o", "out.npy", "--axes", "0,5"], "axis 5 is not one of an array with 2 axes"),
        (["in.npy", "-o", "out.npy", "--axes", "0"], "'0': expected two numbers"),
        (["in.npy", "-o", "out.npy", "--axes", "1,1"], "axes is (1, 1), expected each axis once"),
        (["cut.tif", "-o", "out.npy"], "it was cut short"),
        (["cut_tiles.tif", "-o", "out.npy"], "it was cut short"),
        (["text.tif", "-o", "out.npy"], "text.tif is not a TIFF file"),
        (["header.tif", "-o", "out.npy"], "header.tif is not a TIFF file"),
        (["group.zarr", "-o", "out.npy"], "group.zarr is a group, expected one of its arrays: group.zarr/a"),
        (["emptygroup.zarr", "-o", "out.npy"], "expected one of its arrays: it has none"),
        (["folder.zarr", "-o", "out.npy"], "folder.zarr is not an array of Zarr"),
        (["broken.zarr", "-o", "out.npy"], "broken.zarr cannot be decoded"),
        (["json.zarr", "-o", "out.npy"], "json.zarr is not an array of Zarr"),
        (["in.npy", "-o", "group.zarr"], "group.zarr is not replaced: group.zarr is a group"),
        (["in.npy", "-o", "folder.zarr"], "folder.zarr is not replaced"),
        (["in.npy", "-o", "in.zarr/0"], "in.zarr/0.partial cannot be created"),
        (["in.npy", "-o", "folder.npy"], "folder.npy: Is a directory"),
        (["in.npy", "-o", "nowhere/out.npy"], "nowhere/out.npy: No such file or directory"),
        (["in.npy", "-o", "nowhere/out.zarr/0"], "nowhere/out.zarr/0: No such file or directory"),
    ],
)  # fmt: skip
def test_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_examples()
    before = sorted(tmp_path.rglob("*"))
    assert message in refused("filter", *arguments, "-k", "box")
    assert sorted(tmp_path.rglob("*")) == before


def write_examples() -> None:
    """Files that are right, and files that are not, in the current folder."""
    image = numbers((30, 50), np.float32)
    np.save("in.npy", image)
    Path("in.png").write_bytes(b"")
    whole = Path("in.npy").read_bytes()
    Path("cut.npy").write_bytes(whole[:-64])
    Path("header.npy").write_bytes(whole[:40])
    Path("empty.npy").write_bytes(b"")
    np.save("objects.npy", np.array([["a", None]], object))
    np.save("records.npy", np.zeros((3, 3), [("a", "f4")]))
    np.save("complex.npy", np.zeros((3, 3), complex))
    np.save("half.npy", np.zeros((3, 3), np.float16))
    np.save("line.npy", np.zeros(9))
    np.save("nothing.npy", np.zeros((0, 3)))
    for name in ("text.npy", "text.tif"):
        Path(name).write_text("no picture")
    for name, options in (("cut.tif", {}), ("cut_tiles.tif", {"compression": "zlib", "tile": (16, 16)})):
        tifffile.imwrite(name, image, **options)
        whole = Path(name).read_bytes()
        Path(name).write_bytes(whole[: len(whole) // 2 + 500])
    Path("header.tif").write_bytes(whole[:8])
    group = zarr.open_group("group.zarr", mode="w")
    group.create_array("a/1", shape=(3, 3), dtype="f4")
    zarr.open_group("emptygroup.zarr", mode="w")
    for name in ("folder.zarr", "folder.npy", "json.zarr"):
        Path(name).mkdir()
    Path("json.zarr/zarr.json").write_text("{")
    write_zarr(Path("in.zarr"), image)
    write_zarr(Path("broken.zarr"), image)
    Path("broken.zarr/c/0/0").write_bytes(b"no chunk")


@pytest.mark.parametrize(
    ("source", "output", "missing", "extra"),
    [
        ("in.zarr", "out.npy", "zarr", "disk"),
        ("in.npy", "out.zarr", "zarr", "disk"),
        ("in.tif", "out.npy", "tifffile", "disk"),
        ("in.npy", "out.tif", "tifffile", "disk"),
        ("in.npy", "out.npy", "distributed", "dask"),
    ],
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, output: str, missing: str, extra: str
) -> None:
    monkeypatch.chdir(tmp_path)
    image = numbers((30, 50), np.float32)
    np.save("in.npy", image)
    write_zarr(Path("in.zarr"), image)
    tifffile.imwrite("in.tif", image)
    monkeypatch.setitem(sys.modules, missing, None)
    scheduler = ["--scheduler", "tcp://nowhere:1"] if extra == "dask" else []
    message = refused("filter", source, "-k", "box", "-o", output, *scheduler)
    assert f"needs {missing}: pip install 'fastconv[{extra}]'" in message
    assert not list(tmp_path.glob("out*"))


# ---------------------------------------------------------------- runs that end before they are done


class Interruption:
    """Ctrl-C after so many tiles."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, after: int, error: BaseException | None = None
    ) -> None:
        self.count = 0
        for kind in (files._Flat, files._Zarr):

            def write(array: Any, key: Any, values: Any, kept: Any = kind.__setitem__) -> None:
                if self.count == after:
                    raise error or KeyboardInterrupt
                self.count += 1
                kept(array, key, values)

            monkeypatch.setattr(kind, "__setitem__", write)


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    image = numbers(SHAPE, np.uint8)
    write_zarr(tmp_path / "in.zarr", image)
    target = tmp_path / output
    command = ("filter", tmp_path / "in.zarr", "-k", "sobel", "-o", target, "--memory", "16.93MB")
    with monkeypatch.context() as patch:
        Interruption(patch, after=2)
        result = invoke(*command)
    assert result.exit_code == 130
    total = tiles(result.stdout)
    assert total > 3
    assert result.stderr == (
        f"interrupted: what is done is kept in {target}.partial, the same command goes on\n"
    )
    assert not target.exists()
    with monkeypatch.context() as patch:
        rest = Interruption(patch, after=total)
        result = invoke(*command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"going on with {target}.partial" in result.stdout
    assert rest.count == total - 2
    assert_same(read(target), filters.filter_pixels(image, "sobel"))
    assert [path.name for path in target.parent.glob(f"{target.name}*")] == [target.name]


def test_what_was_there_stays_until_the_result_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, old = numbers(SHAPE, np.uint8), np.zeros(3)
    np.save(tmp_path / "in.npy", image)
    np.save(tmp_path / "out.npy", old)
    command = ("filter", tmp_path / "in.npy", "-k", "sobel", "-o", tmp_path / "out.npy", "--memory", "16.9MB")
    with monkeypatch.context() as patch:
        Interruption(patch, after=2)
        assert invoke(*command).exit_code == 130
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), old)
    assert invoke(*command).exit_code == 0
    assert_same(np.load(tmp_path / "out.npy"), filters.filter_pixels(image, "sobel"))


def test_a_result_that_cannot_be_put_in_its_place_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = numbers(SHAPE, np.uint8)
    for name, write, moves in (("a.npy", np.save, "replace"), ("a.zarr", write_zarr, "rename")):
        write(tmp_path / name, image)
        with monkeypatch.context() as patch:

            def fail(*names: Any) -> None:
                raise PermissionError(13, "Permission denied", str(names[1]))

            patch.setattr(os, moves, fail)
            assert "Permission denied" in refused(
                "filter", tmp_path / name, "-k", "box", "-o", tmp_path / name
            )
        assert_same(read(tmp_path / name), image)
        partial = open_array(tmp_path / f"{name}.partial", kind=files.kind_of(name))
        assert_same(partial[...], filters.filter_pixels(image, "box"))


def test_interrupted_before_a_tile_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "in.npy", numbers(SHAPE, np.uint8))
    Interruption(monkeypatch, after=0)
    result = invoke("filter", tmp_path / "in.npy", "-k", "sobel", "-o", tmp_path / "out.npy")
    assert (result.exit_code, result.stderr) == (130, "interrupted before anything was done\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.npy"]


def test_a_run_that_is_killed_goes_on(tmp_path: Path) -> None:
    image = numbers(SHAPE, np.uint8)
    np.save(tmp_path / "in.npy", image)
    arguments = ["filter", "in.npy", "-k", "sobel", "-o", "out.npy", "--memory", "16.9MB"]
    done = python(
        f"""
        import os, signal
        os.chdir({str(tmp_path)!r})
        from fastconv.cli.app import app
        from fastconv.tiled import _tiles, files
        _tiles._RECORD_EVERY = 0.0
        kept = files._Flat.__setitem__
        writes = []
        def write(array, key, values):
            kept(array, key, values)
            writes.append(key)
            if len(writes) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        files._Flat.__setitem__ = write
        app({arguments!r})
        """,
        PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
    )
    assert done.returncode == -signal.SIGKILL
    assert len((tmp_path / "out.npy.journal").read_text().split()[1:]) >= 2
    result, said = filtered(tmp_path / "in.npy", tmp_path / "out.npy", *arguments[2:4], *arguments[6:])
    assert "going on with" in said
    assert_same(result, filters.filter_pixels(image, "sobel"))


@pytest.mark.parametrize("lost", ["partial", "journal"])
def test_a_run_of_which_half_is_left_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    image = numbers(SHAPE, np.uint8)
    np.save(tmp_path / "in.npy", image)
    options = ("-k", "sobel", "--memory", "16.9MB")
    with monkeypatch.context() as patch:
        Interruption(patch, after=2)
        assert invoke("filter", tmp_path / "in.npy", "-o", tmp_path / "out.npy", *options).exit_code == 130
    (tmp_path / f"out.npy.{lost}").unlink()
    result, said = filtered(tmp_path / "in.npy", tmp_path / "out.npy", *options)
    assert "going on" not in said
    assert_same(result, filters.filter_pixels(image, "sobel"))


def test_another_command_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "in.npy", numbers(SHAPE, np.uint8))
    common = ("filter", tmp_path / "in.npy", "-o", tmp_path / "out.npy")
    with monkeypatch.context() as patch:
        Interruption(patch, after=2)
        assert invoke(*common, "-k", "sobel", "--memory", "16.9MB").exit_code == 130
    for options in (["-k", "box", "--memory", "16.9MB"], ["-k", "sobel"]):
        message = refused(*common, *options)
        assert "out.npy.journal is of another run" in message
        assert "remove it to begin anew" in message
    np.save(tmp_path / "in.npy", numbers(SHAPE, np.float32))
    message = refused(*common, "-k", "sobel", "--memory", "16.9MB")
    assert message.endswith("out.npy.partial is of another run: remove it to begin anew")
    (tmp_path / "out.npy.partial").unlink()
    assert invoke(*common, "-k", "sobel").exit_code == 0


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """As if the disk were full: files may not grow beyond a size. Python ignores the signal of that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("output", ["out.npy", "out.tif"])
def test_a_full_disk_is_found_before_anything_is_computed(tmp_path: Path, output: str) -> None:
    np.save(tmp_path / "in.npy", numbers(SHAPE, np.uint8))
    with no_file_beyond(50_000):
        message = refused("filter", tmp_path / "in.npy", "-k", "box", "-o", tmp_path / output)
    assert "File too large" in message
    assert [path.name for path in tmp_path.iterdir()] == ["in.npy"]


def test_space_is_taken(tmp_path: Path) -> None:
    for name in ("a.npy", "a.tif"):
        array = create_array(tmp_path / name, (1000, 1000), np.float32)
        assert os.stat(tmp_path / name).st_blocks * 512 >= 4_000_000
        assert not array[:].any()


def test_a_disk_that_becomes_full_keeps_what_is_done(tmp_path: Path) -> None:
    """Of a Zarr array space is taken chunk by chunk: the second does not fit, since it is noise."""
    image = np.zeros(SHAPE, np.uint8)
    image[100:] = numbers((200, 280), np.uint8)
    write_zarr(tmp_path / "in.zarr", image, chunks=(100, 280))
    command = (
        "filter",
        tmp_path / "in.zarr",
        "-k",
        "identity",
        "-o",
        tmp_path / "out.zarr",
        "--memory",
        "17.03MB",
    )
    with no_file_beyond(20_000):
        result = invoke(*command)
    assert result.exit_code == 1
    kept, message = result.stderr.splitlines()
    assert kept == f"what is done is kept in {tmp_path}/out.zarr.partial, the same command goes on"
    assert "File too large" in message
    result = invoke(*command)
    assert result.exit_code == 0
    assert "going on" in result.stdout
    assert_same(read(tmp_path / "out.zarr"), image)


# ---------------------------------------------------------------- on a cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of two workers, processes of their own."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as started:
        yield started.scheduler_address


@pytest.mark.parametrize(
    ("source", "output"), [("npy", "out.zarr"), ("zarr", "out.npy"), ("tiff, tiles", "out.tif")]
)
def test_on_a_cluster(tmp_path: Path, cluster: str, source: str, output: str) -> None:
    name, write = SOURCES[source]
    image = numbers(SHAPE, np.uint8)
    write(tmp_path / name, image)
    options = ("-k", "sobel", "--memory", "17.2MB", "--scheduler", cluster)
    result, said = filtered(tmp_path / name, tmp_path / output, *options)
    assert "in each of 2 threads of 2 workers" in said
    assert_same(result, filters.filter_pixels(image, "sobel"))


def test_a_run_on_a_cluster_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str) -> None:
    image = numbers((600, 580), np.uint8)
    np.save(tmp_path / "in.npy", image)
    command = ("filter", tmp_path / "in.npy", "-k", "sobel", "-o", tmp_path / "out.npy", "--memory", "16.9MB")
    told: list[int] = []

    @contextmanager
    def progress(count: int) -> Iterator[Callable[..., None]]:
        def tell(done: int, count: int, left: float) -> None:
            told.append(done)
            if done == 3:
                raise KeyboardInterrupt

        yield tell

    with monkeypatch.context() as patch:
        patch.setattr(disk, "_progress", progress)
        result = invoke(*command, "--scheduler", cluster)
    assert result.exit_code == 130
    assert told == [1, 2, 3]
    result = invoke(*command)  # and without it
    assert result.exit_code == 0
    assert "going on" in result.stdout
    assert_same(np.load(tmp_path / "out.npy"), filters.filter_pixels(image, "sobel"))


def test_what_a_worker_finds_wrong_is_said_in_one_line(tmp_path: Path, cluster: str) -> None:
    write_zarr(tmp_path / "in.zarr", numbers((30, 50), np.uint8))
    (tmp_path / "in.zarr/c/0/0").write_bytes(b"no chunk")
    common = ("filter", tmp_path / "in.zarr", "-k", "box", "-o", tmp_path / "out.npy")
    assert "in.zarr cannot be decoded" in refused(*common, "--scheduler", cluster)


def test_workers_are_not_sent_copies(tmp_path: Path, cluster: str) -> None:
    from distributed import Client

    np.save(tmp_path / "in.npy", np.zeros((3, 3)))
    mapped, opened = np.load(tmp_path / "in.npy", mmap_mode="r"), open_array(tmp_path / "in.npy")
    output = create_array(tmp_path / "out.npy", (3, 3), np.float64)
    with Client(cluster) as client:
        with pytest.raises(TypeError, match="input is memmap, expected an array that workers can open"):
            tiled.laplace(mapped).store(output, client=client)
        with pytest.raises(TypeError, match="output is ndarray, expected an array that workers can open"):
            tiled.laplace(opened).store(np.zeros((3, 3)), client=client)
        tiled.laplace(opened).store(output, client=client)


def test_no_cluster_at_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(disk, "_CONNECT_SECONDS", 0.2)
    np.save(tmp_path / "in.npy", np.zeros((3, 3)))
    common = ("filter", tmp_path / "in.npy", "-k", "box", "-o", tmp_path / "out.npy")
    assert "127.0.0.1:9" in refused(*common, "--scheduler", "tcp://127.0.0.1:9")
    assert "carrier pigeons" in refused(*common, "--scheduler", "carrier pigeons://roof")


# ---------------------------------------------------------------- the arrays themselves


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 1, 6), (3, 4, 5, 2)])
def test_parts_of_a_file(tmp_path: Path, shape: tuple[int, ...], order: Any) -> None:
    random = np.random.default_rng(0)
    expected = np.array(numbers(shape, ">f4"), order=order)
    np.save(tmp_path / "a.npy", expected)
    array = open_array(tmp_path / "a.npy", writable=True)
    for _ in range(50):
        ends = [sorted(random.integers(0, n + 1, 2)) for n in shape]
        key = tuple(slice(int(begin), int(end)) for begin, end in ends)
        np.testing.assert_array_equal(array[key], expected[key])
        values = random.standard_normal(expected[key].shape)
        array[key] = values
        expected[key] = values
    array[: shape[0] - 1] = 3
    expected[: shape[0] - 1] = 3
    again = pickle.loads(pickle.dumps(array))
    assert again == array
    np.testing.assert_array_equal(again[...], expected)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)
    for key in (0, slice(None, None, 2), (slice(None),) * 5):
        with pytest.raises(IndexError, match="expected up to"):
            array[key]


@pytest.mark.parametrize("source", SOURCES)
def test_an_array_is_sent_as_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    name, write = SOURCES[source]
    image = numbers(SHAPE, np.uint16)
    write(tmp_path / name, image)
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(open_array(name))
    monkeypatch.chdir("/")
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent)[10:20, 30:], image[10:20, 30:])


def test_a_file_that_is_cut_short_meanwhile(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((100, 100)))
    array = open_array(tmp_path / "a.npy")
    os.truncate(tmp_path / "a.npy", 5000)
    assert array[:3].all()
    with pytest.raises(ValueError, match=r"a.npy has 5000 bytes, expected 80128: it was cut short"):
        array[90:]


def test_compressed_tiff_cannot_be_written(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((100, 100)), compression="zlib")
    with pytest.raises(ValueError, match="cannot be written in parts"):
        open_array(tmp_path / "a.tif", writable=True)


def test_a_tiff_of_several_resolutions_is_the_first(tmp_path: Path) -> None:
    image = numbers((128, 128), np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(image, tile=(32, 32), subifds=1, compression="zlib")
        file.write(image[::2, ::2], tile=(32, 32), compression="zlib", subfiletype=1)
    array = open_array(tmp_path / "a.tif")
    assert array.chunks == (32, 32)
    np.testing.assert_array_equal(array[:], image)


def test_a_tiff_of_many_bytes_is_a_large_one(tmp_path: Path) -> None:
    with no_file_beyond(10_000_000), pytest.raises(OSError, match="File too large"):
        create_array(tmp_path / "a.tif", (70_000, 70_000), np.uint8)
    files._write_tiff_header(str(tmp_path / "a.tif"), (70_000, 70_000), np.dtype(np.uint8), (0, 1))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
