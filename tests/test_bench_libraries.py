"""The adapters of the benchmark: what a library claims is right, and it claims what it is measured for.

Each library runs in a process of its own, as in the benchmark: their OpenMP runtimes do not get along.
"""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastconv
from fastconv import Problem
from fastconv.bench.data import Arrays, make_arrays
from fastconv.bench.libraries import LIBRARIES, Library, Prepared, adapter, installed
from fastconv.bench.verify import exact_result, verify

from .processes import answer

ROOT = Path(__file__).parent.parent
PEERS = [name for name in LIBRARIES if name not in ("fastconv", "numpy")]

PROBLEMS = {
    "plain": "conv2d n1 ic3 ih9 iw10 oc4 kh3 kw3 s1 p1 nchw f32",
    "plain-nhwc": "conv2d n1 ic3 ih9 iw10 oc4 kh3 kw3 s1 p1 nhwc f32",
    "plain-f64": "conv2d n1 ic3 ih9 iw10 oc4 kh3 kw3 s1 p1 nchw f64",
    "plain-f64-nhwc": "conv2d n1 ic3 ih9 iw10 oc4 kh3 kw3 s1 p1 nhwc f64",
    "batch": "conv2d n2 ic5 ih8 iw7 oc6 kh3 kw3 s1 p0 nchw f32 bias",
    "batch-nhwc": "conv2d n2 ic5 ih8 iw7 oc6 kh3 kw3 s1 p0 nhwc f32 bias",
    "pointwise": "conv2d n1 ic17 ih6 iw5 oc9 kh1 kw1 s1 p0 nchw f32 bias",
    "pointwise-nhwc": "conv2d n1 ic17 ih6 iw5 oc9 kh1 kw1 s1 p0 nhwc f32",
    "pointwise-padded": "conv2d n1 ic5 ih4 iw6 oc7 kh1 kw1 s1 p1 nchw f32",
    "pointwise-stride": "conv2d n1 ic5 ih7 iw6 oc7 kh1 kw1 s2 p0 nchw f32",
    "one-pixel": "conv2d n1 ic5 ih1 iw1 oc7 kh3 kw3 s1 p1 nchw f32",
    "groups": "conv2d n1 ic6 ih9 iw8 oc4 kh3 kw3 s1 p1 g2 nchw f32 bias",
    "groups-nhwc": "conv2d n1 ic6 ih9 iw8 oc4 kh3 kw3 s1 p1 g2 nhwc f32",
    "stride": "conv2d n1 ic3 ih11 iw12 oc5 kh5 kw3 sh2 sw3 ph2 pw1 nchw f32",
    "stride-nhwc": "conv2d n1 ic3 ih11 iw12 oc5 kh5 kw3 sh2 sw3 ph2 pw1 nhwc f32",
    "dilated": "conv2d n1 ic3 ih12 iw13 oc5 kh3 kw3 s1 ph2 pw3 dh2 dw3 nchw f32",
    "dilated-nhwc": "conv2d n1 ic3 ih12 iw13 oc5 kh3 kw3 s1 ph2 pw3 dh2 dw3 nhwc f32",
    "asymmetric": "conv2d n1 ic3 ih6 iw7 oc4 kh3 kw3 s2 ph2:0 pw1:3 nchw f32 bias relu",
    "asymmetric-nhwc": "conv2d n1 ic3 ih6 iw7 oc4 kh3 kw3 s2 ph2:0 pw1:3 nhwc f32 bias relu",
    "padding-beyond-kernel": "conv2d n1 ic2 ih3 iw3 oc2 kh2 kw2 s3 ph5:3 pw0:7 nchw f64 bias relu",
    "row": "conv2d n1 ic3 ih7 iw20 oc5 kh1 kw9 s1 ph0 pw4 nchw f32",
    "column": "conv2d n1 ic3 ih20 iw7 oc5 kh9 kw1 s1 ph4 pw0 nhwc f32",
    "filter": "conv2d n1 ic3 ih12 iw13 oc3 kh3 kw3 s1 p1 g3 nchw f32",
    "filter-nhwc": "conv2d n2 ic3 ih12 iw13 oc3 kh3 kw3 s1 p1 g3 nhwc f32",
    "filter-f64": "conv2d n1 ic3 ih12 iw13 oc3 kh5 kw3 s1 ph2 pw1 g3 nchw f64",
    "filter-f64-nhwc": "conv2d n1 ic3 ih12 iw13 oc3 kh3 kw3 s1 p1 g3 nhwc f64",
    "alike-nhwc": "conv2d n2 ic3 ih12 iw13 oc3 kh5 kw5 s1 p2 g3 nhwc f32",
    "filter-uncentred": "conv2d n1 ic2 ih8 iw9 oc2 kh3 kw4 s1 ph0:1 pw2 g2 nchw f32",
    "depthwise": "conv2d n1 ic9 ih9 iw10 oc9 kh3 kw3 s2 p1 g9 nchw f32 bias relu6",
    "depthwise-nhwc": "conv2d n1 ic9 ih9 iw10 oc9 kh3 kw3 s2 p1 g9 nhwc f32 bias relu6",
    "multiplier": "conv2d n1 ic3 ih9 iw10 oc6 kh3 kw3 s1 p1 g3 nchw f32",
    **{
        name: f"conv2d n1 ic3 ih9 iw10 oc4 kh3 kw3 s1 p1 nchw f32 bias {name}"
        for name in ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu")
    },
    "signal": "conv1d n1 ic1 iw500 oc1 kw21 s1 p10 nchw f32",
    "signal-f64": "conv1d n2 ic3 iw200 oc3 kw4 s1 pw3:0 g3 nhwc f64",
    "conv1d": "conv1d n2 ic3 iw50 oc5 kw7 s2 p3 nchw f32 bias",
    "conv1d-nhwc": "conv1d n2 ic3 iw50 oc5 kw7 s1 p3 nhwc f32 bias",
    "conv3d": "conv3d n1 ic3 id5 ih6 iw7 oc5 kd3 kh3 kw3 s1 p1 nchw f32 bias",
    "conv3d-nhwc": "conv3d n1 ic4 id5 ih6 iw7 oc6 kd3 kh2 kw3 s2 p1 g2 nhwc f32",
    "volume": "conv3d n1 ic1 id6 ih7 iw8 oc1 kd3 kh3 kw3 s1 p1 nchw f64",
    "max": "max_pool2d n1 c5 ih12 iw10 kh3 kw3 s2 p1 nchw f32",
    "max-nhwc": "max_pool2d n2 c5 ih12 iw10 kh3 kw3 s2 p1 nhwc f32",
    "max-f64": "max_pool2d n1 c5 ih12 iw10 kh2 kw2 nchw f64",
    "max-ceil": "max_pool2d n1 c3 ih10 iw11 kh3 kw3 s2 nchw f32 ceil",
    "max-dilated": "max_pool2d n1 c3 ih12 iw13 kh3 kw2 s2 p1 dh2 dw3 nchw f32",
    "max-asymmetric": "max_pool2d n1 c3 ih7 iw6 kh3 kw3 s2 ph0:1 pw1:0 nchw f32",
    "max-1d": "max_pool1d n2 c3 iw20 kw3 s2 p1 nhwc f32",
    "max-3d": "max_pool3d n1 c3 id6 ih6 iw8 kd2 kh2 kw3 s2 nchw f32",
    "mean": "avg_pool2d n1 c5 ih12 iw10 kh3 kw3 s1 p1 nchw f32",
    "mean-nhwc": "avg_pool2d n1 c5 ih12 iw10 kh3 kw3 s1 p1 nhwc f32 nopad",
    "mean-f64": "avg_pool2d n1 c5 ih12 iw10 kh3 kw3 s2 p1 nchw f64",
    "mean-ceil": "avg_pool2d n1 c3 ih10 iw11 kh3 kw3 s2 p1 nchw f32 ceil",
    "mean-ceil-nopad": "avg_pool2d n1 c3 ih10 iw11 kh3 kw3 s2 p1 nchw f32 ceil nopad",
    "mean-asymmetric": "avg_pool2d n1 c3 ih7 iw6 kh3 kw2 s2 psame nchw f32",
    "mean-asymmetric-nopad": "avg_pool2d n1 c3 ih7 iw6 kh3 kw2 s2 psame nchw f32 nopad",
    "mean-divisor": "avg_pool2d n1 c3 ih7 iw8 kh3 kw3 s2 p1 nchw f32 div5",
    "mean-1d": "avg_pool1d n2 c3 iw37 kw4 s3 p2 nchw f32",
    "mean-3d": "avg_pool3d n1 c3 id5 ih6 iw7 kd2 kh3 kw2 s2 p1 nchw f32 nopad",
    "global": "avg_pool2d n1 c7 ih7 iw7 kh7 kw7 s1 nchw f32",
}

