"""The benchmark: it times nothing that is wrong, and its report keeps everything."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import math
import re
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem
from fastconv.bench import (
    PhotoMissingError,
    Selected,
    Selection,
    describe_machine,
    estimates,
    kernel_call,
    kernel_names,
    make_arrays,
    photograph,
    run,
    run_selection,
    runner,
    select,
)
from fastconv.bench import baselines as known_baselines
from fastconv.bench import machine as machine_module
from fastconv.bench.machine import as_asked, fair_environment
from fastconv.bench.problems import LAYERS
from fastconv.bench.report import Report, Row

QUICK = runner.Settings(rounds=2, seconds=0.01, sample=1e-4)
SMALL = {
    "a.conv": Problem("conv2d n1 ic4 ih9 iw8 oc6 kh3 kw3 s1 p1 nchw f32 bias relu"),
    "b.pool": Problem("avg_pool2d n1 c3 ih8 iw8 kh2 kw2 s2 p0 nhwc f64"),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs true figures: no pauses, and no measurement of the peak."""
    monkeypatch.setattr(runner, "settling_seconds", lambda: 0.0)
    peaks = cycle([{"float32": 10.0, "float64": 5.0}, {"float32": 9.0, "float64": 6.0}])
    for module in (machine_module, runner):
        monkeypatch.setattr(module, "measure_peak", lambda threads: next(peaks))


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


# ---------------------------------------------------------------- the runner


@pytest.mark.parametrize("prepared", [True, False])
def test_every_kernel_gets_a_row(prepared: bool) -> None:
    steps: list[runner.Progress] = []
    report = run(SMALL, dataclasses.replace(QUICK, prepared=prepared), steps.append)
    assert [(step.done, step.total, step.name) for step in steps] == [
        (0, 2, "a.conv"),
        (1, 2, "b.pool"),
        (2, 2, ""),
    ]
    assert report.complete
    assert not report.failures
    assert report.prepared is prepared
    names = [(row.name, row.algorithm) for row in report.rows]
    assert names == [("a.conv", name) for name in kernel_names(SMALL["a.conv"])] + [("b.pool", "pool")]
    for row in report.rows:
        problem = SMALL[row.name]
        assert row.status == "ok"
        assert row.rounds == 2
        assert row.problem == str(problem)
        assert row.gflops == pytest.approx(problem.flops / row.seconds / 1e9)
        assert row.speedup_low <= row.speedup <= row.speedup_high
        assert row.baselines[row.baseline] == row.baseline_seconds == min(row.baselines.values())
        assert set(row.baselines) == set(known_baselines(problem))
    assert report.machine.peak_gflops == {"float32": 10.0, "float64": 6.0}  # the best of before and after
    default, pool = report.defaults
    assert default.algorithm == "auto"
    assert default.chosen in kernel_names(SMALL["a.conv"])
    assert default.peak_share == pytest.approx(default.gflops / 10)
    assert pool.peak_share is None


