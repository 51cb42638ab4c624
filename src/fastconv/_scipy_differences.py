"""Calls in which fastconv and SciPy would return different numbers: they are left to SciPy.

Each function takes the arguments of a call by their names and returns why it is left to SciPy, or ``""``.
What fastconv refuses needs no mention here: its own errors say why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from . import ndimage, signal
from ._arrays import Array, axes_of

__all__ = ["Route", "routes"]

Arguments: TypeAlias = dict[str, Any]
# What computes in the place of SciPy's function, and what says why it should not.
Route: TypeAlias = tuple[Callable[..., Any], Callable[[Arguments], str]]

_EXACT = 2.0**53  # SciPy sums and compares integers as float64
_TINY = float(np.finfo(np.float64).eps)  # SciPy's correlate leaves out weights up to here


def routes() -> dict[str, dict[str, Route]]:
    """Return, for each of SciPy's modules, the route of each function that fastconv has too."""
    found: dict[str, dict[str, Route]] = {"scipy.ndimage": {}, "scipy.signal": {}}
    for name in ndimage.__all__:
        found["scipy.ndimage"][name] = getattr(ndimage, name), _NDIMAGE[name]
    found["scipy.ndimage"]["uniform_filter"] = _uniform_filter, _NDIMAGE["uniform_filter"]
    for name in signal.__all__:
        found["scipy.signal"][name] = getattr(signal, name), _SIGNAL[name]
    return found


# ---------------------------------------------------------------- scipy.ndimage


def _filter(arguments: Arguments) -> tuple[Array, np.dtype[Any], str]:
    """Return the input, the type of the result, and why the call is left to SciPy whatever the filter."""
    x = arguments["input"] = np.asarray(arguments["input"])
    output = arguments.get("output")
    complex_result = x.dtype.kind == "c" or ("weights" in arguments and np.iscomplexobj(arguments["weights"]))
    why = ""
    if isinstance(output, np.ndarray):
        result = output.dtype
    else:
        result = x.dtype.newbyteorder("=") if output is None else np.dtype(output)
        if output is None and complex_result:
            result = np.promote_types(result, np.complex64)
        elif complex_result and result.kind != "c":
            why = "output is of real numbers, input or weights are complex"
        elif not result.isnative or (isinstance(output, str) and result.kind == "b"):
            why = f"output is {output!r}"
    if x.size == 0 or x.ndim == 0:
        why = f"input has shape {x.shape}"
    elif isinstance(arguments.get("axes"), tuple | list) and not arguments["axes"]:
        why = "axes is empty"
    elif "cval" in arguments and np.asarray(arguments["cval"]).dtype.kind not in "biuf":
        why = f"cval is {arguments['cval']!r}"
    elif result.kind in "biu" and x.dtype.kind not in "biu":
        why = f"integers from {x.dtype}"
    elif result.kind == "c" and not complex_result:
        why = f"complex numbers from {x.dtype}"
    return x, result, why


def _line(rule: Callable[[Arguments], str]) -> Callable[[Arguments], str]:
    """Return the rule of a filter along one axis."""

    def of_one_axis(arguments: Arguments) -> str:
        return rule(arguments) if isinstance(arguments.get("mode", ""), str) else "mode is a sequence"

    return of_one_axis


def _range(arguments: Arguments) -> tuple[float, float]:
    """Return the least and the greatest of the input, of the constant beyond its edges, and of 0."""
    x, cval = arguments["input"], arguments.get("cval", 0)
    return min(float(x.min()), float(cval), 0.0), max(float(x.max()), float(cval), 0.0)


def _fits(arguments: Arguments, result: np.dtype[Any], plus: float, minus: float) -> str:
    """Say if a sum of so much of the input, less so much of it, may not be exact or not fit the result."""
    if float(arguments.get("cval", 0)) % 1 != 0:
        return f"integers, and cval is {arguments['cval']}"
    low, high = _range(arguments)
    least, greatest = plus * low - minus * high, plus * high - minus * low
    limits = (0, 1) if result.kind == "b" else (np.iinfo(result).min, np.iinfo(result).max)
    if max(limits[0], -_EXACT) <= least and greatest <= min(limits[1], _EXACT):
        return ""
    return f"integers that {result} might not hold" if greatest <= _EXACT else "integers beyond 2^53"


