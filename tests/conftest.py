"""Fixtures: every usable instruction set, and a machine put back as it was found after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import fastconv

# The same examples every time, so that a failure is the change's own.  The campaign looks for new ones.
settings.register_profile("suite", max_examples=300, derandomize=True, deadline=None, print_blob=True)
settings.register_profile(
    "campaign",
    max_examples=int(os.environ.get("FASTCONV_CAMPAIGN", "20000")),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The instruction set and the number of threads are the process's: no test leaves its own behind."""
    name, threads = fastconv.instruction_set(), fastconv.get_num_threads()
    yield
    fastconv.set_instruction_set(name)
    fastconv.set_num_threads(threads)


@pytest.fixture(params=fastconv.instruction_sets())
def isa(request: pytest.FixtureRequest) -> str:
    """Each usable instruction set in turn, lowest first, already set."""
    name: str = request.param
    fastconv.set_instruction_set(name)
    return name
