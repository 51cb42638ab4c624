#!/usr/bin/env python3
"""Run SciPy's own tests of its filters and convolutions on `fastconv.ndimage` and `fastconv.signal` instead.

    python tools/scipy_tests.py [--all | --routed] [argument of pytest ...]

needs fastconv, SciPy with its tests, pytest and hypothesis. Of SciPy's two test files those tests run that
use a function which fastconv has too; in their namespaces, in their parameters and in ``scipy.ndimage`` and
``scipy.signal`` that function is replaced by fastconv's. DIFFERENT lists the tests in which the two differ
on purpose, and why; with ``--all`` they run as well.

With ``--routed`` all tests of ``scipy.ndimage`` and ``scipy.signal`` run while `fastconv.install` routes
them, and none is left out. Those in ROUNDINGS have to fail.

At the end a table tells what each function computed here, and with ``-v`` also why calls were handed back.
The exit status is 0 if nothing failed unexpectedly and every function computed something; of a selection by
``-k``, any.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
import scipy.ndimage
import scipy.signal

import fastconv.ndimage
import fastconv.signal

ROUTED = ("ndimage/tests", "signal/tests")
FILES = {
    "ndimage/tests/test_filters.py": (scipy.ndimage, fastconv.ndimage),
    "signal/tests/test_signaltools.py": (scipy.signal, fastconv.signal),
}

# Each function that is replaced, by its name in SciPy: where it is there, what takes its place.
FUNCTIONS = {
    f"{theirs.__name__}.{name}": (theirs, name, getattr(ours, name))
    for theirs, ours in FILES.values()
    for name in ours.__all__
}
WIDTH = max(map(len, FUNCTIONS))

# Why tests cannot pass, and which. In a pattern * stands for anything. Of these two the reason is rounding:
ROUNDINGS: dict[str, tuple[str, ...]] = {
    "float32 that stays float32 is summed in float32: the sum of 10000 pixels is off by 4e-8 of it": (
        "test_gauss03[*",
    ),
    "two axes are filtered in one pass: a mean may differ from that of two passes in its last bit": (
        "test_multiple_modes_sequentially[*",
    ),
}

# What fastconv does on purpose, where it is called itself.
DIFFERENT: dict[str, tuple[str, ...]] = {
    **ROUNDINGS,
    "errors have a text of fastconv's own": (
        "test_filter_axes[numpy-axes8-*",
        "test_filter_axes[numpy-axes13-*",
        "test_filter_axes[numpy-axes17-*",
        "test_filter_axes_kwargs[numpy-axes2-*",
        "test_filter_axes_kwargs[numpy-axes7-*",
        "test_filter_axes_kwargs[numpy-axes11-*",
        "test_derivative_filter_axes[*",
        "test_filter_invalid_axes[numpy-axes0-*",
        "test_filter_invalid_axes[numpy-axes1-*",
        "test_filter_invalid_axes[numpy-axes2-*",
        "test_filter_invalid_axes[numpy-axes3-*",
        "test_filter_invalid_footprint_ndim[*",
        "test_filter_tuple_length_mismatch[*",
        "test_invalid_shapes[numpy-fftconvolve]",
        "test_invalid_shapes[numpy-oaconvolve]",
        "test_invalid_shapes_axes[*",
        "test_mismatched_dims[numpy-*convolve]",
        "test_invalid_flags[*",
        "test_fillvalue_errors[*",
    ),
    "what an unsigned type cannot hold becomes 0 or its largest number; SciPy's wraps around": (
        "test_prewitt01[numpy-uint*",
        "test_prewitt02[numpy-uint*",
        "test_prewitt03[numpy-uint*",
        "test_sobel01[numpy-uint*",
        "test_sobel02[numpy-uint*",
        "test_sobel03[numpy-uint*",
    ),
    "integer results are rounded once, at the end; SciPy rounds between axes and between terms": (
        "test_gaussian_laplace01[numpy-int32]",
        "test_gaussian_laplace02[numpy-int32]",
        "test_gaussian_gradient_magnitude01[numpy-int32]",
        "test_gaussian_gradient_magnitude02[numpy-int32]",
        "test_generic_laplace01[numpy-int*",
        "test_generic_laplace01[numpy-uint*",
    ),
    "float16 and long double are refused, and booleans by `fastconv.signal`": (
        "test_gaussian_filter_float16[*",
        "test_convolve_longdtype_input[*longdouble]",
        "TestConvolve::test_convolve_method[*",
    ),
    "transforms of integers give float64 arrays, of one element too": (
        "TestFFTConvolve::test_zero_rank[*",
        "TestOAConvolve::test_zero_rank[*",
        "TestOAConvolve::test_single_element[*",
    ),
    "each axis may have its own mode and origin, with kernels and footprints that are no boxes too": (
        "test_correlate_mode_sequence[*",
        "test_minimum_filter07[*",
        "test_maximum_filter07[*",
    ),
    "a size below 1 is refused; SciPy takes it to leave the axis alone": ("test_uniform02[*",),
    "method 'fft' gives NaN for what is not finite, as documented, without SciPy's warning": (
        "test_fft_nan[*",
    ),
}


class Replacement:
    """The plugin: puts fastconv's functions where the tests find SciPy's, and counts their calls."""

    def __init__(self, everything: bool) -> None:
        self.everything = everything
        self.calls: Counter[str] = Counter()
        self.unused: list[str] = []
        self.left_out: Counter[str] = Counter()
        self.by_original: dict[Any, Callable[..., Any]] = {}
        for full_name, (theirs, name, ours) in FUNCTIONS.items():
            self.by_original[getattr(theirs, name)] = self.counted(full_name, ours)

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what stands in the place of SciPy's function of that name."""

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            try:
                return function(*args, **kwargs)
            except (TypeError, ValueError) as error:
                # Where SciPy's raise a RuntimeError these are of one of fastconv's types: here of both.
                raise type(type(error).__name__, (type(error), RuntimeError), {})(*error.args) from error

        return call

    def replaced(self, value: Any) -> Any:
        """Return fastconv's function for SciPy's, anything else as it is."""
        try:
            return self.by_original.get(value, value)
        except TypeError:  # not hashable, so no function
            return value

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Modules are imported and tests made: only now, because SciPy's decorators look its functions up."""
        for theirs, name, _ in FUNCTIONS.values():
            setattr(theirs, name, self.by_original[getattr(theirs, name)])
        names = {function.__name__ for function in self.by_original.values()}
        chosen, others = [], []
        for item in items:
            space = item.module.__dict__
            for name, value in list(space.items()):
                space[name] = self.replaced(value)
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            functions = {
                str(getattr(v, "__name__", v))
                for v in parameters.values()
                if isinstance(v, str) or callable(v)
            }
            for name, value in parameters.items():
                parameters[name] = self.replaced(value)
            # A test that is given a filter is one of that filter, any other of those that it names.
            given = {name for name in functions if any(hasattr(theirs, name) for theirs, _ in FILES.values())}
            concerned = given & names or (not given and names & used(item))
            reason = difference(item.nodeid, DIFFERENT)
            if concerned and reason and not self.everything:
                self.left_out[reason] += 1
            (chosen if concerned and (self.everything or not reason) else others).append(item)
        config.hook.pytest_deselected(items=others)
        items[:] = chosen

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Notice a test that calls nothing of fastconv."""
        before = self.calls.total()
        arguments = getattr(item, "funcargs", {})
        if "num_parallel_threads" in arguments:
            arguments["num_parallel_threads"] = 2  # SciPy's tests then expect no warnings; fastconv has none
        try:
            return (yield)
        finally:
            if self.calls.total() == before:
                self.unused.append(item.nodeid)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell what was left out and why, and what was called how often."""
        write = terminalreporter.write_line
        for reason, count in self.left_out.items():
            write(f"{count} left out: {reason}")
        for name in self.unused:
            write(f"calls nothing of fastconv: {name}")
        for name, count in sorted(self.calls.items()):
            write(f"{name:{WIDTH}}  {count:8}")


