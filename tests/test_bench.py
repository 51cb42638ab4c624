"""The benchmark: it times nothing that is wrong, and its report keeps everything."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import math
import os
import re
import statistics
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem
from fastconv.bench import (
    Part,
    PhotoMissingError,
    Prepared,
    Progress,
    Settings,
    canary,
    describe_machine,
    estimates,
    kernel_names,
    layers,
    make_arrays,
    measure_limits,
    photograph,
    run,
    select,
    sweeps,
    time_algorithms,
    timing,
)
from fastconv.bench import baselines as known_baselines
from fastconv.bench.canary import Canary
from fastconv.bench.figures import with_figures
from fastconv.bench.machine import as_asked, fair_environment
from fastconv.bench.problems import LAYERS
from fastconv.bench.report import Case, Report, Row
from fastconv.bench.timing import in_turn, time_call, time_cold
from fastconv.bench.verify import verify

from .bench_libraries import LIMITS, TINY, make_quick

QUICK = Settings(processes=1, rounds=2, sample=1e-4)
SMALL = {
    "a.conv": Problem(TINY),
    "b.pool": Problem("avg_pool2d n1 c3 ih8 iw8 kh2 kw2 s2 p0 nhwc f64"),
}
CONV = {"a.conv": SMALL["a.conv"]}
POOL = {"b.pool": SMALL["b.pool"]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads the figures: no limits are measured, and the canary is content."""
    make_quick(monkeypatch)


