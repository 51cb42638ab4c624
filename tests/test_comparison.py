"""Two runs of the benchmark beside each other: what counts as a change, and what chance alone may do."""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv.bench import Report, Row, Settings, compare, describe_machine
from fastconv.bench.intervals import median_interval, moderated_bounds

from .bench_libraries import LIMITS
from .test_cli import invoke, refused

PROCESSES, ROUNDS, KERNELS = 3, 3, 40
PROBLEM = "conv2d n1 ic4 ih9 iw8 oc6 kh3 kw3 s1 p1 nchw f32"


@pytest.fixture(scope="module")
def machine() -> Any:
    return dataclasses.replace(describe_machine(), instruction_set="x86-64-v3")


def made_up(machine: Any, seed: int, slower: dict[int, float] | None = None, drift: float = 1.0) -> Report:
    """Return a run whose rounds have moods, which all libraries share, and noise besides.

    1 % of that is of the round, and of the process what differs from row to row: mostly 1 to 3 %.
    """
    random = np.random.default_rng(seed)
    rows = []
    for i in range(KERNELS):
        unsteady = 0.02 * np.exp(0.4 * np.random.default_rng(i).standard_normal())
        mood = drift * np.exp(0.2 * random.standard_normal((PROCESSES, ROUNDS)))

        def samples(seconds: float, mood: Any = mood, unsteady: float = unsteady) -> Any:
            noise = unsteady * random.standard_normal((PROCESSES, 1))
            noise = noise + 0.01 * random.standard_normal((PROCESSES, ROUNDS))
            return (mood * seconds * np.exp(noise)).tolist()

        own, theirs = samples(1e-4 * (slower or {}).get(i, 1.0)), samples(1e-3)
        common = ("layers", f"made.up{i}", PROBLEM, 1)
        seconds = statistics.median(itertools.chain(*own))
        rows.append(Row(*common, "fastconv", "auto", "direct", samples=own, seconds=seconds))
        rows.append(Row(*common, "numpy", "im2col", samples=theirs))
    return Report(machine, Settings(PROCESSES, ROUNDS), [LIMITS], {}, rows)


def test_an_interval_has_the_median_as_often_as_it_says() -> None:
    """In 92 to 98 of 100 samples of a skew distribution."""
    random = np.random.default_rng(1)
    inside = [
        low <= 1 <= high
        for low, high in (median_interval([np.exp(random.standard_normal(15))]) for _ in range(600))
    ]
    assert 0.92 <= np.mean(inside) <= 0.98


def test_an_interval_knows_what_a_process_has_in_common() -> None:
    """Many rounds of few processes are not as good as many processes."""
    random = np.random.default_rng(3)
    inside = {True: 0, False: 0}
    for _ in range(300):
        rounds = random.standard_normal((8, 1)) + 0.1 * random.standard_normal((8, 5))
        for grouped, groups in ((True, rounds), (False, rounds.reshape(1, -1))):
            low, high = median_interval(groups.tolist())
            inside[grouped] += low <= 0 <= high
    assert inside[True] >= 0.85 * 300
    assert inside[False] <= 0.7 * 300


def test_processes_of_several_lengths() -> None:
    assert median_interval([[2.0], [2.0, 2.0, 2.0], []]) == (2.0, 2.0)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_bounds_hold_as_often_as_they_say(spread: float) -> None:
    """All of 50 rows together in nine of ten runs, whether their variances are alike or not."""
    random = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        deviation = np.exp(spread * random.standard_normal((50, 1)))
        before, after = ((deviation * random.standard_normal((50, count))).tolist() for count in (3, 4))
        difference, bound = moderated_bounds(before, after, 0.9)
        held += bool((np.abs(difference) <= bound).all())
    assert 0.85 <= held / 400 <= 0.96


def test_bounds_of_one_row() -> None:
    """There is nothing to learn from others: its own variance counts as if it were known."""
    difference, bound = moderated_bounds([[0.0, 2.0]], [[1.0, 3.0]], 0.95)
    assert difference == [1.0]
    assert bound > 0


def test_extremes_do_not_count() -> None:
    """Of five numbers; bounds are about as wide as without, and rows may have several lengths."""
    random = np.random.default_rng(6)
    before, after = (random.standard_normal((30, 7)).tolist() for _ in range(2))
    quiet = moderated_bounds(before, after, 0.95)
    for row in before:
        row[int(np.argmax(row))] = 99.0
    difference, bound = moderated_bounds(before, after, 0.95)
    np.testing.assert_allclose(difference, quiet[0])
    np.testing.assert_allclose(bound, quiet[1])
    shorter, _ = moderated_bounds([before[0][:4], *before[1:]], after, 0.95)
    np.testing.assert_allclose(shorter[1:], difference[1:])


@pytest.mark.parametrize("drift", [1.0, 2.0])
def test_equal_runs_do_not_differ(machine: Any, drift: float) -> None:
    """Not even where the machine was half as fast in one of them, for then its NumPy was too."""
    wrong = [compare(made_up(machine, 2 * i), made_up(machine, 2 * i + 1, drift=drift)) for i in range(10)]
    assert sum(bool(run.of("slower") or run.of("faster")) for run in wrong) <= 2  # half a one expected