def _weighted(arguments: Arguments) -> str:
    _, result, why = _filter(arguments)
    if why:
        return why
    if result.kind == "b":
        return "booleans from sums"
    w = arguments["weights"] = np.asarray(arguments["weights"])
    if not np.isfinite(w).all():
        return "weights are not finite"
    if result.kind in "iu":
        w = np.asarray(w, np.float64)
        if not np.array_equal(w, np.rint(w)):
            return "integers from weights that are none"
        return _fits(arguments, result, float(w[w > 0].sum()), -float(w[w < 0].sum()))
    return ""


def _kernel(arguments: Arguments) -> str:
    if why := _weighted(arguments):
        return why
    if not isinstance(arguments.get("mode", ""), str):
        return "mode is a sequence"
    w = np.abs(arguments["weights"])
    if not (w <= _TINY).any():
        return ""
    if not (np.isfinite(arguments.get("cval", 0)) and _finite(arguments["input"])):
        return "weights have zeros and input is not finite"
    return "weights have elements that are almost 0" if ((w > 0) & (w <= _TINY)).any() else ""


def _finite(x: Array) -> bool:
    if x.dtype.kind == "c":
        return bool(np.isfinite(x).all())
    return x.dtype.kind != "f" or (math.isfinite(x.min()) and math.isfinite(x.max()))


def _derivative(across: int) -> Callable[[Arguments], str]:
    """Return the rule of a derivative that is smoothed along the other axes by weights of this sum."""

    def rule(arguments: Arguments) -> str:
        x, result, why = _filter(arguments)
        if why or result.kind not in "biu":
            return why
        total = float(across ** (x.ndim - 1))
        return "booleans from sums" if result.kind == "b" else _fits(arguments, result, total, total)

    return rule


def _laplace(arguments: Arguments) -> str:
    x, result, why = _filter(arguments)
    if why:
        return why
    if result.kind in "biu":
        total = 2.0 * x.ndim
        return "booleans from sums" if result.kind == "b" else _fits(arguments, result, total, total)
    finite = x.ndim == 1 or (np.isfinite(arguments.get("cval", 0)) and _finite(x))
    return "" if finite else "input is not finite"


def _gaussian(arguments: Arguments) -> str:
    _, result, why = _filter(arguments)
    return why or ("integers, which SciPy rounds after every axis" if result.kind in "biu" else "")


def _gaussian_line(arguments: Arguments) -> str:
    return _gaussian(arguments) or ("" if arguments["sigma"] > _TINY else f"sigma is {arguments['sigma']}")


def _gaussian_derivatives(arguments: Arguments) -> str:
    some = arguments.get("axes") is not None
    return _gaussian(arguments) or ("axes are given: SciPy smooths along all" if some else "")


def _mean(arguments: Arguments) -> str:
    _, result, why = _filter(arguments)
    if not why and not math.isfinite(arguments.get("cval", 0)):
        why = f"cval is {arguments['cval']}"
    if why or result.kind not in "biu":
        return why
    if result.kind == "b":
        return "booleans from sums"
    if why := _fits(arguments, result, 1, 0):
        return why
    # The longest sum, as SciPy takes it: along one axis.
    longest = max(arguments["size"]) if np.ndim(arguments.get("size", 3)) else arguments.get("size", 3)
    return "integers beyond 2^53" if longest * max(map(abs, _range(arguments))) > _EXACT else ""


