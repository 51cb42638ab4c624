"""What the samples of a problem's rows come to: times, shares of limits, ratios."""

import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastconv import Problem
from fastconv.bench.intervals import median_interval
from fastconv.bench.limits import Limits
from fastconv.bench.machine import Machine
from fastconv.bench.report import Row
from fastconv.bench.settings import Settings


def with_figures(
    rows: Sequence[Row], problem: Problem, limits: Limits, machine: Machine, settings: Settings
) -> list[Row]:
    """Return the rows of one problem with the figures that follow from their samples."""
    limit, least = limits.of(problem, machine.instruction_set, settings.cold)
    timed = [_timed(row, problem, limit, least) for row in rows]
    default = next((row for row in timed if row.is_default and row.status == "ok"), None)
    return [_beside(row, default) if default and row.status == "ok" else row for row in timed]


def _timed(row: Row, problem: Problem, limit: str, least: float) -> Row:
    if row.status != "ok":
        return row
    samples = [seconds for process in row.samples for seconds in process]
    if not samples:
        return replace(row, status="disturbed", note="the machine did something else in every round")
    seconds = statistics.median(samples)
    low, high = np.quantile(samples, [0.25, 0.75]).tolist()
    return replace(
        row,
        seconds=seconds,
        spread=(high - low) / 2 / seconds,
        gflops=problem.flops / seconds / 1e9,
        gbytes=problem.bytes / seconds / 1e9,
        limit=limit,
        share=least / seconds,
    )


def _beside(row: Row, default: Row) -> Row:
    """Fill in how many times as long a way takes as fastconv does by itself."""
    ratios = [
        [theirs / ours for theirs, ours in zip(own, beside, strict=True)]
        for own, beside in zip(row.samples, default.samples, strict=False)
        if len(own) == len(beside)
    ]
    flat = [ratio for process in ratios for ratio in process]
    if not flat:
        return row
    low, high = median_interval(ratios)
    return replace(row, ratio=statistics.median(flat), ratio_low=low, ratio_high=high)