class Clock:
    """Time that passes only in calls."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls = 0

    def perf_counter(self) -> float:
        return self.now

    def call(self, seconds: float) -> Any:
        def run() -> None:
            self.now += seconds
            self.calls += 1

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", clock.perf_counter)
    return clock


# ---------------------------------------------------------------- problems and arrays


@pytest.mark.parametrize("name", LAYERS)
def test_problem_strings_are_canonical(name: str) -> None:
    assert str(Problem(LAYERS[name])) == LAYERS[name]


def test_problems_cover_every_kernel() -> None:
    problems = [Problem(text) for text in LAYERS.values()]
    names = {"auto", *fastconv.algorithms()} - {"dot"}  # whose type NumPy has not
    assert {name for problem in problems for name in kernel_names(problem)} == names
    assert {problem.layout for problem in problems} == {"NCHW", "NHWC"}
    assert {problem.dtype for problem in problems} == {"float32", "float64"}
    assert {problem.rank for problem in problems} == {1, 2, 3}


def test_parts() -> None:
    """Those that ask for a number of threads ask for every power of two, and for all there are."""
    parts = sweeps(6)
    assert [part.threads for part in parts if part.threads] == [1, 2, 4, 6]
    assert all(part.problems and part.processes == 1 for part in parts)
    assert layers(SMALL).processes is None


def test_select() -> None:
    assert list(select()) == list(LAYERS)
    assert list(select("vgg.conv1, lenet.c5")) == ["vgg.conv1_1", "vgg.conv1_2", "lenet.c5"]
    assert all("g32" in str(problem) for problem in select(" g32 ").values())
    assert {problem.dtype for problem in select(dtype="float64").values()} == {"float64"}
    assert select("no such thing") == {}


def test_arrays_are_the_same_every_time() -> None:
    first, second = (make_arrays("a.conv", SMALL["a.conv"]) for _ in range(2))
    assert first.weight is not None
    assert second.weight is not None
    assert first.bias is not None
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.weight, second.weight)
    assert first.x.dtype == first.weight.dtype == first.bias.dtype == np.float32


@pytest.mark.parametrize("name", [name for name in LAYERS if name.startswith("photo")])
def test_the_photograph_is_what_is_filtered(name: str) -> None:
    problem = Problem(LAYERS[name])
    x = make_arrays(name, problem).x
    assert x.shape == problem.input_shape
    assert x.dtype == np.float32
    pixels = x[0] if problem.layout == "NHWC" else np.moveaxis(x[0], 0, -1)
    np.testing.assert_array_equal(pixels, photograph())


# ---------------------------------------------------------------- the run


def ran(problems: Any, *libraries: str, settings: Settings = QUICK, **options: Any) -> Report:
    """A run of one part, beside libraries of `bench_libraries`."""
    names = [name if name.islower() else f"tests.bench_libraries:{name}" for name in libraries]
    return run([layers(problems)], ["fastconv", *names], settings, **options)


@pytest.mark.parametrize("prepared", [True, False])
def test_every_way_gets_a_row(prepared: bool) -> None:
    steps: list[Progress] = []
    settings = Settings(processes=2, rounds=2, sample=1e-4, prepared=prepared)
    report = ran(SMALL, "numpy", settings=settings, progress=steps.append)
    named = [step for step in steps if step.name not in ("limits", "libraries")]
    assert [(step.done, step.name) for step in named] == [
        *((0, "a.conv"), (1, "b.pool"), (2, "a.conv"), (3, "b.pool"), (4, "")),
    ]
    assert {step.total for step in steps} == {4}
    assert report.complete
    assert not report.failures
    assert report.repeated == 0
    assert report.libraries == {"fastconv": fastconv.__version__, "numpy": np.__version__}
    for case, (name, problem) in zip(report.cases(), SMALL.items(), strict=True):
        assert (case.name, case.problem) == (name, str(problem))
        ways = [(row.library, row.way) for row in case.rows]
        assert ways == [
            *(("fastconv", way) for way in kernel_names(problem)),
            *(("numpy", way) for way in known_baselines(problem)),
        ]
        assert case.default is not None
        assert case.default.chosen in kernel_names(problem)
        for row in case.rows:
            assert row.status == "ok"
            assert [len(samples) for samples in row.samples] == [2, 2]
            assert row.seconds == statistics.median(seconds for process in row.samples for seconds in process)
            assert row.gflops == pytest.approx(problem.flops / row.seconds / 1e9)
            assert row.share > 0
            assert row.limit in ("arithmetic", "L1")
            assert row.ratio_low <= row.ratio <= row.ratio_high
        assert case.default.ratio == 1


@pytest.mark.parametrize(
    ("library", "status", "note"),
    [
        ("OneElement", "differs", r"differs from float64 by \d"),
        ("OneNaN", "differs", "differs from float64 by nan"),
        (
            "Cropped",
            "differs",
            r"the result is float32 \(1, 6, 8, 8\), expected float32 \(1, 6, 9, 8\)",
        ),
        ("Widened", "differs", "the result is float64"),
        ("Failing", "error", "RuntimeError: out of order"),
    ],
)
def test_a_wrong_result_is_reported_and_not_timed(library: str, status: str, note: str) -> None:
    report = ran(CONV, library)
    (refused,) = report.failures
    assert (refused.library, refused.way, refused.status) == ("changed", "direct", status)
    assert re.match(note, refused.note)
    assert math.isnan(refused.seconds)
    assert math.isnan(refused.ratio)
    assert not refused.samples
    assert all(row.seconds > 0 for row in report.rows if row is not refused)


def test_a_library_that_takes_its_process_down() -> None:
    """Says so, and goes on with the next problem in a new one."""
    report = ran(SMALL, "Dying")
    (died,) = report.failures
    assert (died.name, died.library) == ("a.conv", "changed")
    assert "ended with code -9" in died.note
    after = [row for row in report.rows if (row.name, row.library) == ("b.pool", "changed")]
    assert [row.status for row in after] == ["ok"]


def test_a_library_that_fails_while_it_is_timed() -> None:
    (failed,) = ran(CONV, "DyingLater").failures
    assert (failed.library, failed.status, failed.note) == ("changed", "error", "RuntimeError: tired")
    assert math.isnan(failed.seconds)


def test_a_library_that_prints() -> None:
    report = ran(CONV, "Talking")
    assert not report.failures
    assert report.cases()[0].best("changed") is not None


def test_a_library_that_is_not_there() -> None:
    report = ran(POOL, "Absent", "numpy")
    assert "No module named 'absent'" in report.libraries["tests.bench_libraries:Absent"]
    assert report.measured_libraries == ["fastconv", "numpy"]
    nowhere = run([layers(POOL)], ["fastconv", "no.such.module:Library"], QUICK)
    assert "No module named 'no'" in nowhere.libraries["no.such.module:Library"]


def test_what_a_library_says_of_itself() -> None:
    """Which algorithm it chose; and that it has nothing without preparing."""
    (row,) = (row for row in ran(CONV, "Counting").rows if row.library == "changed")
    assert (row.way, row.chosen) == ("packed", "its own")
    unprepared = ran(CONV, "Counting", settings=dataclasses.replace(QUICK, prepared=False))
    assert unprepared.measured_libraries == ["fastconv"]


def test_the_library_of_the_documentation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The class in docs/benchmarks.md is measured as it stands there."""
    text = (Path(__file__).parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    plain = {"a": Problem("conv2d n1 ic4 ih9 iw8 oc6 kh3 kw3 s2 p1 nchw f32 bias")}
    report = run([layers(plain)], ["fastconv", "mine:MyLibrary"], QUICK)
    assert report.libraries["mine"] == "1.0"
    (row,) = (row for row in report.rows if row.library == "mine")
    assert (row.way, row.status) == ("plain", "ok")


def test_numpy_is_enough(tmp_path: Path) -> None:
    """A run, and what is written of it, need nothing else."""
    code = f"""
        import sys
        for name in ("click", "rich", "PIL", "matplotlib", "scipy", "jinja2", "torch", "onnx"):
            sys.modules[name] = None
        from fastconv.bench import Settings, layers, run, select
        report = run([layers(select("tiny"))], ["fastconv", "numpy"], Settings(1, 1, 1e-4))
        report.write({str(tmp_path / "a.json")!r})
        report.write_csv({str(tmp_path / "a.csv")!r})
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, env=environment, timeout=120)
    report = Report.read(tmp_path / "a.json")
    assert report.measured_libraries == ["fastconv", "numpy"]
    assert not report.failures


def test_a_disturbed_round_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after which the canary is slow, and the next, before which it was."""
    make_quick(monkeypatch, True, False, True, True, True)
    report = ran(POOL)
    assert report.repeated == 2
    assert [len(row.samples[0]) for row in report.rows] == [2]


def test_a_machine_that_is_never_quiet_gets_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the run goes on when it is."""
    make_quick(monkeypatch, *[False] * 99)
    disturbed = ran(POOL)
    (row,) = disturbed.rows
    assert row.status == "disturbed"
    assert math.isnan(row.seconds)
    assert "in every round" in row.note
    make_quick(monkeypatch)
    (again,) = ran(POOL, begun=disturbed).rows
    assert again.seconds > 0


def test_canary_of_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """It compares with the best that it has heard, whenever that was."""
    rates = iter([*[80.0] * 20, 79.0, 51.0, 100.0, 64.0, 66.0])
    monkeypatch.setattr(Canary, "_rate", lambda self: next(rates))
    monkeypatch.setattr(canary, "others_seconds", lambda processes: 0.0)
    heard = Canary(1)
    assert [heard.quiet([]) for _ in range(5)] == [True, False, True, False, True]


def test_canary_of_other_processes(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """15 % of a core are too much, over a quarter of a second or more."""
    account = iter([10.0, 10.05, 10.35, 10.5])
    asked: list[list[int]] = []
    monkeypatch.setattr(Canary, "_rate", lambda self: 1.0)
    monkeypatch.setattr(canary, "others_seconds", lambda processes: asked.append(processes) or next(account))
    heard = Canary(1)
    for seconds, quiet in ((0.1, True), (0.4, True), (1.0, False), (2.0, True)):
        clock.now += seconds
        assert heard.quiet([7]) is quiet
    assert asked == [[], *[[os.getpid(), 7]] * 3]


def test_the_account_of_other_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All that cores did but wait, less what two processes did; where there is no account, nothing."""
    (tmp_path / "stat").write_text("cpu  1000 20 300 99999 88888 4 50 6 77 0\ncpu0 1 2 3\n")
    for process, text in ((3, "3 (a b) c) S"), (4, "4 (x) R")):
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "stat").write_text(f"{text} {' '.join(map(str, range(4, 45)))}\n")
    monkeypatch.setattr(canary, "_PROC", tmp_path)
    monkeypatch.setattr(canary.os, "sysconf", lambda name: 100, raising=False)
    assert canary.others_seconds([]) == 13.8
    assert canary.others_seconds([3, 4]) == pytest.approx(13.8 - 2 * 0.29)
    assert canary.others_seconds([5]) == 0.0  # which has ended
    monkeypatch.setattr(canary, "_PROC", tmp_path / "nothing")
    assert canary.others_seconds([]) == 0.0