def wrong(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A `kernel_call` whose ``direct`` results went through `change`."""

    def call(problem: Problem, data: Any, algorithm: str, prepared: bool) -> Any:
        right = kernel_call(problem, data, algorithm, prepared)
        return (lambda: change(right())) if algorithm == "direct" else right

    return call


def one_element(y: Any) -> Any:
    y = y.copy()
    y[0, 2, 3, 4] += 1e-3
    return y


def one_nan(y: Any) -> Any:
    y = y.copy()
    y[0, 0, 0, 0] = np.nan
    return y


def failing(y: Any) -> Any:
    raise RuntimeError("out of order")


@pytest.mark.parametrize(
    ("change", "status", "note"),
    [
        (one_element, "differs", r"differs from float64 by \d"),
        (one_nan, "differs", "differs from float64 by nan"),
        (
            lambda y: y[:, :, 1:],
            "differs",
            r"the result is float32 \(1, 6, 8, 8\), expected float32 \(1, 6, 9, 8\)",
        ),
        (lambda y: y.astype(np.float64), "differs", "the result is float64"),
        (failing, "error", "RuntimeError: out of order"),
    ],
)
def test_a_wrong_result_is_reported_and_not_timed(
    monkeypatch: pytest.MonkeyPatch, change: Any, status: str, note: str
) -> None:
    monkeypatch.setattr(runner, "kernel_call", wrong(change))
    report = run({"a.conv": SMALL["a.conv"]}, QUICK)
    (refused,) = report.failures
    assert (refused.algorithm, refused.status) == ("direct", status)
    assert re.match(note, refused.note)
    assert math.isnan(refused.seconds)
    assert math.isnan(refused.speedup)
    assert refused.rounds == 0
    assert all(row.speedup > 0 for row in report.rows if row is not refused)


def test_maximum_pooling_must_be_equal() -> None:
    problem = Problem("max_pool1d n1 c1 iw8 kw2 s2 p0 nchw f32")
    exact = np.arange(4.0).reshape(1, 1, 4)
    assert runner.verify(problem, lambda: exact.astype(np.float32), exact).status == "ok"
    next_to_it = np.nextafter(exact.astype(np.float32), np.float32(np.inf))
    assert runner.verify(problem, lambda: next_to_it, exact).status == "differs"


def test_a_wrong_baseline_is_not_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    known = known_baselines(SMALL["a.conv"])
    lying = {**known, "windows": lambda *args: known["windows"](*args) + 1}
    monkeypatch.setattr(runner, "baselines", lambda problem: lying)
    report = run({"a.conv": SMALL["a.conv"]}, QUICK)
    assert all(set(row.baselines) == {"im2col"} for row in report.rows)


def test_kernels_and_baselines_of_one_name_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have an ``im2col``."""
    called: list[str] = []

    def numpy_im2col(problem: Problem, x: Any, *rest: Any) -> Any:
        called.append("numpy")
        return known_baselines(problem)["im2col"](problem, x, *rest)

    problem = SMALL["a.conv"]
    exact = runner.exact_result(problem, make_arrays("a.conv", problem))
    monkeypatch.setattr(runner, "exact_result", lambda problem, data: exact)
    monkeypatch.setattr(runner, "baselines", lambda problem: {"im2col": numpy_im2col})
    report = run({"a.conv": problem}, QUICK)
    assert "im2col" in {row.algorithm for row in report.rows}
    assert len(called) > 2 * QUICK.rounds
    assert all(row.baseline == "im2col" and row.rounds == QUICK.rounds for row in report.rows)


def test_figures_are_medians_of_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    numpy_samples = {"windows": [9.0, 9.0, 9.0], "slices": [2.0, 6.0, 7.0]}
    monkeypatch.setattr(runner, "_rounds", lambda *args: ({"pool": [1.0, 2.0, 4.0]}, numpy_samples))
    (row,) = run({"b.pool": SMALL["b.pool"]}, QUICK).rows
    assert (row.seconds, row.baseline, row.baseline_seconds) == (2.0, "slices", 6.0)
    assert row.speedup == 2.0  # the median of 2/1, 6/2 and 7/4
    assert (row.speedup_low, row.speedup_high) == (1.75, 3.0)  # of three rounds nothing can be left out
    assert row.samples == [1.0, 2.0, 4.0]
    assert row.baseline_samples == [2.0, 6.0, 7.0]


def test_a_run_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run({"b.pool": SMALL["b.pool"]}, QUICK).write(tmp_path / "begun.json")
    begun = Report.read(tmp_path / "begun.json")
    measured: list[str] = []
    measure = runner.measure
    monkeypatch.setattr(runner, "measure", lambda name, *rest: measured.append(name) or measure(name, *rest))
    report = run(SMALL, QUICK, begun=begun)
    assert measured == ["a.conv"]
    assert report.rows[-1] == begun.rows[0]
    assert list(dict.fromkeys(row.name for row in report.rows)) == list(SMALL)
    assert report.seconds > begun.seconds
    with pytest.raises(ValueError, match="made otherwise: prepared: True, then False"):
        run(SMALL, dataclasses.replace(QUICK, prepared=False), begun=begun)
    for field, value in {"processor": "abacus", "threads": 99, "fastconv": "0.0.1"}.items():
        other = dataclasses.replace(begun, machine=dataclasses.replace(begun.machine, **{field: value}))
        with pytest.raises(
            ValueError, match=f"made otherwise: {'another build' if field == 'fastconv' else field}"
        ):
            run(SMALL, QUICK, begun=other)


def test_an_algorithm_that_supports_one_problem_alone() -> None:
    """The others have no rows; nothing else is measured."""
    report = run(SMALL, dataclasses.replace(QUICK, algorithm="im2col"))
    assert [(row.name, row.algorithm) for row in report.rows] == [("a.conv", "im2col")]
    assert report.complete


def test_csv(tmp_path: Path) -> None:
    """A line for each row; what was not measured is empty."""
    report = run({"b.pool": SMALL["b.pool"]}, QUICK)
    report = dataclasses.replace(
        report, rows=[*report.rows, Row("c", "problem, with comma", "auto", "direct", "error")]
    )
    report.write_csv(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert float(first["seconds"]) == report.rows[0].seconds
    assert (second["problem"], second["seconds"], second["peak_share"]) == ("problem, with comma", "", "")
    assert "samples" not in first


def test_ctrl_c_keeps_what_was_measured() -> None:
    def interrupt(progress: runner.Progress) -> None:
        if progress.done == 1:
            raise KeyboardInterrupt

    report = run(SMALL, QUICK, interrupt)
    assert not report.complete
    assert {row.name for row in report.rows} == {"a.conv"}


def test_without_the_photograph_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise PhotoMissingError("pip install 'fastconv[cli]'")

    monkeypatch.setattr("fastconv.bench.data.photograph", missing)
    report = run(select("photo.3x3.nhwc"), QUICK)
    assert {row.status for row in report.rows} == {"error"}
    assert all("fastconv[cli]" in row.note for row in report.rows)


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
    report = run({"b.pool": SMALL["b.pool"]}, dataclasses.replace(QUICK, threads=1, instruction_set=lowest))
    assert (report.machine.threads, report.machine.instruction_set) == (1, lowest)
    assert (fastconv.get_num_threads(), fastconv.instruction_set()) == before


def test_numpy_gets_as_many_threads() -> None:
    assert fair_environment(3)["OPENBLAS_NUM_THREADS"] == "3"


# ---------------------------------------------------------------- the choices of "auto"


@pytest.mark.parametrize("prepared", [True, False])
def test_selection_has_a_row_for_each_convolution(prepared: bool) -> None:
    steps: list[runner.Progress] = []
    selection = run_selection(SMALL, dataclasses.replace(QUICK, prepared=prepared), steps.append)
    assert [(step.done, step.total, step.name) for step in steps] == [(0, 1, "a.conv"), (1, 1, "")]
    assert selection.complete
    assert selection.prepared is prepared
    (row,) = selection.rows
    assert (row.name, row.problem) == ("a.conv", str(SMALL["a.conv"]))
    assert row.seconds.keys() == estimates(SMALL["a.conv"]).keys()
    assert row.seconds[row.fastest] == min(row.seconds.values()) > 0
    assert row.cost == row.seconds[row.chosen] / row.seconds[row.fastest]


@pytest.mark.parametrize(
    "name", [name for name in LAYERS if not name.startswith("pool") and name != "lenet.s2"]
)
def test_selection_knows_what_auto_chooses(name: str) -> None:
    expected, explanation = estimates(Problem(LAYERS[name])), fastconv.explain(LAYERS[name])
    assert min(expected, key=expected.__getitem__) == explanation.algorithm
    assert expected[explanation.algorithm] == explanation.estimate_us / 1e6


def test_selection_interrupted_keeps_what_was_measured() -> None:
    def interrupt(progress: runner.Progress) -> None:
        if progress.name == "c.conv":
            raise KeyboardInterrupt

    selection = run_selection({**SMALL, "c.conv": SMALL["a.conv"]}, QUICK, interrupt)
    assert not selection.complete
    assert [row.name for row in selection.rows] == ["a.conv"]


# ---------------------------------------------------------------- the report


@pytest.fixture(scope="module")
def machine() -> Any:
    return describe_machine()


def test_json_keeps_everything(machine: Any, tmp_path: Path) -> None:
    rows = [
        Row(
            "a",
            "conv",
            "auto",
            "direct",
            seconds=1.0,
            peak_share=0.5,
            baselines={"windows": 2.0},
            speedup=2.0,
        ),
        Row("a", "conv", "im2col", "im2col", "differs", "by 1"),
    ]
    report = Report(machine, rows, complete=False, seconds=3.0)
    report.write(tmp_path / "report.json")
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["machine"]["processor"]
    assert data["machine"]["numpy"] == np.__version__
    assert data["machine"]["fastconv"] == fastconv.__version__
    assert data["machine"]["date"]
    assert data["rows"][1]["seconds"] is None
    again = Report.read(tmp_path / "report.json")
    assert again.machine == machine
    assert not again.complete
    assert again.rows[0].baselines == {"windows": 2.0}
    assert math.isnan(again.rows[1].seconds)
    again.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "report.json").read_text()


def test_selection_sums_up_and_is_written(machine: Any, tmp_path: Path) -> None:
    rows = [
        Selected(name, "conv", "direct", "im2col", cost, 1e-3, {"direct": cost, "im2col": 1.0})
        for name, cost in (("a", 1.0), ("b", 1.02), ("c", 1.6))
    ]
    selection = Selection(machine, rows)
    assert selection.right == 2  # the second is as good as right
    assert selection.mean_cost == pytest.approx((1.02 * 1.6) ** (1 / 3))
    assert selection.worst is rows[2]
    selection.write(tmp_path / "selection.json")
    data = json.loads((tmp_path / "selection.json").read_text())
    assert data["machine"]["processor"] == machine.processor
    assert [Selected(**row) for row in data["rows"]] == rows
    assert Selection(machine, []).worst is None


@pytest.mark.parametrize(
    "text", ["{}", '{"rows": 3}', "[]", '{"rows": [{"x": 1}], "machine": {}}', "no JSON"]
)
def test_another_file_is_no_report(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - of json, or ours
        Report.read(tmp_path / "other.json")


@pytest.mark.parametrize("count", [1, 8, len(LAYERS)])
def test_plot(machine: Any, tmp_path: Path, count: int) -> None:
    from PIL import Image

    from fastconv.bench.plot import plot

    rows = [
        Row(
            name,
            text,
            "auto",
            "direct",
            speedup=0.3 * 1.3**i,
            speedup_low=0.25 * 1.3**i,
            speedup_high=0.4 * 1.3**i,
        )
        for i, (name, text) in enumerate(list(LAYERS.items())[:count])
    ]
    plot(Report(machine, rows), tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.width > 600
    with pytest.raises(ValueError, match="nothing to plot"):
        plot(Report(machine, []), tmp_path / "empty.png")
