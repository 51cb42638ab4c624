"""`fastconv.install`: SciPy's functions routed, their results, what is handed back, all put back again."""

from __future__ import annotations

import inspect
import threading
import types
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import _scipy_differences, routing

from .processes import answer
from .reference import Array
from .test_ndimage import INTEGERS

scipy_ndimage = pytest.importorskip("scipy.ndimage")
scipy_signal = pytest.importorskip("scipy.signal")

PARTS = {"scipy.ndimage": (scipy_ndimage, fastconv.ndimage), "scipy.signal": (scipy_signal, fastconv.signal)}
NAMES = [(part, name) for part, (_, ours) in PARTS.items() for name in ours.__all__]
ORIGINAL = {(part, name): getattr(PARTS[part][0], name) for part, name in NAMES}

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
REAL = ("float32", "float64")
COMPLEX = ("complex64", "complex128")

# One call for each filter, that is done for arrays of 2 axes.
FILTERS: dict[str, dict[str, Any]] = {
    "convolve": {"weights": [[1, 2, 1], [0, 3, -1]]},
    "convolve1d": {"weights": [1, 2, -1, 3], "axis": 0},
    "correlate": {"weights": [[1, 2, 1], [2, 3, 1], [1, 1, 1]]},
    "correlate1d": {"weights": [1, 2, -1]},
    "gaussian_filter": {"sigma": (1.2, 0.7)},
    "gaussian_filter1d": {"sigma": 1.2, "order": 1},
    "gaussian_gradient_magnitude": {"sigma": 1.0},
    "gaussian_laplace": {"sigma": 1.0},
    "laplace": {},
    "maximum_filter": {"footprint": [[1, 0, 1], [0, 1, 1]]},
    "maximum_filter1d": {"size": 4},
    "minimum_filter": {"size": (3, 4)},
    "minimum_filter1d": {"size": 3, "origin": 1},
    "prewitt": {"axis": 0},
    "sobel": {},
    "uniform_filter": {"size": (3, 4)},
    "uniform_filter1d": {"size": 5},
}
LINEAR = [name for name in FILTERS if not name.startswith(("maximum", "minimum"))]  # of complex numbers too


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Counts begin at zero, and a test leaves SciPy as it was."""
    fastconv.routed("scipy").reset()
    yield
    fastconv.uninstall("scipy")
    assert originals_in_place()


def originals_in_place() -> bool:
    return all(getattr(PARTS[part][0], name) is ORIGINAL[part, name] for part, name in NAMES)


def counts(name: str) -> tuple[int, int]:
    """Calls of a function that were routed and that were handed back."""
    found = fastconv.routed("scipy").functions.get(name)
    return (found.routed, found.handed_back) if found else (0, 0)


def reason(name: str) -> str:
    """The one reason for which a function was handed back."""
    (text,) = fastconv.routed("scipy").functions[name].reasons
    return text


def data(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    """Small integers, or normal numbers."""
    rng = np.random.default_rng([seed, *shape])
    if dtype in INTEGERS:
        return rng.integers(0 if dtype[0] == "u" else -5, 6, shape).astype(dtype)
    if dtype == "bool":
        return rng.random(shape) < 0.4
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype[0] == "c" else x).astype(dtype)


def check_close(actual: Any, expected: Any, terms: int, magnitude: float, single: bool) -> None:
    """Within n roundings of sums of these magnitudes in either of both; integers to the bit."""
    assert type(actual) is type(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if expected.dtype.kind in "biu":
        np.testing.assert_array_equal(actual, expected)
    else:
        eps = float(np.finfo(np.float32 if single else np.float64).eps)
        assert np.abs(actual - expected).max(initial=0) <= terms * eps * magnitude


# ---------------------------------------------------------------- results


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "dtype"), [*product(FILTERS, REAL), *product(LINEAR, COMPLEX)])
def test_floats(name: str, dtype: str, mode: str) -> None:
    """Filters of floats are computed here and are SciPy's within rounding."""
    x = data((17, 23), dtype)
    how = {**FILTERS[name], "mode": mode, "cval": 0.5}
    expected = ORIGINAL["scipy.ndimage", name](x, **how)
    with fastconv.installed("scipy"):
        actual = getattr(scipy_ndimage, name)(x, **how)
    assert counts(f"scipy.ndimage.{name}") == (1, 0)
    # Weights of no window add up to more than 16, nor are there more than 121 of them.
    check_close(actual, expected, 121, 16 * float(np.abs(x).max()), dtype in ("float32", "complex64"))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", FILTERS)