def test_canary_as_it_is() -> None:
    heard = Canary(1)
    assert heard._rate() > 0
    assert heard.quiet([os.getpid()]) in (True, False)


@pytest.mark.parametrize("cold", [True, False])
def test_caches(cold: bool) -> None:
    report = ran(POOL, "numpy", settings=dataclasses.replace(QUICK, rounds=1, cold=cold))
    assert {row.limit for row in report.rows} == {"memory" if cold else "L1"}


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    ran(POOL).write(tmp_path / "begun.json")
    begun = Report.read(tmp_path / "begun.json")
    steps: list[Progress] = []
    report = ran(SMALL, begun=begun, progress=steps.append)
    assert "b.pool" not in {step.name for step in steps}
    (kept,) = (row for row in report.rows if row.name == "b.pool")
    assert kept.samples == begun.rows[0].samples
    assert {row.name for row in report.rows} == set(SMALL)
    assert report.seconds > begun.seconds
    with pytest.raises(ValueError, match=r"made otherwise: settings: .*prepared=True.*prepared=False"):
        ran(SMALL, settings=dataclasses.replace(QUICK, prepared=False), begun=begun)
    for field, value in {"processor": "abacus", "threads": 99, "fastconv": "0.0.1"}.items():
        other = dataclasses.replace(begun, machine=dataclasses.replace(begun.machine, **{field: value}))
        with pytest.raises(
            ValueError, match=f"made otherwise: {'another build' if field == 'fastconv' else field}"
        ):
            ran(SMALL, begun=other)