def _uniform_filter(
    input: Array,
    size: Any = 3,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    """Filter integers along one axis after the other, cut towards zero after each as in SciPy."""
    along = axes_of(axes, input.ndim)
    result = output.dtype if isinstance(output, np.ndarray) else np.dtype(output or input.dtype)
    if result.kind not in "iu" or len(along) < 2:
        return ndimage.uniform_filter(input, size, output, mode, cval, origin, axes=axes)
    each = [list(v) if np.ndim(v) else [v] * len(along) for v in (size, mode, origin)]
    y = input
    for axis, n, m, o in zip(along, *each, strict=True):
        y = ndimage.uniform_filter1d(y, n, axis, result, m, cval, o)
    if isinstance(output, np.ndarray):
        output[...] = y
        return output
    return y


def _extremum(arguments: Arguments) -> str:
    x, result, why = _filter(arguments)
    if why:
        return why
    if arguments.get("footprint") is not None and not isinstance(arguments.get("mode", ""), str):
        return "mode is a sequence"
    if (result.kind == "b") != (x.dtype.kind == "b"):
        return f"{result} from {x.dtype}"
    if x.dtype.kind in "biu" and (why := _fits(arguments, x.dtype, 1, 0)):  # the constant is of its type
        return why
    if result.kind in "biu":
        return _fits(arguments, result, 1, 0)
    if math.isnan(arguments.get("cval", 0)) or (x.dtype.kind == "f" and math.isnan(x.min())):
        return "input or cval is NaN"
    return ""


_NDIMAGE: dict[str, Callable[[Arguments], str]] = {
    "convolve": _kernel,
    "convolve1d": _line(_weighted),
    "correlate": _kernel,
    "correlate1d": _line(_weighted),
    "gaussian_filter": _gaussian,
    "gaussian_filter1d": _line(_gaussian_line),
    "gaussian_gradient_magnitude": _gaussian_derivatives,
    "gaussian_laplace": _gaussian_derivatives,
    "laplace": _laplace,
    "maximum_filter": _extremum,
    "maximum_filter1d": _line(_extremum),
    "minimum_filter": _extremum,
    "minimum_filter1d": _line(_extremum),
    "prewitt": _derivative(3),
    "sobel": _derivative(4),
    "uniform_filter": _mean,
    "uniform_filter1d": _line(_mean),
}


# ---------------------------------------------------------------- scipy.signal


def _two(arguments: Arguments) -> tuple[Array, Array, str]:
    x, w = arguments["in1"], arguments["in2"] = np.asarray(arguments["in1"]), np.asarray(arguments["in2"])
    why = ""
    if x.size == 0 or w.size == 0:
        why = "in1 or in2 is empty"
    elif x.ndim == 0 or w.ndim == 0:
        why = "in1 or in2 has no axes"
    elif not (_finite(x) and _finite(w)):  # SciPy spreads it, by transforms and by zeros at the ends
        why = "in1 or in2 is not finite"
    return x, w, why


def _either_method(arguments: Arguments) -> str:
    x, w, why = _two(arguments)
    if not why and arguments.get("method") == "fft" and (x.dtype.kind in "iu" or w.dtype.kind in "iu"):
        why = "transforms of integers"  # SciPy's have the precision of float64 whatever the other array is
    return why


def _transforms(arguments: Arguments) -> str:
    x, w, why = _two(arguments)
    if why:
        return why
    if 1 in x.shape or 1 in w.shape:  # SciPy multiplies along such axes
        return "an axis of one element"
    kinds = x.dtype.kind + w.dtype.kind
    if ("i" in kinds or "u" in kinds) and np.result_type(x, w) in (np.float32, np.complex64):
        return "integers beside single precision"
    return ""


def _images(arguments: Arguments) -> str:
    x, w, why = _two(arguments)
    outside = arguments.get("fillvalue", 0)
    common = np.result_type(x, w)
    if not why and common.kind in "iu" and not np.array_equal(outside, 0):
        limits = np.iinfo(common)
        if not (isinstance(outside, int | np.integer) and limits.min <= outside <= limits.max):
            why = f"integers, and fillvalue is {outside!r}"
    return why


def _correlated_images(arguments: Arguments) -> str:
    x, w, why = _two(arguments)
    swapped = arguments.get("mode") == "valid" and any(n < k for n, k in zip(x.shape, w.shape, strict=False))
    if not why and swapped and "c" in (x.dtype.kind, w.dtype.kind):  # SciPy's result is the conjugate one
        why = "complex numbers, and in2 is the larger image"
    return why or _images(arguments)


_SIGNAL: dict[str, Callable[[Arguments], str]] = {
    "convolve": _either_method,
    "convolve2d": _images,
    "correlate": _either_method,
    "correlate2d": _correlated_images,
    "fftconvolve": _transforms,
    "oaconvolve": _transforms,
}
