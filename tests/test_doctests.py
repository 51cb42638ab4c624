"""The examples in the documentation of every public module run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from importlib.util import find_spec

import pytest

import fastconv
from fastconv.bench import LIBRARIES

NEEDS = {
    "fastconv.cli": ("click", "rich"),
    "fastconv.bench.plots": ("matplotlib",),
    "fastconv.bench.html": ("matplotlib", "jinja2"),
    "fastconv.onnx": ("onnx",),
    "fastconv.threadpools": ("threadpoolctl",),
    "fastconv.routing": ("scipy",),
    "fastconv.torch": ("torch",),
    "fastconv.dask": ("dask", "distributed"),
}  # the parts that are an extra of the package, or are for another library


def missing(name: str) -> list[str]:
    """Libraries that a module needs beside NumPy and that are not installed."""
    return [
        lib for part, libs in NEEDS.items() if name.startswith(part) for lib in libs if find_spec(lib) is None
    ]


# Each of these is imported in a process of its own, with a library that might not bear another beside it.
ADAPTERS = {entry.adapter.partition(":")[0] for entry in LIBRARIES.values()}
ADAPTERS |= {"fastconv.bench.libraries._onnx"}
MODULES = ["fastconv"] + [
    module.name
    for module in pkgutil.walk_packages(fastconv.__path__, "fastconv.", onerror=lambda name: None)
    if not module.name.endswith(("._fastconv", ".__main__")) and module.name not in ADAPTERS
]
WITH_EXAMPLES = [
    "activation",
    "border",
    "columns",
    "conv",
    "dask",
    "filters",
    "grad.activation",
    "grad.border",
    "grad.linear",
    "grad.loss",
    "grad.pool",
    "linear",
    "loss",
    "lp_pool",
    "nn",
    "one_dimensional",
    "onnx.backend",
    "onnx.errors",
    "onnx.session",
    "pool",
    "routing",
    "runtime",
    "shapes",
    "tf_nn",
    "threadpools",
    "tiled",
    "tiled.files",
    "torch",
    "torch._convert",
    "torch._functions",
    "torch._modules",
    "tuning",
    "unpool",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    """No example fails; every module of the public interface has some."""
    if missing(name):
        pytest.skip(f"{name} needs {missing(name)}")
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0
    if name.removeprefix("fastconv.") in WITH_EXAMPLES:
        assert results.attempted > 0
