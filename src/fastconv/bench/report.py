"""What a run found, as data: rows, the machine and its limits; written as JSON and CSV."""

import csv
import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastconv.bench.limits import Limits
from fastconv.bench.machine import Machine
from fastconv.bench.settings import Settings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

OURS = "fastconv"


@dataclass(frozen=True)
class Row:
    """One way of one library on one problem.

    Attributes
    ----------
    part : str
        What the problem is measured for, see `fastconv.bench.parts`.
    name, problem : str
        The problem's name and its problem string.
    threads : int
        Of every library.
    library, way : str
        Whose figures these are, and how the library was called; fastconv's ways are its algorithms and
        ``auto`` (``pool`` for pooling).
    chosen : str
        The algorithm that ran, where the library tells.
    status : str
        ``"ok"``. Otherwise there are no figures, and `note` says why: ``"differs"`` if the result is not
        that of the definition, ``"error"`` if there is none, ``"slow"`` if it takes too long to be timed in
        turn with the others, ``"disturbed"`` if the machine did something else meanwhile.
    difference : float
        Largest difference from the float64 result, over the largest magnitude of that result.
    samples : list of list of float
        Seconds of a call: a list for each process, in it a number for each round.
    seconds, spread : float
        Their median, and half the range of their middle half over the median.
    gflops, gbytes : float
        Operations of the definition and bytes moved at least, in 1e9 a second.
    limit, share : str, float
        Which of the machine's limits is the nearest, see `Limits.of`, and what share of it was reached.
        Winograd's algorithm, which multiplies less than the definition, can be above 1.
    ratio, ratio_low, ratio_high : float
        How many times as long it takes as fastconv does by itself: the median of the quotients within the
        rounds, and the bounds within which that lies at 95 % confidence, see `median_interval`.
    """

    part: str
    name: str
    problem: str
    threads: int
    library: str
    way: str
    chosen: str = ""
    status: str = "ok"
    note: str = ""
    difference: float = math.nan
    samples: list[list[float]] = field(default_factory=list)
    seconds: float = math.nan
    spread: float = math.nan
    gflops: float = math.nan
    gbytes: float = math.nan
    limit: str = ""
    share: float = math.nan
    ratio: float = math.nan
    ratio_low: float = math.nan
    ratio_high: float = math.nan

    @property
    def ours(self) -> bool:
        """Whether this is fastconv."""
        return self.library == OURS

    @property
    def is_default(self) -> bool:
        """Whether this is what a user of fastconv gets who chooses no algorithm."""
        return self.ours and self.way in ("auto", "pool")


@dataclass(frozen=True)
class Case:
    """The rows of one problem with one number of threads: all that took turns with each other."""

    part: str
    name: str
    problem: str
    threads: int
    rows: list[Row]

    @property
    def measured(self) -> list[Row]:
        """The rows that have figures."""
        return [row for row in self.rows if row.status == "ok"]

    @property
    def default(self) -> Row | None:
        """What a user of fastconv gets who chooses no algorithm, if it was measured."""
        return next((row for row in self.measured if row.is_default), None)

    def best(self, *libraries: str) -> Row | None:
        """Return the fastest way of some libraries; of all but fastconv if none is named."""
        rows = [row for row in self.measured if (row.library in libraries if libraries else not row.ours)]
        return min(rows, key=lambda row: row.seconds, default=None)


@dataclass(frozen=True)
class Report:
    """A run.

    Attributes
    ----------
    machine : Machine
        Where, when and with what build.
    settings : Settings
        How.
    limits : list of Limits
        What the machine can do, for each number of threads.
    libraries : dict
        The version of each library that was measured; why not, of those that could not be.
    rows : list of Row
        In the order of the problems.
    complete : bool
        False after Ctrl-C.
    repeated : int
        How many rounds were measured again, since the machine was disturbed.
    seconds : float
        How long the run took.
    """

    machine: Machine
    settings: Settings
    limits: list[Limits]
    libraries: dict[str, str]
    rows: list[Row]
    complete: bool = True
    repeated: int = 0
    seconds: float = 0.0

    def cases(self, part: str = "") -> list[Case]:
        """Return the rows by problem, of one part or of all."""
        found: dict[tuple[str, str, str, int], list[Row]] = {}
        for row in self.rows:
            if part in ("", row.part):
                found.setdefault((row.part, row.name, row.problem, row.threads), []).append(row)
        return [Case(*key, rows) for key, rows in found.items()]

    @property
    def failures(self) -> list[Row]:
        """The rows whose result was refused, or that have none; not those that are only slow."""
        return [row for row in self.rows if row.status in ("differs", "error")]

    @property
    def measured_libraries(self) -> list[str]:
        """Names of the libraries that have rows, fastconv first."""
        return sorted({row.library: None for row in self.rows}, key=lambda name: name != OURS)

    def limits_with(self, threads: int) -> Limits | None:
        """Return what the machine can do with so many threads, if that was measured."""
        return next((limits for limits in self.limits if limits.threads == threads), None)

    def write(self, path: str | Path) -> None:
        """Write everything as JSON; a number that was not measured becomes null."""
        write_json(self, path)

    def write_csv(self, path: str | Path) -> None:
        """Write a line for each row, without the times of rounds; a number that was not measured is empty."""
        names = [field.name for field in dataclasses.fields(Row) if field.name != "samples"]
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(names)
            for row in self.rows:
                values = [_finite(getattr(row, name)) for name in names]
                lines.writerow(["" if value is None else value for value in values])

    @classmethod
    def read(cls, path: str | Path) -> "Report":
        """Read what `write` wrote."""
        text = Path(path).read_text(encoding="utf-8")
        try:
            data = json.loads(text)
            rows = [Row(**_measured(row)) for row in data.pop("rows")]
            machine, settings = Machine(**data.pop("machine")), Settings(**data.pop("settings"))
            limits = [Limits(**part) for part in data.pop("limits")]
            return cls(machine=machine, settings=settings, limits=limits, rows=rows, **data)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a result of `fastconv bench --json`: {error}") from error


def write_json(report: "DataclassInstance", path: str | Path) -> None:
    """Write the fields of a report; NaN, what was not measured, becomes null."""
    text = json.dumps(_finite(dataclasses.asdict(report)), indent=1, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def _measured(row: dict[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in row.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
