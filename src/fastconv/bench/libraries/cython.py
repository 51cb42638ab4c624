"""Cython: the loops of a convolution as an engineer writes them, compiled by the C compiler that is there."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sysconfig
from functools import cache
from importlib import metadata
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
from Cython.Build import cythonize
from numpy.typing import NDArray
from setuptools import Distribution, Extension

from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.libraries._loops import cache_folder, loop_arguments, loops
from fastconv.bench.libraries.library import Library, Prepared

_SOURCE = Path(__file__).parent / "loops.pyx"
_LOOPS = {"NCHW": "channels_first", "NHWC": "channels_last"}


class Cython(Library):
    """The loops have the vectors that fastconv uses: they are compiled for its instruction set."""

    name = "cython"

    def version(self) -> str:
        return metadata.version("cython")

    def ways(self, problem: Problem, prepared: bool) -> list[str]:
        return loops(problem)

    def prepare(self, way: str, problem: Problem, arrays: Arrays, prepared: bool) -> Prepared:
        function = getattr(_compiled(self.instruction_set), _LOOPS[problem.layout])
        arguments = loop_arguments(problem, arrays)
        shape, dtype, threads = problem.output_shape, arrays.x.dtype, self.threads

        def call() -> NDArray[Any]:
            y = np.empty(shape, dtype)
            function(y, *arguments, threads)
            return y

        return Prepared(call)


@cache
def _compiled(instruction_set: str) -> ModuleType:
    """Load the loops, after compiling them if no process of this user has done so before."""
    flags = ["-O3", "-ffast-math", "-fopenmp"]
    if platform.machine() in ("x86_64", "AMD64"):
        flags.append(f"-march={instruction_set}")
    folder = cache_folder()
    path = folder / f"loops-{_key(flags)}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Elsewhere at first: another process may be compiling them too, or looking for them.
        with TemporaryDirectory(dir=folder) as scratch:
            os.replace(_build(Path(scratch), flags), path)
    loader = ExtensionFileLoader("loops", str(path))
    spec = spec_from_file_location("loops", path, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def _key(flags: list[str]) -> str:
    """Return a name for all that the compiled loops depend on."""
    versions = [metadata.version("cython"), os.environ.get("CC", "")]
    parts = [_SOURCE.read_text(encoding="utf-8"), *versions, *flags]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _build(folder: Path, flags: list[str]) -> Path:
    """Compile the loops within a folder and return the path of the module."""
    source = shutil.copy(_SOURCE, folder)
    # Linked without -ffast-math, with which some compilers have the whole process flush subnormal numbers.
    extension = Extension("loops", [str(source)], extra_compile_args=flags, extra_link_args=["-fopenmp"])
    try:
        modules = cythonize([extension], quiet=True)
        command: Any = Distribution({"name": "loops", "ext_modules": modules}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(folder), str(folder / "objects")
        command.ensure_finalized()
        command.run()
    except Exception as error:  # which one, depends on the version of setuptools
        raise RuntimeError(f"the loops in Cython need a C compiler with OpenMP: {error}") from error
    return Path(command.get_ext_fullpath("loops"))
