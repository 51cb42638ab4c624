"""A library's process, seen from the run that asks it, see `fastconv.bench.worker`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import Any, NoReturn

from fastconv.bench.machine import fair_environment

PATIENCE = 300.0
"""Seconds that an answer may take, compiling included; then the process is ended."""


class ProcessError(RuntimeError):
    """A library's process could not begin, refused a request, or has ended."""


class Process:
    """One library in a process of its own.

    Parameters
    ----------
    library : str
        See `fastconv.bench.libraries.adapter`.
    threads : int
        For whatever it computes.
    instruction_set : str
        As fastconv uses it.

    Attributes
    ----------
    library : str
        As given.
    identity : int
        The system's number of the process.
    name, version : str
        What the library calls itself.
    settling : float
        Seconds that its threads may stay awake after a call.
    alive : bool
        Whether it can be asked.

    Raises
    ------
    ProcessError
        It cannot begin: the library is not installed, say.
    """

    def __init__(self, library: str, threads: int, instruction_set: str) -> None:
        self.library = library
        # What this process can import that one can too.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fastconv.bench.worker", library, str(threads), instruction_set],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env={**os.environ, **fair_environment(threads), "PYTHONPATH": path},
        )
        self.identity = self._process.pid
        self.alive = True
        try:
            about = self._answer()
        except ProcessError:
            self.close()
            raise
        self.name: str = about["name"]
        self.version: str = about["version"]
        self.settling: float = about["settling"]

    def ask(self, do: str, **request: Any) -> Any:
        """Send a request and return what was found.

        Raises
        ------
        ProcessError
            What went wrong there. If the process has ended it is no more `alive`.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
        except OSError:
            self._raise_ended("")
        return self._answer()["found"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        overdue = threading.Timer(PATIENCE, self._process.kill)
        overdue.start()
        try:
            line = self._process.stdout.readline()
        finally:
            waited = overdue.finished.is_set()
            overdue.cancel()
        if not line:
            self._raise_ended(f", after {PATIENCE:.0f} s without an answer" if waited else "")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ProcessError(answer["error"])
        return answer

    def _raise_ended(self, why: str) -> NoReturn:
        code = self._end()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines()[-1:] or [""]
        self._errors.close()
        raise ProcessError(f"its process ended with code {code}{why}. {said[0]}".strip())

    def close(self) -> None:
        """End the process."""
        if self.alive:
            self._end()
            self._errors.close()

    def _end(self) -> int:
        self.alive = False
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):  # what was written could not be read any more
                stream.close()
        try:
            return self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
