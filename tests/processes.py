"""Python in a process of its own, for what can only be tried once in a process or might never return."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent

# Far beyond what anything here takes: it ends a process that hangs, and decides nothing else.
HANGS = 120


def python(code: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter; None takes a variable out of its environment."""
    variables = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", dedent(code)],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )


def answer(code: str, **environment: str | None) -> str:
    """What the code prints; an error of its own fails the test."""
    process = python(code, **environment)
    assert process.returncode == 0, f"exit status {process.returncode}\n{process.stdout}\n{process.stderr}"
    return process.stdout.strip()
