"""fastconv.h and c_api.pxd: the extensions of examples/extension, built and run; the table of functions."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import _fastconv

from . import reference as ref
from .guarded import guarded, guarded_copy

SOURCES = Path(__file__).parents[1] / "examples" / "extension"
INCLUDES = [f"-I{fastconv.get_include()}", f"-I{sysconfig.get_path('include')}"]
COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What the command prints; its failure is the test's."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(source: Path, folder: Path, name: str) -> Any:
    """The extension module that a file of C is compiled to."""
    target = folder / (name + str(sysconfig.get_config_var("EXT_SUFFIX")))
    assert COMPILER
    strict = ["-Wall", "-Wextra", "-Werror", "-std=c11"] if source.parent == SOURCES else []
    run(COMPILER, "-O1", "-shared", "-fPIC", *strict, *INCLUDES, source, "-o", target)
    spec = importlib.util.spec_from_file_location(name, target)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def correlate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """That of the example in C."""
    module = built(SOURCES / "correlate.c", tmp_path_factory.mktemp("c"), "correlate")
    return module.correlate  # type: ignore[no-any-return]


@needs_compiler
def test_c_extension(correlate: Callable[..., None], isa: str) -> None:
    """Buffers in, a buffer out, nothing outside it touched, and the result that Python gets."""
    rng = np.random.default_rng(0)
    image, kernel = (rng.standard_normal(shape).astype(np.float32) for shape in ((23, 31), (4, 5)))
    expected = fastconv.conv2d(image[None, None], kernel[None, None])[0, 0]
    for flush in ("start", "end"):
        out = guarded(expected.shape, np.float32, flush)
        for threads in (0, 1, 3):
            out.fill(np.nan)
            correlate(guarded_copy(image, flush), guarded_copy(kernel, flush), out, threads)
            np.testing.assert_array_equal(out, expected)


@needs_compiler
def test_many_threads(correlate: Callable[..., None]) -> None:
    """Threads of Python's make, run and destroy plans at once."""
    rng = np.random.default_rng(1)
    image, kernel = (rng.standard_normal(shape).astype(np.float32) for shape in ((64, 64), (3, 3)))
    expected = fastconv.conv2d(image[None, None], kernel[None, None])[0, 0]
    outs = [np.empty_like(expected) for _ in range(6)]

    def work(out: Any) -> None:
        for _ in range(50):
            correlate(image, kernel, out)

    workers = [threading.Thread(target=work, args=(out,)) for out in outs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for out in outs:
        np.testing.assert_array_equal(out, expected)


@needs_compiler
def test_c_errors(correlate: Callable[..., None]) -> None:
    """What does not go together is an exception that says what was expected."""
    image, kernel = np.ones((3, 3), np.float32), np.ones((4, 4), np.float32)
    with pytest.raises(ValueError, match=r"window of \(4, 4\).* does not fit the input of \(3, 3\)"):
        correlate(image, kernel, np.ones((1, 1), np.float32))
    with pytest.raises(ValueError, match=r"out: shape \(1, 1\), expected \(2, 2\)"):
        correlate(image, kernel[:2, :2].copy(), np.ones((1, 1), np.float32))
    with pytest.raises(ValueError, match="threads=-1: expected 0 to 4096"):
        correlate(image, image, np.ones((1, 1), np.float32), -1)
    with pytest.raises(TypeError, match="float32"):
        correlate(image.astype(np.float64), image, image)


@needs_compiler
def test_cython_extension(tmp_path: Path) -> None:
    """Functions cimported, types checked by their names."""
    pytest.importorskip("Cython")
    package = Path(fastconv.get_include()).parents[1]
    source = tmp_path / "layer.c"
    run(sys.executable, "-m", "cython", "-3", SOURCES / "layer.pyx", "-I", package, "-o", source)
    layer = built(source, tmp_path, "layer")
    rng = np.random.default_rng(2)
    x, w, b = (rng.standard_normal(shape) for shape in ((2, 3, 9, 8), (5, 3, 3, 3), (5,)))
    expected = fastconv.conv2d(x, w, b, padding=1, activation="relu")
    np.testing.assert_allclose(layer.convolve(x, w, b, 1), expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="padding must not be negative"):
        layer.convolve(x, w, b, -1)


# ---------------------------------------------------------------- the table itself


class Convolution(ctypes.Structure):
    """fastconv_convolution."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("rank", "dtype", "layout", "activation")),
        *((name, ctypes.c_int64) for name in ("n", "in_channels", "out_channels", "groups")),
        *(
            (name, ctypes.c_int64 * 3)
            for name in ("input", "kernel", "stride", "dilation", "before", "after")
        ),
        ("low", ctypes.c_double),
        ("high", ctypes.c_double),
        ("algorithm", ctypes.c_char_p),
        ("threads", ctypes.c_int32),
    )


class Table(ctypes.Structure):
    """fastconv_api."""

    _fields_ = (
        ("abi", ctypes.c_int32),
        ("version", ctypes.c_char_p),
        ("plan", ctypes.CFUNCTYPE(ctypes.c_void_p, *[ctypes.c_void_p] * 4)),
        ("output_shape", ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2)),
        ("run", ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)),
        ("destroy", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    )


def table() -> Table:
    """As fastconv_import() gives it."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return Table.from_address(get(_fastconv._C_API, b"fastconv._fastconv._C_API"))


def described(**members: Any) -> Convolution:
    """A convolution of one channel of 5 x 6 with a kernel of 3 x 3, but for what is said."""
    given: dict[str, Any] = {"rank": 2, "n": 1, "in_channels": 1, "out_channels": 1, "groups": 1}
    given |= {"input": (5, 6, 1), "kernel": (3, 3, 1), "stride": (1, 1, 1), "dilation": (1, 1, 1)} | members
    return Convolution(
        **{k: (ctypes.c_int64 * 3)(*v) if isinstance(v, tuple) else v for k, v in given.items()}
    )


def convolved(c: Convolution, x: Any, w: Any, b: Any = None) -> Any:
    """By the table; raises what it reports."""
    api, error = table(), ctypes.create_string_buffer(512)
    plan = api.plan(
        ctypes.addressof(c), w.ctypes.data, None if b is None else b.ctypes.data, ctypes.addressof(error)
    )
    if not plan:
        raise ValueError(error.value.decode())
    shape = (ctypes.c_int64 * 5)()
    api.output_shape(plan, ctypes.addressof(shape))
    y = np.full(shape[: c.rank + 2], np.nan, x.dtype)
    assert api.run(plan, x.ctypes.data, y.ctypes.data, ctypes.addressof(error)) == 0
    api.destroy(plan)
    return y


def test_table() -> None:
    """Its number and version."""
    assert (table().abi, table().version.decode()) == (1, fastconv.__version__)
    table().destroy(None)


def ways() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Members, and the arguments in Python that they stand for."""
    yield {}, {}
    yield {"stride": (2, 1, 1), "dilation": (1, 2, 1)}, {"stride": (2, 1), "dilation": (1, 2)}
    yield {"before": (1, 0, 0), "after": (2, 3, 0)}, {"padding": ((1, 2), (0, 3))}
    yield {"activation": 1, "high": np.inf}, {"activation": "relu"}
    yield {"activation": 2, "low": 0.01}, {"activation": "leaky_relu"}
    yield {"activation": 5}, {"activation": "silu"}
    yield {"algorithm": b"im2col", "threads": 1}, {"algorithm": "im2col"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("case", range(len([*ways()])))
def test_same_as_python(case: int, layout: str, dtype: Any) -> None:
    """The bits that the prepared object gives."""
    members, how = [*ways()][case]
    rng = np.random.default_rng(case)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((2, 6, 9, 10), (4, 3, 3, 2), (4,)))
    if layout == "NHWC":
        x, w = (
            np.ascontiguousarray(ref.channels_back(x, layout)),
            np.ascontiguousarray(w.transpose(2, 3, 1, 0)),
        )
    c = described(
        dtype=int(dtype == np.float64),
        layout=int(layout == "NHWC"),
        **{"n": 2, "in_channels": 6, "out_channels": 4, "groups": 2},
        **{"input": (9, 10, 1), "kernel": (3, 2, 1)} | members,
    )
    expected = fastconv.Conv2d(w, b, groups=2, layout=layout, **how)(x)
    np.testing.assert_array_equal(convolved(c, x, w, b), expected, strict=True)


def test_infinite_weights() -> None:
    """They do not meet the padding."""
    x, w = np.ones((1, 1, 5, 6), np.float32), np.full((1, 1, 3, 3), np.inf, np.float32)
    y = convolved(described(before=(1, 1, 0), after=(1, 1, 0)), x, w)
    np.testing.assert_array_equal(y, np.full((1, 1, 5, 6), np.inf))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"rank": 4}, "rank=4: expected 1, 2 or 3"),
        ({"dtype": 2}, "dtype=2: expected FASTCONV_FLOAT32"),
        ({"layout": -1}, "layout=-1: expected"),
        ({"activation": 9}, "activation=9: expected"),
        ({"activation": 1, "low": 1.0, "high": 0.0}, "low=1.0"),
        ({"n": -1}, "n=-1: expected"),
        ({"groups": 0}, "groups=0: expected"),
        ({"groups": 2}, "groups=2: expected a divisor"),
        ({"kernel": (0, 3, 1)}, "weight must be positive"),
        ({"stride": (1, 0, 1)}, "stride must be positive"),
        ({"before": (-1, 0, 0)}, "padding must not be negative"),
        ({"kernel": (9, 3, 1)}, "does not fit"),
        ({"n": 2**62}, "64 bits"),
        ({"algorithm": b"fastest"}, "algorithm='fastest': expected"),
        ({"algorithm": b"pointwise"}, "algorithm='pointwise': it needs"),
        ({"threads": 5000}, "threads=5000: expected"),
    ],
)
def test_bad_members(members: dict[str, Any], message: str) -> None:
    """No plan, and a text that names the member, its value and what was expected."""
    x = np.ones((1, 1, 5, 6), np.float32)
    with pytest.raises(ValueError, match=message):
        convolved(described(**members), x, np.ones((1, 1, 3, 3), np.float32))


# ---------------------------------------------------------------- build files


@needs_compiler
@pytest.mark.skipif(shutil.which("cmake") is None, reason="no CMake")
def test_cmake(tmp_path: Path) -> None:
    """find_package(fastconv) gives a target with the header."""
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(example LANGUAGES C)\n"
        "find_package(fastconv CONFIG REQUIRED)\nadd_library(example STATIC example.c)\n"
        "target_link_libraries(example PRIVATE fastconv::fastconv)\n"
    )
    (tmp_path / "example.c").write_text(
        "#include <fastconv.h>\nint rank(void) { return fastconv_defaults().rank; }\n"
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-Dfastconv_DIR={fastconv.get_cmake_dir()}")
    run("cmake", "--build", tmp_path / "build")


@pytest.mark.skipif(shutil.which("pkg-config") is None, reason="no pkg-config")
def test_pkg_config() -> None:
    """The flag that finds the header, and the version of the package."""
    path = Path(fastconv.get_include()).parent / "pkgconfig"
    flags = run("env", f"PKG_CONFIG_PATH={path}", "pkg-config", "--cflags", "fastconv").split()
    assert (Path(flags[0].removeprefix("-I")) / "fastconv.h").is_file()
    version = run("env", f"PKG_CONFIG_PATH={path}", "pkg-config", "--modversion", "fastconv").strip()
    assert version == fastconv.__version__


@pytest.mark.parametrize("group", ["cmake.root", "pkg_config"])
def test_entry_points(group: str) -> None:
    """Build tools find these folders by themselves."""
    found = [point for point in entry_points(group=group) if point.name == "fastconv"]
    if not found:
        pytest.skip("the package is not installed")
    assert Path(found[0].load().__path__[0]).is_dir()
