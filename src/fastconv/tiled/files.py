"""Arrays in files, by the name of the file: ``.npy``, ``.zarr``, ``.tif``.

They are sliced like NumPy's, which is all that `fastconv.tiled` asks of an array, and can be pickled: what is
sent to another process is where they are.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from .._arrays import Array
from .._parts import Region

if TYPE_CHECKING:
    import tifffile

__all__ = ["FileArray", "create_array", "kind_of", "needing", "open_array", "zarr_root"]

PathLike: TypeAlias = str | os.PathLike[str]

_SUFFIXES = {".npy": "npy", ".tif": "tiff", ".tiff": "tiff"}
_CHUNK = 1024  # rows and columns, where nothing else says
_MOST_COLOURS = 4


def open_array(path: PathLike, *, kind: str | None = None, writable: bool = False) -> FileArray:
    """Open an array in a file.

    Parameters
    ----------
    path : path-like
        ``.npy``; ``.tif`` or ``.tiff``, of which the first series is meant; or one with a component that ends
        in ``.zarr``, such as ``x.zarr`` or, inside a group, ``x.zarr/0``.
    kind : {"npy", "tiff", "zarr"}, optional
        What it is, unless its name says so.
    writable : bool, optional
        Whether its elements may be assigned. Those of a TIFF that is compressed or tiled may not.

    Returns
    -------
    FileArray
        What it reads is read from the file each time, and stays in memory no longer than the caller keeps it.

    Raises
    ------
    ValueError
        It is no such file, or one that was cut short, or a group, or not of numbers.
    ImportError
        A package is missing that is needed to read it.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from fastconv.tiled.files import open_array
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "image.npy")
    >>> np.save(path, np.arange(12.0).reshape(3, 4))
    >>> open_array(path)[1:, 2:]
    array([[ 6.,  7.],
           [10., 11.]])
    >>> folder.cleanup()
    """
    name, found = os.fspath(path), kind or kind_of(path)
    opens = {"npy": _open_npy, "tiff": _open_tiff, "zarr": _Zarr}
    if found not in opens:
        raise ValueError(f"{name} is of no kind that is known: expected .npy, .zarr, .tif or .tiff")
    array = opens[found](name, writable)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"{name} has dtype {array.dtype}, expected numbers")
    return array


def create_array(
    path: PathLike,
    shape: Sequence[int],
    dtype: DTypeLike,
    *,
    kind: str | None = None,
    like: FileArray | None = None,
    axes: tuple[int, int] = (-2, -1),
) -> FileArray:
    """Create a file of an array, or replace one, and take the space for it.

    Parameters
    ----------
    path : path-like
        As in `open_array`. Groups that it lies in are created; folders are not.
    shape : sequence of int
        Its extents.
    dtype : dtype
        Its type.
    kind : {"npy", "tiff", "zarr"}, optional
        What it becomes, unless its name says so.
    like : FileArray, optional
        If this and the new one are of Zarr, the new one has its chunks and shards; otherwise chunks have up
        to 1024 rows and columns.
    axes : (int, int), optional
        The axes that count rows and columns, by which chunks are made, and what a TIFF says is a page.

    Returns
    -------
    FileArray
        It can be written.

    Raises
    ------
    OSError
        Such as a full disk: the file is removed again. Of a Zarr array space is taken when it is written.
    ImportError
        A package is missing that is needed to write it.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from fastconv.tiled.files import create_array
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "image.npy")
    >>> image = create_array(path, (3, 4), np.float32)
    >>> image[1:, 2:] = 1
    >>> np.load(path).sum()
    np.float32(4.0)
    >>> folder.cleanup()
    """
    name, found = os.fspath(path), kind or kind_of(path)
    extents, type_ = tuple(int(extent) for extent in shape), np.dtype(dtype).newbyteorder("=")
    rows, columns = (axis % len(extents) for axis in axes)
    if found == "zarr":
        return _create_zarr(name, extents, type_, like, (rows, columns))
    if found not in ("npy", "tiff"):
        raise ValueError(f"{name} is of no kind that is known: expected .npy, .zarr, .tif or .tiff")
    try:
        if found == "npy":
            _write_npy_header(name, extents, type_)
        else:
            _write_tiff_header(name, extents, type_, (rows, columns))
        array = open_array(path, kind=found, writable=True)
        array.reserve()
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return array


def kind_of(path: PathLike) -> str | None:
    """Return the kind of array that a path is the name of: npy, tiff, zarr, or None."""
    found = _SUFFIXES.get(Path(path).suffix.lower())
    return found or ("zarr" if zarr_root(path) is not None else None)


def zarr_root(path: PathLike) -> Path | None:
    """Return the part of a path that ends in ``.zarr``."""
    whole = Path(path)
    return next((part for part in [*reversed(whole.parents), whole] if part.suffix.lower() == ".zarr"), None)


@contextlib.contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """Say what to install if a package is missing that is imported here."""
    try:
        yield
    except ModuleNotFoundError as missing:
        name = (missing.name or "").partition(".")[0]
        raise ImportError(f"{what} needs {name}: pip install 'fastconv[{extra}]'", name=name) from missing


class FileArray:
    """An array in a file, as `open_array` and `create_array` return it.

    Attributes
    ----------
    shape : tuple of int
        Its extents.
    dtype : numpy.dtype
        Its type, in the byte order of the file.
    chunks : tuple of int or None
        Extents of what the file stores together; two processes must not write into the same.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = os.path.abspath(name)  # processes that it is sent to may be elsewhere

    def __repr__(self) -> str:
        return f"FileArray({self.name!r}, shape={self.shape}, dtype={self.dtype.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileArray) and self._path == other._path

    def __hash__(self) -> int:
        return hash(self._path)

    def __getitem__(self, key: Any) -> Array:
        """Read a part: slices of step 1."""
        raise NotImplementedError

    def __setitem__(self, key: Any, values: Any) -> None:
        """Write a part: slices of step 1."""
        raise ValueError(f"{self.name} cannot be written in parts")

    def reserve(self) -> None:
        """Take the space on the disk, if it can be taken before there is anything to write."""

    def flush(self) -> None:
        """Put what was written where it stays."""


