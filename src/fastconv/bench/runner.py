"""The run: verify first, then time all libraries in turn.

Each library has a process of its own, see `Process`, and gets everything several times, in processes begun
anew. A process makes a problem ready and verifies every way; one whose result differs is reported and not
timed. Then, in each round, each library has its turn, so that a drift of the machine meets all alike. Between
the rounds a canary tells whether the machine did something else: such a round is measured again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fastconv import Problem
from fastconv.bench.canary import Canary
from fastconv.bench.data import make_arrays
from fastconv.bench.figures import with_figures
from fastconv.bench.limits import Limits, measure_limits
from fastconv.bench.machine import Machine, as_asked, describe_machine, differences
from fastconv.bench.parts import Part
from fastconv.bench.processes import Process, ProcessError
from fastconv.bench.report import OURS, Report, Row
from fastconv.bench.settings import Settings
from fastconv.bench.verify import exact_result

_REPEATS = 2  # times the rounds: so many may be measured again


@dataclass(frozen=True)
class Progress:
    """What a run tells while it goes: `done` steps of `total`, and the `name` of what comes next."""

    done: int
    total: int
    name: str


def run(
    parts: Sequence[Part],
    libraries: Sequence[str] = ("fastconv", "numpy"),
    settings: Settings | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    begun: Report | None = None,
) -> Report:
    """Verify and time every way of every library on each problem.

    Parameters
    ----------
    parts : sequence of Part
        What to measure, see `parts.layers` and `parts.sweeps`.
    libraries : sequence of str
        See `fastconv.bench.libraries.adapter`; one that cannot begin is reported and left out.
    settings : Settings, optional
        Rounds, threads and so on.
    progress : callable
        Called before each step and at the end.
    begun : Report, optional
        A run that stopped early: what it measured is kept, and not measured again.

    Returns
    -------
    Report
        KeyboardInterrupt ends the run early, with what was measured so far.

    Raises
    ------
    ValueError
        `begun` is of another machine or build, or was not run as this would be.
    """
    settings = settings or Settings()
    started = time.perf_counter()
    with as_asked(settings.threads, settings.instruction_set), tempfile.TemporaryDirectory() as folder:
        machine = describe_machine()
        _check_begun(begun, machine, settings)
        this = _Run(settings, machine, libraries, Path(folder), progress)
        if begun:
            this.go_on(begun)
        complete = this.measure(parts)
    seconds = time.perf_counter() - started + (begun.seconds if begun else 0)
    repeated = this.repeated + (begun.repeated if begun else 0)
    rows = [
        row
        for (_, _, problem, threads), case in this.cases.items()
        for row in with_figures([*case.values()], Problem(problem), this.limits[threads], machine, settings)
    ]
    limits = [*this.limits.values()]
    return Report(machine, settings, limits, this.versions, rows, complete, repeated, seconds)


def _check_begun(begun: Report | None, machine: Machine, settings: Settings) -> None:
    """Rows of two runs stand in one table only if both were run alike."""
    if begun is None:
        return
    unlike = differences(begun.machine, machine)
    if (begun.machine.fastconv, begun.machine.build) != (machine.fastconv, machine.build):
        unlike.append("another build of fastconv")
    if begun.settings != settings:
        unlike.append(f"settings: {begun.settings}, then {settings}")
    if unlike:
        raise ValueError(
            f"the run that was begun cannot go on, since it was made otherwise: {'; '.join(unlike)}"
        )


_Key = tuple[str, str, str, int]  # part, name, problem string, threads
_Rows = dict[tuple[str, str], Row]  # by library and way


@dataclass
class _Run:
    """A run while it goes: the rows of each case so far, without the figures that follow from them."""

    settings: Settings
    machine: Machine
    libraries: Sequence[str]
    folder: Path
    progress: Callable[[Progress], None]
    cases: dict[_Key, _Rows] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    limits: dict[int, Limits] = field(default_factory=dict)
    canaries: dict[int, Canary] = field(default_factory=dict)
    repeated: int = 0
    steps: int = 0
    total: int = 0

    def go_on(self, begun: Report) -> None:
        """Take over what another run measured."""
        for case in begun.cases():
            # What the machine disturbed then may be measured now.
            again = [
                replace(row, status="ok", note="") if row.status == "disturbed" else row for row in case.rows
            ]
            rows = {(row.library, row.way): row for row in again}
            self.cases[case.part, case.name, case.problem, case.threads] = rows
        self.limits = {limits.threads: limits for limits in begun.limits}
        self.versions = dict(begun.libraries)

    def measure(self, parts: Sequence[Part]) -> bool:
        """Measure all parts; KeyboardInterrupt keeps what was found, and gives False."""
        passes = [
            (part, process) for part in parts for process in range(part.processes or self.settings.processes)
        ]
        self.total = sum(len(part.problems) for part, _ in passes)
        try:
            for part, process in passes:
                self._pass(part, process)
            self.progress(Progress(self.total, self.total, ""))
        except KeyboardInterrupt:
            return False
        return True

    def _pass(self, part: Part, process: int) -> None:
        """Measure the problems of a part in one set of processes, but those that had such a one before."""
        threads = part.threads or self.machine.threads
        left: dict[_Key, Problem] = {}
        for name, problem in part.problems.items():
            key = (part.name, name, str(problem), threads)
            if max((len(row.samples) for row in self.cases.get(key, {}).values()), default=0) <= process:
                left[key] = problem
        self.steps += len(part.problems) - len(left)
        if not left:
            return
        self.progress(Progress(self.steps, self.total, "limits"))
        if threads not in self.limits:
            self.limits[threads] = measure_limits(threads)
        if threads not in self.canaries:
            self.canaries[threads] = Canary(threads)
        self.progress(Progress(self.steps, self.total, "libraries"))
        with ExitStack() as stack:
            libraries = [it for it in self.libraries if not part.libraries or it in part.libraries]
            begun = [self._begin(library, threads, stack) for library in libraries]
            processes = [found for found in begun if found]
            for key, problem in left.items():
                self.progress(Progress(self.steps, self.total, key[1]))
                self._case(key, problem, processes, process, part.rounds or self.settings.rounds)
                self.steps += 1
                # A library that took its process down with it goes on with the next problem in another.
                revived = [it if it.alive else self._begin(it.library, threads, stack) for it in processes]
                processes = [found for found in revived if found]

    def _begin(self, library: str, threads: int, stack: ExitStack) -> Process | None:
        """Begin a library's process, which ends with the stack; None if it cannot begin."""
        try:
            process = stack.enter_context(Process(library, threads, self.machine.instruction_set))
        except ProcessError as error:
            self.versions[library] = str(error)
            return None
        self.versions[process.name] = process.version
        return process

    def _case(self, key: _Key, problem: Problem, processes: list[Process], number: int, rounds: int) -> None:
        """Verify and time one problem, in the processes with this number."""
        rows = self.cases.setdefault(key, {})
        try:
            exact = self._exact(key, problem)
        except (OSError, ValueError, MemoryError) as error:
            rows[OURS, ""] = Row(*key, OURS, "", status="error", note=str(error))
            return
        live = {process: self._load(key, process, exact, rows) for process in processes}
        first = number % max(1, len(processes))  # who comes after whom may matter
        order = [*processes[first:], *processes[:first]]
        timed = {process: live[process] for process in order if live[process]}
        samples = self._rounds(timed, rows, key[3], rounds)
        for found, times in samples.items():
            row = rows[found]
            before = [*row.samples, *[[] for _ in range(number - len(row.samples))]]
            rows[found] = replace(row, samples=[*before, times])

    def _exact(self, key: _Key, problem: Problem) -> Path:
        """Return the file of the float64 result, computed once in a run."""
        path = self.folder / f"{[*self.cases].index(key)}.npy"
        if not path.exists():
            np.save(path, exact_result(problem, make_arrays(key[1], problem)))
        return path

    def _load(self, key: _Key, process: Process, exact: Path, rows: _Rows) -> list[str]:
        """Make a problem ready in a process; return the ways that may be timed."""
        request = {"name": key[1], "problem": key[2], "exact": str(exact), "prepared": self.settings.prepared}
        only = self.settings.way if process.name == OURS else None
        # What was refused once is refused for good.
        refused = [
            way for (library, way), row in rows.items() if library == process.name and row.status != "ok"
        ]
        try:
            verdicts = process.ask("load", **request, only=only, without=refused)
        except ProcessError as error:
            rows[process.name, ""] = Row(*key, process.name, "", status="error", note=str(error))
            return []
        for way, verdict in verdicts.items():
            known = rows.get((process.name, way), Row(*key, process.name, way))
            rows[process.name, way] = replace(known, **verdict)
        return [way for way in verdicts if rows[process.name, way].status == "ok"]

    def _rounds(
        self, live: dict[Process, list[str]], rows: _Rows, threads: int, rounds: int
    ) -> dict[tuple[str, str], list[float]]:
        """Time all ways in turn, in rounds between which the canary found the machine quiet."""
        canary, settings = self.canaries[threads], self.settings
        found: dict[tuple[str, str], list[float]] = {}
        order, done, identities = [*live], 0, [process.identity for process in live]
        canary.forget(identities)
        quiet = canary.quiet(identities)
        for _ in range(rounds * (1 + _REPEATS)):
            if done == rounds or not order:
                break
            times: dict[tuple[str, str], float] = {}
            for process in [*order]:
                ways = live[process]
                try:
                    answer = process.ask("time", ways=ways, seconds=settings.sample, cold=settings.cold)
                except ProcessError as error:
                    order.remove(process)
                    for way in ways:
                        it = process.name, way
                        rows[it] = replace(rows[it], status="error", note=str(error))
                        found.pop(it, None)
                    continue
                times |= {(process.name, way): seconds for way, seconds in answer.items()}
                time.sleep(process.settling)
            before, quiet = quiet, canary.quiet(identities)
            if not (before and quiet):
                self.repeated += 1
                continue
            done += 1
            order = [*order[1:], *order[:1]]
            for it, seconds in times.items():
                found.setdefault(it, []).append(seconds)
        return found