def test_integers(name: str, dtype: str) -> None:
    """Filters of integers give SciPy's to the bit, whoever computes them."""
    for seed, mode in enumerate(MODES):
        x = data((9, 14), dtype, seed)
        how = {**FILTERS[name], "mode": mode, "cval": 2}
        expected = ORIGINAL["scipy.ndimage", name](x, **how)
        with fastconv.installed("scipy"):
            check_close(getattr(scipy_ndimage, name)(x, **how), expected, 0, 0, False)
    routed, handed_back = counts(f"scipy.ndimage.{name}")
    may_be_negative = name in ("convolve", "convolve1d", "correlate1d", "laplace", "prewitt", "sobel")
    if name.startswith("gaussian") or (dtype[0] == "u" and may_be_negative):
        assert (routed, handed_back) == (0, len(MODES))
    elif dtype not in ("int8", "uint8"):
        assert (routed, handed_back) == (len(MODES), 0)


@pytest.mark.filterwarnings("ignore")  # SciPy's own
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_any_size(dtype: str) -> None:
    """Where a type might not hold a sum SciPy's own way of losing it is kept."""
    limits = np.iinfo(dtype)
    x = np.random.default_rng(0).integers(limits.min, limits.max, (12, 13), dtype, endpoint=True)
    for name, how in FILTERS.items():
        expected = ORIGINAL["scipy.ndimage", name](x, **how)
        with fastconv.installed("scipy"):
            check_close(getattr(scipy_ndimage, name)(x, **how), expected, 0, 0, False)


# SciPy's own: it casts a result that it hasn't written yet, and what lies there may be a signaling NaN.
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("types", list(product([*INTEGERS, *REAL, *COMPLEX], repeat=2)), ids="-".join)
def test_signals(types: tuple[str, str]) -> None:
    """So are convolutions of signals: of the same type, integers to the bit."""
    x, w = data((12, 9), types[0]), data((4, 5), types[1], 1)
    single = np.float32(0).dtype in (x.real.dtype, w.real.dtype)
    for name in fastconv.signal.__all__:
        for mode in ("full", "same", "valid"):
            expected = ORIGINAL["scipy.signal", name](x, w, mode)
            with fastconv.installed("scipy"):
                actual = getattr(scipy_signal, name)(x, w, mode)
            # Transforms lose a digit or two of the largest sum.
            check_close(actual, expected, 2000, 20 * float(np.abs(x).max()) * float(np.abs(w).max()), single)
    assert fastconv.routed("scipy").routed >= 12


def test_output_is_written_and_returned() -> None:
    """An array that is given is filled and comes back, whoever computes it."""
    for x in (data((8, 9), "float32"), data((8, 9), "uint8")):
        to = np.empty_like(x)
        with fastconv.installed("scipy"):
            assert scipy_ndimage.gaussian_filter(x, 1, output=to) is to
        np.testing.assert_allclose(to, scipy_ndimage.gaussian_filter(x, 1), rtol=1e-5, atol=1e-6)
    assert counts("scipy.ndimage.gaussian_filter") == (1, 1)


def test_box_of_integers_into_itself() -> None:
    """A mean that is cut towards zero after each axis may replace its input."""
    x = data((9, 12), "int16")
    expected = ORIGINAL["scipy.ndimage", "uniform_filter"](x, 3)
    with fastconv.installed("scipy"):
        scipy_ndimage.uniform_filter(x, 3, output=x)
    assert counts("scipy.ndimage.uniform_filter") == (1, 0)
    np.testing.assert_array_equal(x, expected)


# ---------------------------------------------------------------- what is handed back


class Subclass(np.ndarray):
    """An array that is more than one."""


def spoilt(value: float, dtype: str = "float64") -> Array:
    x = data((6, 7), dtype)
    x[2, 3] = value
    return x


