"""Parameters by name: checked, assigned, written to files and read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

State = Mapping[str, NDArray[Any]]


def assign(arrays: State, state: State) -> None:
    """Copy each array of `state` into the one of that name, once all of them fit."""
    if not isinstance(state, Mapping):
        raise TypeError(f"state={state!r}: expected a mapping of names to arrays")
    missing = [name for name in arrays if name not in state]
    unexpected = [str(name) for name in state if name not in arrays]
    if missing or unexpected:
        parts = [
            f"{what} {', '.join(names)}"
            for what, names in (("missing", missing), ("unexpected", unexpected))
            if names
        ]
        raise ValueError(f"state: {'; '.join(parts)}; expected {', '.join(arrays) or 'nothing'}")
    values = {name: np.asarray(state[name]) for name in arrays}
    for name, array in arrays.items():
        value = values[name]
        if value.shape != array.shape:
            raise ValueError(f"state[{name!r}]: shape {value.shape}, expected {array.shape}")
        if value.dtype != array.dtype:
            raise TypeError(f"state[{name!r}]: dtype {value.dtype}, expected {array.dtype}")
    for name, array in arrays.items():
        array[...] = values[name]


def save(state: State, file: str | os.PathLike[str]) -> None:
    """Write beside the file, then put it in its place: whoever reads meanwhile finds one or the other."""
    path, write = _path(file), _FORMATS[_format(file)][0]
    if not path.parent.is_dir():
        raise ValueError(f"file={str(file)!r}: expected a path in a folder that exists")
    beside = path.with_name(f"{path.name}.{os.getpid()}{path.suffix}")
    try:
        write({name: array.copy(order="C") for name, array in state.items()}, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load(file: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file."""
    path, read = _path(file), _FORMATS[_format(file)][1]
    if not path.is_file():
        raise ValueError(f"file={str(file)!r}: expected a file, there is none")
    return read(path)


def _path(file: str | os.PathLike[str]) -> Path:
    try:
        return Path(file)
    except TypeError:
        raise TypeError(f"file={file!r}: expected a path") from None


def _format(file: str | os.PathLike[str]) -> str:
    suffix = _path(file).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(f"file={str(file)!r}: expected a name that ends in {' or '.join(_FORMATS)}")
    return suffix


def _save_npz(state: dict[str, NDArray[Any]], path: Path) -> None:
    np.savez(path, allow_pickle=False, **state)


def _load_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return dict(file)
    except (
        ValueError,
        EOFError,
        TypeError,
        zipfile.BadZipFile,
    ) as error:  # TypeError: one array, without a name
        raise ValueError(f"file={str(path)!r}: expected an .npz file of numbers: {error}") from error


def _save_safetensors(state: dict[str, NDArray[Any]], path: Path) -> None:
    _safetensors().save_file(state, path)


def _load_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    numpy = _safetensors()
    from safetensors import SafetensorError

    try:
        state: dict[str, NDArray[Any]] = numpy.load_file(path)
    except (SafetensorError, KeyError, ValueError) as error:  # KeyError: a type that NumPy does not have
        raise ValueError(
            f"file={str(path)!r}: expected a .safetensors file of NumPy's types: {error}"
        ) from error
    return state


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "files ending in .safetensors need the package safetensors: pip install 'fastconv[nn]'"
        ) from error
    return safetensors.numpy


_FORMATS: dict[str, tuple[Callable[..., None], Callable[[Path], dict[str, NDArray[Any]]]]] = {
    ".safetensors": (_save_safetensors, _load_safetensors),
    ".npz": (_save_npz, _load_npz),
}
