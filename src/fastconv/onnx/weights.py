"""Large constants, which stay where they are until somebody packs them.

A model is mostly weights, and protobuf copies what it reads. So the data of large initializers is cut out of
a model before protobuf sees it, and read from the file when it is needed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import onnx
import onnx.numpy_helper
from numpy.typing import NDArray

from fastconv.onnx.errors import ModelError

__all__ = ["Constant", "Piece", "Weight", "cut", "initializers", "is_small", "scaled", "value_of"]

_SMALL = 4096  # elements; larger constants say nothing about shapes, and are read when they are needed
_LARGE = 1 << 16  # bytes; less is not worth a look into the file of its own
_MOST_FIELDS = 1 << 20  # more than models have, few enough to be looked through


class Weight(NamedTuple):
    """A constant that is not in memory.

    Parameters
    ----------
    shape : tuple of int
        Its extents.
    dtype : dtype
        Its type.
    read : callable
        Returns it, each time from where it is kept.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]


Constant: TypeAlias = "NDArray[Any] | Weight"


def value_of(constant: Constant) -> NDArray[Any]:
    """Return a constant as an array that nobody writes to."""
    value = constant.read() if isinstance(constant, Weight) else constant
    value.setflags(write=False)
    return value


def scaled(constant: Constant, factor: NDArray[np.float64]) -> Weight:
    """Return a constant that will be multiplied when it is read: by one number for each of its first axis."""

    def read() -> NDArray[Any]:
        value = value_of(constant)
        factors = factor.reshape((-1,) + (1,) * (value.ndim - 1))
        product = np.empty_like(value)
        # NumPy computes this in float64, a little at a time.
        np.multiply(value, factors, out=product, dtype=np.float64, casting="same_kind")
        return product

    return Weight(constant.shape, constant.dtype, read)


def is_small(tensor: onnx.TensorProto) -> bool:
    """Say whether a constant is read at once."""
    return bool(np.prod([float(extent) for extent in tensor.dims]) <= _SMALL)


def initializers(
    tensors: Sequence[onnx.TensorProto], pieces: Sequence[Piece | None], file: BinaryIO | None, folder: str
) -> Iterator[tuple[str, Constant]]:
    """Return the values of initializers by their names.

    Parameters
    ----------
    tensors : sequence of onnx.TensorProto
        The initializers.
    pieces : sequence of Piece or None
        Their data in the file, if it was cut out. May be shorter.
    file : binary file or None
        Must stay open until weights were read.
    folder : str
        Where files with external data are.
    """
    for tensor, piece in zip_longest(tensors, pieces):
        if piece is not None and file is not None:
            if _is_plain(tensor, piece):
                yield tensor.name, _in_file(tensor, piece, file)
                continue
            tensor.MergeFromString(_bytes(file, piece.start, piece.stop))
        read = _reader(tensor, folder)
        if is_small(tensor):
            yield tensor.name, value_of(read())
        else:
            yield tensor.name, Weight(tuple(tensor.dims), _dtype(tensor), read)


def _dtype(tensor: onnx.TensorProto) -> np.dtype[Any]:
    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except KeyError as error:
        raise ModelError(f"initializer {tensor.name!r}: unknown type {tensor.data_type}") from error


def _reader(tensor: onnx.TensorProto, folder: str) -> Callable[[], NDArray[Any]]:
    def read() -> NDArray[Any]:
        try:
            return np.asarray(onnx.numpy_helper.to_array(tensor, folder))
        except Exception as error:  # of several kinds, those of external data among them
            raise ModelError(f"initializer {tensor.name!r}: {error}") from error

    return read


def _is_plain(tensor: onnx.TensorProto, piece: Piece) -> bool:
    """Say whether what was cut out is the array; if not, ONNX shall read it, or say what is wrong."""
    if is_small(tensor) or min(tensor.dims) < 0 or tensor.data_type == onnx.TensorProto.STRING:
        return False
    if tensor.HasField("segment") or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return False
    if piece.field == _FLOAT_DATA and tensor.data_type != onnx.TensorProto.FLOAT:
        return False
    dtype = _dtype(tensor)
    return dtype.kind in "biufc" and piece.stop - piece.begin == dtype.itemsize * math.prod(tensor.dims)