X = data((6, 7), "float64")
BIG = np.full((5, 5), 2**60, np.int64)
HANDED_BACK: list[tuple[str, str, tuple[Any, ...], dict[str, Any], str]] = [
    ("ndimage", "gaussian_filter", (np.ma.array(X, mask=X > 0), 1), {}, "input is of type numpy.ma"),
    ("ndimage", "gaussian_filter", (X.view(Subclass), 1), {}, "input is of type"),
    ("ndimage", "gaussian_filter", (X.astype(np.int32), 1), {}, "integers, which SciPy rounds"),
    ("ndimage", "gaussian_filter", (X, 1), {"output": np.int32}, "integers from float64"),
    ("ndimage", "gaussian_filter", (X, 1), {"axes": range(2)}, "axes is of type builtins.range"),
    ("ndimage", "gaussian_filter", (np.zeros((0, 3)), 1), {}, r"input has shape \(0, 3\)"),
    ("ndimage", "gaussian_filter", (X, 1), {"output": "complex64"}, "complex numbers from float64"),
    ("ndimage", "gaussian_laplace", (X, 1), {"axes": (0,)}, "SciPy smooths along all"),
    ("ndimage", "gaussian_filter", (X + 1j, 1), {"cval": 1j}, "cval is 1j"),
    ("ndimage", "correlate", (X, np.eye(3)), {"output": np.dtype(">f8")}, "output is"),
    ("ndimage", "correlate", (spoilt(np.inf), np.eye(3)), {}, "weights have zeros and input is not finite"),
    ("ndimage", "correlate", (X, np.full((3, 3), 1e-20)), {}, "almost 0"),
    ("ndimage", "correlate", (X, np.full((3, 3), np.nan)), {}, "weights are not finite"),
    ("ndimage", "correlate", (BIG, np.ones((3, 3), int)), {}, "beyond 2"),
    ("ndimage", "correlate", (X.astype(int), np.full((3, 3), 0.5)), {}, "integers from weights"),
    ("ndimage", "correlate", (X > 0, np.ones((3, 3))), {}, "booleans from sums"),
    ("ndimage", "sobel", (np.ones((5, 5), np.uint8),), {}, "integers that uint8 might not hold"),
    ("ndimage", "sobel", (X > 0,), {}, "booleans from sums"),
    ("ndimage", "laplace", (spoilt(np.nan),), {}, "input is not finite"),
    ("ndimage", "laplace", (np.full((3, 3), 100, np.int8),), {}, "int8 might not hold"),
    ("ndimage", "maximum_filter", (spoilt(np.nan), 3), {}, "input or cval is NaN"),
    ("ndimage", "maximum_filter", (X.astype(int), 3), {"cval": 0.5}, "cval is 0.5"),
    ("ndimage", "maximum_filter", (X, 3), {"output": bool}, "integers from float64"),
    ("ndimage", "minimum_filter", (X.astype(np.float16) > 0, 3), {"output": np.uint8}, "uint8 from bool"),
    ("ndimage", "uniform_filter", (X > 0, 3), {}, "booleans from sums"),
    ("signal", "convolve", (X > 0, X > 0), {}, "TypeError: in1 has dtype bool"),
    ("signal", "convolve", (X.astype(int), X.astype(int)), {"method": "fft"}, "transforms of integers"),
    ("signal", "convolve", (spoilt(np.nan), X), {"method": "direct"}, "not finite"),
    ("signal", "convolve", (np.float64(2), np.float64(3)), {}, "no axes"),
    ("signal", "fftconvolve", (np.ones((3, 1)), X), {}, "an axis of one element"),
    ("signal", "oaconvolve", (X.astype("f4"), X.astype("i2")), {}, "beside single precision"),
    ("signal", "correlate2d", (X[:2] + 1j, X), {"mode": "valid"}, "in2 is the larger image"),
    (
        "signal", "convolve2d", (np.ones((3, 3), np.uint8), np.ones((2, 2), np.uint8)), {"fillvalue": 300},
        "integers, and fillvalue is 300",
    ),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # SciPy's own
@pytest.mark.parametrize("row", HANDED_BACK, ids=lambda row: f"{row[1]}-{row[4][:30]}")
def test_handed_back(row: tuple[str, str, tuple[Any, ...], dict[str, Any], str]) -> None:
    """What fastconv does not do, or differently, is SciPy's, to the bit, and it is known why."""
    part, name, args, kwargs, why = row

    def outcome() -> Any:
        try:
            return getattr(PARTS[f"scipy.{part}"][0], name)(*args, **kwargs)
        except Exception as error:
            return type(error), str(error)

    expected = outcome()
    with fastconv.installed("scipy"):
        actual = outcome()
    assert type(actual) is type(expected)
    np.testing.assert_array_equal(actual, expected, strict=isinstance(expected, np.ndarray))
    assert counts(f"scipy.{part}.{name}") == (0, 1)
    assert why.replace("\\", "") in reason(f"scipy.{part}.{name}")


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("gaussian_filter", {"input": X, "sigma": 1, "mode": "none"}),
    ("gaussian_filter", {"input": X, "sigma": (1, 2, 3)}),
    ("gaussian_filter", {"input": X, "sigma": 1, "output": np.zeros((3, 3))}),
    ("gaussian_filter", {"input": X, "sigma": 1, "nonsense": 0}),
    ("gaussian_filter", {"sigma": 1}),
    ("gaussian_filter", {"input": X.astype(np.float16), "sigma": 1}),
    ("correlate", {"input": X, "weights": np.ones((3, 3)), "mode": ["reflect", "wrap"]}),
    ("correlate", {"input": X, "weights": np.ones(3)}),
    ("correlate", {"input": X, "weights": np.ones((3, 3)), "origin": 7}),
    ("correlate", {"input": X, "weights": np.ones((3, 3)), "cval": 10**400}),
    ("correlate1d", {"input": X, "weights": [1, 2], "axis": 5}),
    ("maximum_filter", {"input": X}),
    ("maximum_filter", {"input": X + 1j, "size": 3}),
    ("uniform_filter1d", {"input": X, "size": 0}),
    ("uniform_filter1d", {"input": X, "size": 10**30}),
    ("prewitt", {"input": X, "axis": "x"}),
]