class _Flat(FileArray):
    """An array that lies in a file as it would in memory.

    It is read and written by calls of the system and not mapped. What has been read then does not count as
    memory; a disk that is full, or a file that another process cuts short, is an error, where access to a
    mapping ends the process; and two machines may write to the same page of a file that they share.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, reverse: bool = False
    ) -> None:
        super().__init__(name)
        self.shape = shape
        self.dtype = dtype
        self._offset = offset
        self._reverse = reverse  # the first axis is the one whose elements lie side by side
        self._nbytes = math.prod(shape) * dtype.itemsize
        there = os.stat(self._path).st_size
        if there < offset + self._nbytes:
            raise self._cut_short(there)

    def __getitem__(self, key: Any) -> Array:
        region = _region(key, self.shape)
        if self._reverse:
            region = region[::-1]
        result = np.empty([end - begin for begin, end in region], self.dtype)
        with open(self._path, "rb", buffering=0) as file:
            for at, memory in self._stretches(region, result):
                while memory:
                    count = os.preadv(file.fileno(), [memory], at)
                    if count == 0:
                        raise self._cut_short(os.stat(self._path).st_size)
                    memory, at = memory[count:], at + count
        return result.T if self._reverse else result

    def __setitem__(self, key: Any, values: Any) -> None:
        region = _region(key, self.shape)
        given = np.broadcast_to(np.asarray(values, self.dtype), [end - begin for begin, end in region])
        if self._reverse:
            region, given = region[::-1], given.T
        with open(self._path, "r+b", buffering=0) as file:
            for at, memory in self._stretches(region, np.ascontiguousarray(given)):
                while memory:
                    count = os.pwrite(file.fileno(), memory, at)
                    memory, at = memory[count:], at + count

    def _stretches(self, region: Region, array: Array) -> Iterator[tuple[int, memoryview]]:
        """Tell where in the file each stretch of a part lies, and which bytes of the array are its."""
        extents = self.shape[::-1] if self._reverse else self.shape
        axis, size = len(extents), self.dtype.itemsize
        while axis and region[axis - 1] == (0, extents[axis - 1]):  # axes of which all is wanted
            axis -= 1
            size *= extents[axis]
        first, length = 0, size
        steps = [size]
        if axis:
            axis -= 1
            begin, end = region[axis]
            first, length = begin * size, (end - begin) * size
            for extent in extents[axis:0:-1]:
                steps.insert(0, steps[0] * extent)
        memory = array.reshape(-1).view(np.uint8).data
        outer = product(*(range(begin, end) for begin, end in region[:axis]))
        for number, place in enumerate(outer if length else ()):
            at = self._offset + first + sum(i * step for i, step in zip(place, steps, strict=False))
            yield at, memory[number * length : (number + 1) * length]

    def reserve(self) -> None:
        if not hasattr(os, "posix_fallocate") or not self._nbytes:
            return
        with open(self._path, "r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), self._offset, self._nbytes)
            except OSError as error:  # which does not name the file
                raise OSError(error.errno, error.strerror, self.name) from None

    def flush(self) -> None:
        _flush(self._path)

    def _cut_short(self, there: int) -> ValueError:
        return ValueError(
            f"{self.name} has {there} bytes, expected {self._offset + self._nbytes}: it was cut short"
        )


class _Decoded(FileArray):
    """An array whose chunks are decoded by Zarr."""

    _array: Any

    def __getitem__(self, key: Any) -> Array:
        try:
            return np.asarray(self._array[key])
        except (OSError, MemoryError, IndexError):
            raise
        except Exception as error:  # decoders raise what they like
            raise ValueError(f"{self.name} cannot be decoded, it may have been cut short: {error}") from error


class _Zarr(_Decoded):
    """An array of Zarr's, in a folder."""

    def __init__(self, name: str, writable: bool = False) -> None:
        super().__init__(name)
        self._writable = writable
        with needing(name, "disk"):
            import zarr
        try:
            found = zarr.open(self._path, mode="r+" if writable else "r")
        except Exception as error:  # whatever is wrong with a file of JSON
            if isinstance(error, OSError) and not isinstance(error, ValueError):
                raise
            raise ValueError(f"{name} is not an array of Zarr: {' '.join(str(error).split())}") from error
        if isinstance(found, zarr.Group):
            members = found.members(max_depth=None)
            arrays = sorted(f"{name}/{each}" for each, member in members if isinstance(member, zarr.Array))
            there = ", ".join(arrays[:10]) or "it has none"
            raise ValueError(f"{name} is a group, expected one of its arrays: {there}")
        self._array = found
        self.shape, self.dtype = found.shape, np.dtype(found.dtype)
        self.layout = {"chunks": found.chunks, "shards": found.shards}
        self.chunks = found.shards or found.chunks
        self._written: list[Region] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return _Zarr, (self._path, self._writable)

    def __setitem__(self, key: Any, values: Any) -> None:
        self._array[key] = values
        self._written.append(_region(key, self.shape))

    def flush(self) -> None:
        # Zarr leaves it to the system when to write.
        files = {file for region in self._written for file in self._files(region)}
        for path in sorted(file for file in files if os.path.exists(file)):  # chunks of zeros are no files
            _flush(path)
        for folder in sorted({os.path.dirname(file) for file in files}):
            if os.path.exists(folder):
                _flush(folder)
        self._written.clear()

    def _files(self, region: Region) -> Iterator[str]:
        """Tell which files a part is in."""
        axes = (
            range(begin // chunk, -(-end // chunk))
            for (begin, end), chunk in zip(region, self.chunks or (), strict=True)
        )
        for place in product(*axes):
            yield os.path.join(self._path, self._array.metadata.encode_chunk_key(place))


class _TiffTiles(_Decoded):
    """The pixels of a TIFF that is compressed, or stored in tiles."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        with needing(name, "disk"):
            import tifffile
            import zarr
        self._file = tifffile.TiffFile(self._path)
        store = self._file.series[0].aszarr(level=0)
        self._array: Any = zarr.open_array(store, mode="r")
        self.shape, self.dtype, self.chunks = self._array.shape, self._array.dtype, self._array.chunks

    def __reduce__(self) -> tuple[Any, ...]:
        return _TiffTiles, (self._path,)

    def __del__(self) -> None:
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()


def _open_npy(name: str, writable: bool) -> FileArray:
    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with open(name, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            if version not in headers:
                raise ValueError(f"version {version} of the format is for arrays of records")
            shape, reverse, dtype = headers[version](file)
        except ValueError as error:
            raise ValueError(f"{name} is not a .npy file that can be read: {error}") from error
        if dtype.hasobject:
            raise ValueError(f"{name} has dtype {dtype}, expected numbers")
        return _Flat(name, shape, dtype, file.tell(), reverse)


def _write_npy_header(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with open(name, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + math.prod(shape) * dtype.itemsize)


def _open_tiff(name: str, writable: bool) -> FileArray:
    with needing(name, "disk"):
        import tifffile
    try:
        with tifffile.TiffFile(name) as file:
            if not file.series:
                raise ValueError("it holds no image, or was cut short")
            series = file.series[0]
            if series.dtype is None or series.size == 0:
                raise ValueError("it holds no image")
            offset, shape = series.dataoffset, series.shape
            if offset is not None:
                return _Flat(name, shape, np.dtype(file.byteorder + series.dtype.char), offset)
            _check_segments(name, series)
    except (OSError, ImportError):
        raise
    except Exception as error:
        text = str(error)
        raise ValueError(
            text if name in text else f"{name} is not a TIFF file that can be read: {text}"
        ) from error
    if writable:
        raise ValueError(f"{name} is compressed or stored in tiles: it cannot be written in parts")
    return _TiffTiles(name)


def _check_segments(name: str, series: tifffile.TiffPageSeries) -> None:
    """Fail if strips or tiles lie beyond the end of their file."""
    for page in series.pages:
        if page is None:
            continue
        there = page.parent.filehandle.size
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
        end = max((offset + count for offset, count in segments), default=0)
        if end > there:
            raise ValueError(f"{name} has {there} bytes, expected {end}: it was cut short")


def _write_tiff_header(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], axes: tuple[int, int]
) -> None:
    with needing(name, "disk"):
        import tifffile
    options: dict[str, Any] = {"photometric": "minisblack"}
    if _has_colours(shape, axes):
        options = {"photometric": "rgb" if shape[-1] > 2 else "minisblack", "planarconfig": "contig"}
    try:
        tifffile.imwrite(name, shape=shape, dtype=dtype, **options)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{name}: a TIFF cannot hold {dtype} of shape {shape}: {error}") from error


def _create_zarr(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], like: FileArray | None, axes: tuple[int, int]
) -> FileArray:
    with needing(name, "disk"):
        import zarr
    layout: dict[str, Any] = {"chunks": tuple(_chunk(axis, shape, axes) for axis in range(len(shape)))}
    if isinstance(like, _Zarr) and len(like.shape) == len(shape):
        layout = like.layout
    root = zarr_root(name)
    try:
        if root is None or root == Path(name):
            zarr.create_array(name, shape=shape, dtype=dtype, overwrite=True, **layout)
        else:
            *groups, last = Path(name).relative_to(root).parts
            group = zarr.open_group(root, mode="a")
            for each in groups:
                group = group.require_group(each)
            group.create_array(last, shape=shape, dtype=dtype, overwrite=True, **layout)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} cannot be created: {' '.join(str(error).split())}") from error
    return open_array(name, kind="zarr", writable=True)


def _chunk(axis: int, shape: tuple[int, ...], axes: tuple[int, int]) -> int:
    """Return the extent of chunks along an axis."""
    if axis in axes:
        return max(min(shape[axis], _CHUNK), 1)
    return shape[axis] if axis == len(shape) - 1 and _has_colours(shape, axes) else 1


def _has_colours(shape: tuple[int, ...], axes: tuple[int, int]) -> bool:
    """Whether the last axis is that of a few colours behind rows and columns."""
    last = len(shape) - 1
    return sorted(axes) == [last - 2, last - 1] and 2 <= shape[last] <= _MOST_COLOURS


def _region(key: Any, shape: tuple[int, ...]) -> Region:
    """Return from where to where slices reach."""
    keys = key if isinstance(key, tuple) else (key,)
    if keys == (Ellipsis,):
        keys = ()
    if len(keys) > len(shape) or not all(isinstance(k, slice) and k.step in (None, 1) for k in keys):
        raise IndexError(f"index {key!r}: expected up to {len(shape)} slices of step 1")
    every = (*keys, *[slice(None)] * (len(shape) - len(keys)))
    runs = (k.indices(n)[:2] for k, n in zip(every, shape, strict=True))
    return tuple((begin, max(end, begin)) for begin, end in runs)


def _flush(path: str) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
