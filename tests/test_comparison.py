"""Two runs of the benchmark beside each other: what counts as a change, and what chance alone may do."""

from __future__ import annotations

import dataclasses
import json
import statistics
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv.bench import Report, Row, compare, describe_machine
from fastconv.bench import machine as machine_module
from fastconv.bench.intervals import _orders, median_interval, quotient_interval

from .test_cli import invoke, refused

ROUNDS, KERNELS = 15, 30


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(machine_module, "measure_peak", lambda threads: {"float32": 9.0, "float64": 5.0})
    return describe_machine()


def made_up(machine: Any, seed: int, slower: dict[int, float] | None = None, drift: float = 1.0) -> Report:
    """Return a run whose rounds have moods, which kernel and baseline share, and 2 % of noise besides."""
    random = np.random.default_rng(seed)
    rows = []
    for i in range(KERNELS):
        mood = drift * np.exp(0.2 * random.standard_normal(ROUNDS))
        own, theirs = (
            (mood * seconds * np.exp(0.02 * random.standard_normal(ROUNDS))).tolist()
            for seconds in (1e-4 * (slower or {}).get(i, 1.0), 1e-3)
        )
        rows.append(
            Row(
                f"made.up{i}",
                f"problem {i}",
                "auto",
                "direct",
                seconds=statistics.median(own),
                baseline="im2col",
                rounds=ROUNDS,
                samples=own,
                baseline_samples=theirs,
            )
        )
    return Report(machine, rows)


def test_an_interval_has_the_median_as_often_as_it_says() -> None:
    """In 92 to 98 of 100 samples of a skew distribution."""
    random = np.random.default_rng(1)
    inside = [
        low <= 1 <= high
        for low, high in (median_interval(np.exp(random.standard_normal(15)).tolist()) for _ in range(600))
    ]
    assert 0.92 <= np.mean(inside) <= 0.98


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (3, 3), (4, 2), (5, 6)])
def test_orders_are_counted(n: int, m: int) -> None:
    """As by going through all of them."""
    found = [0] * (n * m + 1)
    for places in combinations(range(n + m), n):
        found[sum(place - i for i, place in enumerate(places))] += 1
    np.testing.assert_array_equal(_orders(n, m), found)


def test_a_quotient_is_within_its_bounds_as_often_as_they_say() -> None:
    """Two samples of one distribution, whatever that is: 1 is inside at least as often."""
    random = np.random.default_rng(2)
    for draw in (random.standard_normal, random.standard_cauchy):
        found = [quotient_interval(*np.exp(0.1 * draw((2, 7))), 0.9) for _ in range(800)]
        assert all(low <= ratio <= high for ratio, low, high in found)
        assert 0.88 <= np.mean([low <= 1 <= high for _, low, high in found]) <= 0.96


@pytest.mark.parametrize("drift", [1.0, 2.0])
def test_equal_runs_do_not_differ(machine: Any, drift: float) -> None:
    """Not even where the machine was half as fast in one of them, for then its NumPy was too."""
    wrong = [compare(made_up(machine, 2 * i), made_up(machine, 2 * i + 1, drift=drift)) for i in range(10)]
    assert sum(bool(run.of("slower") or run.of("faster")) for run in wrong) <= 2  # half a one expected


@pytest.mark.parametrize("factor", [1.1, 0.9])
def test_a_tenth_is_found(machine: Any, factor: float) -> None:
    """In the kernel that it was planted in, and in no other, though single rounds vary by a fifth."""
    found = compare(made_up(machine, 1), made_up(machine, 2, {7: factor}))
    assert [change.name for change in found.of("slower" if factor > 1 else "faster")] == ["made.up7"]
    assert not found.of("faster" if factor > 1 else "slower")
    (change,) = (change for change in found.changes if change.name == "made.up7")
    assert change.low <= 1 / factor <= change.high
    assert change.low <= change.ratio <= change.high
    assert change.baseline == "im2col"


def test_without_a_common_baseline_seconds_are_compared(machine: Any) -> None:
    after = made_up(machine, 2)
    rows = [dataclasses.replace(row, baseline="windows") for row in after.rows]
    before = made_up(machine, 1)
    found = compare(before, dataclasses.replace(after, rows=rows))
    assert {change.baseline for change in found.changes} == {""}
    pairs = np.divide.outer(before.rows[0].samples, rows[0].samples)
    assert found.changes[0].ratio == pytest.approx(np.median(pairs))


def test_rows_of_one_run_alone_are_named(machine: Any) -> None:
    before, after = made_up(machine, 1), made_up(machine, 2)
    refusal = dataclasses.replace(after.rows[1], status="differs", samples=[], baseline_samples=[])
    found = compare(
        dataclasses.replace(before, rows=before.rows[:3]),
        dataclasses.replace(after, rows=[after.rows[0], refusal, after.rows[5]]),
    )
    assert [change.name for change in found.changes] == ["made.up0"]
    assert found.only_before == ["made.up1 auto", "made.up2 auto"]
    assert found.only_after == ["made.up5 auto"]
    with pytest.raises(ValueError, match="no measured row in common"):
        compare(dataclasses.replace(before, rows=before.rows[:3]), dataclasses.replace(after, rows=[refusal]))


def test_what_else_may_have_changed_the_times_is_told(machine: Any) -> None:
    other = dataclasses.replace(made_up(machine, 2), prepared=False)
    other = dataclasses.replace(other, machine=dataclasses.replace(machine, threads=99, processor="abacus"))
    found = compare(made_up(machine, 1), other)
    assert [text.split(":")[0] for text in found.differences] == [
        "processor",
        "threads",
        "weights",
    ]
    assert not compare(made_up(machine, 1), made_up(machine, 2)).differences


# ---------------------------------------------------------------- the command


def test_command(machine: Any, tmp_path: Path) -> None:
    made_up(machine, 1).write(tmp_path / "a.json")
    made_up(machine, 2, {7: 1.15, 9: 0.8}).write(tmp_path / "b.json")
    found = ("bench", "compare", tmp_path / "a.json", tmp_path / "b.json")
    result = invoke(*found, "--json", tmp_path / "c.json")
    assert result.exit_code == 0
    assert f"{KERNELS} rows: 1 slower, 1 faster, {KERNELS - 2} within noise" in result.stdout
    assert "made.up7" in result.stdout
    assert "made.up8" not in result.stdout
    assert "made.up8" in invoke(*found, "--all").stdout
    assert len(json.loads((tmp_path / "c.json").read_text())["changes"]) == KERNELS
    assert invoke(*found, "--fail-below", 0.95).exit_code == 1
    assert invoke(*found, "--fail-below", 0.8).exit_code == 0
    assert invoke(*found[:2], *found[:1:-1], "--fail-below", 0.85).exit_code == 1  # the other way round


def test_command_refuses_what_is_no_result(machine: Any, tmp_path: Path) -> None:
    good, bad = tmp_path / "a.json", tmp_path / "b.json"
    made_up(machine, 1).write(good)
    for text in ("{}", "not JSON", "[1]"):
        bad.write_text(text)
        assert "b.json is not a result of" in refused("bench", "compare", good, bad)
    assert "does not exist" in refused("bench", "compare", good, tmp_path / "c.json")
    assert "no such folder" in refused("bench", "compare", good, good, "--json", tmp_path / "d" / "c.json")
    assert "0<=x<=1" in refused("bench", "compare", good, good, "--fail-below", 1.5)