@pytest.mark.parametrize("row", WRONG, ids=lambda row: f"{row[0]}-{'-'.join(row[1])}")
def test_errors_are_those_of_scipy(row: tuple[str, dict[str, Any]]) -> None:
    """Of SciPy's type and text, without a trace of fastconv's; an array that was given is as it was."""
    name, arguments = row

    def error() -> Exception:
        try:
            getattr(scipy_ndimage, name)(**arguments)
        except Exception as raised:
            return raised
        raise AssertionError("no error")

    expected = error()
    with fastconv.installed("scipy"):
        actual = error()
    assert type(actual) is type(expected)
    assert str(actual) == str(expected)
    assert type(actual.__context__) is type(expected.__context__)
    assert counts(f"scipy.ndimage.{name}") == (0, 1)


@pytest.mark.parametrize("row", WRONG, ids=lambda row: f"{row[0]}-{'-'.join(row[1])}")
def test_nothing_is_written_before_a_refusal(row: tuple[str, dict[str, Any]]) -> None:
    """fastconv refuses before it stores: SciPy may still be given the same array."""
    name, arguments = row
    to = np.full(X.shape, 7.0)
    try:
        getattr(fastconv.ndimage, name)(**{"output": to, **arguments})
    except (TypeError, ValueError, OverflowError):
        assert (to == 7).all()


def test_too_many_arguments_are_scipys_error() -> None:
    """As are those that are given twice."""
    with fastconv.installed("scipy"):
        with pytest.raises(TypeError, match="positional argument"):
            scipy_ndimage.laplace(X, None, "reflect", 0.0, None, None)
        with pytest.raises(TypeError, match="multiple values"):
            scipy_ndimage.laplace(X, input=X)
    assert counts("scipy.ndimage.laplace") == (0, 2)


class ForeignArray:
    """An array of another library, as far as SciPy can tell."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return X


def test_arrays_of_other_libraries() -> None:
    """They reach SciPy as they are."""
    expected = scipy_ndimage.gaussian_filter(X, 1)
    with fastconv.installed("scipy"):
        np.testing.assert_array_equal(scipy_ndimage.gaussian_filter(ForeignArray(), 1), expected)
    assert "ForeignArray" in reason("scipy.ndimage.gaussian_filter")


def replace_route(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> Callable[..., Any]:
    """SciPy's laplace, routed to what raises this."""

    def ours(**arguments: Any) -> Any:
        raise raised

    route = routing._Routing("scipy", lambda: {"scipy.ndimage": {"laplace": (ours, lambda _: "")}})
    monkeypatch.setitem(routing._ROUTINGS, "scipy", route)
    fastconv.install("scipy")
    function: Callable[..., Any] = scipy_ndimage.laplace
    return function


