"""The process of one library: ``python -m fastconv.bench.worker LIBRARY THREADS INSTRUCTION_SET``.

Requests and answers are lines of JSON, on the standard streams. ``load`` makes a problem ready and verifies
each way; ``time`` times ways of the problem loaded last. See `fastconv.bench.processes` for the other end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any, TextIO

import numpy as np

import fastconv
from fastconv.bench.data import make_arrays
from fastconv.bench.libraries import Library, Prepared, adapter
from fastconv.bench.timing import time_call, time_cold
from fastconv.bench.verify import Verdict, verify

SLOWEST = 0.2
"""Seconds: a call that takes longer is not timed in turn with the others."""

_EVICTING = 2**28  # bytes, more than a processor's own caches; a part of a large third level may stay


class Server:
    """Answers the requests for one library.

    Parameters
    ----------
    library : Library
        Whose process this is.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._loaded: dict[str, Prepared] = {}
        self._other: Any = None

    def load(
        self, name: str, problem: str, exact: str, prepared: bool, only: str | None, without: list[str]
    ) -> dict[str, dict[str, Any]]:
        """Make a problem ready and say of each way whether its result is that of the file `exact`.

        Of all ways, or of one `only`; but not of those that were refused before.
        """
        self._loaded = {}
        wanted = fastconv.Problem(problem)
        arrays = make_arrays(name, wanted)
        expected = np.load(exact, mmap_mode="r")
        verdicts = {}
        for way in self._library.ways(wanted, prepared):
            if only not in (None, way) or way in without:
                continue
            chosen = ""
            try:
                ready = self._library.prepare(way, wanted, arrays, prepared)
                chosen = ready.chosen
                start = time.perf_counter()
                verdict = verify(wanted, ready, expected)
                # The first call may do more than the next, and there was the comparison.
                if verdict.status == "ok" and time.perf_counter() - start > SLOWEST:
                    start = time.perf_counter()
                    ready.call()
                    seconds = time.perf_counter() - start
                    if seconds > SLOWEST:
                        note = f"a call takes {seconds:.1f} s, more than {SLOWEST} s"
                        verdict = Verdict("slow", note, verdict.difference)
            except Exception as error:  # a library's own, of whatever kind
                verdict = Verdict("error", f"{type(error).__name__}: {error}")
            if verdict.status == "ok":
                self._loaded[way] = ready
            verdicts[way] = {**verdict._asdict(), "chosen": chosen}
        return verdicts

    def time(self, ways: list[str], seconds: float, cold: bool) -> dict[str, float]:
        """Time ways in succession, each for about so many seconds."""
        if cold:
            return {way: time_cold(self._loaded[way].call, self._evict) for way in ways}
        return {way: time_call(self._loaded[way].call, seconds) for way in ways}

    def _evict(self) -> None:
        """Fill the caches with something else: written, so that it is there and not a page of zeros."""
        if self._other is None:
            self._other = np.ones(_EVICTING // 8)
        self._other += 1.0


def serve(
    library: type[Library], threads: int, instruction_set: str, requests: TextIO, answers: TextIO
) -> None:
    """Answer requests until there are no more; an exception becomes an answer."""

    def answer(**what: Any) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    served = library(threads, instruction_set)
    server = Server(served)
    answer(name=served.name, version=served.version(), settling=served.settling)
    for line in requests:
        request = json.loads(line)
        try:
            answer(found=getattr(server, request.pop("do"))(**request))
        except Exception as error:
            answer(error=f"{type(error).__name__}: {error}")


def main() -> None:
    """Serve the library that the command line names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    name, threads, instruction_set = sys.argv[1:]
    try:
        library = adapter(name)
        serve(library, int(threads), instruction_set, sys.stdin, answers)
    except Exception as error:
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
        answers.flush()
        sys.exit(1)


if __name__ == "__main__":
    main()
