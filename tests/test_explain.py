"""explain: the plan of a call as data that can be checked, and as words."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Problem
from fastconv._fastconv import supports

from .problems import CONVOLUTIONS, LAYERS, POOLS, arguments, arrays
from .variants import algorithms

KEYS = {
    "problem": str,
    "algorithm": str,
    "reason": str,
    "alternatives": list,
    "instruction_set": str,
    "input": str,
    "input_bytes": int,
    "tile": str,
    "blocking": dict,
    "threads": int,
    "tasks": int,
    "flops": int,
    "bytes": int,
    "packed_weight_bytes": int,
    "workspace_bytes": int,
    "estimate_us": float,
}
EVERYTHING = CONVOLUTIONS | POOLS | LAYERS
OBJECTS = {"conv1d": fastconv.Conv1d, "conv2d": fastconv.Conv2d, "conv3d": fastconv.Conv3d}


def test_input() -> None:
    """Whether images are copied, and how: strides sort their phases where that is worth it."""

    def told(text: str, algorithm: str = "direct") -> str:
        plan = fastconv.explain(f"conv2d n1 {text} f32", algorithm)
        assert (plan.input_bytes > 0) == (plan.input != "as it comes")
        return plan.input

    first = "ic3 ih224 iw224 oc64 kh7 kw7 s2"
    assert told(f"{first} p3 nchw") == "copied with its border, phases sorted"
    assert told(f"{first} nchw") == "copied, phases sorted"
    assert told(f"{first} p3 nhwc") == "as it comes"
    assert told("ic16 ih29 iw29 oc64 kh3 kw3 s1 p1 nchw reflect") == "copied with its border"
    assert told("ic16 ih29 iw29 oc64 kh1 kw1 s2 nchw", "pointwise") == "copied, phases sorted"
    assert told("ic64 ih4000 iw4000 oc64 kh1 kw1 s2 nchw", "auto") == "as it comes"  # too large for a copy
    assert fastconv.explain("max_pool2d n1 c8 ih9 iw9 kh3 kw3 s2 nchw f32").input == "as it comes"


@pytest.mark.parametrize("name", EVERYTHING)
def test_data(name: str) -> None:
    """Every key, of its type; the figures that the problem alone decides are right."""
    problem = Problem(EVERYTHING[name])
    plan = fastconv.explain(EVERYTHING[name])
    assert {key: type(value) for key, value in plan.as_dict().items()} == KEYS
    assert plan == fastconv.explain(problem)
    assert plan.problem == str(problem)
    assert plan.instruction_set == fastconv.instruction_set()
    assert 1 <= plan.threads <= fastconv.get_num_threads() or problem.n == 0
    outputs = prod(problem.output_shape)
    itemsize = np.dtype(problem.dtype).itemsize
    if problem.weight_shape is None:
        assert plan.flops == outputs * prod(problem.kernel_size)
        assert plan.packed_weight_bytes == 0
        elements = prod(problem.input_shape) + outputs
        assert plan.bytes == elements * itemsize + (outputs * 8 if problem.return_indices else 0)
    else:
        assert plan.flops == 2 * outputs * problem.ic // problem.groups * prod(problem.kernel_size)
        elements = prod(problem.input_shape) + prod(problem.weight_shape) + outputs
        assert plan.bytes == (elements + (problem.oc if problem.bias else 0)) * itemsize
    assert (plan.flops, plan.bytes) == (problem.flops, problem.bytes)
    assert all(isinstance(key, str) and isinstance(value, int) for key, value in plan.blocking.items())
    assert np.isfinite(plan.estimate_us)
    assert plan.estimate_us >= 0


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_alternatives(name: str) -> None:
    """Every algorithm is listed; those that cannot say why, and "auto" is the cheapest of those that can."""
    problem = Problem(CONVOLUTIONS[name])
    plan = fastconv.explain(problem)
    listed = {entry["algorithm"]: entry for entry in plan.alternatives}
    assert plan.algorithm in algorithms(problem)
    for algorithm in set(fastconv.algorithms()) - {"pool", plan.algorithm}:
        entry = listed[algorithm]
        assert set(entry) == {"algorithm", "supported", "reason", "estimate_us"}
        assert entry["supported"] == (supports(algorithm, problem) == "")
        if not entry["supported"]:
            assert entry["reason"] == supports(algorithm, problem)
            assert entry["estimate_us"] is None
        else:
            assert entry["estimate_us"] >= plan.estimate_us


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_named_algorithm(name: str) -> None:
    """A named algorithm is explained as it would run."""
    problem = Problem(CONVOLUTIONS[name])
    for algorithm in algorithms(problem):
        assert fastconv.explain(problem, algorithm).algorithm == algorithm


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_object(name: str) -> None:
    """A prepared object explains a shape exactly as the problem string is explained."""
    problem, data = Problem(CONVOLUTIONS[name]), arrays(CONVOLUTIONS[name])
    conv = OBJECTS[problem.op](data.weight, data.bias, **arguments(problem))
    assert conv.explain(problem.input_shape) == fastconv.explain(problem)
    if problem.n == 1:
        assert conv.explain(problem.input_shape[1:]).algorithm == fastconv.explain(problem).algorithm


@pytest.mark.parametrize("name", LAYERS)
def test_workspace_is_small(name: str) -> None:
    """A panel of patches at a time: never the whole matrix of im2col, whose size grows with the image."""
    problem = Problem(LAYERS[name])
    if problem.weight_shape is None:
        return
    for algorithm in set(algorithms(problem)) & {"direct", "im2col", "pointwise", "depthwise"}:
        plan = fastconv.explain(problem, algorithm)
        assert plan.workspace_bytes <= 2**20, algorithm
        assert plan.packed_weight_bytes >= prod(problem.weight_shape) * np.dtype(problem.dtype).itemsize or (
            plan.packed_weight_bytes == 0
        ), algorithm


@pytest.mark.parametrize("name", ["3d", "pointwise", "depthwise", "1d-nhwc"])
def test_words(name: str) -> None:
    """The text holds what a bug report needs."""
    plan = fastconv.explain(CONVOLUTIONS[name])
    text = str(plan)
    for word in (plan.problem, plan.algorithm, plan.reason, plan.instruction_set, plan.tile):
        assert word
        assert word in text
    for entry in plan.alternatives:
        assert entry["algorithm"] in text


def test_mapping() -> None:
    """An explanation reads like a dict and cannot be changed."""
    plan = fastconv.explain(CONVOLUTIONS["1d"])
    assert dict(plan) == plan.as_dict()
    assert plan["tile"] == plan.tile
    assert set(plan) == set(KEYS)
    with pytest.raises(KeyError):
        plan["colour"]
    with pytest.raises(AttributeError):
        plan.threads = 3


def test_threads_are_those_of_the_call() -> None:
    """The plan is for the number of threads that a call from here would use."""
    large: Any = LAYERS["r50.l1.3x3"]
    for n in (1, 2):
        with fastconv.threads(n):
            assert fastconv.explain(large).threads == n
