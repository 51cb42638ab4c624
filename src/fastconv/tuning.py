"""Choosing an algorithm by measuring it: "auto" then takes what was the fastest here.

What was measured is remembered by the process, for a problem and an instruction set. A file keeps it for
later processes: JSON, with the processor and the instruction set beside every entry, since a measurement
holds for them alone.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from . import _fastconv
from ._explanation import duration
from .runtime import get_num_threads, instruction_set

__all__ = ["Tuning", "autotune", "forget_tuning", "load_tuning"]

_FORMAT = "fastconv tuning 1"
_ROUNDS = 25  # enough for a median; quick problems then end before their time


@dataclass(frozen=True)
class Tuning:
    """What `autotune` found.

    Its ``str`` is a text to read.

    Attributes
    ----------
    problem : str
        The canonical problem string.
    instruction_set : str
        The instruction set that was measured.
    threads : int
        Number of threads that a call could use.
    algorithm : str
        The fastest.
    seconds : mapping of str to float
        Median time of a call by each algorithm.

    Examples
    --------
    >>> from fastconv import Tuning
    >>> times = {"direct": 3e-5, "im2col": 2e-5}
    >>> print(Tuning("conv1d n1 ic8 iw99 oc8 kw3 s1 p1 nchw f32", "x86-64-v3", 2, "im2col", times))
    conv1d n1 ic8 iw99 oc8 kw3 s1 p1 nchw f32
      im2col  20 us, the fastest on x86-64-v3, threads: 2
      direct  30 us, 1.50 times as long
    """

    problem: str
    instruction_set: str
    threads: int
    algorithm: str
    seconds: Mapping[str, float]

    def __str__(self) -> str:
        best = self.seconds[self.algorithm]
        width = max(map(len, self.seconds))
        lines = [self.problem]
        for name, seconds in sorted(self.seconds.items(), key=lambda item: item[1]):
            if name == self.algorithm:
                words = f"the fastest on {self.instruction_set}, threads: {self.threads}"
            else:
                words = f"{seconds / best:.2f} times as long"
            lines.append(f"  {name:<{width}}  {duration(seconds)}, {words}")
        return "\n".join(lines)


def autotune(
    problem: str | _fastconv.Problem,
    *,
    seconds: float = 0.5,
    algorithms: Iterable[str] | None = None,
    file: str | os.PathLike[str] | None = None,
) -> Tuning:
    """Measure the algorithms for a convolution; from now on ``"auto"`` takes the fastest for it.

    Each algorithm runs with packed weights on random arrays, one after the other in rounds, on as many
    threads as a call from here may use. Functions such as `conv2d`, which pack at every call, do not take
    one of Winograd's algorithms from this.

    Parameters
    ----------
    problem : str or Problem
        A convolution, such as ``"conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f32"``; see `Problem`.
    seconds : float
        Time for the rounds; at least three are measured, however long they take.
    algorithms : iterable of str, optional
        Names from `fastconv.algorithms` to measure; without it those that ``"auto"`` may choose.
    file : str or path, optional
        A file for `load_tuning`. What it holds is kept; what it held for this problem, processor and
        instruction set is replaced. Made if there is none.

    Returns
    -------
    Tuning
        The fastest, and every time.

    Raises
    ------
    TypeError
        An argument of the wrong type.
    ValueError
        A problem that does not parse or is no convolution, `seconds` that is not positive and finite,
        an algorithm that does not exist or does not support the problem, a file that holds something else.
    MemoryError
        The arrays of the problem do not fit.
    OSError
        The file cannot be written.

    See Also
    --------
    load_tuning : Use in a later process what a file holds.
    forget_tuning : Let ``"auto"`` choose by its estimates again.
    explain : Says what ``"auto"`` takes.

    Notes
    -----
    Algorithms add up the products of a sum in different orders: another choice may change the last bits of
    results, within the bound of `conv2d`. The number of threads never does: what is remembered holds for any
    number, whichever was measured.

    Examples
    --------
    >>> import fastconv
    >>> tuning = fastconv.autotune("conv1d n1 ic8 iw99 oc8 kw3 s1 p1 nchw f32", seconds=0.01)
    >>> sorted(tuning.seconds)
    ['direct', 'im2col']
    >>> explanation = fastconv.explain(tuning.problem)
    >>> explanation.algorithm == tuning.algorithm
    True
    >>> explanation.reason
    'the fastest when measured'
    >>> fastconv.forget_tuning()
    """
    from .bench import estimates, time_algorithms  # not for everyone who imports fastconv

    if isinstance(problem, str):
        problem = _fastconv.Problem(problem)
    if not isinstance(problem, _fastconv.Problem):
        raise TypeError(f"problem={problem!r}: expected a Problem or its string")
    if problem.weight_shape is None:
        raise ValueError(f"problem='{problem}': expected a convolution, pooling has one algorithm alone")
    if not isinstance(seconds, Real) or isinstance(seconds, bool):
        raise TypeError(f"seconds={seconds!r}: expected a number")
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds={seconds!r}: expected a positive, finite number")
    names = list(estimates(problem)) if algorithms is None else _checked(algorithms, problem)
    path = None if file is None else _path(file)
    if path is not None and path.exists():
        _read(path)  # wrong content is found now, not after measuring

    times = time_algorithms(problem, names, _ROUNDS, float(seconds))
    best = min(times, key=times.__getitem__)
    tuning = Tuning(str(problem), instruction_set(), get_num_threads(), best, times)
    if path is not None:
        _merge(path, tuning)
    _fastconv.remember_choice(problem, best)
    return tuning


def load_tuning(file: str | os.PathLike[str]) -> int:
    """Let ``"auto"`` take what `autotune` wrote to a file, as far as it holds here.

    Parameters
    ----------
    file : str or path
        Entries for another processor or instruction set than the one in use are passed over.

    Returns
    -------
    int
        The number of problems whose fastest algorithm is now remembered.

    Raises
    ------
    TypeError
        `file` is no path.
    ValueError
        There is no such file, or `autotune` did not write it. Nothing is remembered then.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fastconv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "tuning.json"
    ...     tuning = fastconv.autotune("conv1d n1 ic8 iw99 oc8 kw3 nchw f32", seconds=0.01, file=file)
    ...     fastconv.forget_tuning()
    ...     fastconv.load_tuning(file)
    1
    >>> fastconv.explain(tuning.problem).algorithm == tuning.algorithm
    True
    >>> fastconv.forget_tuning()
    """
    path = _path(file)
    fitting = [entry for entry in _read(path) if _place(entry)[:2] == (_processor(), instruction_set())]
    for entry in fitting:
        try:
            objection = _objection(entry["algorithm"], entry["problem"])
        except ValueError as error:  # a problem that does not parse
            objection = str(error)
        if objection:
            raise _wrong(path, objection)
    for entry in fitting:
        _fastconv.remember_choice(entry["problem"], entry["algorithm"])
    return len(fitting)


def forget_tuning() -> None:
    """Forget what `autotune` and `load_tuning` remembered; files stay as they are.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.forget_tuning()
    """
    _fastconv.forget_choices()


def _checked(algorithms: Iterable[str], problem: _fastconv.Problem) -> list[str]:
    """Return the names in `algorithms`, each once, if all can compute the problem."""
    expected = "expected names from fastconv.algorithms()"
    if isinstance(algorithms, str) or not isinstance(algorithms, Iterable):
        raise TypeError(f"algorithms={algorithms!r}: {expected}")
    names = list(dict.fromkeys(algorithms))
    if not names:
        raise ValueError(f"algorithms={names}: {expected}, at least one")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"algorithms={names}: {expected}, got {name!r}")
        if objection := _objection(name, problem):
            raise ValueError(f"algorithms={names}: {expected}: {objection}")
    return names


def _objection(algorithm: str, problem: str | _fastconv.Problem) -> str:
    """Return why a problem cannot be computed so; empty if it can."""
    if algorithm not in _fastconv.algorithms():
        return f"there is no {algorithm!r}"
    reason = _fastconv.supports(algorithm, problem)
    return reason and f"{algorithm} {reason}, the problem is {problem}"


# ---- the file ----

_ENTRY = {
    "processor": str,
    "instruction_set": str,
    "problem": str,
    "threads": int,
    "algorithm": str,
    "seconds": dict,
}


def _processor() -> str:
    return _fastconv.cpu_info()["model"]


def _path(file: str | os.PathLike[str]) -> Path:
    """Return where `file` is; behind a symbolic link, so that replacing it keeps the link."""
    try:
        path = Path(file)
    except TypeError:
        raise TypeError(f"file={file!r}: expected a path") from None
    path = path.resolve()
    if not path.parent.is_dir():
        raise ValueError(f"file={str(file)!r}: expected a path in a folder that exists")
    return path


def _wrong(path: Path, reason: object) -> ValueError:
    return ValueError(f"file={str(path)!r}: expected a file that fastconv.autotune wrote: {reason}")


def _place(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what an entry is for: of two with the same place, the later one holds."""
    return entry["processor"], entry["instruction_set"], entry["problem"]


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(path, error.strerror) from error
    except ValueError as error:  # not JSON, or not even text
        raise _wrong(path, error) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise _wrong(path, f"it has no format {_FORMAT!r}")
    entries = content.get("entries")
    if not isinstance(entries, list):
        raise _wrong(path, "it has no list of entries")
    for entry in entries:
        kinds = {name: type(value) for name, value in entry.items()} if isinstance(entry, dict) else {}
        if kinds != _ENTRY:
            raise _wrong(path, f"{entry!r} is no entry")
    return entries


def _merge(path: Path, tuning: Tuning) -> None:
    """Write the entries of a file and one more; whoever reads meanwhile finds the old file or the new one."""
    entry = {"processor": _processor(), **asdict(tuning)}
    others = _read(path) if path.exists() else []  # again: another process may have written since
    entries = [other for other in others if _place(other) != _place(entry)] + [entry]
    text = json.dumps({"format": _FORMAT, "entries": entries}, indent=1)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