# No peer is asked for these; they must not fail either.
UNCLAIMED = {
    "half": "conv2d n1 ic3 ih9 iw10 oc4 kh3 kw3 s1 p1 nchw f16",
    "reflected": "conv2d n1 ic3 ih9 iw10 oc4 kh3 kw3 s1 p1 nchw f32 reflect",
    "indices": "max_pool2d n1 c5 ih12 iw10 kh3 kw3 s2 p1 nchw f32 indices",
    "divisor": "avg_pool1d n1 c3 iw9 kw3 s2 p1 nchw f32 div5",
    "nothing": "conv2d n0 ic3 ih9 iw10 oc4 kh3 kw3 s1 p1 nchw f32",
}

CONVOLUTIONS = ["plain", "plain-nhwc", "groups", "stride-nhwc", "dilated", "asymmetric", "depthwise", "silu"]
FILTERS = ["filter", "filter-nhwc", "filter-f64", "alike-nhwc"]
IMAGES = [*CONVOLUTIONS, "filter", "max", "mean", "mean-nhwc", "global"]
LOOPS = ["plain", "plain-nhwc", "plain-f64", "groups-nhwc", "dilated", "asymmetric-nhwc", "batch", "filter"]

# Of each library: a way, whether it is prepared, and problems that are claimed among others.
EXPECTED: dict[str, list[tuple[str, bool, list[str]]]] = {
    "fastconv": [
        ("auto", True, CONVOLUTIONS),
        ("auto", False, CONVOLUTIONS),
        ("pool", True, ["max", "mean"]),
    ],
    "numpy": [("im2col", True, CONVOLUTIONS), ("fft", True, ["signal", "plain"]), ("loops", False, ["max"])],
    "scipy": [
        ("ndimage.correlate", True, [*FILTERS, "volume"]),
        ("signal.correlate", False, [*FILTERS, "filter-uncentred", "volume"]),
        ("signal.oaconvolve", True, ["signal", "signal-f64"]),
    ],
    "opencv": [("filter2D", False, FILTERS), ("dnn", True, IMAGES)],
    "torch": [
        ("eager", True, [*IMAGES, "signal", "conv3d-nhwc", "mean-divisor", "mean-ceil", "plain-f64"]),
        ("eager", False, ["plain"]),
        ("channels last", True, ["plain", "max", "mean"]),
        ("packed", True, ["plain", "plain-nhwc", "groups", "silu"]),
    ],
    "onnxruntime": [("session", True, [*IMAGES, "signal", "conv3d", "max-f64", "mean-ceil-nopad"])],
    "openvino": [("compiled", True, [*IMAGES, "signal", "conv3d", "mean-ceil-nopad"])],
    "ncnn": [("net", True, IMAGES)],
    "numba": [("loops", True, LOOPS), ("loops", False, LOOPS)],
    "cython": [("loops", True, LOOPS), ("loops", False, LOOPS)],
}