def test_ctrl_c_keeps_what_was_measured() -> None:
    def interrupt(progress: Progress) -> None:
        if progress.done == 1:
            raise KeyboardInterrupt

    report = ran(SMALL, progress=interrupt)
    assert not report.complete
    assert {row.name for row in report.rows} == {"a.conv"}
    assert all(row.seconds > 0 for row in report.rows)


def test_parts_have_their_libraries_and_threads() -> None:
    parts = [
        Part("batch", POOL, ("fastconv",)),
        Part("threads", POOL, threads=1),
        Part("threads", POOL, threads=2),
    ]
    report = run(parts, ["fastconv", "numpy"], QUICK)
    assert [(case.part, case.threads) for case in report.cases()] == [
        ("batch", fastconv.get_num_threads()),
        ("threads", 1),
        ("threads", 2),
    ]
    assert {row.library for row in report.cases("batch")[0].rows} == {"fastconv"}
    assert {row.library for row in report.cases("threads")[1].rows} == {"fastconv", "numpy"}
    assert {limits.threads for limits in report.limits} == {1, 2, fastconv.get_num_threads()}


def test_one_algorithm_alone() -> None:
    report = ran(SMALL, settings=dataclasses.replace(QUICK, way="im2col"))
    assert [(row.name, row.way) for row in report.rows] == [("a.conv", "im2col")]


def test_maximum_pooling_must_be_equal() -> None:
    problem = Problem("max_pool1d n1 c1 iw8 kw2 s2 p0 nchw f32")
    exact = np.arange(4.0).reshape(1, 1, 4)
    assert verify(problem, Prepared(lambda: exact.astype(np.float32)), exact).status == "ok"
    next_to_it = np.nextafter(exact.astype(np.float32), np.float32(np.inf))
    assert verify(problem, Prepared(lambda: next_to_it), exact).status == "differs"


def test_without_the_photograph_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise PhotoMissingError("pip install 'fastconv[cli]'")

    monkeypatch.setattr("fastconv.bench.data.photograph", missing)
    (row,) = ran(select("photo.3x3.nhwc")).rows
    assert row.status == "error"
    assert "fastconv[cli]" in row.note


def test_the_clear_error_of_a_missing_photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_file(*args: Any, **kwargs: Any) -> Any:
        raise FileNotFoundError("no sample data")

    monkeypatch.setattr("matplotlib.cbook.get_sample_data", no_such_file)
    with pytest.raises(PhotoMissingError, match=r"no sample data.*pip install 'fastconv\[cli\]'"):
        photograph()


def test_threads_and_instruction_set_are_put_back() -> None:
    before = fastconv.get_num_threads(), fastconv.instruction_set()
    lowest = fastconv.instruction_sets()[0]
    with contextlib.suppress(ZeroDivisionError), as_asked(3, lowest):
        assert (fastconv.get_num_threads(), fastconv.instruction_set()) == (3, lowest)
        raise ZeroDivisionError
    assert (fastconv.get_num_threads(), fastconv.instruction_set()) == before
    report = ran(POOL, settings=dataclasses.replace(QUICK, threads=1, instruction_set=lowest))
    assert (report.machine.threads, report.machine.instruction_set) == (1, lowest)
    assert {row.threads for row in report.rows} == {1}
    assert (fastconv.get_num_threads(), fastconv.instruction_set()) == before


