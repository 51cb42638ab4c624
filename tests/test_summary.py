"""What a run comes to: how fastconv stands beside each library, and what to doubt."""

from __future__ import annotations

import pytest

from fastconv.bench.problems import LAYERS
from fastconv.bench.report import OURS
from fastconv.bench.summary import choices, doubts, standings

from . import synthetic_reports
from .synthetic_reports import changed


def test_standings() -> None:
    """Means are geometric, and only an interval beside 1 decides a problem."""
    report = synthetic_reports.report(["fastconv", "numpy", "torch"], {"a": LAYERS["photo.3x3"]}, False)
    numbers = [number for number, row in enumerate(report.rows) if row.library == "numpy"]
    torch = [number for number, row in enumerate(report.rows) if row.library == "torch"]
    values = {"ratio": 4.0, "ratio_low": 3.0, "ratio_high": 5.0, "seconds": 2.0}
    slower = {"ratio": 0.5, "ratio_low": 0.4, "ratio_high": 1.1, "seconds": 1.0}
    report = changed(report, dict.fromkeys(numbers, values) | dict.fromkeys(torch, slower))
    beside_torch = (0.5, 0.5, 0.5, 0, 0, 1)
    assert standings(report) == [
        ("", *beside_torch),
        ("numpy", 4.0, 4.0, 4.0, 1, 0, 0),
        ("torch", *beside_torch),
    ]
    assert [standing.problems for standing in standings(report)] == [1, 1, 1]
    assert len(standings(synthetic_reports.minimal())) == 1


def test_choices() -> None:
    """What the fastest of several algorithms would have saved."""
    layers = {name: LAYERS[name] for name in ("r50.l1.3x3", "r50.l2.3x3")}
    report = synthetic_reports.report(["fastconv", "numpy"], layers, False)
    ours = [number for number, row in enumerate(report.rows) if row.library == OURS]
    seconds = {number: {"seconds": 2.0 if report.rows[number].way == "auto" else 4.0} for number in ours}
    first = next(number for number in ours if report.rows[number].way != "auto")
    seconds[first] = {"seconds": 1.0}
    found = choices(changed(report, seconds))
    assert "for 1 of 2 problems" in found
    assert "cost 1.414 times" in found
    assert "at most 2.00 (r50.l1.3x3)" in found
    assert choices(synthetic_reports.report(["fastconv", "numpy"], {"a": LAYERS["pool.max2x2"]}, False)) == ""


def test_doubts() -> None:
    assert doubts(synthetic_reports.minimal()) == []
    found = "\n".join(doubts(synthetic_reports.eventful()))
    for text in (
        "interrupted",
        "load 1.5",
        "1 result is not that",
        "1 result is missing",
        "2 rounds were",
        "1 row is with",
    ):
        assert text in found, pytest.fail(found)