class Claim(NamedTuple):
    """A way of a library for a problem, and what became of it."""

    way: str
    prepared: bool
    problem: str
    status: str
    note: str


def data_of(name: str, problem: Problem) -> Arrays:
    """Random arrays; those of problems whose name says so have the same kernel for every channel."""
    arrays = make_arrays("any", problem)
    if not name.startswith("alike"):
        return arrays
    return Arrays(arrays.x, np.repeat(arrays.weight[..., :1], problem.oc, axis=-1), arrays.bias)


def claims_here(library: str) -> list[Claim]:
    """Every claim of a library, tried in this process."""
    measured = adapter(library)(2, fastconv.instruction_set())
    assert measured.version()
    claims = []
    for name, text in (PROBLEMS | UNCLAIMED).items():
        problem = Problem(text)
        for prepared in (True, False):
            for way in measured.ways(problem, prepared):
                if name in UNCLAIMED:
                    claims.append(Claim(way, prepared, name, "claimed", ""))
                    continue
                arrays = data_of(name, problem)
                verdict = verify(
                    problem, measured.prepare(way, problem, arrays, prepared), exact_result(problem, arrays)
                )
                claims.append(Claim(way, prepared, name, verdict.status, verdict.note))
    return claims


def in_process(code: str, **environment: str) -> str:
    """What code prints last in a process that finds these tests."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return answer(code, PYTHONPATH=path, **environment).splitlines()[-1]


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where libraries keep what they compile, so that these tests compile it."""
    return tmp_path_factory.mktemp("cache")


@cache
def claims_of(library: str, cache_folder: Path) -> list[Claim]:
    """The same, in a process of its own; the test is skipped where the library is not installed."""
    if library not in installed():
        pytest.skip(f"{library} is not installed")
    code = f"""
        import json
        from tests.test_bench_libraries import claims_here
        print()
        print(json.dumps(claims_here({library!r})))
        """
    return [Claim(*claim) for claim in json.loads(in_process(code, XDG_CACHE_HOME=str(cache_folder)))]