class Routing:
    """The plugin: routes SciPy's functions as a user does, and tells what was routed and what handed back."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Modules are imported and tests made: only now, because SciPy's decorators look its functions up."""
        originals = [getattr(theirs, name) for theirs, name, _ in FUNCTIONS.values()]
        fastconv.install("scipy")
        replaced = [getattr(theirs, name) for theirs, name, _ in FUNCTIONS.values()]
        routed = dict(zip(originals, replaced, strict=True))
        for item in items:
            if reason := difference(item.nodeid, ROUNDINGS):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            for name, value in parameters.items():
                if callable(value) and value in originals:
                    parameters[name] = routed[value]

    @property
    def calls(self) -> Counter[str]:
        """What was computed here."""
        return Counter({name: counts.routed for name, counts in fastconv.routed("scipy").functions.items()})

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table, without the reasons unless asked for."""
        write, counts = terminalreporter.write_line, fastconv.routed("scipy")
        if terminalreporter.verbosity > 0:
            write(str(counts))
            return
        write(f"{'function':{WIDTH}}    routed  handed back")
        for name, (routed, handed_back, _) in counts.functions.items():
            write(f"{name:{WIDTH}}  {routed:8}  {handed_back:11}")
        write(f"{'all':{WIDTH}}  {counts.routed:8}  {counts.handed_back:11}")


def difference(test: str, table: dict[str, tuple[str, ...]]) -> str | None:
    """Why a test cannot pass, if a table knows it."""
    for reason, patterns in table.items():
        for pattern in patterns:
            if re.search("::" + re.escape(pattern).replace(r"\*", ".*") + "$", test):
                return reason
    return None


def used(item: Any) -> set[str]:
    """Names that a test uses, by itself or through functions of its module and methods of its class."""
    seen: set[str] = set()
    todo = [getattr(item.obj, "__code__", None)]
    while todo:
        code = todo.pop()
        if code is None:
            continue
        todo += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for name in set(code.co_names) - seen:
            seen.add(name)
            for space in (item.module, item.cls):
                helper = getattr(space, name, None)
                if getattr(helper, "__module__", None) == item.module.__name__:
                    todo.append(getattr(helper, "__code__", None))
    return seen


def main() -> int:
    """Run the tests; the arguments are pytest's."""
    arguments = sys.argv[1:]
    everything, routed = "--all" in arguments, "--routed" in arguments
    arguments = [argument for argument in arguments if argument not in ("--all", "--routed")]
    root = Path(scipy.__file__).parent
    files = [root / name for name in (ROUTED if routed else FILES)]
    if missing := [str(file) for file in files if not file.exists()]:
        sys.exit(f"This SciPy came without its tests: {', '.join(missing)}")
    plugin = Routing() if routed else Replacement(everything)
    # SciPy's configuration, not that of the folder where this is called
    configuration = ["-c", os.devnull, f"--rootdir={root}", "-p", "no:cacheprovider"]
    status = int(pytest.main([*configuration, *arguments, *map(str, files)], plugins=[plugin]))
    idle = [name for name in FUNCTIONS if not plugin.calls[name]]
    if status == 0 and idle and ("-k" not in arguments or len(idle) == len(FUNCTIONS)):
        sys.exit(f"Computed nothing here, so nothing was tested: {', '.join(idle)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
