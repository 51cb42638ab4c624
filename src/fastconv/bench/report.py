"""What a run found, as data: rows, the machine, and both as JSON."""

import csv
import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastconv.bench.machine import Machine

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Row:
    """One kernel on one problem.

    Attributes
    ----------
    name, problem : str
        The problem's name and its problem string.
    algorithm, chosen : str
        What was asked for, and what ran: they differ for ``auto``.
    status : str
        ``"ok"``; ``"differs"`` if the result is not that of the definition, and ``"error"`` if there is none:
        then nothing was timed and `note` says why.
    difference : float
        Largest difference from the float64 result, over the largest magnitude of that result.
    seconds, gflops, gbytes : float
        Median time of a call; operations of the direct definition and bytes moved at least, per second.
    peak_share : float, optional
        Of the measured peak of multiply-adds; None where multiplying is not the work (pooling).
        Winograd's algorithm, which multiplies less than the definition, can be above 1.
    baseline, baseline_seconds : str, float
        The fastest of the NumPy baselines and its median time.
    baselines : dict
        Median time of each baseline.
    speedup, speedup_low, speedup_high : float
        Median of the ratios, baseline over kernel, taken within each round, and the bounds within which it
        lies at 95 % confidence, see `median_interval`.
    rounds : int
        How many rounds were measured.
    samples, baseline_samples : list of float
        Seconds of a call of the kernel, and of that baseline, in each round.
    """

    name: str
    problem: str
    algorithm: str
    chosen: str
    status: str = "ok"
    note: str = ""
    difference: float = math.nan
    seconds: float = math.nan
    gflops: float = math.nan
    gbytes: float = math.nan
    peak_share: float | None = None
    baseline: str = ""
    baseline_seconds: float = math.nan
    baselines: dict[str, float] = field(default_factory=dict)
    speedup: float = math.nan
    speedup_low: float = math.nan
    speedup_high: float = math.nan
    rounds: int = 0
    samples: list[float] = field(default_factory=list)
    baseline_samples: list[float] = field(default_factory=list)

    @property
    def is_default(self) -> bool:
        """Whether this is what a user gets who chooses no algorithm."""
        return self.algorithm in ("auto", "pool")


_LISTS = ("baselines", "samples", "baseline_samples")


@dataclass(frozen=True)
class Report:
    """The rows of a run, in the order of the problems; `complete` is False after Ctrl-C."""

    machine: Machine
    rows: list[Row]
    complete: bool = True
    prepared: bool = True
    seconds: float = 0.0

    @property
    def failures(self) -> list[Row]:
        """The rows that were refused."""
        return [row for row in self.rows if row.status != "ok"]

    @property
    def defaults(self) -> list[Row]:
        """The measured rows of what a user gets who chooses no algorithm: one for each problem."""
        return [row for row in self.rows if row.is_default and row.status == "ok"]

    def write(self, path: str | Path) -> None:
        """Write everything as JSON; a number that was not measured becomes null."""
        write_json(self, path)

    def write_csv(self, path: str | Path) -> None:
        """Write a line for each row, without the times of rounds; a number that was not measured is empty."""
        names = [field.name for field in dataclasses.fields(Row) if field.name not in _LISTS]
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
            return cls(machine=Machine(**data.pop("machine")), rows=rows, **data)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a result of `fastconv bench --json`: {error}") from error


def write_json(report: "DataclassInstance", path: str | Path) -> None:
    """Write the fields of a report; NaN, what was not measured, becomes null."""
    text = json.dumps(_finite(dataclasses.asdict(report)), indent=1, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def _measured(row: dict[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None and key != "peak_share" else value for key, value in row.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
