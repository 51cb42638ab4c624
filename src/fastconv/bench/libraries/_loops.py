"""Loops that somebody writes by hand: what they are asked, with which arguments, and where they are kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from fastconv import Problem
from fastconv.bench.data import Arrays
from fastconv.bench.libraries._channels_first import plain

# Loops take seconds beyond.
_MOST_OPERATIONS = 2e9


def loops(problem: Problem) -> list[str]:
    """Return the only way, or none: images in two dimensions, with no activation or the simplest."""
    possible = (
        plain(problem, "float32", "float64")
        and problem.op == "conv2d"
        and problem.activation in ("", "relu")
        and problem.flops <= _MOST_OPERATIONS
    )
    return ["loops"] if possible else []


def loop_arguments(problem: Problem, arrays: Arrays) -> tuple[Any, ...]:
    """Return what the loops of both layouts take after the result."""
    assert arrays.weight is not None
    bias = np.zeros(problem.oc, arrays.x.dtype) if arrays.bias is None else arrays.bias
    before = tuple(width for width, _ in problem.padding)
    relu = problem.activation == "relu"
    return arrays.x, arrays.weight, bias, problem.stride, before, problem.dilation, problem.groups, relu


def cache_folder() -> Path:
    """Return where compiled loops are kept for the next process of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "fastconv")