def test_every_library_gets_as_many_threads() -> None:
    found = fair_environment(3)
    assert found["OPENBLAS_NUM_THREADS"] == found["OMP_NUM_THREADS"] == found["NUMBA_NUM_THREADS"] == "3"


# ---------------------------------------------------------------- timing


def test_a_call_is_timed_for_as_long_as_asked(clock: Clock) -> None:
    assert time_call(clock.call(0.001), 0.01) == pytest.approx(0.001)
    assert 20 <= clock.calls <= 22  # as many before them
    clock.calls = 0
    assert time_call(clock.call(0.05), 0.01) == pytest.approx(0.05)
    assert clock.calls == 4  # three at least
    clock.calls = 0
    assert time_call(clock.call(0.2), 0.01) == pytest.approx(0.2)
    assert clock.calls == 1  # a long one brings everything back by itself
    clock.calls = 0
    assert time_call(clock.call(1e-6), 1e-4) == pytest.approx(1e-6)
    assert 100 + 100 <= clock.calls <= 100 + 121  # in groups of twenty


def test_cold_calls(clock: Clock) -> None:
    """What empties the caches is not timed."""
    assert time_cold(clock.call(0.001), clock.call(5.0)) == pytest.approx(0.001)
    assert clock.calls == 6


def test_calls_take_turns(clock: Clock) -> None:
    """A round has the same place in every list; out of time, three rounds are enough."""
    assert [len(samples) for samples in in_turn([clock.call(0.01), clock.call(0.02)], 5, seconds=9)] == [5, 5]
    first, second = in_turn([clock.call(0.01), clock.call(0.02)], 5, seconds=0)
    assert first == pytest.approx([0.01] * 3)
    assert second == pytest.approx([0.02] * 3)


@pytest.mark.parametrize(
    "name", [name for name in LAYERS if not name.startswith("pool") and name != "lenet.s2"]
)
def test_estimates_are_what_auto_goes_by(name: str) -> None:
    expected, explanation = estimates(Problem(LAYERS[name])), fastconv.explain(LAYERS[name])
    assert min(expected, key=expected.__getitem__) == explanation.algorithm
    assert expected[explanation.algorithm] == explanation.estimate_us / 1e6


def test_time_algorithms() -> None:
    found = time_algorithms(SMALL["a.conv"], ["direct", "im2col"], rounds=1, seconds=0.001)
    assert list(found) == ["direct", "im2col"]
    assert min(found.values()) > 0


# ---------------------------------------------------------------- limits


def test_measured_limits() -> None:
    limits = measure_limits(1, seconds=1e-3)
    assert set(limits.gflops) == set(fastconv.instruction_sets())
    assert all(peak > 0 for peaks in limits.gflops.values() for peak in peaks.values())
    assert set(limits.gbytes) == {*limits.capacities, "memory"}
    assert all(rate > 0 for rate in limits.gbytes.values())


def test_the_limit_of_a_problem() -> None:
    """Operations at the peak, or bytes from the nearest level that holds all of them."""
    conv = Problem("conv2d n1 ic64 ih8 iw8 oc64 kh3 kw3 s1 p1 nchw f32")  # 180 kB
    assert LIMITS.of(conv, "x86-64-v3") == ("arithmetic", conv.flops / 100e9)
    pool = Problem("max_pool2d n1 c8 ih16 iw16 kh2 kw2 nchw f32")
    assert LIMITS.of(pool, "x86-64-v3") == ("L1", pool.bytes / 100e9)
    assert LIMITS.of(pool, "x86-64-v3", cold=True) == ("memory", pool.bytes / 10e9)
    large = Problem("max_pool2d n1 c64 ih256 iw256 kh2 kw2 nchw f32")
    assert LIMITS.of(large, "x86-64-v3") == ("memory", large.bytes / 10e9)
    double = Problem("conv2d n1 ic64 ih8 iw8 oc64 kh3 kw3 s1 p1 nchw f64")
    assert LIMITS.of(double, "x86-64-v3") == ("arithmetic", double.flops / 50e9)


