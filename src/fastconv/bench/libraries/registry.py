"""Which libraries there are, and which of them are installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from fastconv.bench.libraries.library import Library


class Entry(NamedTuple):
    """Where an adapter is, and the packages that must be importable for it."""

    adapter: str
    packages: tuple[str, ...]


def _entry(module: str, name: str, *packages: str) -> Entry:
    return Entry(f"fastconv.bench.libraries.{module}:{name}", packages)


LIBRARIES: dict[str, Entry] = {
    "fastconv": _entry("fastconv", "Fastconv"),
    "numpy": _entry("numpy", "NumPy"),
    "scipy": _entry("scipy", "SciPy", "scipy"),
    "opencv": _entry("opencv", "OpenCV", "cv2", "onnx"),
    "torch": _entry("torch", "Torch", "torch"),
    "onnxruntime": _entry("onnxruntime", "ONNXRuntime", "onnxruntime", "onnx"),
    "openvino": _entry("openvino", "OpenVINO", "openvino", "onnx"),
    "ncnn": _entry("ncnn", "NCNN", "ncnn"),
    "numba": _entry("numba", "Numba", "numba"),
    "cython": _entry("cython", "Cython", "Cython", "setuptools"),
}
"""By name, in the order of tables; another is chosen as ``module:Class``."""


def installed() -> list[str]:
    """Return the names of the libraries whose packages are there.

    Examples
    --------
    >>> from fastconv.bench.libraries import installed
    >>> installed()[:2]
    ['fastconv', 'numpy']
    """
    return [name for name, entry in LIBRARIES.items() if all(map(find_spec, entry.packages))]


def adapter(library: str) -> type[Library]:
    """Import the adapter of a library: a name of `LIBRARIES`, or ``module:Class`` for one of your own.

    Raises
    ------
    ValueError
        Neither that, nor a subclass of `Library`.
    ImportError
        Its packages are not installed.
    """
    text = LIBRARIES[library].adapter if library in LIBRARIES else library
    module, _, name = text.partition(":")
    found = getattr(import_module(module), name, None) if module and name else None
    if not (isinstance(found, type) and issubclass(found, Library)):
        known = ", ".join(LIBRARIES)
        raise ValueError(
            f"library {library!r}: expected one of {known}, or module:Class of a subclass of Library"
        )
    return found