@pytest.mark.parametrize("library", PEERS)
def test_what_a_library_claims_is_right(library: str, cache_folder: Path) -> None:
    assert [claim for claim in claims_of(library, cache_folder) if claim.status != "ok"] == []


@pytest.mark.parametrize("library", ["fastconv", "numpy"])
def test_what_fastconv_and_numpy_claim_is_right(library: str, cache_folder: Path) -> None:
    claims = [claim for claim in claims_of(library, cache_folder) if claim.problem in PROBLEMS]
    assert [claim for claim in claims if claim.status != "ok"] == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_libraries_claim_what_they_are_measured_for(library: str, cache_folder: Path) -> None:
    found = {claim[:3] for claim in claims_of(library, cache_folder)}
    expected = {
        (way, prepared, problem) for way, prepared, problems in EXPECTED[library] for problem in problems
    }
    assert expected - found == set()


@pytest.mark.parametrize("library", ["numba", "cython"])
def test_loops_are_not_asked_for_what_takes_seconds(library: str) -> None:
    if library not in installed():
        pytest.skip(f"{library} is not installed")
    text = "conv2d n1 ic256 ih56 iw56 oc256 kh3 kw3 s1 p1 nchw f32"
    code = f"""
        from fastconv import Problem
        from fastconv.bench.libraries import adapter
        print(adapter({library!r})(1, "").ways(Problem({text!r}), True))
        """
    assert in_process(code) == "[]"


def test_compiled_loops_are_kept(cache_folder: Path) -> None:
    """Another process finds them, and needs no compiler."""
    claims_of("cython", cache_folder)
    assert compile_plain(cache_folder) == "ok"
    assert len(list(cache_folder.glob("fastconv/loops-*"))) == 1
    assert [path for path in cache_folder.glob("fastconv/*") if path.is_dir() and path.name != "numba"] == []


def test_loops_without_a_compiler(tmp_path: Path) -> None:
    """The error says what is missing, and nothing is kept."""
    if "cython" not in installed():
        pytest.skip("cython is not installed")
    text = compile_plain(tmp_path, CC=str(tmp_path / "no-compiler"))
    assert text.startswith("RuntimeError: the loops in Cython need a C compiler with OpenMP")
    assert [*tmp_path.glob("fastconv/*")] == []


def compile_plain(folder: Path, **environment: str) -> str:
    """Compute one convolution by Cython's loops in a process of its own, and return ``ok`` or the error."""
    code = """
        import sys
        import fastconv
        from fastconv import Problem
        from fastconv.bench.libraries import adapter
        from tests.test_bench_libraries import PROBLEMS, data_of
        problem = Problem(PROBLEMS["plain"])
        library = adapter("cython")(1, fastconv.instruction_set())
        try:
            library.prepare("loops", problem, data_of("plain", problem), True).call()
            print("ok")
        except RuntimeError as error:
            print(f"RuntimeError: {error}")
        """
    return in_process(code, XDG_CACHE_HOME=str(folder), **environment)


def test_installed_libraries_are_those_whose_packages_are_there() -> None:
    names = installed()
    assert names[:2] == ["fastconv", "numpy"]
    assert names == [name for name in LIBRARIES if name in names]
    assert ("scipy" in names) == (find_spec("scipy") is not None)


@pytest.mark.parametrize(
    "library", ["nonsense", "", "json:NoClass", "json:JSONDecoder", "json:", ":Class", "json:dumps"]
)
def test_other_names_are_explained(library: str) -> None:
    with pytest.raises(ValueError, match="expected one of fastconv, numpy, scipy") as caught:
        adapter(library)
    assert repr(library) in str(caught.value)
    assert "module:Class" in str(caught.value)


class Einsum(Library):
    """An adapter as somebody else may write it: convolutions of one pixel."""

    name = "einsum"

    def version(self) -> str:
        return np.__version__

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        return ["einsum"] if set(problem.kernel_size) == {1} else []

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        weight: Any = arrays.weight
        return Prepared(lambda: np.einsum("nchw,oc->nohw", arrays.x, weight[:, :, 0, 0]))


def test_an_adapter_of_ones_own() -> None:
    library = adapter("tests.test_bench_libraries:Einsum")(1, "")
    problem = Problem("conv2d n2 ic3 ih4 iw5 oc6 kh1 kw1 s1 p0 nchw f32")
    arrays = make_arrays("any", problem)
    assert library.ways(problem, True) == ["einsum"]
    verdict = verify(problem, library.prepare("einsum", problem, arrays, True), exact_result(problem, arrays))
    assert verdict.status == "ok"