def _in_file(tensor: onnx.TensorProto, piece: Piece, file: BinaryIO) -> Weight:
    name, shape, dtype = tensor.name, tuple(tensor.dims), _dtype(tensor)

    def read() -> NDArray[Any]:
        value = np.empty(shape, dtype.newbyteorder("<"))  # protobuf's, on any machine
        file.seek(piece.begin)
        if file.readinto(value.reshape(-1).view(np.uint8)) != value.nbytes:  # type: ignore[attr-defined]
            raise ModelError(f"initializer {name!r}: the file has become shorter")
        return value.astype(dtype, copy=False)

    return Weight(shape, dtype, read)


# ---------------------------------------------------------------- the wire format of protobuf

_LENGTHY = 2  # the kind of fields that begin with their length; 0, 1 and 5 are numbers
_FLOAT_DATA, _RAW_DATA = 4, 9
_PATH = ((7,), (5,), (_FLOAT_DATA, _RAW_DATA))  # ModelProto.graph, GraphProto.initializer, the data


class Piece(NamedTuple):
    """A field of a message that has a length: from `start`, its content from `begin`, to `stop`."""

    field: int
    start: int
    begin: int
    stop: int


class _OddError(Exception):
    """What is out of the ordinary, or wrong: protobuf shall read it, or say so."""


def cut(file: BinaryIO) -> tuple[bytes, list[Piece | None]]:
    """Return a model without the data of large initializers, and where that of each initializer is, if cut.

    Nothing is cut out of what is no model, or an unusual one.
    """
    cutter = _Cutter(file)
    try:
        content = b"".join(cutter.without(0, file.seek(0, os.SEEK_END), 0))
    except _OddError:
        return b"", []
    return (content, cutter.pieces) if any(cutter.pieces) else (b"", [])


class _Cutter:
    """Goes through a file along `_PATH`."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.pieces: list[Piece | None] = []
        self.fields = 0

    def without(self, begin: int, end: int, depth: int) -> list[bytes]:
        """Return the parts of a message that are left."""
        parts, kept, last = [], begin, depth == len(_PATH) - 1
        for count, piece in enumerate(self.on_path(begin, end, depth)):
            if last and count:  # of which one counts, or both, one after the other
                raise _OddError
            if last and piece.stop - piece.begin < _LARGE:
                continue
            parts.append(_bytes(self.file, kept, piece.start))
            kept = piece.stop
            if last:
                self.pieces[-1] = piece
                continue
            if depth == len(_PATH) - 2:
                self.pieces.append(None)
            inner = self.without(piece.begin, piece.stop, depth + 1)
            parts += [_encoded(piece.field << 3 | _LENGTHY), _encoded(sum(map(len, inner))), *inner]
        parts.append(_bytes(self.file, kept, end))
        return parts

    def on_path(self, begin: int, end: int, depth: int) -> Iterator[Piece]:
        """Return the fields of a message that are on the path."""
        while begin < end:
            start = begin
            self.file.seek(start)
            field, kind = divmod(self.varint(), 8)
            wanted = field in _PATH[depth]
            self.fields += 1
            if self.fields > _MOST_FIELDS or kind not in (0, 1, 2, 5) or (wanted and kind != _LENGTHY):
                raise _OddError
            size = {1: 8, 5: 4}.get(kind) or self.varint()
            content = self.file.tell()
            begin = content if kind == 0 else content + size
            if begin > end:
                raise _OddError
            if wanted:
                yield Piece(field, start, content, begin)

    def varint(self) -> int:
        """Read a number of seven bits a byte, the last of which has no eighth."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.file.read(1)
            if not byte:
                raise _OddError
            value |= (byte[0] & 127) << shift
            if byte[0] < 128:
                return value
        raise _OddError


def _encoded(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _bytes(file: BinaryIO, begin: int, end: int) -> bytes:
    file.seek(begin)
    return file.read(end - begin)