@pytest.mark.parametrize("factor", [1.3, 0.75])
def test_a_change_is_found(machine: Any, factor: float) -> None:
    """In the kernel that it was planted in, and in no other, though single rounds vary by a fifth."""
    found = compare(made_up(machine, 1), made_up(machine, 2, {7: factor}))
    assert [change.name for change in found.of("slower" if factor > 1 else "faster")] == ["made.up7"]
    assert not found.of("faster" if factor > 1 else "slower")
    (change,) = (change for change in found.changes if change.name == "made.up7")
    assert change.low <= 1 / factor <= change.high
    assert change.low <= change.ratio <= change.high
    assert change.seconds_after / change.seconds_before == pytest.approx(factor, rel=0.3)


def test_a_small_change_of_all_rows_is_found(machine: Any) -> None:
    """Where no row by itself would show it; and where nothing changed, nothing is."""
    found = compare(made_up(machine, 1), made_up(machine, 2, dict.fromkeys(range(KERNELS), 1.04)))
    assert len(found.of("slower")) < KERNELS / 4
    (way,) = found.ways
    assert (way.way, way.rows, way.verdict) == ("auto", KERNELS, "slower")
    assert way.low <= 1 / 1.04 <= way.high
    (equal,) = compare(made_up(machine, 1), made_up(machine, 2)).ways
    assert equal.verdict == "same"


def test_rows_of_other_libraries(machine: Any) -> None:
    """They are compared too, by the libraries beside them."""
    found = compare(made_up(machine, 1), made_up(machine, 2, {7: 1.5}))
    assert {change.library for change in found.changes} == {"fastconv"}
    assert len(found.others) == KERNELS
    # With one other library alone nobody can tell which of the two has changed.
    assert [(it.library, it.name, it.verdict) for it in found.others if it.verdict != "same"] == [
        ("numpy", "made.up7", "faster")
    ]


def test_rows_of_one_run_alone_are_named(machine: Any) -> None:
    before, after = made_up(machine, 1), made_up(machine, 2)
    refusal = dataclasses.replace(after.rows[2], status="differs", samples=[])
    found = compare(
        dataclasses.replace(before, rows=before.rows[:6]),
        dataclasses.replace(after, rows=[*after.rows[:2], refusal, after.rows[3], *after.rows[10:12]]),
    )
    assert [change.name for change in found.changes] == ["made.up0"]
    assert found.only_before == ["made.up1 auto", "made.up2 auto"]
    assert found.only_after == ["made.up5 auto"]


def test_runs_that_cannot_be_compared(machine: Any) -> None:
    """Other problems; no other library in common; one process, which knows nothing of the next."""
    before, after = made_up(machine, 1), made_up(machine, 2)
    alone = [row for row in after.rows if row.ours]
    other = [dataclasses.replace(row, library="scipy") if not row.ours else row for row in after.rows]
    single = [dataclasses.replace(row, samples=row.samples[:1]) for row in after.rows]
    renamed = [dataclasses.replace(row, name="another") for row in after.rows]
    for rows in (alone, other, single, renamed):
        with pytest.raises(ValueError, match="nothing in common that several processes measured"):
            compare(before, dataclasses.replace(after, rows=rows))


def test_what_else_may_have_changed_the_times_is_told(machine: Any) -> None:
    after = made_up(machine, 2)
    other = dataclasses.replace(
        after,
        settings=dataclasses.replace(after.settings, prepared=False),
        machine=dataclasses.replace(machine, threads=99, processor="abacus"),
    )
    found = compare(made_up(machine, 1), other)
    assert [text.split(":")[0] for text in found.differences] == ["processor", "threads", "prepared"]
    assert not compare(made_up(machine, 1), made_up(machine, 2)).differences


# ---------------------------------------------------------------- the command


def test_command(machine: Any, tmp_path: Path) -> None:
    made_up(machine, 1).write(tmp_path / "a.json")
    made_up(machine, 2, {7: 1.3, 9: 0.7}).write(tmp_path / "b.json")
    found = ("bench", "compare", tmp_path / "a.json", tmp_path / "b.json")
    result = invoke(*found, "--json", tmp_path / "c.json")
    assert result.exit_code == 0
    assert f"{KERNELS} rows: 1 slower, 1 faster, {KERNELS - 2} within noise" in result.stdout
    assert "made.up7" in result.stdout
    assert "made.up8" not in result.stdout
    assert "made.up8" in invoke(*found, "--all").stdout
    assert len(json.loads((tmp_path / "c.json").read_text())["changes"]) == KERNELS
    assert invoke(*found, "--fail-below", 0.95).exit_code == 1
    assert invoke(*found, "--fail-below", 0.7).exit_code == 0
    assert invoke(*found[:2], *found[:1:-1], "--fail-below", 0.8).exit_code == 1  # the other way round


def test_command_refuses_what_is_no_result(machine: Any, tmp_path: Path) -> None:
    good, bad = tmp_path / "a.json", tmp_path / "b.json"
    made_up(machine, 1).write(good)
    for text in ("{}", "not JSON", "[1]"):
        bad.write_text(text)
        assert "b.json is not a result of" in refused("bench", "compare", good, bad)
    assert "does not exist" in refused("bench", "compare", good, tmp_path / "c.json")
    assert "no such folder" in refused("bench", "compare", good, good, "--json", tmp_path / "d" / "c.json")
    assert "0<=x<=1" in refused("bench", "compare", good, good, "--fail-below", 1.5)