@pytest.mark.parametrize("error", [TypeError, ValueError, NotImplementedError, OverflowError, MemoryError])
def test_refusals(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """What fastconv refuses SciPy does."""
    laplace = replace_route(monkeypatch, error("because"))
    np.testing.assert_array_equal(laplace(X), ORIGINAL["scipy.ndimage", "laplace"](X))
    assert reason("scipy.ndimage.laplace") == f"{error.__name__}: because"
    fastconv.uninstall("scipy")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_passed_on(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt, and a defect of fastconv, are not hidden."""
    laplace = replace_route(monkeypatch, error("because"))
    with pytest.raises(error, match="because"):
        laplace(X)
    fastconv.uninstall("scipy")


def test_memory_with_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array that is given may be the input, and written already: then there is no second try."""
    laplace = replace_route(monkeypatch, MemoryError())
    with pytest.raises(MemoryError):
        laplace(X, output=np.empty_like(X))
    fastconv.uninstall("scipy")


def test_handed_back_stays_there() -> None:
    """SciPy's function calls others of SciPy's, which then are not routed either, nor counted."""
    with fastconv.installed("scipy"):
        scipy_ndimage.gaussian_filter(data((9, 9), "uint8"), 1)
    assert list(fastconv.routed("scipy").functions) == ["scipy.ndimage.gaussian_filter"]


# ---------------------------------------------------------------- what stands where


def test_every_function_is_replaced_and_put_back() -> None:
    """Public names and those of the modules where functions are defined."""
    fastconv.install("scipy")
    for (part, name), original in ORIGINAL.items():
        there = getattr(PARTS[part][0], name)
        assert there is not original
        assert there.__wrapped__ is original
        assert (there.__name__, there.__doc__) == (original.__name__, original.__doc__)
        assert inspect.signature(there) == inspect.signature(original)
        assert getattr(inspect.getmodule(inspect.unwrap(original)), name) is there
    fastconv.uninstall("scipy")
    assert originals_in_place()
    assert scipy_ndimage.gaussian_filter is ORIGINAL["scipy.ndimage", "gaussian_filter"]


def test_every_function_has_a_route() -> None:
    """And a rule, which says what is left to SciPy."""
    routes = _scipy_differences.routes()
    assert [(part, name) for part in routes for name in routes[part]] == NAMES
    assert set(FILTERS) == set(fastconv.ndimage.__all__)


def test_callers_of_the_module() -> None:
    """Who looks a function up in SciPy's module when it is called gets ours: scikit-image does so."""
    module = types.ModuleType("filters_of_somebody")
    exec(
        "from scipy import ndimage as ndi\n"
        "def blurred(image):\n"
        "    return ndi.gaussian_filter(image, 2.0, mode='nearest', truncate=3.0)\n",
        module.__dict__,
    )
    x = data((20, 30), "float32")
    expected = module.blurred(x)
    with fastconv.installed("scipy"):
        np.testing.assert_allclose(module.blurred(x), expected, rtol=1e-5, atol=1e-6)
    assert counts("scipy.ndimage.gaussian_filter") == (1, 0)


def test_scipys_own_callers() -> None:
    """Modules of SciPy that imported a function by its name get ours too."""
    x = data((40,), "float64")
    expected = scipy_signal.savgol_filter(x, 7, 2)
    with fastconv.installed("scipy"):
        np.testing.assert_allclose(scipy_signal.savgol_filter(x, 7, 2), expected, atol=1e-12)
        scipy_signal.wiener(x)
    assert counts("scipy.ndimage.convolve1d")[0] > 0
    assert counts("scipy.signal.correlate")[0] > 0


def test_names_that_were_kept() -> None:
    """A function that somebody kept while routing was on is SciPy's afterwards."""
    with fastconv.installed("scipy"):
        kept = scipy_ndimage.laplace
    kept(X)
    assert counts("scipy.ndimage.laplace") == (0, 0)
    fastconv.install("scipy")
    assert scipy_ndimage.laplace is kept
    kept(X)
    assert counts("scipy.ndimage.laplace") == (1, 0)


def test_what_others_put_there_stays() -> None:
    """A function that somebody else replaced while routing was on is not ours to put back."""
    with fastconv.installed("scipy"):
        scipy_ndimage.sobel = min
    assert scipy_ndimage.sobel is min
    scipy_ndimage.sobel = ORIGINAL["scipy.ndimage", "sobel"]


def test_nested_blocks() -> None:
    """Routing is on until the outermost block ends, also by an exception."""
    with fastconv.installed("scipy"):
        with pytest.raises(ZeroDivisionError), fastconv.installed("scipy"):
            1 / 0  # noqa: B018
        assert not originals_in_place()
    assert originals_in_place()
    with pytest.raises(ZeroDivisionError), fastconv.installed("scipy"):
        1 / 0  # noqa: B018
    assert originals_in_place()


def test_blocks_and_install() -> None:
    """A block leaves what was installed, and `uninstall` within one waits for its end."""
    fastconv.install("scipy")
    fastconv.install("scipy")
    with fastconv.installed("scipy"):
        pass
    assert not originals_in_place()
    with fastconv.installed("scipy"):
        fastconv.uninstall("scipy")
        assert not originals_in_place()
    assert originals_in_place()
    fastconv.uninstall("scipy")


def test_threads() -> None:
    """Blocks of several threads overlap in any way, every call is counted, and nothing is left behind."""
    x = data((16, 16), "float32")
    expected = scipy_ndimage.gaussian_filter(x, 1)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(50):
                with fastconv.installed("scipy"):
                    actual = scipy_ndimage.gaussian_filter(x, 1)
                np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    assert counts("scipy.ndimage.gaussian_filter") == (300, 0)
    assert originals_in_place()


def test_arrays_of_other_libraries_switched_on() -> None:
    """With SciPy's dispatch on arrays its public functions wrap its private ones: both are routed."""
    printed = answer(
        """
        import numpy as np, fastconv
        from scipy import ndimage, signal
        before = ndimage.gaussian_filter, ndimage._filters.gaussian_filter
        x = np.ones((5, 5), np.float32)
        with fastconv.installed("scipy") as counts:
            ndimage.gaussian_filter(x, 1)
            ndimage._filters.gaussian_filter(x, 1)
            ndimage.gaussian_filter(x.astype(np.uint8), 1)
            signal.convolve(x, x)
        print(*(f"{c.routed}+{c.handed_back}" for c in counts.functions.values()))
        print(before == (ndimage.gaussian_filter, ndimage._filters.gaussian_filter), before[0] is before[1])
        """,
        SCIPY_ARRAY_API="1",
    )
    assert printed.split() == ["2+1", "1+0", "True", "False"]


# ---------------------------------------------------------------- counts


def test_counts() -> None:
    """For each function, with the reasons; a table; and from zero again."""
    found = fastconv.routed("scipy")
    with fastconv.installed("scipy") as same:
        assert same is found
        for _ in range(3):
            scipy_ndimage.sobel(X)
        scipy_ndimage.sobel(np.ones((5, 5), np.uint8))
    assert (found.routed, found.handed_back) == (3, 1)
    assert found.functions == {
        "scipy.ndimage.sobel": fastconv.FunctionCounts(3, 1, {"integers that uint8 might not hold": 1})
    }
    assert repr(found) == "<Routed: 3 routed, 1 handed back>"
    header, line, why = str(found).splitlines()
    assert header.split() == ["function", "routed", "handed", "back"]
    assert line.split() == ["scipy.ndimage.sobel", "3", "1"]
    assert why.split(maxsplit=1) == ["1", "integers that uint8 might not hold"]
    scipy_ndimage.sobel(X)  # not installed: not counted
    assert found.routed == 3
    found.reset()
    assert found.functions == {}


def test_reasons_are_limited() -> None:
    """Texts of errors may all be different: no more than some are kept."""
    with fastconv.installed("scipy"):
        for size in range(-40, 0):
            with pytest.raises(RuntimeError):
                scipy_ndimage.uniform_filter1d(X, size)
    counts_of = fastconv.routed("scipy").functions["scipy.ndimage.uniform_filter1d"]
    assert counts_of.handed_back == 40
    assert len(counts_of.reasons) == 21
    assert counts_of.reasons["other reasons"] == 20


@pytest.mark.parametrize("function", [fastconv.install, fastconv.uninstall, fastconv.routed])
def test_unknown_library(function: Callable[[Any], Any]) -> None:
    """There is one so far."""
    with pytest.raises(ValueError, match="library is 'numpy', expected one of scipy"):
        function("numpy")
    with pytest.raises(ValueError, match="library is 'numpy'"), fastconv.installed("numpy"):  # type: ignore[arg-type]
        pass


def test_nothing_changes_if_scipy_is_missing() -> None:
    """Python's own error tells which library is missing, and the next try begins anew."""
    answer(
        """
        import sys
        sys.modules["scipy"] = None
        import fastconv
        for _ in range(2):
            try:
                fastconv.install("scipy")
            except ImportError as error:
                assert "scipy" in str(error)
            else:
                raise AssertionError
        fastconv.uninstall("scipy")
        """
    )