# ---------------------------------------------------------------- the report


@pytest.fixture(scope="module")
def machine() -> Any:
    return describe_machine()


def row(library: str, way: str, samples: list[list[float]], **options: Any) -> Row:
    return Row("layers", "a", TINY, 1, library, way, samples=samples, **options)


def figures(machine: Any, *rows: Row) -> list[Row]:
    usable = dataclasses.replace(machine, instruction_set="x86-64-v3")
    return with_figures(rows, Problem(TINY), LIMITS, usable, QUICK)


def test_figures(machine: Any) -> None:
    """Times are medians over all rounds, ratios medians of those within the rounds."""
    problem = Problem(TINY)
    ours, theirs, failed = figures(
        machine,
        row("fastconv", "auto", [[1.0, 2.0], [4.0]]),
        row("numpy", "windows", [[2.0, 6.0], [7.0]]),
        row("torch", "eager", [], status="differs"),
    )
    assert (ours.seconds, theirs.seconds) == (2.0, 6.0)
    assert ours.gbytes == problem.bytes / 2e9
    assert ours.share == pytest.approx(problem.flops / 100e9 / 2)
    assert ours.spread == pytest.approx((3.0 - 1.5) / 2 / 2)
    assert ours.ratio == ours.ratio_low == ours.ratio_high == 1
    assert theirs.ratio == 2.0  # the median of 2/1, 6/2 and 7/4
    assert (theirs.ratio_low, theirs.ratio_high) == (1.75, 3.0)
    assert math.isnan(failed.seconds)


def test_rounds_that_are_missing(machine: Any) -> None:
    """Ratios are of processes in which both were measured in every round."""
    _, theirs = figures(
        machine, row("fastconv", "auto", [[1.0], [1.0, 1.0]]), row("numpy", "im2col", [[], [3.0, 5.0]])
    )
    assert (theirs.seconds, theirs.ratio) == (4.0, 4.0)


def test_cases(machine: Any) -> None:
    rows = figures(
        machine,
        row("fastconv", "auto", [[2.0]]),
        row("fastconv", "direct", [[1.0]]),
        row("numpy", "windows", [[3.0]]),
        row("torch", "eager", [[1.0]]),
        row("torch", "packed", [], status="error"),
    )
    case = Case("layers", "a", TINY, 1, rows)
    assert case.default is rows[0]
    assert case.best() is rows[3]
    assert case.best("numpy") is rows[2]
    assert case.best("fastconv") is rows[1]
    assert case.best("scipy") is None


def test_json_keeps_everything(machine: Any, tmp_path: Path) -> None:
    rows = [
        *figures(machine, row("fastconv", "auto", [[1.0], [2.0]])),
        row("numpy", "im2col", [], status="error"),
    ]
    report = Report(
        machine, QUICK, [LIMITS], {"fastconv": "1"}, rows, complete=False, repeated=3, seconds=3.0
    )
    report.write(tmp_path / "report.json")
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["machine"]["processor"]
    assert data["machine"]["numpy"] == np.__version__
    assert data["machine"]["fastconv"] == fastconv.__version__
    assert data["machine"]["date"]
    assert data["machine"]["build"]["flags"]
    assert data["rows"][1]["seconds"] is None
    again = Report.read(tmp_path / "report.json")
    assert (again.machine, again.settings, again.limits) == (machine, QUICK, [LIMITS])
    assert not again.complete
    assert again.rows[0] == rows[0]
    assert math.isnan(again.rows[1].seconds)
    assert again.limits_with(1) == LIMITS
    again.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "report.json").read_text()


def test_csv(machine: Any, tmp_path: Path) -> None:
    """A line for each row; what was not measured is empty."""
    rows = [
        *figures(machine, row("fastconv", "auto", [[1.0]])),
        row("numpy", "with, comma", [], status="error"),
    ]
    Report(machine, QUICK, [LIMITS], {}, rows).write_csv(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert float(first["seconds"]) == 1.0
    assert (second["way"], second["seconds"], second["ratio"]) == ("with, comma", "", "")
    assert "samples" not in first


@pytest.mark.parametrize(
    "text", ["{}", '{"rows": 3}', "[]", '{"rows": [{"x": 1}], "machine": {}}', "no JSON"]
)
def test_another_file_is_no_report(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=r"other\.json is not a result of"):
        Report.read(tmp_path / "other.json")
